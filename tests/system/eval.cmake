set(eval_areas eval model ops graph data video core)
mcvd_add_test(NAME system_metrics_ffmpeg SOURCES system/test_metrics_ffmpeg.c AREAS ${eval_areas})
set_tests_properties(system_metrics_ffmpeg PROPERTIES SKIP_RETURN_CODE 77)
mcvd_add_test(NAME system_eval_program SOURCES system/test_eval_program.c
    AREAS rollout eval model data video ops graph diffusion core TIMEOUT 300)
target_compile_definitions(system_eval_program PRIVATE
    MCVD_TEST_PROGRAM="$<TARGET_FILE:mcvd>" MCVD_TEST_SOURCE="${PROJECT_SOURCE_DIR}")
add_dependencies(system_eval_program mcvd)
# after data.cmake's miniatures
add_test(NAME system_eval_sets
    COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/system/eval_sets.sh $<TARGET_FILE:mcvd>
        ${PROJECT_SOURCE_DIR} $<TARGET_FILE:make_bair>)
set_tests_properties(system_eval_sets PROPERTIES TIMEOUT 300 SKIP_RETURN_CODE 77)
