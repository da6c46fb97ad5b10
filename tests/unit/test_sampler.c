/* Samplers on data whose best denoiser is known: independent normal values N(mu, tau^2). */
#include <mcvd/sampler.h>

#include <float.h>
#include <stdlib.h>

#include "core/alloc.h"
#include "support/check.h"
#include "support/failing.h"

static const double mu = 0.3;
static const double tau = 0.5;

typedef struct fixture {
    mcvd_schedule *sched;
    mcvd_sampler *sampler;
    mcvd_sampler_config config;
    mcvd_sampler_job job;
} fixture;

/* E[x0 | x] = mu + a tau^2 (x - a mu) / (a^2 tau^2 + s^2), told as the prediction asks. */
static mcvd_status gaussian(void *user, const float *x_t, const double *t, size_t batch, float *out)
{
    const fixture *f = user;
    const char prediction = f->config.prediction[0];

    for (size_t i = 0; i < batch * f->config.numel; i++) {
        const int timestep = (int)t[i / f->config.numel];
        const double ac = mcvd_schedule_alpha_cumprod(f->sched, timestep);
        const double a = sqrt(ac);
        const double s = sqrt(1.0 - ac);
        const double x = (double)x_t[i];
        const double total = ac * tau * tau + s * s;
        const double x0 = mu + a * tau * tau * (x - a * mu) / total;
        const double eps = s * (x - a * mu) / total;

        out[i] = (float)(prediction == 'e' ? eps : prediction == 'v' ? a * eps - s * x0 : x0);
    }
    return MCVD_OK;
}

/* Configure before, then begin; the denoiser and the noise may be exchanged after it. */
static fixture fixture_make(const char *name, int num_steps, size_t numel)
{
    fixture f = { .config = mcvd_sampler_config_default() };
    mcvd_schedule_config config = mcvd_schedule_config_default();

    CHECK_OK(mcvd_schedule_create(&f.sched, &config));
    f.config.name = name;
    f.config.num_steps = num_steps;
    f.config.max_batch = 1;
    f.config.numel = numel;
    f.config.clip = false;
    f.config.denoise = false;
    return f;
}

static void fixture_begin(fixture *f)
{
    CHECK_OK(mcvd_sampler_create(&f->sampler, &f->config, f->sched));
    f->job = (mcvd_sampler_job) { .batch = f->config.max_batch,
                                  .denoiser = gaussian,
                                  .denoiser_user = f };
}

static void fixture_end(fixture *f)
{
    mcvd_sampler_free(&f->sampler);
    mcvd_schedule_free(&f->sched);
}

/* ---- Mean and variance --------------------------------------------------------------------- */

/* Draw k is 1 at value k + 2 and 0 elsewhere: the response to every draw in one run. */
static mcvd_status impulse(void *user, size_t draw_index, float *out, size_t batch, size_t numel)
{
    (void)user;
    CHECK_EQ(batch, 1);
    CHECK_TRUE(draw_index + 2 < numel);
    memset(out, 0, numel * sizeof *out);
    out[draw_index + 2] = 1.0f;
    return MCVD_OK;
}

typedef struct moments {
    double mean;
    double variance;
} moments;

/* The sampler is affine in its start and in every draw when the denoiser is, so the mean of the
 * result is the answer to the mean, without noise, and the variance the sum of squared responses:
 * exact. The start is what noising the data gives: mean a mu, variance a^2 tau^2 + s^2. */
static moments sampler_moments(const char *name, double eta, int num_steps)
{
    const size_t numel = (size_t)num_steps + 1;
    fixture f = fixture_make(name, num_steps, numel);
    float *x = calloc(numel, sizeof *x);
    moments result = { 0.0, 0.0 };

    CHECK_TRUE(x != NULL);
    f.config.eta = eta;
    fixture_begin(&f);
    f.job.noise = impulse;
    const double ac = mcvd_schedule_alpha_cumprod(f.sched, 999);
    for (size_t i = 0; i < numel; i++)
        x[i] = (float)(sqrt(ac) * mu);
    x[1] += (float)sqrt(ac * tau * tau + 1.0 - ac);
    CHECK_EQ(mcvd_sampler_num_steps(f.sampler), num_steps);
    CHECK_OK(mcvd_sampler_run(f.sampler, &f.job, x));
    result.mean = (double)x[0];
    for (size_t i = 1; i < numel; i++) {
        const double response = (double)x[i] - result.mean;
        result.variance += response * response;
    }
    free(x);
    fixture_end(&f);
    return result;
}

