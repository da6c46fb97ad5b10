# Miniatures of the public data sets: support/make_datasets.sh and the program that it calls.
add_executable(make_bair support/make_bair.c)
target_link_libraries(make_bair PRIVATE mcvd_settings)
set(MCVD_TEST_MAKE_DATASETS ${CMAKE_CURRENT_SOURCE_DIR}/support/make_datasets.sh)

mcvd_add_test(NAME system_data_sets SOURCES system/test_data_sets.c AREAS data video core)
add_dependencies(system_data_sets make_bair)
target_compile_definitions(system_data_sets PRIVATE
    MCVD_TEST_MAKE_DATASETS="${MCVD_TEST_MAKE_DATASETS}"
    MCVD_TEST_MAKE_BAIR="$<TARGET_FILE:make_bair>")

add_test(NAME system_data_prepare COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/system/data_prepare.sh
    $<TARGET_FILE:mcvd> ${PROJECT_SOURCE_DIR} $<TARGET_FILE:make_bair>)
set_tests_properties(system_data_prepare PROPERTIES TIMEOUT 300)

add_test(NAME system_data_fetch COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/system/data_fetch.sh
    ${PROJECT_SOURCE_DIR} $<TARGET_FILE:make_bair>)
set_tests_properties(system_data_fetch PROPERTIES SKIP_RETURN_CODE 77)
