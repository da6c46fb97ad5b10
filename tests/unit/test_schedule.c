/* Schedules, noising, parameterisations. */
#include <mcvd/schedule.h>

#include <float.h>
#include <math.h>

#include <mcvd/rng.h>

#include "diffusion/parameterisation.h"
#include "support/check.h"
#include "support/failing.h"

static mcvd_schedule *make_schedule(const char *kind, int num_timesteps)
{
    mcvd_schedule_config config = mcvd_schedule_config_default();
    mcvd_schedule *sched = NULL;

    config.kind = kind;
    config.num_timesteps = num_timesteps;
    CHECK_OK(mcvd_schedule_create(&sched, &config));
    return sched;
}

static void check_refused(mcvd_schedule_config config, mcvd_status status, const char *word)
{
    mcvd_schedule *sched = (mcvd_schedule *)&config; /* must become NULL */

    CHECK_STATUS(mcvd_schedule_create(&sched, &config), status);
    CHECK_TRUE(sched == NULL);
    CHECK_MESSAGE(word);
}

static void test_bad_configurations_are_refused(void **state)
{
    (void)state;
    check_refused(
        (mcvd_schedule_config) {
            .kind = "sigmoid", .num_timesteps = 10, .beta_begin = 0.02, .beta_end = 0.0001 },
        MCVD_E_CONFIG, "sigmoid");
    check_refused(
        (mcvd_schedule_config) {
            .kind = NULL, .num_timesteps = 10, .beta_begin = 0.02, .beta_end = 0.0001 },
        MCVD_E_CONFIG, "linear");
    check_refused(
        (mcvd_schedule_config) {
            .kind = "linear", .num_timesteps = 1, .beta_begin = 0.02, .beta_end = 0.0001 },
        MCVD_E_RANGE, "2 to");
    check_refused(
        (mcvd_schedule_config) {
            .kind = "linear", .num_timesteps = 65537, .beta_begin = 0.02, .beta_end = 0.0001 },
        MCVD_E_RANGE, "65537");
    check_refused(
        (mcvd_schedule_config) {
            .kind = "linear", .num_timesteps = 10, .beta_begin = 1.0, .beta_end = 0.0001 },
        MCVD_E_RANGE, "beta_begin");
    check_refused(
        (mcvd_schedule_config) {
            .kind = "linear", .num_timesteps = 10, .beta_begin = 0.02, .beta_end = 0.0 },
        MCVD_E_RANGE, "beta_end");
    check_refused(
        (mcvd_schedule_config) {
            .kind = "linear", .num_timesteps = 10, .beta_begin = 0.02, .beta_end = NAN },
        MCVD_E_RANGE, "beta_end");
}

/* What samplers would divide by: s = 0 at the clean end, a = 0 again and again at the noisy one,
 * levels that are the same. */
static void test_levels_lost_in_rounding_are_refused(void **state)
{
    mcvd_schedule_config config = mcvd_schedule_config_default();

    (void)state;
    config.beta_end = 1e-20;
    check_refused(config, MCVD_E_RANGE, "timestep 0 is not noisier");
    config = mcvd_schedule_config_default();
    config.beta_begin = 0.95;
    check_refused(config, MCVD_E_RANGE, "is not noisier");
    config.kind = "geometric";
    config.sigma_end = 1.0;
    config.sigma_begin = nextafter(1.0, 2.0);
    check_refused(config, MCVD_E_RANGE, "geometric");
}

/* As many timesteps as there may be, and hardly any. */
static void test_longest_and_shortest_schedules(void **state)
{
    static const char *const kinds[] = { "linear", "cosine", "geometric", "flow" };

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        mcvd_schedule *sched = make_schedule(kinds[i], 65536);
        CHECK_TRUE(mcvd_schedule_level(sched, 0).s > 0.0);
        mcvd_schedule_free(&sched);
        sched = make_schedule(kinds[i], 2);
        CHECK_TRUE(mcvd_schedule_level(sched, 0).s < mcvd_schedule_level(sched, 1).s);
        mcvd_schedule_free(&sched);
    }
}

static mcvd_status create(void **object, const void *argument)
{
    return mcvd_schedule_create((mcvd_schedule **)object, argument);
}

static void destroy(void **object)
{
    mcvd_schedule_free((mcvd_schedule **)object);
}

static void test_failing_allocations(void **state)
{
    const mcvd_schedule_config config = mcvd_schedule_config_default();

    (void)state;
    CHECK_TRUE(check_failing_allocations(create, destroy, &config) >= 1);
    mcvd_schedule_free(NULL);
}

