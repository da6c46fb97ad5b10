# The PyTorch twin of eval/pytorch, which the speed comparison times, computes the golden numbers.
# Skipped where no Python with PyTorch is found; -DMCVD_PYTHON=FILE names another one.
find_program(MCVD_PYTHON NAMES python3 HINTS /usr/bin)
if(MCVD_PYTHON)
    add_test(NAME parity_pytorch_twin
        COMMAND ${MCVD_PYTHON} ${PROJECT_SOURCE_DIR}/eval/pytorch/check.py
            ${PROJECT_SOURCE_DIR}/tests/golden)
    set_tests_properties(parity_pytorch_twin PROPERTIES
        TIMEOUT 120 LABELS parity SKIP_RETURN_CODE 77
        ENVIRONMENT "PYTHONDONTWRITEBYTECODE=1;OMP_NUM_THREADS=1")
endif()
