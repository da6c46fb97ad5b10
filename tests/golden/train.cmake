mcvd_add_test(NAME golden_optim SOURCES golden/test_golden_optim.c AREAS train model data video ops graph diffusion core)
mcvd_add_test(NAME golden_train_toy SOURCES golden/test_golden_train_toy.c AREAS train model data video ops graph diffusion core)
