mcvd_add_test(NAME unit_rollout SOURCES unit/test_rollout.c
    AREAS rollout model data video ops graph diffusion core TIMEOUT 300)
mcvd_add_test(NAME unit_reuse SOURCES unit/test_reuse.c
    AREAS rollout model data video ops graph diffusion core TIMEOUT 300)
mcvd_add_test(NAME unit_guidance SOURCES unit/test_guidance.c
    AREAS rollout model data video ops graph diffusion core TIMEOUT 600)
mcvd_add_test(NAME unit_model_likelihood SOURCES unit/test_model_likelihood.c
    AREAS rollout model data video ops graph diffusion core)