static void test_time_runs_from_clean_to_noisy(void **state)
{
    static const char *const kinds[] = { "linear", "cosine" };

    (void)state;
    for (int k = 0; k < 2; k++) {
        mcvd_schedule *sched = make_schedule(kinds[k], 1000);
        CHECK_TRUE(mcvd_schedule_alpha_cumprod_prev(sched, 0) == 1.0);
        for (int t = 0; t < 1000; t++) {
            const double ac = mcvd_schedule_alpha_cumprod(sched, t);
            const double prev = mcvd_schedule_alpha_cumprod_prev(sched, t);
            CHECK_TRUE(ac > 0.0 && ac < prev);
            CHECK_CLOSE(prev * (1.0 - mcvd_schedule_beta(sched, t)), ac, 1e-15);
            if (t > 0)
                CHECK_TRUE(prev == mcvd_schedule_alpha_cumprod(sched, t - 1));
        }
        CHECK_TRUE(mcvd_schedule_label(sched, 999.0) == 0.0);
        CHECK_TRUE(mcvd_schedule_label(sched, 0.0) == 999.0);
        CHECK_TRUE(mcvd_schedule_label(sched, 12.5) == 986.5);
        CHECK_TRUE(isnan(mcvd_schedule_alpha_cumprod(sched, -1)));
        CHECK_TRUE(isnan(mcvd_schedule_alpha_cumprod_prev(sched, 1000)));
        CHECK_TRUE(isnan(mcvd_schedule_beta(sched, 1000)));
        mcvd_schedule_free(&sched);
    }
}

enum { NUMEL = 40000, BATCH = 2 };

/* With x0 constant, x_t has mean a x0 and variance s^2; the mean of n normal numbers has standard
 * deviation s / sqrt(n), their variance s^2 sqrt(2 / n): allowed are five of them. */
static void test_noised_frames_have_the_right_moments(void **state)
{
    static float x0[BATCH * NUMEL];
    static float x_t[BATCH * NUMEL];
    const int32_t t[BATCH] = { 100, 700 };
    const mcvd_timesteps steps = { t, BATCH, NUMEL };
    mcvd_schedule *sched = make_schedule("linear", 1000);

    (void)state;
    mcvd_rng_normal(mcvd_rng_key_make(1, MCVD_RNG_TEST, 0, 0), 0, x_t, BATCH * NUMEL);
    for (size_t i = 0; i < BATCH * NUMEL; i++)
        x0[i] = 0.5f;
    CHECK_OK(mcvd_schedule_q_sample(sched, &steps, x0, x_t, x_t));
    for (size_t b = 0; b < BATCH; b++) {
        const double ac = mcvd_schedule_alpha_cumprod(sched, t[b]);
        double mean = 0.0;
        double square = 0.0;

        for (size_t i = b * NUMEL; i < (b + 1) * NUMEL; i++) {
            mean += (double)x_t[i] / NUMEL;
            square += (double)x_t[i] * (double)x_t[i] / NUMEL;
        }
        CHECK_CLOSE(mean, 0.5 * sqrt(ac), 5.0 * sqrt((1.0 - ac) / NUMEL));
        CHECK_CLOSE(square - mean * mean, 1.0 - ac, 5.0 * (1.0 - ac) * sqrt(2.0 / NUMEL));
    }
    mcvd_schedule_free(&sched);
}

static void test_timesteps_outside_are_refused(void **state)
{
    const float x0[2] = { 1.0f, 1.0f };
    const float eps[2] = { 0.0f, 0.0f };
    float x_t[2] = { 7.0f, 7.0f };
    int32_t t[2] = { 0, 10 };
    const mcvd_timesteps steps = { t, 2, 1 };
    mcvd_schedule *sched = make_schedule("linear", 10);
    const mcvdi_parameterisation *v = NULL;

    (void)state;
    CHECK_OK(mcvdi_parameterisation_find(&v, "v"));
    for (int i = 0; i < 2; i++) {
        t[1] = i ? -1 : 10;
        CHECK_STATUS(mcvd_schedule_q_sample(sched, &steps, x0, eps, x_t), MCVD_E_RANGE);
        CHECK_MESSAGE("sample 1");
        CHECK_STATUS(mcvdi_training_target(v, sched, &steps, x0, eps, x_t), MCVD_E_RANGE);
        CHECK_TRUE(x_t[0] == 7.0f && x_t[1] == 7.0f);
    }
    mcvd_schedule_free(&sched);
}

