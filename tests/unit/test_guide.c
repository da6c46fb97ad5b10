/*
 * Guidance by gradients where everything is known: independent normal values N(mu, tau^2), of which
 * y = x0 + N(0, q^2) was measured. The posterior is normal too,
 *
 *     1 / V = 1 / tau^2 + 1 / q^2,      m = V (mu / tau^2 + y / q^2),
 *
 * and at every level the score of the prior and the gradient of log p(y | x_t) add up to the score
 * of the noised posterior.
 */
#include <mcvd/sampler.h>

#include <float.h>
#include <stdlib.h>

#include "core/alloc.h"
#include "diffusion/schedule.h"
#include "support/check.h"

static const double mu = 0.3;
static const double tau = 0.5;
static const double q = 0.4;
static const double y = -0.7;

typedef struct gauss {
    mcvd_schedule *sched;
    mcvd_sampler_config config;
    double mean, variance; /* of the data that the network knows */
    size_t guided;         /* calls of the guide */
} gauss;

static double posterior_variance(void)
{
    return 1.0 / (1.0 / (tau * tau) + 1.0 / (q * q));
}

static double posterior_mean(void)
{
    return posterior_variance() * (mu / (tau * tau) + y / (q * q));
}

/* The variance of x0 when x_t is known. */
static double rest_variance(double variance, mcvd_level l)
{
    return variance * l.s * l.s / (l.a * l.a * variance + l.s * l.s);
}

static mcvd_level level_at(const gauss *g, double t)
{
    const char *name = g->config.name;
    const int last = mcvd_schedule_num_timesteps(g->sched) - 1;
    const bool continuous = strcmp(name, "euler-maruyama") == 0 || strcmp(name, "cas") == 0;

    return continuous ? mcvdi_schedule_sde(g->sched, t / last).level
                      : mcvd_schedule_level(g->sched, (int)t);
}

/* x0 = mean + (a c / s^2) (x - a mean) */
static mcvd_status best_denoiser(void *user, const float *x_t, const double *t, size_t batch,
                                 float *out)
{
    const gauss *g = user;
    const mcvd_level l = level_at(g, t[0]);
    const double slope = l.a * rest_variance(g->variance, l) / (l.s * l.s);

    for (size_t i = 0; i < batch * g->config.numel; i++)
        out[i] = (float)(g->mean + slope * ((double)x_t[i] - l.a * g->mean));
    return MCVD_OK;
}

/* As the header has it. */
static mcvd_status measured(void *user, const mcvd_guide_point *at, float *grad)
{
    gauss *g = user;
    const double c = rest_variance(tau * tau, at->level);
    const double slope = at->level.a * c / (at->level.s * at->level.s);

    CHECK_TRUE(at->numel == g->config.numel && at->batch == 1);
    g->guided++;
    for (size_t i = 0; i < at->batch * at->numel; i++)
        grad[i] = (float)(slope * (y - (double)at->x0[i]) / (q * q + c));
    return MCVD_OK;
}

static gauss make_gauss(const char *name, const char *kind, int num_steps, size_t numel)
{
    mcvd_schedule_config schedule = mcvd_schedule_config_default();
    gauss g = { .config = mcvd_sampler_config_default(), .mean = mu, .variance = tau * tau };

    schedule.kind = kind;
    schedule.sigma_begin = 5.0;
    schedule.sigma_end = 2e-3;
    CHECK_OK(mcvd_schedule_create(&g.sched, &schedule));
    g.config.name = name;
    g.config.prediction = "x0";
    g.config.max_batch = 1;
    g.config.numel = numel;
    g.config.num_steps = num_steps;
    g.config.clip = false;
    return g;
}

static mcvd_status run(gauss *g, const mcvd_sampler_job *given, float *x)
{
    mcvd_sampler *sampler = NULL;
    mcvd_sampler_job job = *given;

    job.batch = 1;
    job.denoiser = best_denoiser;
    job.denoiser_user = job.guide_user = g;
    CHECK_OK(mcvd_sampler_create(&sampler, &g->config, g->sched));
    const uint64_t before = mcvdi_alloc_stats_get().calls;
    const mcvd_status st = mcvd_sampler_run(sampler, &job, x);
    CHECK_EQ(mcvdi_alloc_stats_get().calls, before);
    mcvd_sampler_free(&sampler);
    return st;
}

