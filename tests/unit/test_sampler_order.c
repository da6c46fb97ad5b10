/*
 * Every sampler on data whose best denoiser is known, independent normal values N(mu, tau^2): the
 * solvers of the probability flow against its exact solution, with their order measured, and the
 * samplers with noise by their exact mean and variance. Then pairs of correlated values and their
 * covariance.
 */
#include <mcvd/sampler.h>

#include <stdlib.h>

#include "diffusion/schedule.h"
#include "support/check.h"

static const double mu = 0.3;
static const double tau = 0.5;

enum { MANY = 100000 };

typedef struct gauss {
    mcvd_schedule *sched;
    mcvd_sampler_config config;
    mcvd_denoiser_fn denoiser; /* NULL: best_denoiser */
} gauss;

/* Between the timesteps of a schedule (euler-maruyama, cas) the levels are those of its SDE. */
static mcvd_level level_at(const gauss *g, double t)
{
    const int last = mcvd_schedule_num_timesteps(g->sched) - 1;
    const bool continuous =
        strcmp(g->config.name, "euler-maruyama") == 0 || strcmp(g->config.name, "cas") == 0;

    return continuous ? mcvdi_schedule_sde(g->sched, t / last).level
                      : mcvd_schedule_level(g->sched, (int)t);
}

/* eps = s (x - a mu) / (a^2 tau^2 + s^2), or x0 = mu + a tau^2 (x - a mu) / (..), as asked. */
static mcvd_status best_denoiser(void *user, const float *x_t, const double *t, size_t batch,
                                 float *out)
{
    const gauss *g = user;
    const mcvd_level l = level_at(g, t[0]);
    const double total = l.a * l.a * tau * tau + l.s * l.s;
    const bool wants_x0 = strcmp(g->config.prediction, "x0") == 0;

    for (size_t i = 0; i < batch * g->config.numel; i++) {
        const double from_mean = (double)x_t[i] - l.a * mu;
        out[i] =
            (float)(wants_x0 ? mu + l.a * tau * tau * from_mean / total : l.s * from_mean / total);
    }
    return MCVD_OK;
}

static mcvd_schedule *make_schedule(const char *kind, int num_timesteps)
{
    mcvd_schedule_config config = mcvd_schedule_config_default();
    mcvd_schedule *sched = NULL;

    config.kind = kind;
    config.num_timesteps = num_timesteps;
    config.sigma_begin = 5.0;
    config.sigma_end = 2e-3;
    CHECK_OK(mcvd_schedule_create(&sched, &config));
    return sched;
}

static mcvd_sampler_config plain_config(const char *name, int num_steps, size_t numel)
{
    mcvd_sampler_config config = mcvd_sampler_config_default();

    config.name = name;
    config.prediction = "x0";
    config.max_batch = 1;
    config.numel = numel;
    config.num_steps = num_steps;
    config.clip = false;
    return config;
}

static void run(gauss *g, mcvd_noise_fn noise, void *noise_user, float *x)
{
    const mcvd_sampler_job job = { .batch = 1,
                                   .denoiser = g->denoiser ? g->denoiser : best_denoiser,
                                   .denoiser_user = g,
                                   .noise = noise,
                                   .noise_user = noise_user };
    mcvd_sampler *sampler = NULL;

    CHECK_OK(mcvd_sampler_create(&sampler, &g->config, g->sched));
    CHECK_OK(mcvd_sampler_run(sampler, &job, x));
    mcvd_sampler_free(&sampler);
}

/* ---- The probability flow ------------------------------------------------------------------- */

typedef struct order_case {
    const char *name;
    const char *kind;
    int num_timesteps;
    int num_steps; /* of the coarser run; the finer one halves the step */
    double order;  /* at least, by the theory */
} order_case;