/* All samplers here are first-order in the step: halving the step halves the error, so the error
 * at 1000 steps is about the difference between 500 and 1000. Half as much again is allowed, and
 * 1e-5 for rounding. */
static void check_recovers_the_data(const char *name, double eta)
{
    const moments coarse = sampler_moments(name, eta, 500);
    const moments fine = sampler_moments(name, eta, 1000);
    const double of_mean = 1.5 * fabs(fine.mean - coarse.mean) + 1e-5;
    const double of_variance = 1.5 * fabs(fine.variance - coarse.variance) + 1e-5;

    CHECK_TRUE(of_mean < 0.02 && of_variance < 0.02);
    CHECK_CLOSE(fine.mean, mu, of_mean);
    CHECK_CLOSE(fine.variance, tau * tau, of_variance);
}

static void test_samplers_recover_mean_and_variance(void **state)
{
    (void)state;
    check_recovers_the_data("ddim", 0.0);
    check_recovers_the_data("ddim", 0.5);
    check_recovers_the_data("ddim", 1.0);
    check_recovers_the_data("ddpm", 0.0);
}

/* ---- Relations between samplers ------------------------------------------------------------ */

enum { NUMEL = 24 };

static void sample(fixture *f, float x[NUMEL])
{
    mcvd_noise_philox noise = { .seed = 5 };

    mcvd_noise_philox_start(&noise, x, 1, NUMEL);
    f->job.noise = mcvd_noise_philox_draw;
    f->job.noise_user = &noise;
    CHECK_OK(mcvd_sampler_run(f->sampler, &f->job, x));
}

/* Each step adds a few roundings of values below 4; later steps shrink what came before. */
static const double step_tolerance = 50 * 4 * 4 * (double)FLT_EPSILON;

static void test_ddim_with_eta_1_is_ddpm(void **state)
{
    fixture ddpm = fixture_make("ddpm", 50, NUMEL);
    fixture ddim = fixture_make("ddim", 50, NUMEL);
    float a[NUMEL];
    float b[NUMEL];

    (void)state;
    ddim.config.eta = 1.0;
    fixture_begin(&ddpm);
    fixture_begin(&ddim);
    sample(&ddpm, a);
    sample(&ddim, b);
    CHECK_ALL_CLOSE(a, b, NUMEL, step_tolerance);
    fixture_end(&ddpm);
    fixture_end(&ddim);
}

static void test_prediction_does_not_change_the_sample(void **state)
{
    static const char *const predictions[] = { "eps", "v", "x0" };
    float x[3][NUMEL];

    (void)state;
    for (int i = 0; i < 3; i++) {
        fixture f = fixture_make("ddpm", 50, NUMEL);
        f.config.prediction = predictions[i];
        f.config.denoise = true;
        fixture_begin(&f);
        sample(&f, x[i]);
        fixture_end(&f);
    }
    CHECK_ALL_CLOSE(x[1], x[0], NUMEL, step_tolerance);
    CHECK_ALL_CLOSE(x[2], x[0], NUMEL, step_tolerance);
}

/* ---- Steps and options --------------------------------------------------------------------- */

static void check_plan(const fixture *f, int num_steps, double first_t, double last_call_t)
{
    mcvd_sampler *s = NULL;

    CHECK_OK(mcvd_sampler_create(&s, &f->config, f->sched));
    const int num_calls = mcvd_sampler_num_calls(s);
    CHECK_EQ(mcvd_sampler_num_steps(s), num_steps);
    CHECK_EQ(num_calls, num_steps + f->config.denoise);
    CHECK_TRUE(mcvd_sampler_timestep(s, 0) == first_t);
    CHECK_TRUE(mcvd_sampler_timestep(s, num_calls - 1) == last_call_t);
    CHECK_TRUE(isnan(mcvd_sampler_timestep(s, num_calls)));
    CHECK_TRUE(isnan(mcvd_sampler_timestep(s, -1)));
    mcvd_sampler_free(&s);
}

