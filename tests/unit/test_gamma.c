/* Gamma noise: moments, known quantiles, independence of the way it is drawn, its shapes. */
#include "diffusion/gamma.h"

#include <stdlib.h>

#include <mcvd/sampler.h>

#include "support/pipeline.h"

enum { NUM_DRAWS = 400000 };

static float z[NUM_DRAWS];

static mcvd_rng_key key_of(uint64_t sample)
{
    return mcvd_rng_key_make(5, MCVD_RNG_TEST, 1, sample);
}

/* With n draws the mean of z^k has the variance (E z^2k - (E z^k)^2) / n; five deviations. The
 * moments of (g - k) / sqrt(k): E z^3 = 2 / sqrt(k), E z^4 = 3 + 6 / k, E z^6 = 15 + 130 / k +
 * 120 / k^2. */
static void check_moments(double k)
{
    const double skewness = 2.0 / sqrt(k);
    const double fourth = 3.0 + 6.0 / k;
    const double sixth = 15.0 + 130.0 / k + 120.0 / (k * k);
    const double five = 5.0 / sqrt((double)NUM_DRAWS);
    double m1 = 0.0;
    double m2 = 0.0;
    double m3 = 0.0;

    mcvdi_gamma_noise(key_of((uint64_t)k), k, z, NUM_DRAWS);
    for (size_t i = 0; i < NUM_DRAWS; i++) {
        const double x = (double)z[i];
        m1 += x / NUM_DRAWS;
        m2 += x * x / NUM_DRAWS;
        m3 += x * x * x / NUM_DRAWS;
        CHECK_TRUE(x >= -sqrt(k) * (1.0 + 1e-6)); /* a gamma variable is not negative */
    }
    CHECK_CLOSE(m1, 0.0, five);
    CHECK_CLOSE(m2, 1.0, five * sqrt(fourth - 1.0));
    CHECK_CLOSE(m3, skewness, five * sqrt(sixth - skewness * skewness));
}

static void test_moments(void **state)
{
    static const double shapes[] = { 0.3, 0.5, 1.0, 2.5, 10.0, 41.2, 100.0, 1e4, 1e8, 2.5e10 };

    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        check_moments(shapes[i]);
}

/* Share of draws below a quantile; five deviations of a binomial count. */
static void check_quantile(double shape, double g, double share)
{
    const double tolerance = 5.0 * sqrt(share * (1.0 - share) / NUM_DRAWS);
    double below = 0.0;

    mcvdi_gamma_noise(key_of(77), shape, z, NUM_DRAWS);
    for (size_t i = 0; i < NUM_DRAWS; i++)
        below += shape + sqrt(shape) * (double)z[i] < g;
    CHECK_CLOSE(below / NUM_DRAWS, share, tolerance);
}

/* Gamma(1/2): g < q^2 / 2 where a normal number is between -q and q. Gamma(1): 1 - exp(-g).
 * Gamma(2): 1 - (1 + g) exp(-g). */
static void test_quantiles(void **state)
{
    (void)state;
    for (double q = 0.05; q < 2.6; q += 0.5)
        check_quantile(0.5, 0.5 * q * q, erf(q / sqrt(2.0)));
    for (double g = 0.05; g < 4.0; g *= 2.0) {
        check_quantile(1.0, g, 1.0 - exp(-g));
        check_quantile(2.0, g, 1.0 - (1.0 + g) * exp(-g));
    }
}

/* Far from the clean end the noise is the normal noise of the same stream. */
static void test_large_shapes_are_normal(void **state)
{
    static float normal[1000];

    (void)state;
    mcvd_rng_normal(key_of(1), 0, normal, 1000);
    mcvdi_gamma_noise(key_of(1), (double)INFINITY, z, 1000);
    CHECK_ALL_CLOSE(z, normal, 1000, 0.0);
    /* z = x + (x^2 - 1) / (3 sqrt(k)) + ..., and a few are drawn again. */
    mcvdi_gamma_noise(key_of(1), 1e10, z, 1000);
    int other = 0;
    for (size_t i = 0; i < 1000; i++)
        other += fabsf(z[i] - normal[i]) > 1e-4f;
    CHECK_TRUE(other <= 2);
}

static void test_elements_do_not_depend_on_the_length(void **state)
{
    static float few[301];

    (void)state;
    for (double k = 0.5; k < 200.0; k *= 10.0) {
        mcvdi_gamma_noise(key_of(2), k, z, 1000);
        mcvdi_gamma_noise(key_of(2), k, few, 301);
        CHECK_ALL_CLOSE(few, z, 301, 0.0);
    }
}

