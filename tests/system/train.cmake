mcvd_add_test(NAME system_trainer SOURCES system/test_trainer.c
    AREAS train model data video ops graph diffusion core TIMEOUT 600)
mcvd_add_test(NAME system_train_run SOURCES system/test_train_run.c
    AREAS train model data video ops graph diffusion core TIMEOUT 600)

