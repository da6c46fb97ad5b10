set(eval_areas eval model ops graph data video core)
mcvd_add_test(NAME unit_eval_metrics SOURCES unit/test_eval_metrics.c AREAS ${eval_areas})
mcvd_add_test(NAME unit_eval_aggregate SOURCES unit/test_eval_aggregate.c AREAS ${eval_areas})
mcvd_add_test(NAME unit_eval_baselines SOURCES unit/test_eval_baselines.c AREAS ${eval_areas})
mcvd_add_test(NAME unit_eval_report SOURCES unit/test_eval_report.c AREAS ${eval_areas})
target_compile_definitions(unit_eval_report PRIVATE
    MCVD_TEST_PROTOCOLS="${PROJECT_SOURCE_DIR}/eval/protocols")
mcvd_add_test(NAME unit_set_metrics SOURCES unit/test_set_metrics.c AREAS ${eval_areas})
mcvd_add_test(NAME unit_eval_compare SOURCES unit/test_eval_compare.c AREAS ${eval_areas})
