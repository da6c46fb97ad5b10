mcvd_add_test(NAME gradcheck_unet SOURCES gradcheck/test_unet.c AREAS model ops graph core
    TIMEOUT 600)