/* ---- Every sampler -------------------------------------------------------------------------- */

enum { VALUES = 64 };

/* A guided prior and an unguided posterior are the same function of x_t and t, so with the same
 * noise each method ends at the same place. Differences are rounding, of values up to 5 (sigma of
 * the geometric schedule) to 24 bits in some 100 steps: 5 * 100 * 2^-24 = 3e-5 if none cancel; the
 * size of pc's and langevin's steps passes them on, so twice that. */
static void check_is_posterior(const char *name, const char *kind)
{
    gauss guided = make_gauss(name, kind, 20, VALUES);
    gauss posterior = make_gauss(name, kind, 20, VALUES);
    mcvd_noise_philox noise = { .seed = 3 };
    float a[VALUES], b[VALUES];
    mcvd_sampler_job job = { .noise = mcvd_noise_philox_draw, .noise_user = &noise };
    const float start = strcmp(kind, "geometric") == 0 ? 5.0f : 1.0f;

    guided.config.step_size = posterior.config.step_size = strcmp(name, "langevin") ? 0.0 : 4e-7;
    mcvd_noise_philox_start(&noise, a, 1, VALUES);
    for (size_t i = 0; i < VALUES; i++)
        b[i] = a[i] *= start;
    posterior.mean = posterior_mean();
    posterior.variance = posterior_variance();
    CHECK_OK(run(&posterior, &job, b));
    job.guide = measured;
    job.guide_weight = 1.0;
    CHECK_OK(run(&guided, &job, a));
    for (size_t i = 0; i < VALUES; i++)
        if (!(fabs((double)a[i] - (double)b[i]) <= 6e-5))
            fail_msg("%s on %s, value %zu: guided %.7f, posterior %.7f", name, kind, i,
                     (double)a[i], (double)b[i]);
    CHECK_TRUE(guided.guided >= 20);
    mcvd_schedule_free(&guided.sched);
    mcvd_schedule_free(&posterior.sched);
}

static void test_every_sampler_draws_from_the_posterior(void **state)
{
    static const char *const kinds[] = { "linear", "geometric" }; /* a > 0 everywhere */
    size_t count = 0;

    (void)state;
    for (size_t i = 0; mcvd_sampler_name(i); i++)
        for (size_t k = 0; k < 2; k++) {
            gauss g = make_gauss(mcvd_sampler_name(i), kinds[k], 20, 1);
            mcvd_sampler *sampler = NULL;
            const mcvd_status st = mcvd_sampler_create(&sampler, &g.config, g.sched);
            mcvd_sampler_free(&sampler);
            mcvd_schedule_free(&g.sched);
            if (st < 0)
                continue; /* does not suit the process */
            check_is_posterior(mcvd_sampler_name(i), kinds[k]);
            count++;
        }
    print_message("%zu pairs of method and process\n", count);
    CHECK_EQ(count, 11 + 13);
}

/* ---- Mean and variance ---------------------------------------------------------------------- */

/* Draw k is 1 at value k + 2 and 0 elsewhere: the response to every draw in one run. */
static mcvd_status impulse(void *user, size_t draw_index, float *out, size_t batch, size_t numel)
{
    (void)user;
    (void)batch;
    CHECK_TRUE(draw_index + 2 < numel);
    memset(out, 0, numel * sizeof *out);
    out[draw_index + 2] = 1.0f;
    return MCVD_OK;
}

typedef struct moments {
    double mean;
    double variance;
} moments;

/* Exact for a method that is affine in its start and its draws: the answer to the mean start
 * without noise, and the sum of squared responses. */