/* The reference's k_cum and theta_t, in single precision: each term beta / (ac theta_0^2) of its
 * sum has a beta that is a difference of numbers near 1, so it is off by 2 FLT_EPSILON / (ac
 * theta_0^2); in the first labels of the cosine ac itself is off by 6e-5. */
static void check_shapes(const char *name, const char *kind, int num_timesteps)
{
    mcvd_safetensors *file = pipeline_open("schedules", name);
    mcvd_schedule *sched = golden_schedule(kind, num_timesteps);
    const float *k_cum = pipeline_f32(file, NULL, "k_cum");
    const float *theta = pipeline_f32(file, NULL, "theta_t");

    for (int t = 0; t < num_timesteps; t++) {
        const int label = num_timesteps - 1 - t;
        const mcvd_level l = mcvd_schedule_level(sched, t);
        const double k = mcvd_schedule_gamma_shape(sched, t);
        const double of_betas = (t + 1) * 2.4e-7 * 1e6 / (l.a * l.a);
        CHECK_CLOSE(k, k_cum[label], 1e-4 * k + of_betas);
        CHECK_CLOSE(l.s / sqrt(k), theta[label], 1e-4 * (double)theta[label]);
    }
    mcvd_schedule_free(&sched);
    mcvd_safetensors_close(&file);
}

static void test_shapes_of_the_reference(void **state)
{
    (void)state;
    check_shapes("linear_T1000", "linear", 1000);
    check_shapes("linear_T100", "linear", 100);
    check_shapes("cosine_T1000", "cosine", 1000);
    check_shapes("cosine_T100", "cosine", 100);
}

/* The raw draws of the golden run have the mean k theta and the variance s^2 of their labels. */
static void test_draws_of_the_reference(void **state)
{
    mcvd_safetensors *file = pipeline_open("samplers", "ddpm_lin_gamma_sub10");
    mcvd_schedule *sched = golden_schedule("linear", 1000);
    const mcvd_tensor draws = pipeline_tensor(file, NULL, "gamma_draws", MCVD_F32);
    const size_t n = draws.shape[1] * draws.shape[2] * draws.shape[3] * draws.shape[4];

    (void)state;
    for (size_t i = 0; i < draws.shape[0]; i++) {
        const int t = 999 - 100 * (int)i;
        const double s = mcvd_schedule_level(sched, t).s;
        const double k = mcvd_schedule_gamma_shape(sched, t);
        double mean = 0.0;
        for (size_t j = 0; j < n; j++)
            mean += (double)((const float *)draws.data)[i * n + j] / (double)n;
        CHECK_CLOSE(mean, k * s / sqrt(k), 5.0 * s / sqrt((double)n));
    }
    mcvd_schedule_free(&sched);
    mcvd_safetensors_close(&file);
}

/* A source of noise with a shape, and without. */
static void test_noise_source(void **state)
{
    mcvd_noise_philox noise = { 3, 10, 2, 4.0 };
    mcvd_noise_philox later = { 3, 11, 2, 4.0 };
    static float two[600];
    static float one[300];

    (void)state;
    CHECK_OK(mcvd_noise_philox_draw(&noise, 7, two, 2, 300));
    CHECK_OK(mcvd_noise_philox_draw(&later, 7, one, 1, 300));
    CHECK_ALL_CLOSE(one, two + 300, 300, 0.0);
    for (size_t i = 0; i < 600; i++)
        CHECK_TRUE(two[i] >= -2.0f); /* g >= 0: z >= -sqrt(4) */
    mcvdi_gamma_noise(mcvd_rng_key_make(3, MCVD_RNG_SAMPLE_STEP, 2 * 65536 + 7, 11), 4.0, one, 300);
    CHECK_ALL_CLOSE(one, two + 300, 300, 0.0);
    mcvd_noise_philox_start(&noise, two, 2, 300);
    mcvdi_gamma_noise(mcvd_rng_key_make(3, MCVD_RNG_SAMPLE_START, 2, 10), 4.0, one, 300);
    CHECK_ALL_CLOSE(one, two, 300, 0.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_moments),
        cmocka_unit_test(test_quantiles),
        cmocka_unit_test(test_large_shapes_are_normal),
        cmocka_unit_test(test_elements_do_not_depend_on_the_length),
        cmocka_unit_test(test_shapes_of_the_reference),
        cmocka_unit_test(test_draws_of_the_reference),
        cmocka_unit_test(test_noise_source),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