/* Target from (x0, eps), then x0 and eps back from (x_t, target). Rounding of the two products is
 * amplified by the largest coefficient, 1 / a or 1 / s. */
static void check_round_trip(const char *name, const mcvd_schedule *sched, int32_t t)
{
    const mcvdi_parameterisation *param = NULL;
    const double ac = mcvd_schedule_alpha_cumprod(sched, t);
    const double tolerance = 4.0 * FLT_EPSILON * (1.0 / sqrt(ac) + 1.0 / sqrt(1.0 - ac));
    const mcvd_timesteps steps = { &t, 1, 37 };
    float x0[37];
    float eps[37];
    float x_t[37];
    float output[37];
    float x0_pred[37];

    CHECK_OK(mcvdi_parameterisation_find(&param, name));
    mcvd_rng_uniform(mcvd_rng_key_make(2, MCVD_RNG_TEST, 0, 0), 0, x0, 37);
    mcvd_rng_uniform(mcvd_rng_key_make(2, MCVD_RNG_TEST, 0, 1), 0, eps, 37);
    CHECK_OK(mcvd_schedule_q_sample(sched, &steps, x0, eps, x_t));
    CHECK_OK(mcvdi_training_target(param, sched, &steps, x0, eps, output));
    const mcvdi_output_map map =
        mcvdi_parameterisation_at(param, (mcvd_level) { sqrt(ac), sqrt(1.0 - ac) });
    mcvdi_output_read(&map, 37, x_t, output, x0_pred, output);
    CHECK_ALL_CLOSE(x0_pred, x0, 37, tolerance);
    CHECK_ALL_CLOSE(output, eps, 37, tolerance);
}

static void test_every_parameterisation_can_be_read_back(void **state)
{
    static const char *const names[] = { "eps", "v", "x0" };
    static const int32_t timesteps[] = { 0, 1, 500, 999 };
    mcvd_schedule *sched = make_schedule("linear", 1000);

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        for (size_t j = 0; j < 4; j++)
            check_round_trip(names[i], sched, timesteps[j]);
    }
    mcvd_schedule_free(&sched);
}

/* With SNR = ac / (1 - ac), an error e of x0 at a given x_t is an error sqrt(SNR) e of eps and
 * sqrt(1 + SNR) e of v. */
static void test_errors_scale_with_the_signal_to_noise_ratio(void **state)
{
    const mcvdi_parameterisation *eps = NULL;
    const mcvdi_parameterisation *v = NULL;

    (void)state;
    CHECK_OK(mcvdi_parameterisation_find(&eps, "eps"));
    CHECK_OK(mcvdi_parameterisation_find(&v, "v"));
    for (double ac = 0.1; ac < 1.0; ac += 0.2) {
        const double snr = ac / (1.0 - ac);
        const double of_eps =
            mcvdi_parameterisation_at(eps, (mcvd_level) { sqrt(ac), sqrt(1.0 - ac) }).x0_out;
        const double of_v =
            mcvdi_parameterisation_at(v, (mcvd_level) { sqrt(ac), sqrt(1.0 - ac) }).x0_out;

        CHECK_CLOSE(1.0 / (of_eps * of_eps), snr, 1e-12 * snr);
        CHECK_CLOSE(1.0 / (of_v * of_v), 1.0 + snr, 1e-12 * (1.0 + snr));
    }
}

static void test_unknown_parameterisation(void **state)
{
    const mcvdi_parameterisation *param = (const mcvdi_parameterisation *)state;

    CHECK_STATUS(mcvdi_parameterisation_find(&param, "noise"), MCVD_E_CONFIG);
    CHECK_TRUE(param == NULL);
    CHECK_MESSAGE("score");
    CHECK_STATUS(mcvdi_parameterisation_find(&param, NULL), MCVD_E_CONFIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_configurations_are_refused),
        cmocka_unit_test(test_levels_lost_in_rounding_are_refused),
        cmocka_unit_test(test_longest_and_shortest_schedules),
        cmocka_unit_test(test_failing_allocations),
        cmocka_unit_test(test_time_runs_from_clean_to_noisy),
        cmocka_unit_test(test_noised_frames_have_the_right_moments),
        cmocka_unit_test(test_timesteps_outside_are_refused),
        cmocka_unit_test(test_every_parameterisation_can_be_read_back),
        cmocka_unit_test(test_errors_scale_with_the_signal_to_noise_ratio),
        cmocka_unit_test(test_unknown_parameterisation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
