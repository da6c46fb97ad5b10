add_test(NAME cli_metrics
    COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/cli/run_case.sh
        $<TARGET_FILE:mcvd> ${CMAKE_CURRENT_SOURCE_DIR}/cli/metrics.case ${PROJECT_SOURCE_DIR})
set_tests_properties(cli_metrics PROPERTIES TIMEOUT 120)
