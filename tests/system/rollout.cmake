# The program on clips that the tests make, with a small model of fixed weights.
foreach(part rollout rollout_errors inpaint)
    mcvd_add_test(NAME system_${part} SOURCES system/test_${part}.c
        AREAS model video ops graph core TIMEOUT 600)
    target_compile_definitions(system_${part} PRIVATE MCVD_TEST_PROGRAM="$<TARGET_FILE:mcvd>")
    add_dependencies(system_${part} mcvd)
endforeach()

mcvd_add_test(NAME system_likelihood SOURCES system/test_likelihood.c
    AREAS model video ops graph diffusion core TIMEOUT 600)
target_compile_definitions(system_likelihood PRIVATE MCVD_TEST_PROGRAM="$<TARGET_FILE:mcvd>")
add_dependencies(system_likelihood mcvd)

# make_clip OUT FRAMES [CLIP]: digits as a video, for demo clips and trials by hand.
add_executable(make_clip support/make_clip.c)
target_link_libraries(make_clip PRIVATE mcvd_data mcvd_video mcvd_core mcvd_settings)
