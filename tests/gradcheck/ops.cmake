foreach(group norm conv matrix_ops attention simple_ops)
    mcvd_add_test(NAME gradcheck_${group}
        SOURCES gradcheck/test_${group}.c support/gradcheck.c AREAS ops graph core TIMEOUT 300)
endforeach()
