# Transcripts: what a person types and sees. One ctest per file; see run_case.sh for the format.
foreach(case usage config distill export forward import import_extractor info bench rollout)
    add_test(NAME cli_${case}
        COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/cli/run_case.sh
            $<TARGET_FILE:mcvd> ${CMAKE_CURRENT_SOURCE_DIR}/cli/${case}.case ${PROJECT_SOURCE_DIR})
    set_tests_properties(cli_${case} PROPERTIES TIMEOUT 120)
endforeach()

# Sanitizers keep memory of their own.
if(NOT MCVD_SANITIZE)
    add_test(NAME cli_memory
        COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/cli/run_case.sh
            $<TARGET_FILE:mcvd> ${CMAKE_CURRENT_SOURCE_DIR}/cli/memory.case ${PROJECT_SOURCE_DIR})
    set_tests_properties(cli_memory PROPERTIES TIMEOUT 120)
endif()

# The runner itself: a wrong transcript must fail.
add_test(NAME cli_runner_can_fail
    COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/cli/run_case.sh --self-test
        $<TARGET_FILE:mcvd> ${PROJECT_SOURCE_DIR})
