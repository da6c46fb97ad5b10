foreach(case metrics eval)
    add_test(NAME cli_${case}
        COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/cli/run_case.sh
            $<TARGET_FILE:mcvd> ${CMAKE_CURRENT_SOURCE_DIR}/cli/${case}.case ${PROJECT_SOURCE_DIR})
    set_tests_properties(cli_${case} PROPERTIES TIMEOUT 240)
endforeach()