static void test_plan_of_steps(void **state)
{
    fixture f = fixture_make("ddpm", 10, 1);

    (void)state;
    check_plan(&f, 10, 999.0, 99.0);
    f.config.denoise = true;
    check_plan(&f, 10, 999.0, 99.0);
    f.config.denoise_label = MCVD_DENOISE_COUNT_LABEL;
    check_plan(&f, 10, 999.0, 990.0);
    f.config.num_steps = 300; /* every third label: more than asked for */
    check_plan(&f, 334, 999.0, 666.0);
    f.config.denoise = false;
    f.config.num_steps = 0;
    check_plan(&f, 1000, 999.0, 0.0);
    f.config.num_steps = 1000;
    check_plan(&f, 1000, 999.0, 0.0);
    f.config.num_steps = 10;
    f.config.t_min = 0.5;
    check_plan(&f, 5, 499.0, 99.0);
    f.config.t_min_of_steps = true; /* labels below 5: only 0 */
    check_plan(&f, 9, 899.0, 99.0);
    f.config.t_min = -1.0;
    f.config.frac_steps = 0.3;
    check_plan(&f, 3, 299.0, 99.0);
    f.config.frac_steps = 1e-9;
    check_plan(&f, 1, 99.0, 99.0);
    fixture_end(&f);
}

static mcvd_status answer_zero(void *user, const float *x_t, const double *t, size_t batch,
                               float *out)
{
    const fixture *f = user;

    (void)x_t;
    (void)t;
    memset(out, 0, batch * f->config.numel * sizeof *out);
    return MCVD_OK;
}

static int keep_first_state(void *user, int call, int num_calls, const float *x)
{
    (void)num_calls;
    if (call == 0)
        *(float *)user = x[0];
    return 0;
}

/* A network that sees no noise at the noisiest level: x0 = x / a is far above 1 and is clipped. */
static void test_eps_can_follow_the_clipped_frames(void **state)
{
    for (int recompute = 0; recompute < 2; recompute++) {
        fixture f = fixture_make("ddim", 2, 1);
        const double ac = mcvd_schedule_alpha_cumprod(f.sched, 999);
        const double next = mcvd_schedule_alpha_cumprod(f.sched, 499);
        const double eps = recompute ? (1.0 - sqrt(ac)) / sqrt(1.0 - ac) : 0.0;
        float x = 1.0f;
        float after_first = 0.0f;

        (void)state;
        f.config.clip = true;
        f.config.recompute_eps_after_clip = recompute;
        fixture_begin(&f);
        f.job.denoiser = answer_zero;
        f.job.progress = keep_first_state;
        f.job.progress_user = &after_first;
        CHECK_OK(mcvd_sampler_run(f.sampler, &f.job, &x));
        CHECK_CLOSE(after_first, sqrt(next) + sqrt(1.0 - next) * eps, 4.0 * FLT_EPSILON);
        CHECK_TRUE(x >= -1.0f && x <= 1.0f);
        fixture_end(&f);
    }
}

/* ---- Noise --------------------------------------------------------------------------------- */

static void test_noise_does_not_depend_on_the_batch(void **state)
{
    enum { SAMPLES = 5, VALUES = 7, ALL = SAMPLES * VALUES };
    mcvd_noise_philox together = { 11, 20, 3, 0.0 };
    float all[2][ALL];
    float one[2][VALUES];

    (void)state;
    mcvd_noise_philox_start(&together, all[0], SAMPLES, VALUES);
    CHECK_OK(mcvd_noise_philox_draw(&together, 4, all[1], SAMPLES, VALUES));
    for (size_t b = 0; b < SAMPLES; b++) {
        mcvd_noise_philox alone = { 11, 20 + b, 3, 0.0 };
        mcvd_noise_philox_start(&alone, one[0], 1, VALUES);
        CHECK_OK(mcvd_noise_philox_draw(&alone, 4, one[1], 1, VALUES));
        assert_memory_equal(one[0], all[0] + b * VALUES, sizeof one[0]);
        assert_memory_equal(one[1], all[1] + b * VALUES, sizeof one[1]);
    }
}

