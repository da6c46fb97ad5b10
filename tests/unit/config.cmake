mcvd_add_test(NAME unit_json SOURCES unit/test_json.c AREAS core)
mcvd_add_test(NAME unit_yaml SOURCES unit/test_yaml.c AREAS core)
mcvd_add_test(NAME unit_options SOURCES unit/test_options.c AREAS core)
mcvd_add_test(NAME unit_config SOURCES unit/test_config.c AREAS core)
target_compile_definitions(unit_config PRIVATE
    MCVD_TEST_CONFIGS="${PROJECT_SOURCE_DIR}/configs")
