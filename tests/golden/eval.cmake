mcvd_add_test(NAME golden_metrics SOURCES golden/test_metrics.c AREAS eval video core)