/* Steps are equal in log(a / s) where the method lets us choose; the grid of pndm is equal in t. */
static const order_case orders[] = {
    { "ddim", "geometric", 4097, 65, 1.0 },
    { "euler", "geometric", 4097, 65, 1.0 },
    { "heun", "geometric", 4097, 33, 2.0 },
    { "dpm++2m", "geometric", 4097, 33, 2.0 },
    { "unipc", "geometric", 4097, 17, 2.0 },
    { "pndm", "geometric", 4096, 32, 2.0 },
    { "ddim", "linear", 1000, 65, 1.0 },
    { "heun", "linear", 1000, 33, 2.0 },
    { "dpm++2m", "linear", 1000, 33, 2.0 },
    { "unipc", "linear", 1000, 17, 2.0 },
    { "euler-maruyama", "geometric", 1000, 256, 1.0 },
};

/* Where the first step of a run begins; the grid of pndm leaves out the noisiest timesteps. */
static mcvd_level first_level(const gauss *g)
{
    mcvd_sampler *sampler = NULL;

    CHECK_OK(mcvd_sampler_create(&sampler, &g->config, g->sched));
    const mcvd_level l = mcvd_schedule_level(g->sched, (int)mcvd_sampler_timestep(sampler, 0));
    mcvd_sampler_free(&sampler);
    return l;
}

/* The flow keeps (x - a mu) / sqrt(a^2 tau^2 + s^2); the error at the clean end, from one start, in
 * units of tau. Euler-Maruyama stops a little before the clean end, at u = 1e-3. */
static double flow_error(const order_case *c, int num_steps)
{
    gauss g = { make_schedule(c->kind, c->num_timesteps), plain_config(c->name, num_steps, 1),
                NULL };
    const bool continuous = strcmp(c->name, "euler-maruyama") == 0;
    const double end = continuous ? mcvdi_schedule_sde(g.sched, 1e-3).level.s : 0.0;

    if (!continuous && strcmp(c->name, "pndm") != 0)
        g.config.spacing = MCVD_SPACING_LOG_SNR;
    if (continuous)
        g.config.eta = 0.0;
    g.config.denoise = false;
    const mcvd_level l = first_level(&g);
    float x = (float)(l.a * mu + 1.5 * sqrt(l.a * l.a * tau * tau + l.s * l.s));
    run(&g, NULL, NULL, &x);
    mcvd_schedule_free(&g.sched);
    return fabs((double)x - (mu + 1.5 * sqrt(tau * tau + end * end))) / tau;
}

/* Halving the step divides the error by 2^order; a fifth of the order is left for the terms after
 * the first. */
static void test_order_of_the_solvers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
        const order_case *c = &orders[i];
        const int finer = c->num_steps % 2 ? 2 * c->num_steps - 1 : 2 * c->num_steps;
        const double coarse = flow_error(c, c->num_steps);
        const double fine = flow_error(c, finer);
        const double order = log2(coarse / fine);

        print_message("%-14s %-9s %3d steps %.1e, %3d steps %.1e: order %.2f\n", c->name, c->kind,
                      c->num_steps, coarse, finer, fine, order);
        CHECK_TRUE(fine > 1e-6); /* above rounding, or the quotient means nothing */
        CHECK_TRUE(order > 0.8 * c->order);
    }
}

/* ---- Mean and variance ---------------------------------------------------------------------- */

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

typedef struct moment_case {
    const char *name;
    const char *kind;
    int num_timesteps;
    int num_steps; /* of the coarser run */
} moment_case;

/* A sampler that is affine in its start and in every draw has an exact mean, the answer to the mean
 * start without noise, and an exact variance, the sum of squared responses. */
static moments affine_moments(gauss *g)
{
    const size_t numel = g->config.numel;
    const mcvd_level l = mcvd_schedule_level(g->sched, mcvd_schedule_num_timesteps(g->sched) - 1);
    float *x = calloc(numel, sizeof *x);
    moments result = { 0.0, 0.0 };

    CHECK_TRUE(x != NULL);
    for (size_t i = 0; i < numel; i++)
        x[i] = (float)(l.a * mu);
    x[1] += (float)sqrt(l.a * l.a * tau * tau + l.s * l.s);
    run(g, impulse, NULL, x);
    result.mean = (double)x[0];
    for (size_t i = 1; i < numel; i++) {
        const double response = (double)x[i] - result.mean;
        result.variance += response * response;
    }
    free(x);
    return result;
}

