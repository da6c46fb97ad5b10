mcvd_add_test(NAME golden_unet SOURCES golden/test_golden_unet.c AREAS model ops graph core)