static moments guided_moments(const char *name, const char *kind, int num_steps, int repeats)
{
    const size_t numel = 2 * (size_t)(num_steps * repeats) + 3;
    gauss g = make_gauss(name, kind, num_steps, numel);
    const mcvd_level l = mcvd_schedule_level(g.sched, 999);
    const mcvd_sampler_job job = { .noise = impulse, .guide = measured, .guide_weight = 1.0 };
    float *x = calloc(numel, sizeof *x);
    moments result = { 0.0, 0.0 };

    CHECK_TRUE(x != NULL);
    g.config.denoise = false;
    g.config.repeats = repeats;
    for (size_t i = 0; i < numel; i++)
        x[i] = (float)(l.a * posterior_mean());
    x[1] += (float)sqrt(l.a * l.a * posterior_variance() + l.s * l.s);
    CHECK_OK(run(&g, &job, x));
    result.mean = (double)x[0];
    for (size_t i = 1; i < numel; i++)
        result.variance += ((double)x[i] - result.mean) * ((double)x[i] - result.mean);
    free(x);
    mcvd_schedule_free(&g.sched);
    return result;
}

/* First order at least: the error of the finer run is about the difference of the two; half as much
 * again is allowed, and 1e-4 for rounding. */
static void test_mean_and_variance_converge(void **state)
{
    static const struct {
        const char *name, *kind;
        int repeats;
    } cases[] = { { "ddpm", "linear", 1 },     { "ddim", "linear", 1 },
                  { "heun", "linear", 1 },     { "dpm++2m", "linear", 1 },
                  { "ddpm", "flow", 1 },       { "dpm++2m-sde", "linear", 1 },
                  { "ddim", "flow", 1 },       { "dpm++2m", "flow", 1 },
                  { "ddpm", "linear", 3 },     { "ddim", "linear", 3 },
                  { "euler", "geometric", 2 }, { "reverse-diffusion", "linear", 2 } };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const moments coarse = guided_moments(cases[i].name, cases[i].kind, 250, cases[i].repeats);
        const moments fine = guided_moments(cases[i].name, cases[i].kind, 500, cases[i].repeats);
        print_message("%-17s %-9s %d times: mean %.5f %.5f of %.5f  variance %.5f %.5f of %.5f\n",
                      cases[i].name, cases[i].kind, cases[i].repeats, coarse.mean, fine.mean,
                      posterior_mean(), coarse.variance, fine.variance, posterior_variance());
        const double of_mean = 1.5 * fabs(fine.mean - coarse.mean) + 1e-4;
        const double of_variance = 1.5 * fabs(fine.variance - coarse.variance) + 1e-4;
        CHECK_TRUE(of_mean < 0.01 && of_variance < 0.01);
        CHECK_CLOSE(fine.mean, posterior_mean(), of_mean);
        CHECK_CLOSE(fine.variance, posterior_variance(), of_variance);
    }
}

/* ---- Repeated steps -------------------------------------------------------------------------- */

static void test_who_can_repeat_a_step(void **state)
{
    static const char able[] = " ddpm ddim reverse-diffusion pc euler heun ";

    (void)state;
    for (size_t i = 0; mcvd_sampler_name(i); i++) {
        const char *name = mcvd_sampler_name(i);
        gauss g = make_gauss(name, "geometric", 10, 1);
        mcvd_sampler *sampler = NULL;
        char word[64];
        snprintf(word, sizeof word, " %s ", name);
        CHECK_EQ(mcvd_sampler_takes_repeats(name), strstr(able, word) != NULL);
        g.config.repeats = 3;
        const mcvd_status st = mcvd_sampler_create(&sampler, &g.config, g.sched);
        CHECK_STATUS(st, strstr(able, word) ? MCVD_OK : MCVD_E_CONFIG);
        mcvd_sampler_free(&sampler);
        g.config.repeats = 0;
        CHECK_STATUS(mcvd_sampler_create(&sampler, &g.config, g.sched), MCVD_E_RANGE);
        CHECK_MESSAGE("repeats");
        mcvd_schedule_free(&g.sched);
    }
    CHECK_TRUE(!mcvd_sampler_takes_repeats("dice"));
}

/* Every step but the last three times, and the denoise call. */
static void test_repeats_are_counted(void **state)
{
    gauss g = make_gauss("ddim", "linear", 10, 1);
    mcvd_sampler *sampler = NULL;

    (void)state;
    g.config.repeats = 3;
    CHECK_OK(mcvd_sampler_create(&sampler, &g.config, g.sched));
    CHECK_EQ(mcvd_sampler_num_steps(sampler), 10);
    CHECK_EQ(mcvd_sampler_num_calls(sampler), 3 * 9 + 1 + 1);
    for (int call = 0; call < 27; call++)
        CHECK_EQ(mcvd_sampler_timestep(sampler, call), 999.0 - 100.0 * (call / 3));
    mcvd_sampler_free(&sampler);
    mcvd_schedule_free(&g.sched);
}

