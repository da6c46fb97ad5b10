mcvd_add_test(NAME unit_optim SOURCES unit/test_optim.c
    AREAS train model data video ops graph diffusion core)
mcvd_add_test(NAME unit_footprint SOURCES unit/test_footprint.c
    AREAS train model data video ops graph diffusion core)
mcvd_add_test(NAME unit_distill SOURCES unit/test_distill.c
    AREAS train model data video ops graph diffusion core)
mcvd_add_test(NAME unit_actions SOURCES unit/test_actions.c
    AREAS train rollout model data video ops graph diffusion core)
# Thousands of tiny layers: threads only make each other wait here.
set_tests_properties(unit_actions PROPERTIES ENVIRONMENT OMP_NUM_THREADS=1)
