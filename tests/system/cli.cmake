set(bench_forward --config ${PROJECT_SOURCE_DIR}/configs/bair_big.json --mode forward --batch 1)
set(bench_train --config ${PROJECT_SOURCE_DIR}/configs/smmnist_DDPM_big5.json --mode train)

# No slow fallback inside oneDNN and no change of layout between layers.
add_test(NAME system_onednn_log_self_test
    COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/system/onednn_verbose.sh --self-test)
if(MCVD_ONEDNN)
    add_test(NAME system_onednn_log_forward
        COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/system/onednn_verbose.sh $<TARGET_FILE:mcvd>
            ${bench_forward} --threads 1)
    add_test(NAME system_onednn_log_train
        COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/system/onednn_verbose.sh $<TARGET_FILE:mcvd>
            ${bench_train} --batch 1 --threads 1)
    set_tests_properties(system_onednn_log_forward system_onednn_log_train PROPERTIES
        TIMEOUT 600 LABELS slow)
endif()

# Peak memory; sanitizers keep memory of their own.
if(NOT MCVD_SANITIZE)
    add_test(NAME system_memory_forward
        COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/system/bench_memory.sh $<TARGET_FILE:mcvd>
            weights 150 ${bench_forward})
    add_test(NAME system_memory_train
        COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/system/bench_memory.sh $<TARGET_FILE:mcvd>
            zero 1200 ${bench_train} --batch 4)
    set_tests_properties(system_memory_forward system_memory_train PROPERTIES
        TIMEOUT 600 LABELS slow)
endif()