/* ---- One call ------------------------------------------------------------------------------- */

static mcvd_status constant_gradient(void *user, const mcvd_guide_point *at, float *grad)
{
    (void)user;
    for (size_t i = 0; i < at->batch * at->numel; i++)
        grad[i] = 0.25f;
    return MCVD_OK;
}

/* The last step of ddpm takes x0: one step from t = 999 shows x0 + (s^2 / a) w grad. A clip comes
 * after it. */
static void test_the_equation(void **state)
{
    (void)state;
    for (int clip = 0; clip < 2; clip++)
        for (double w = -2.0; w <= 2.0; w += 1.0) {
            gauss g = make_gauss("ddpm", "linear", 1, 1);
            const mcvd_sampler_job job = { .guide = constant_gradient, .guide_weight = w };
            float x = 0.1f;
            g.config.denoise = false;
            g.config.clip = clip;
            const mcvd_level l = mcvd_schedule_level(g.sched, 999);
            const double slope = l.a * rest_variance(tau * tau, l) / (l.s * l.s);
            const double x0 = mu + slope * (0.1 - l.a * mu) + l.s * l.s / l.a * w * 0.25;
            CHECK_OK(run(&g, &job, &x));
            CHECK_CLOSE((double)x, clip ? fmin(fmax(x0, -1.0), 1.0) : x0,
                        8 * FLT_EPSILON * fmax(1.0, fabs(x0)));
            mcvd_schedule_free(&g.sched);
        }
}

static void test_without_weight_nothing_changes(void **state)
{
    gauss g = make_gauss("ddim", "linear", 10, 4);
    mcvd_sampler_job job = { .guide = NULL };
    float a[4] = { 0.1f, -0.2f, 0.3f, 1.0f };
    float b[4];

    (void)state;
    memcpy(b, a, sizeof b);
    CHECK_OK(run(&g, &job, a));
    job.guide = measured;
    CHECK_OK(run(&g, &job, b));
    CHECK_EQ(memcmp(a, b, sizeof a), 0);
    CHECK_EQ(g.guided, 0);
    mcvd_schedule_free(&g.sched);
}

/* ---- Statuses ------------------------------------------------------------------------------- */

static mcvd_status infinite_gradient(void *user, const mcvd_guide_point *at, float *grad)
{
    (void)user;
    memset(grad, 0, at->batch * at->numel * sizeof *grad);
    grad[1] = INFINITY;
    return MCVD_OK;
}

static mcvd_status failing_guide(void *user, const mcvd_guide_point *at, float *grad)
{
    (void)user;
    (void)at;
    (void)grad;
    return MCVD_E_DECODE;
}

static void test_statuses(void **state)
{
    gauss g = make_gauss("ddim", "linear", 10, 4);
    mcvd_sampler_job job = { .guide = infinite_gradient, .guide_weight = 1.0 };
    float x[4] = { 0.0f };

    (void)state;
    CHECK_STATUS(run(&g, &job, x), MCVD_E_NONFINITE);
    CHECK_MESSAGE("guidance");
    CHECK_MESSAGE("timestep");
    memset(x, 0, sizeof x);
    job.guide = failing_guide;
    CHECK_STATUS(run(&g, &job, x), MCVD_E_DECODE);
    job.guide = measured;
    job.guide_weight = NAN;
    CHECK_STATUS(run(&g, &job, x), MCVD_E_RANGE);
    CHECK_MESSAGE("guide_weight");
    job.guide_weight = INFINITY;
    CHECK_STATUS(run(&g, &job, x), MCVD_E_RANGE);
    mcvd_schedule_free(&g.sched);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_sampler_draws_from_the_posterior),
        cmocka_unit_test(test_mean_and_variance_converge),
        cmocka_unit_test(test_who_can_repeat_a_step),
        cmocka_unit_test(test_repeats_are_counted),
        cmocka_unit_test(test_the_equation),
        cmocka_unit_test(test_without_weight_nothing_changes),
        cmocka_unit_test(test_statuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