static moments moments_of(const moment_case *c, int num_steps)
{
    gauss g = { make_schedule(c->kind, c->num_timesteps),
                plain_config(c->name, num_steps, (size_t)num_steps + 2), NULL };

    g.config.denoise = false;
    const moments m = affine_moments(&g);
    mcvd_schedule_free(&g.sched);
    return m;
}

/* First order at least: halving the step halves the error, so that of the finer run is at most
 * about the difference of the two. Half as much again is allowed, and 1e-4 for what the last level
 * leaves (s^2 / tau^2 of u = 1e-3) and for rounding. */
static const moment_case affine[] = {
    { "ddpm", "linear", 1000, 500 },
    { "ddpm", "geometric", 1000, 500 },
    { "ddpm", "flow", 1000, 500 },
    { "dpm++2m-sde", "linear", 1000, 100 },
    { "dpm++2m-sde", "geometric", 1000, 100 },
    { "reverse-diffusion", "linear", 1000, 500 },
    { "reverse-diffusion", "geometric", 1000, 500 },
    { "euler-maruyama", "linear", 1000, 500 },
    { "euler-maruyama", "geometric", 1000, 500 },
};

static void test_affine_samplers_recover_the_data(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof affine / sizeof *affine; i++) {
        const moment_case *c = &affine[i];
        const moments coarse = moments_of(c, c->num_steps);
        const moments fine = moments_of(c, 2 * c->num_steps);
        print_message("%-18s %-9s mean %.5f %.5f  variance %.5f %.5f\n", c->name, c->kind,
                      coarse.mean, fine.mean, coarse.variance, fine.variance);
        const double of_mean = 1.5 * fabs(fine.mean - coarse.mean) + 1e-4;
        const double of_variance = 1.5 * fabs(fine.variance - coarse.variance) + 1e-4;

        CHECK_TRUE(of_mean < 0.02 && of_variance < 0.03);
        CHECK_CLOSE(fine.mean, mu, of_mean);
        CHECK_CLOSE(fine.variance, tau * tau, of_variance);
    }
}

/* Langevin steps mix at levels whose step, eta (sigma^2) at relative size eta, is not small beside
 * the data's variance; below, the variance stays where it was. Four times as many steps at each
 * level move that point down to a quarter of sigma^2, and the error with it. */
static moments annealed_moments(const char *name, int steps_per_level, double eta)
{
    enum { LEVELS = 40 };
    gauss g = { make_schedule("geometric", LEVELS),
                plain_config(name, LEVELS, (size_t)(LEVELS * steps_per_level) + 2), NULL };
    const double least = mcvd_schedule_level(g.sched, 0).s;

    g.config.steps_per_level = steps_per_level;
    g.config.step_size = eta * least * least;
    const moments m = affine_moments(&g);
    mcvd_schedule_free(&g.sched);
    return m;
}

static void test_langevin_recovers_the_data(void **state)
{
    const moments coarse = annealed_moments("langevin", 20, 0.1);
    const moments fine = annealed_moments("langevin", 80, 0.1);

    (void)state;
    print_message("langevin: variance %.5f %.5f\n", coarse.variance, fine.variance);
    CHECK_CLOSE(fine.mean, mu, 1e-4);
    CHECK_TRUE(fine.variance > tau * tau && fine.variance < 1.05 * tau * tau);
    CHECK_CLOSE(fine.variance - tau * tau, (coarse.variance - tau * tau) / 4.0, 0.002);
}

/* The noise of cas is that of data without width; with it the variance is short by eta / 2. */
static void test_consistent_annealed_sampling_recovers_the_data(void **state)
{
    static const double etas[] = { 0.4, 0.2, 0.1, 0.05 };

    (void)state;
    for (size_t i = 0; i < sizeof etas / sizeof *etas; i++) {
        const moments m = annealed_moments("cas", 40, etas[i]);
        print_message("cas: eta %.2f, variance %.5f\n", etas[i], m.variance);
        CHECK_CLOSE(m.mean, mu, 1e-4);
        CHECK_CLOSE(m.variance, tau * tau * (1.0 - etas[i] / 2.0),
                    0.01 * etas[i] * tau * tau + 1e-4);
    }
}

