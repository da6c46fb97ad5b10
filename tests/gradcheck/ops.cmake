foreach(group norm spade_norm conv matrix_ops attention simple_ops frames)
    mcvd_add_test(NAME gradcheck_${group}
        SOURCES gradcheck/test_${group}.c support/gradcheck.c AREAS ops graph core TIMEOUT 300)
endforeach()
