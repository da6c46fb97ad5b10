mcvd_add_test(NAME system_trainer SOURCES system/test_trainer.c
    AREAS train model data video ops graph diffusion core TIMEOUT 600)
mcvd_add_test(NAME system_train_run SOURCES system/test_train_run.c
    AREAS train model data video ops graph diffusion core TIMEOUT 600)
mcvd_add_test(NAME system_objectives SOURCES system/test_objectives.c
    AREAS train rollout model data video ops graph diffusion core TIMEOUT 600 LABELS slow)
mcvd_add_test(NAME system_distill SOURCES system/test_distill.c
    AREAS train model data video ops graph diffusion core TIMEOUT 600)
set_tests_properties(system_distill PROPERTIES ENVIRONMENT OMP_NUM_THREADS=1)
mcvd_add_test(NAME system_noise_in_cond SOURCES system/test_noise_in_cond.c
    AREAS train rollout model data video ops graph diffusion core TIMEOUT 600)
mcvd_add_test(NAME system_variants SOURCES system/test_variants.c
    AREAS train model data video ops graph diffusion core TIMEOUT 600)
# Tiny products by the thousand: threads would only wait for each other.
set_tests_properties(system_variants PROPERTIES ENVIRONMENT OMP_NUM_THREADS=1)

# The program itself: signals, kills, full disks, exit statuses.
foreach(part status data signals kills objectives)
    add_test(NAME system_train_${part}
        COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/system/train_${part}.sh
            $<TARGET_FILE:mcvd> ${PROJECT_SOURCE_DIR})
    set_tests_properties(system_train_${part} PROPERTIES TIMEOUT 600)
endforeach()
add_test(NAME system_distill_kills
    COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/system/distill_kills.sh
        $<TARGET_FILE:mcvd> ${PROJECT_SOURCE_DIR})
set_tests_properties(system_distill_kills PROPERTIES TIMEOUT 600)
add_test(NAME system_train_20_kills
    COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/system/train_kills.sh
        $<TARGET_FILE:mcvd> ${PROJECT_SOURCE_DIR} 20)
set_tests_properties(system_train_20_kills PROPERTIES TIMEOUT 1800 LABELS slow)
