# Needs a Python with PyTorch; 77 says that there is none.
add_test(NAME parity_torch_export
    COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/parity/torch_export.sh
        $<TARGET_FILE:mcvd> ${PROJECT_SOURCE_DIR})
set_tests_properties(parity_torch_export PROPERTIES TIMEOUT 600 SKIP_RETURN_CODE 77)
add_test(NAME parity_torch_weights
    COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/parity/torch_export.sh
        $<TARGET_FILE:mcvd> ${PROJECT_SOURCE_DIR} torch_weights.py)
set_tests_properties(parity_torch_weights PROPERTIES TIMEOUT 300 SKIP_RETURN_CODE 77)
