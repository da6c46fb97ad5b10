mcvd_add_fuzz_test(NAME fuzz_y4m SOURCE fuzz/fuzz_y4m.c CORPUS fuzz/y4m AREAS video core)