/* The corrector's step depends on norms, so pc is not affine: many values. */
static moments sampled_moments(const char *kind, int num_steps)
{
    gauss g = { make_schedule(kind, 1000), plain_config("pc", num_steps, MANY), NULL };
    mcvd_noise_philox noise = { .seed = 7 };
    const mcvd_level l = mcvd_schedule_level(g.sched, 999);
    float *x = malloc(MANY * sizeof *x);
    moments m = { 0.0, 0.0 };

    CHECK_TRUE(x != NULL);
    mcvd_noise_philox_start(&noise, x, 1, MANY);
    for (size_t i = 0; i < MANY; i++)
        x[i] = (float)(l.a * mu + sqrt(l.a * l.a * tau * tau + l.s * l.s) * (double)x[i]);
    run(&g, mcvd_noise_philox_draw, &noise, x);
    for (size_t i = 0; i < MANY; i++)
        m.mean += (double)x[i] / MANY;
    for (size_t i = 0; i < MANY; i++)
        m.variance += ((double)x[i] - m.mean) * ((double)x[i] - m.mean) / MANY;
    free(x);
    mcvd_schedule_free(&g.sched);
    return m;
}

/* A Langevin step of size e settles at the variance V / (1 - e / (2 V)), and e = 2 snr^2 V here.
 * The mean of n values is off by tau / sqrt(n), their variance by tau^2 sqrt(2 / n): five of these,
 * and the first-order error of the steps as above. */
static void test_predictor_corrector_recovers_the_data(void **state)
{
    static const char *const kinds[] = { "linear", "geometric" };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        const moments coarse = sampled_moments(kinds[i], 100);
        const moments fine = sampled_moments(kinds[i], 200);

        const double settled = tau * tau / (1.0 - 0.16 * 0.16);
        const double of_mean = 5.0 * tau / sqrt(MANY);
        const double of_variance =
            5.0 * tau * tau * sqrt(2.0 / MANY) + 1.5 * fabs(fine.variance - coarse.variance);

        print_message("pc %-9s mean %.5f %.5f  variance %.5f %.5f\n", kinds[i], coarse.mean,
                      fine.mean, coarse.variance, fine.variance);
        CHECK_TRUE(of_variance < 0.01);
        CHECK_CLOSE(fine.mean, mu, of_mean);
        CHECK_CLOSE(fine.variance, settled, of_variance);
    }
}

/* ---- Covariance ----------------------------------------------------------------------------- */

/* Values 2 i and 2 i + 1 are a pair N(mu, C); C has these variances along (1, 1) and (1, -1). */
static const double wide = 0.36;
static const double narrow = 0.04;

/* x0 = mu + a C (a^2 C + s^2)^-1 (x - a mu) */
static mcvd_status pair_denoiser(void *user, const float *x_t, const double *t, size_t batch,
                                 float *out)
{
    const gauss *g = user;
    const mcvd_level l = level_at(g, t[0]);
    const double of_sum = l.a * wide / (l.a * l.a * wide + l.s * l.s);
    const double of_difference = l.a * narrow / (l.a * l.a * narrow + l.s * l.s);

    for (size_t i = 0; i < batch * g->config.numel; i += 2) {
        const double first = (double)x_t[i] - l.a * mu;
        const double second = (double)x_t[i + 1] - l.a * mu;
        const double sum = of_sum * 0.5 * (first + second);
        const double difference = of_difference * 0.5 * (first - second);
        out[i] = (float)(mu + sum + difference);
        out[i + 1] = (float)(mu + sum - difference);
    }
    return MCVD_OK;
}

/* From standard normal values to the pairs at level l. */
static void correlate(float *x, size_t n, mcvd_level l)
{
    const double of_sum = sqrt(0.5 * (l.a * l.a * wide + l.s * l.s));
    const double of_difference = sqrt(0.5 * (l.a * l.a * narrow + l.s * l.s));

    for (size_t i = 0; i < n; i += 2) {
        const double sum = of_sum * (double)x[i];
        const double difference = of_difference * (double)x[i + 1];
        x[i] = (float)(l.a * mu + sum + difference);
        x[i + 1] = (float)(l.a * mu + sum - difference);
    }
}

