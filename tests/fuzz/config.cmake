mcvd_add_test(NAME fuzz_config SOURCES fuzz/fuzz_config.c AREAS core LABELS fuzz)
target_compile_definitions(fuzz_config PRIVATE
    MCVD_TEST_CORPUS="${CMAKE_CURRENT_SOURCE_DIR}/fuzz/corpus")
mcvd_add_fuzz_engine(NAME fuzz_config SOURCE fuzz/fuzz_config.c AREAS core)
mcvd_add_fuzz_test(NAME fuzz_yaml SOURCE fuzz/fuzz_yaml.c CORPUS fuzz/yaml AREAS core)
