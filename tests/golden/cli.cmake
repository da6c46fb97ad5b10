mcvd_add_test(NAME golden_forward_program SOURCES golden/test_forward_program.c AREAS core)
target_compile_definitions(golden_forward_program PRIVATE MCVD_TEST_PROGRAM="$<TARGET_FILE:mcvd>")
add_dependencies(golden_forward_program mcvd)
