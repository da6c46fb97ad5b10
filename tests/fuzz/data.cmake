mcvd_add_fuzz_test(NAME fuzz_idx SOURCE fuzz/fuzz_idx.c CORPUS fuzz/idx AREAS data video core)
mcvd_add_fuzz_test(NAME fuzz_records SOURCE fuzz/fuzz_records.c CORPUS fuzz/records AREAS data video core)
