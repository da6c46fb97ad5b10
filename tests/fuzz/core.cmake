# mcvd_add_fuzz_test(NAME fuzz_x SOURCE fuzz/fuzz_x.c CORPUS fuzz/x AREAS core): the corpus and
# damaged copies of it, as an ordinary test. With clang and -DMCVD_SANITIZE=address,fuzzer-no-link
# there is also the libFuzzer program <NAME>_engine.
function(mcvd_add_fuzz_test)
    cmake_parse_arguments(F "" "NAME;SOURCE;CORPUS" "AREAS" ${ARGN})
    mcvd_add_test(NAME ${F_NAME} SOURCES ${F_SOURCE} fuzz/replay.c AREAS ${F_AREAS})
    target_compile_definitions(${F_NAME} PRIVATE
        MCVD_FUZZ_CORPUS="${PROJECT_SOURCE_DIR}/tests/${F_CORPUS}")
    if(MCVD_SANITIZE MATCHES "fuzzer-no-link")
        add_executable(${F_NAME}_engine ${F_SOURCE})
        foreach(area IN LISTS F_AREAS)
            target_link_libraries(${F_NAME}_engine PRIVATE mcvd_${area})
        endforeach()
        target_include_directories(${F_NAME}_engine PRIVATE ${PROJECT_SOURCE_DIR}/tests)
        target_link_options(${F_NAME}_engine PRIVATE -fsanitize=fuzzer)
    endif()
endfunction()

mcvd_add_fuzz_test(NAME fuzz_safetensors SOURCE fuzz/fuzz_safetensors.c CORPUS fuzz/safetensors
    AREAS core)
