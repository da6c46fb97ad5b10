mcvd_add_test(NAME unit_half SOURCES unit/test_half.c AREAS model ops graph core)
mcvd_add_test(NAME unit_model SOURCES unit/test_model.c AREAS model ops graph core TIMEOUT 300)
mcvd_add_test(NAME unit_noise_in_cond SOURCES unit/test_noise_in_cond.c
    AREAS model ops graph diffusion core)
