/* Schedules against the reference's single-precision arrays, which run from noisy to clean. */
#include <mcvd/sampler.h>

#include <float.h>
#include <stdlib.h>

#include "support/pipeline.h"

/* The reference's products carry up to this relative error (measured 3.5e-7 over 1000 factors);
 * 1 - ac / ac' inherits it as an absolute error from both. */
static const double product_error = 5e-7;

/* Largest relative difference allowed at a label: in the first ten of a cosine schedule the
 * rounding of the angle is amplified. */
static double tolerance(const char *kind, int label)
{
    return strcmp(kind, "cosine") == 0 && label < 10 ? 1e-4 : 1e-5;
}

static void check_arrays(const char *name, const char *kind, int num_timesteps)
{
    mcvd_safetensors *file = pipeline_open("schedules", name);
    mcvd_schedule *sched = golden_schedule(kind, num_timesteps);
    const float *alphas = pipeline_f32(file, NULL, "alphas");
    const float *alphas_prev = pipeline_f32(file, NULL, "alphas_prev");
    const float *betas = pipeline_f32(file, NULL, "betas");
    const bool is_cosine = strcmp(kind, "cosine") == 0;

    CHECK_EQ(mcvd_schedule_num_timesteps(sched), num_timesteps);
    for (int t = 0; t < num_timesteps; t++) {
        const int label = (int)mcvd_schedule_label(sched, t);
        const double tol = tolerance(kind, label);
        const double of_beta = (double)betas[label] * tol + (is_cosine ? 2 * product_error : 0.0);

        CHECK_EQ(label, num_timesteps - 1 - t);
        CHECK_CLOSE(mcvd_schedule_alpha_cumprod(sched, t), alphas[label],
                    (double)alphas[label] * tol);
        CHECK_CLOSE(mcvd_schedule_alpha_cumprod_prev(sched, t), alphas_prev[label],
                    (double)alphas_prev[label] * tol);
        CHECK_CLOSE(mcvd_schedule_beta(sched, t), betas[label], of_beta);
    }
    mcvd_schedule_free(&sched);
    mcvd_safetensors_close(&file);
}

static void test_arrays(void **state)
{
    (void)state;
    check_arrays("linear_T100", "linear", 100);
    check_arrays("linear_T1000", "linear", 1000);
    check_arrays("cosine_T100", "cosine", 100);
    check_arrays("cosine_T1000", "cosine", 1000);
}

/* "<kind>_T<T>_sub<S>": the labels of the steps, their number, and ac at each of them. */
static void check_subsampled(const mcvd_safetensors *file, const char *kind, int num_timesteps,
                             int num_steps)
{
    char group[64];
    mcvd_schedule *sched = golden_schedule(kind, num_timesteps);
    mcvd_sampler_config config = mcvd_sampler_config_default();
    mcvd_sampler *sampler = NULL;

    snprintf(group, sizeof group, "%s_T%d_sub%d", kind, num_timesteps, num_steps);
    const mcvd_tensor labels = pipeline_tensor(file, group, "steps", MCVD_I64);
    const float *alphas = pipeline_f32(file, group, "alphas");
    config.max_batch = 1;
    config.numel = 1;
    config.num_steps = num_steps;
    CHECK_OK(mcvd_sampler_create(&sampler, &config, sched));

    CHECK_EQ(mcvd_sampler_num_steps(sampler), labels.shape[0]);
    CHECK_EQ(mcvd_sampler_num_calls(sampler), labels.shape[0] + 1);
    for (int i = 0; i < mcvd_sampler_num_steps(sampler); i++) {
        const double t = mcvd_sampler_timestep(sampler, i);
        const int label = (int)((const int64_t *)labels.data)[i];

        CHECK_EQ(mcvd_schedule_label(sched, t), label);
        CHECK_CLOSE(mcvd_schedule_alpha_cumprod(sched, (int)t), alphas[i],
                    (double)alphas[i] * tolerance(kind, label));
    }
    mcvd_sampler_free(&sampler);
    mcvd_schedule_free(&sched);
}

static void test_subsampling(void **state)
{
    static const int of_1000[] = { 5, 7, 10, 30, 50, 100, 250, 300, 999, 1000 };
    static const int of_100[] = { 3, 10, 33, 100 };
    mcvd_safetensors *file = pipeline_open("schedules", "subsampled");

    (void)state;
    for (int k = 0; k < 2; k++) {
        const char *kind = k ? "cosine" : "linear";
        for (size_t i = 0; i < sizeof of_1000 / sizeof of_1000[0]; i++)
            check_subsampled(file, kind, 1000, of_1000[i]);
        for (size_t i = 0; i < sizeof of_100 / sizeof of_100[0]; i++)
            check_subsampled(file, kind, 100, of_100[i]);
    }
    mcvd_safetensors_close(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arrays),
        cmocka_unit_test(test_subsampling),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
