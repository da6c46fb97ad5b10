# What the project promises about itself: layout, lengths, formatting, headers, installation.
# 77 says that a check has no meaning here, or lacks its tool; it then prints why.
set(checks ${CMAKE_CURRENT_SOURCE_DIR}/project)

function(mcvd_add_check name)
    add_test(NAME project_${name} COMMAND sh ${ARGN})
    set_tests_properties(project_${name} PROPERTIES
        TIMEOUT 300 LABELS project SKIP_RETURN_CODE 77)
endfunction()

foreach(check includes lengths calls)
    mcvd_add_check(${check} ${checks}/check_sources.sh ${check} ${PROJECT_SOURCE_DIR})
endforeach()
mcvd_add_check(checks_can_fail ${checks}/self_test.sh)
mcvd_add_check(format ${checks}/check_format.sh ${PROJECT_SOURCE_DIR})
mcvd_add_check(paths ${checks}/check_paths.sh ${PROJECT_SOURCE_DIR})

find_program(MCVD_CXX NAMES c++ g++ clang++)
if(NOT MCVD_CXX)
    set(MCVD_CXX "")
endif()
mcvd_add_check(headers ${checks}/check_headers.sh
    ${PROJECT_SOURCE_DIR} ${PROJECT_BINARY_DIR} ${CMAKE_C_COMPILER} ${MCVD_CXX})

mcvd_add_check(readme ${checks}/check_readme.sh
    ${PROJECT_SOURCE_DIR} ${PROJECT_BINARY_DIR} ${CMAKE_C_COMPILER})

# Instrumented libraries export the instrument's symbols and need its flags in the other program.
if(NOT MCVD_SANITIZE AND NOT MCVD_COVERAGE)
    mcvd_add_check(symbols ${checks}/check_symbols.sh
        $<TARGET_FILE:mcvd_shared> $<TARGET_SONAME_FILE_NAME:mcvd_shared>)
    mcvd_add_check(install ${checks}/check_install.sh
        ${PROJECT_BINARY_DIR} ${CMAKE_COMMAND} ${CMAKE_GENERATOR} ${CMAKE_C_COMPILER}
        ${checks}/consumer)
endif()