static void test_every_draw_is_its_own(void **state)
{
    mcvd_noise_philox noise[] = {
        { 11, 20, 3, 0.0 }, { 12, 20, 3, 0.0 }, { 11, 21, 3, 0.0 }, { 11, 20, 4, 0.0 }
    };
    float x[9];

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        mcvd_noise_philox_start(&noise[i], x + 2 * i, 1, 1);
        CHECK_OK(mcvd_noise_philox_draw(&noise[i], 0, x + 2 * i + 1, 1, 1));
    }
    CHECK_OK(mcvd_noise_philox_draw(&noise[0], 1, x + 8, 1, 1));
    for (size_t i = 0; i < 9; i++) {
        for (size_t j = 0; j < i; j++)
            CHECK_TRUE(x[i] != x[j]);
    }
    CHECK_STATUS(mcvd_noise_philox_draw(&noise[0], 65536, x, 1, 1), MCVD_E_RANGE);
}

/* ---- Failures ------------------------------------------------------------------------------ */

static void check_refused(const fixture *f, mcvd_status status, const char *word)
{
    mcvd_sampler *s = (mcvd_sampler *)f->sched; /* must become NULL */

    CHECK_STATUS(mcvd_sampler_create(&s, &f->config, f->sched), status);
    CHECK_TRUE(s == NULL);
    CHECK_MESSAGE(word);
}

#define CHECK_REFUSED(field, value, status, word)      \
    do {                                               \
        fixture refused = fixture_make("ddpm", 10, 1); \
        refused.config.field = value;                  \
        check_refused(&refused, status, word);         \
        fixture_end(&refused);                         \
    } while (0)

static void test_bad_configurations_are_refused(void **state)
{
    (void)state;
    CHECK_REFUSED(name, "rk45", MCVD_E_CONFIG, "rk45");
    CHECK_REFUSED(name, NULL, MCVD_E_CONFIG, "ddpm");
    fixture euler = fixture_make("euler", 10, 1);
    euler.config.just_beta = true;
    check_refused(&euler, MCVD_E_CONFIG, "variance");
    fixture_end(&euler);
    CHECK_REFUSED(prediction, "noise", MCVD_E_CONFIG, "noise");
    CHECK_REFUSED(denoise_label, (mcvd_denoise_label)7, MCVD_E_CONFIG, "denoise_label");
    CHECK_REFUSED(max_batch, 0, MCVD_E_RANGE, "0 samples");
    CHECK_REFUSED(max_batch, SIZE_MAX / 2, MCVD_E_RANGE, "too large");
    CHECK_REFUSED(numel, 0, MCVD_E_RANGE, "0 values");
    CHECK_REFUSED(num_steps, -1, MCVD_E_RANGE, "num_steps");
    CHECK_REFUSED(num_steps, 1001, MCVD_E_RANGE, "1000 timesteps");
    CHECK_REFUSED(eta, 1.5, MCVD_E_RANGE, "eta");
    CHECK_REFUSED(eta, 0.5, MCVD_E_CONFIG, "ddim does");
    CHECK_REFUSED(eta, NAN, MCVD_E_RANGE, "eta");
    CHECK_REFUSED(frac_steps, 0.0, MCVD_E_RANGE, "frac_steps");
    CHECK_REFUSED(t_min, 1.0, MCVD_E_RANGE, "t_min");
    CHECK_REFUSED(t_min, 0.95, MCVD_E_RANGE, "leaves none");
}

static mcvd_status create(void **object, const void *argument)
{
    const fixture *f = argument;

    return mcvd_sampler_create((mcvd_sampler **)object, &f->config, f->sched);
}

static void destroy(void **object)
{
    mcvd_sampler_free((mcvd_sampler **)object);
}

static void test_failing_allocations(void **state)
{
    fixture f = fixture_make("ddpm", 10, 5);

    (void)state;
    CHECK_TRUE(check_failing_allocations(create, destroy, &f) >= 1);
    mcvd_sampler_free(NULL);
    fixture_end(&f);
}

