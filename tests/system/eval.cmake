mcvd_add_test(NAME system_metrics_ffmpeg SOURCES system/test_metrics_ffmpeg.c AREAS eval video core)
set_tests_properties(system_metrics_ffmpeg PROPERTIES SKIP_RETURN_CODE 77)