/* Draw k is (1, 0) at pair 2 k + 3, (0, 1) at the next one and 0 elsewhere. */
static mcvd_status impulse_pairs(void *user, size_t draw_index, float *out, size_t batch,
                                 size_t numel)
{
    const size_t first = 2 * (2 * draw_index + 3);

    (void)user;
    CHECK_EQ(batch, 1);
    CHECK_TRUE(first + 3 < numel);
    memset(out, 0, numel * sizeof *out);
    out[first] = out[first + 3] = 1.0f;
    return MCVD_OK;
}

typedef struct covariance {
    double mean[2];
    double c[3]; /* c00, c11, c01 */
} covariance;

/* Exact, like affine_moments: pair 0 is the answer to the mean start, pairs 1 and 2 are the
 * responses to its two normal values, the others those to every draw. */
static covariance exact_covariance(const char *name, const char *kind, int num_steps)
{
    const size_t numel = 2 * (2 * (size_t)num_steps + 3);
    gauss g = { make_schedule(kind, 1000), plain_config(name, num_steps, numel), pair_denoiser };
    float *x = calloc(numel, sizeof *x);

    CHECK_TRUE(x != NULL);
    g.config.denoise = false;
    g.config.spacing = mcvd_sampler_own_spacing(name);
    x[2] = x[5] = 1.0f;
    correlate(x, numel, first_level(&g));
    run(&g, impulse_pairs, NULL, x);
    covariance v = { { (double)x[0], (double)x[1] }, { 0.0, 0.0, 0.0 } };
    for (size_t i = 2; i < numel; i += 2) {
        const double first = (double)x[i] - v.mean[0];
        const double second = (double)x[i + 1] - v.mean[1];
        v.c[0] += first * first;
        v.c[1] += second * second;
        v.c[2] += first * second;
    }
    free(x);
    mcvd_schedule_free(&g.sched);
    return v;
}

/* The tolerance of test_affine_samplers_recover_the_data, and another 1e-4 for s^2 = 1.1e-4 of
 * u = 1e-3, where euler-maruyama stops. */
static void check_covariance(const char *name, const char *kind, int num_steps)
{
    const double diagonal = 0.5 * (wide + narrow);
    const double c[] = { diagonal, diagonal, 0.5 * (wide - narrow) };
    const covariance coarse = exact_covariance(name, kind, num_steps);
    const covariance fine = exact_covariance(name, kind, 2 * num_steps);

    print_message("%-18s %-9s C %.5f %.5f %.5f\n", name, kind, fine.c[0], fine.c[1], fine.c[2]);
    for (int i = 0; i < 2; i++)
        CHECK_CLOSE(fine.mean[i], mu, 1.5 * fabs(fine.mean[i] - coarse.mean[i]) + 1e-4);
    for (int i = 0; i < 3; i++) {
        const double error = 1.5 * fabs(fine.c[i] - coarse.c[i]) + 2e-4;
        CHECK_TRUE(error < 0.02);
        CHECK_CLOSE(fine.c[i], c[i], error);
    }
}

/* The Langevin methods settle beside C by their step size: their variances are checked above. */
static void test_samplers_recover_a_covariance(void **state)
{
    static const struct {
        const char *name;
        int num_steps;
    } cases[] = {
        { "ddpm", 250 },           { "dpm++2m-sde", 100 },
        { "euler-maruyama", 250 }, { "reverse-diffusion", 250 },
        { "ddim", 250 },           { "pndm", 100 },
        { "euler", 250 },          { "heun", 50 },
        { "dpm++2m", 50 },         { "unipc", 50 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        check_covariance(cases[i].name, "linear", cases[i].num_steps);
        check_covariance(cases[i].name, "geometric", cases[i].num_steps);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_of_the_solvers),
        cmocka_unit_test(test_affine_samplers_recover_the_data),
        cmocka_unit_test(test_langevin_recovers_the_data),
        cmocka_unit_test(test_consistent_annealed_sampling_recovers_the_data),
        cmocka_unit_test(test_predictor_corrector_recovers_the_data),
        cmocka_unit_test(test_samplers_recover_a_covariance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
