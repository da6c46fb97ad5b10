mcvd_add_test(NAME golden_data SOURCES golden/test_data.c AREAS data video core)
