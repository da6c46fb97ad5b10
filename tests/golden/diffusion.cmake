mcvd_add_test(NAME golden_schedule SOURCES golden/test_golden_schedule.c AREAS diffusion core)
mcvd_add_test(NAME golden_sampler SOURCES golden/test_golden_sampler.c AREAS diffusion core)
mcvd_add_test(NAME golden_loss SOURCES golden/test_golden_loss.c AREAS diffusion core)
mcvd_add_test(NAME golden_beyond SOURCES golden/test_golden_beyond.c AREAS diffusion core)
