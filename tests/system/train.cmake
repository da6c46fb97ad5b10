mcvd_add_test(NAME system_trainer SOURCES system/test_trainer.c
    AREAS train model data video ops graph diffusion core TIMEOUT 600)
