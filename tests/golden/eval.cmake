set(eval_areas eval model ops graph data video core)
mcvd_add_test(NAME golden_metrics SOURCES golden/test_metrics.c AREAS ${eval_areas})
mcvd_add_test(NAME golden_eval_e2e SOURCES golden/test_eval_e2e.c
    AREAS eval rollout model ops graph data video diffusion core)
mcvd_add_test(NAME golden_features SOURCES golden/test_features.c AREAS ${eval_areas} TIMEOUT 300)
mcvd_add_test(NAME golden_lpips_ones SOURCES golden/test_lpips_ones.c AREAS ${eval_areas})
