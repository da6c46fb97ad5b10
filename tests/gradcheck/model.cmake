mcvd_add_test(NAME gradcheck_unet SOURCES gradcheck/test_unet.c AREAS model ops graph core
    TIMEOUT 600)
# Hundreds of thousands of tiny products: threads only make each other wait here, and the operators'
# own gradient checks run with all of them.
set_tests_properties(gradcheck_unet PROPERTIES ENVIRONMENT OMP_NUM_THREADS=1)
