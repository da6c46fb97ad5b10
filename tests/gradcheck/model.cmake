mcvd_add_test(NAME gradcheck_unet SOURCES gradcheck/test_unet.c AREAS model ops graph core
    TIMEOUT 600)
# Hundreds of thousands of tiny products: threads only make each other wait here, and the operators'
# own gradient checks run with all of them.
set_tests_properties(gradcheck_unet PROPERTIES ENVIRONMENT OMP_NUM_THREADS=1)
# Two minutes under sanitizers, of code that golden_unet runs under them as well: nightly there.
if(MCVD_SANITIZE)
    set_tests_properties(gradcheck_unet PROPERTIES LABELS slow)
endif()
mcvd_add_test(NAME gradcheck_network_vjp SOURCES gradcheck/test_network_vjp.c
    AREAS model ops graph core TIMEOUT 600)
set_tests_properties(gradcheck_network_vjp PROPERTIES ENVIRONMENT OMP_NUM_THREADS=1)
