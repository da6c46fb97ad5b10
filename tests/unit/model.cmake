mcvd_add_test(NAME unit_half SOURCES unit/test_half.c AREAS model ops graph core)
mcvd_add_test(NAME unit_model SOURCES unit/test_model.c AREAS model ops graph core TIMEOUT 300)
mcvd_add_test(NAME unit_noise_in_cond SOURCES unit/test_noise_in_cond.c
    AREAS model ops graph diffusion core)
mcvd_add_test(NAME unit_configs SOURCES unit/test_configs.c AREAS model ops graph core)
target_compile_definitions(unit_configs PRIVATE
    MCVD_TEST_CONFIGS="${PROJECT_SOURCE_DIR}/configs")
mcvd_add_test(NAME unit_pickle SOURCES unit/test_pickle.c AREAS model ops graph core)
mcvd_add_test(NAME unit_torch_checkpoint SOURCES unit/test_torch_checkpoint.c
    AREAS model ops graph core)
mcvd_add_test(NAME unit_torch_export SOURCES unit/test_torch_export.c AREAS model ops graph core)
mcvd_add_test(NAME unit_import SOURCES unit/test_import.c AREAS model ops graph core)
mcvd_add_test(NAME unit_torch_weights SOURCES unit/test_torch_weights.c AREAS model ops graph core)
mcvd_add_test(NAME unit_import_extractor SOURCES unit/test_import_extractor.c
    AREAS model ops graph core)
