mcvd_add_test(NAME unit_schedule SOURCES unit/test_schedule.c AREAS diffusion core)
mcvd_add_test(NAME unit_loss SOURCES unit/test_loss.c AREAS diffusion core)
mcvd_add_test(NAME unit_sampler SOURCES unit/test_sampler.c AREAS diffusion core)
mcvd_add_test(NAME unit_sampler_order SOURCES unit/test_sampler_order.c AREAS diffusion core)
