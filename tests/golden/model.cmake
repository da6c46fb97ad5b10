mcvd_add_test(NAME golden_unet SOURCES golden/test_golden_unet.c AREAS model ops graph core)
mcvd_add_test(NAME golden_feature_nets SOURCES golden/test_feature_nets.c
    AREAS model ops graph core TIMEOUT 300)
