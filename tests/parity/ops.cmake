mcvd_add_test(NAME parity_kernels SOURCES parity/test_kernels.c AREAS ops graph core)
mcvd_add_test(NAME parity_conv SOURCES parity/test_conv.c AREAS ops graph core)