static void test_a_run_allocates_nothing(void **state)
{
    fixture f = fixture_make("ddpm", 10, NUMEL);
    float x[NUMEL];

    (void)state;
    fixture_begin(&f);
    const uint64_t calls = mcvdi_alloc_stats_get().calls;
    sample(&f, x);
    CHECK_EQ(mcvdi_alloc_stats_get().calls, calls);
    fixture_end(&f);
}

static mcvd_status answer_nan(void *user, const float *x_t, const double *t, size_t batch,
                              float *out)
{
    const mcvd_status st = answer_zero(user, x_t, t, batch, out);

    if (t[0] < 500.0)
        out[NUMEL - 1] = NAN;
    return st;
}

static mcvd_status answer_failure(void *user, const float *x_t, const double *t, size_t batch,
                                  float *out)
{
    (void)user;
    (void)x_t;
    (void)t;
    (void)batch;
    (void)out;
    return MCVD_E_MODEL;
}

static mcvd_status noise_failure(void *user, size_t draw_index, float *out, size_t batch,
                                 size_t numel)
{
    (void)user;
    (void)draw_index;
    (void)out;
    (void)batch;
    (void)numel;
    return MCVD_E_IO;
}

static int stop_at_3(void *user, int call, int num_calls, const float *x)
{
    (void)x;
    CHECK_EQ(num_calls, 10);
    *(int *)user = call;
    return call == 3;
}

static void test_failures_end_a_run(void **state)
{
    fixture f = fixture_make("ddpm", 10, NUMEL);
    float x[NUMEL] = { 0 };
    int last_call = -1;

    (void)state;
    fixture_begin(&f);
    CHECK_STATUS(mcvd_sampler_run(f.sampler, &f.job, x), MCVD_E_STATE);
    f.job.noise = noise_failure;
    CHECK_STATUS(mcvd_sampler_run(f.sampler, &f.job, x), MCVD_E_IO);
    mcvd_noise_philox noise = { .seed = 1 };
    f.job.noise = mcvd_noise_philox_draw;
    f.job.noise_user = &noise;
    f.job.progress = stop_at_3;
    f.job.progress_user = &last_call;
    CHECK_STATUS(mcvd_sampler_run(f.sampler, &f.job, x), MCVD_E_INTERRUPTED);
    CHECK_EQ(last_call, 3);
    f.job.progress = NULL;
    f.job.denoiser = answer_nan;
    CHECK_STATUS(mcvd_sampler_run(f.sampler, &f.job, x), MCVD_E_NONFINITE);
    CHECK_MESSAGE("timestep 499");
    f.job.denoiser = answer_failure;
    CHECK_STATUS(mcvd_sampler_run(f.sampler, &f.job, x), MCVD_E_MODEL);
    f.job.batch = 2;
    CHECK_STATUS(mcvd_sampler_run(f.sampler, &f.job, x), MCVD_E_RANGE);
    f.job.batch = 0;
    CHECK_STATUS(mcvd_sampler_run(f.sampler, &f.job, x), MCVD_E_RANGE);
    fixture_end(&f);
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(mcvd_sampler_name(0), "ddpm");
    assert_string_equal(mcvd_sampler_name(1), "ddim");
    for (size_t i = 0; mcvd_sampler_name(i); i++)
        CHECK_TRUE(strlen(mcvd_sampler_help(i)) > 0);
    CHECK_TRUE(mcvd_sampler_help(1000) == NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_samplers_recover_mean_and_variance),
        cmocka_unit_test(test_ddim_with_eta_1_is_ddpm),
        cmocka_unit_test(test_prediction_does_not_change_the_sample),
        cmocka_unit_test(test_plan_of_steps),
        cmocka_unit_test(test_eps_can_follow_the_clipped_frames),
        cmocka_unit_test(test_noise_does_not_depend_on_the_batch),
        cmocka_unit_test(test_every_draw_is_its_own),
        cmocka_unit_test(test_bad_configurations_are_refused),
        cmocka_unit_test(test_failing_allocations),
        cmocka_unit_test(test_a_run_allocates_nothing),
        cmocka_unit_test(test_failures_end_a_run),
        cmocka_unit_test(test_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
