mcvd_add_fuzz_test(NAME fuzz_pickle SOURCE fuzz/fuzz_pickle.c CORPUS fuzz/pickle
    AREAS model ops graph core)
mcvd_add_fuzz_test(NAME fuzz_torch SOURCE fuzz/fuzz_torch.c CORPUS fuzz/torch
    AREAS model ops graph core)
