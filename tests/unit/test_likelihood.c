/*
 * Likelihoods on independent normal values N(mu, tau^2), whose best denoiser, flow and density are
 * known in closed form, and the trace estimate on a linear network with a full Jacobian.
 */
#include <mcvd/likelihood.h>

#include <stdlib.h>

#include "diffusion/likelihood.h"
#include "support/check.h"
#include "support/hashed.h"

static const double mu = 0.3;
static const double tau = 0.2;

enum { NUMEL = 12 };

typedef struct gauss {
    mcvd_schedule *sched;
    const mcvdi_parameterisation *param;
    size_t numel;
    size_t calls;
    size_t stop_after; /* calls; 0: never */
    double spoil;      /* added to every answer */
} gauss;

static mcvd_schedule *make_schedule(const char *kind, bool zero_terminal_snr)
{
    mcvd_schedule_config config = mcvd_schedule_config_default();
    mcvd_schedule *sched = NULL;

    config.kind = kind;
    config.zero_terminal_snr = zero_terminal_snr;
    CHECK_OK(mcvd_schedule_create(&sched, &config));
    return sched;
}

/* The level at a fraction of the timesteps: log sigma is a straight line between them. */
static mcvd_level level_at(const gauss *g, double t)
{
    const int low = (int)floor(t);
    const double share = t - low;
    const mcvd_level below = mcvd_schedule_level(g->sched, low);

    if (share == 0.0)
        return below;
    const mcvd_level above = mcvd_schedule_level(g->sched, low + 1);
    const double lambda = (1.0 - share) * log(below.s / below.a) + share * log(above.s / above.a);
    return mcvdi_place_of_sigma(g->sched, exp(lambda)).level;
}

/* out = p x0 + q eps of the best x0 and eps: answer = base + slope x. */
static void best_answer(const gauss *g, double t, double *base, double *slope)
{
    const mcvd_level l = level_at(g, t);
    const double total = l.a * l.a * tau * tau + l.s * l.s;
    const mcvdi_output_map map = mcvdi_parameterisation_at(g->param, l);

    *slope = (map.target_x0 * l.a * tau * tau + map.target_eps * l.s) / total;
    *base = map.target_x0 * mu - *slope * l.a * mu;
}

static mcvd_status predict(void *user, const double *x, const double *t, size_t batch, double *out)
{
    gauss *g = user;

    for (size_t b = 0; b < batch; b++) {
        double base;
        double slope;
        best_answer(g, t[b], &base, &slope);
        for (size_t i = b * g->numel; i < (b + 1) * g->numel; i++)
            out[i] = base + slope * x[i] + g->spoil;
    }
    return MCVD_OK;
}

static mcvd_status vjp(void *user, const double *x, double t, const double *v, double *out,
                       double *vj)
{
    gauss *g = user;
    double base;
    double slope;

    best_answer(g, t, &base, &slope);
    for (size_t i = 0; i < g->numel; i++) {
        out[i] = base + slope * x[i] + g->spoil;
        vj[i] = slope * v[i];
    }
    return MCVD_OK;
}

static int count_calls(void *user)
{
    gauss *g = user;

    return ++g->calls == g->stop_after;
}

static mcvd_likelihood_net net_of(gauss *g)
{
    return (
        mcvd_likelihood_net) { .predict = predict, .vjp = vjp, .progress = count_calls, .user = g };
}

static gauss make_gauss(const char *kind, const char *prediction, bool zero_terminal_snr)
{
    gauss g = { .sched = make_schedule(kind, zero_terminal_snr), .numel = NUMEL };

    CHECK_OK(mcvdi_parameterisation_find(&g.param, prediction));
    return g;
}

static void fill_x0(double *x0, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x0[i] = mu + tau * (double)hashed_gauss("x0", (uint32_t)i);
}

/* What the flow gives when its equation is solved exactly: it keeps (X - mu) / sqrt(tau^2 +
 * sigma^2). */
static double exact_flow(const gauss *g, const double *x0)
{
    const mcvd_level first = mcvd_schedule_level(g->sched, 0);
    const mcvd_level last = mcvd_schedule_level(g->sched, mcvdi_noisiest_finite(g->sched));
    const double start = hypot(tau, first.s / first.a);
    const double end = hypot(tau, last.s / last.a);
    const double variance = mcvdi_prior_variance(g->sched);
    double sum = 0.0;

    for (size_t i = 0; i < g->numel; i++) {
        const double x = last.a * (mu + (x0[i] - mu) * end / start);
        sum += log(end / start) + log(last.a) -
               0.5 * (x * x / variance + log(variance) + 1.83787706640934548);
    }
    return sum;
}

/* log N(x0; mu, tau^2 + sigma^2), sigma the least noise. */
static double true_density(const gauss *g, const double *x0)
{
    const mcvd_level first = mcvd_schedule_level(g->sched, 0);
    const double variance = tau * tau + first.s * first.s / (first.a * first.a);
    double sum = 0.0;

    for (size_t i = 0; i < g->numel; i++)
        sum -= 0.5 * ((x0[i] - mu) * (x0[i] - mu) / variance + log(variance) + 1.83787706640934548);
    return sum;
}

typedef struct flow_case {
    const char *kind;
    const char *prediction;
    bool zero_terminal_snr;
} flow_case;

static const flow_case flows[] = {
    { "linear", "eps", false },    { "linear", "v", false },        { "linear", "x0", false },
    { "linear", "score", false },  { "cosine", "v", false },        { "cosine", "x0", true },
    { "geometric", "eps", false }, { "geometric", "score", false }, { "geometric", "x0", false },
    { "flow", "flow", false },     { "flow", "x0", false },
};

enum { NUM_FLOWS = sizeof flows / sizeof flows[0] };

static double run_flow(gauss *g, const mcvd_ode_config *config, const double *x0)
{
    const mcvd_likelihood_net net = net_of(g);
    mcvd_ode_result result;

    CHECK_OK(mcvd_ode_run(&result, config, g->sched, &net, x0));
    CHECK_EQ(result.calls, g->calls);
    CHECK_CLOSE(result.log_density, result.prior + result.divergence, 0.0);
    g->calls = 0;
    return result.log_density;
}

/* A step adds at most tolerance * (1 + |size|) per value and the flow of these data does not spread
 * errors (log SNR steps: it keeps its distance from the mean in units of its width), so a log
 * density per value is off by at most steps * tolerance * (1 + its size); 200 steps are more than
 * any case takes at the looser tolerance. Per value the log density and its parts stay below 20. */
static void test_tolerance_is_met(void **state)
{
    double x0[NUMEL];
    double sum[2] = { 0.0, 0.0 };

    (void)state;
    fill_x0(x0, NUMEL);
    for (size_t c = 0; c < NUM_FLOWS; c++) {
        gauss g = make_gauss(flows[c].kind, flows[c].prediction, flows[c].zero_terminal_snr);
        mcvd_ode_config config = mcvd_ode_config_default();

        config.prediction = flows[c].prediction;
        config.numel = NUMEL;
        for (int i = 0; i < 2; i++) {
            config.tolerance = i ? 1e-8 : 1e-5;
            const double error = fabs(run_flow(&g, &config, x0) - exact_flow(&g, x0)) / NUMEL;
            CHECK_CLOSE(error, 0.0, 200.0 * config.tolerance * 21.0);
            sum[i] += error;
        }
        mcvd_schedule_free(&g.sched);
    }
    CHECK_TRUE(sum[1] < 0.05 * sum[0]); /* a thousandth of the tolerance */
}

/* Halving the step divides the error by 4; 15 % are left for the terms of higher order. */
static void test_heun_has_order_two(void **state)
{
    double x0[NUMEL];

    (void)state;
    fill_x0(x0, NUMEL);
    for (size_t c = 0; c < NUM_FLOWS; c++)
        for (int form = 0; form < 2; form++) {
            gauss g = make_gauss(flows[c].kind, flows[c].prediction, flows[c].zero_terminal_snr);
            mcvd_ode_config config = mcvd_ode_config_default();
            double error[2];

            config.prediction = flows[c].prediction;
            config.numel = NUMEL;
            config.solver = MCVD_ODE_HEUN;
            config.form = form ? MCVD_ODE_SIGMA : MCVD_ODE_LOG_SIGMA;
            for (int i = 0; i < 2; i++) {
                config.num_steps = 200 << i;
                error[i] = fabs(run_flow(&g, &config, x0) - exact_flow(&g, x0));
            }
            const double order = log2(error[0] / error[1]);
            if (!(order > 1.7 && order < 2.3))
                fail_msg("%s, %s, form %d: order %.3f, expected 2 (errors %.3g, %.3g)",
                         flows[c].kind, flows[c].prediction, form, order, error[0], error[1]);
            mcvd_schedule_free(&g.sched);
        }
}

/* At the noisy end of a cosine nothing is left of the data, so the prior is the truth. */
static void test_flow_is_the_density(void **state)
{
    double x0[NUMEL];
    gauss g = make_gauss("cosine", "v", false);
    mcvd_ode_config config = mcvd_ode_config_default();

    (void)state;
    fill_x0(x0, NUMEL);
    config.prediction = "v";
    config.numel = NUMEL;
    config.tolerance = 1e-9;
    const double found = run_flow(&g, &config, x0);
    CHECK_CLOSE(found, true_density(&g, x0), 1e-5); /* a at the end is 4e-8 */
    CHECK_CLOSE(mcvd_bits_of_density(found, NUMEL), 7.0 - true_density(&g, x0) / (NUMEL * log(2.0)),
                1e-6);
    mcvd_schedule_free(&g.sched);
}

/* --- the trace --- */

/* A linear network out = M x with a full Jacobian. Its flow is linear too: with eps = M x and a = 1
 * the integral of the trace is tr(M) (sigma_end - sigma_start). */
typedef struct linear {
    double m[NUMEL][NUMEL];
    double trace;
    double off_diagonal; /* sum of squares of the symmetric part beside the diagonal */
    double symmetric;    /* of all of it */
} linear;

static linear make_linear(void)
{
    linear l = { .trace = 0.0 };

    for (size_t i = 0; i < NUMEL; i++)
        for (size_t j = 0; j < NUMEL; j++)
            l.m[i][j] = 0.02 + 0.01 * (double)hashed_gauss("M", (uint32_t)(i * NUMEL + j));
    for (size_t i = 0; i < NUMEL; i++) {
        l.trace += l.m[i][i];
        for (size_t j = 0; j < NUMEL; j++) {
            const double s = 0.5 * (l.m[i][j] + l.m[j][i]);
            l.symmetric += s * s;
            l.off_diagonal += i == j ? 0.0 : s * s;
        }
    }
    return l;
}

static mcvd_status linear_vjp(void *user, const double *x, double t, const double *v, double *out,
                              double *vj)
{
    const linear *l = user;

    (void)t;
    for (size_t i = 0; i < NUMEL; i++) {
        out[i] = 0.0;
        vj[i] = 0.0;
        for (size_t j = 0; j < NUMEL; j++) {
            out[i] += l->m[i][j] * x[j];
            vj[i] += v[j] * l->m[j][i];
        }
    }
    return MCVD_OK;
}

/* v' M v has mean tr M and variance 2 sum of s_ij^2, over i != j for Rademacher's v and over all
 * for normal v, s the symmetric part. Five standard deviations of the mean of 2000: less than one
 * failure in a million. */
static void check_trace(bool gaussian, uint64_t seed)
{
    enum { PROBES = 2000 };
    static double each[PROBES];
    linear l = make_linear();
    mcvd_schedule *sched = make_schedule("geometric", false);
    const mcvd_likelihood_net net = { .vjp = linear_vjp, .user = &l };
    const double sigmas[] = { 0.01, 0.51, 1.01 };
    const double x0[NUMEL] = { 0.5, -0.25 };
    mcvd_ode_config config = mcvd_ode_config_default();
    mcvd_ode_result result;
    double squares = 0.0;

    config.numel = NUMEL;
    config.solver = MCVD_ODE_HEUN;
    config.form = MCVD_ODE_SIGMA;
    config.num_steps = 2;
    config.sigmas = sigmas;
    config.probes = PROBES;
    config.gaussian_probes = gaussian;
    config.seed = seed;
    config.each = each;
    CHECK_OK(mcvd_ode_run(&result, &config, sched, &net, x0));
    const double variance = 2.0 * (gaussian ? l.symmetric : l.off_diagonal);
    CHECK_CLOSE(result.divergence, l.trace, 5.0 * sqrt(variance / PROBES));
    for (size_t p = 0; p < PROBES; p++)
        squares += pow(each[p] - result.prior - l.trace, 2.0);
    /* The spread itself: relative error of a variance of 2000 values with kurtosis below 15. */
    CHECK_CLOSE(squares / PROBES / variance, 1.0, 5.0 * sqrt(14.0 / PROBES));
    mcvd_schedule_free(&sched);
}

static void test_trace_of_a_full_jacobian(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 3; seed++) {
        check_trace(false, seed);
        check_trace(true, seed);
    }
}

/* --- the bound --- */

static void run_bound(gauss *g, mcvd_bound_config *config, const double *x0, mcvd_bound *bound)
{
    const mcvd_likelihood_net net = net_of(g);

    CHECK_OK(mcvd_bound_run(bound, config, g->sched, &net, x0));
}

/* Frames with levels; the true log mass of a level under the data's density smoothed by the least
 * noise, open at the ends. */
static void fill_levels(double *x0, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x0[i] = 2.0 * (double)hashed_byte("levels", (uint32_t)i) / 255.0 - 1.0;
}

typedef struct bound_case {
    const char *kind;
    const char *prediction;
    bool zero_terminal_snr;
} bound_case;

static const bound_case bounds[] = {
    { "linear", "eps", false },      { "cosine", "eps", false }, { "cosine", "v", true },
    { "geometric", "score", false }, { "flow", "x0", false },
};

/* With the best denoiser, E of (x0 - x0_pred)^2 over eps is known: x0_pred - x0 is
 * (s^2 (mu - x0) + a s tau^2 eps) / total. Every L_t is checked by its mean over samples, within
 * five standard deviations of that mean (of a square of a normal value: variance below 2 m^2). */
static void test_terms_by_their_mean(void **state)
{
    enum { T = 1000, SAMPLES = 16 };
    static double by_t[T];
    double x0[NUMEL];

    (void)state;
    fill_levels(x0, NUMEL);
    for (size_t c = 0; c < sizeof bounds / sizeof *bounds; c++) {
        gauss g = make_gauss(bounds[c].kind, bounds[c].prediction, bounds[c].zero_terminal_snr);
        mcvd_bound_config config = { .prediction = bounds[c].prediction,
                                     .numel = NUMEL,
                                     .batch = 9,
                                     .samples = SAMPLES,
                                     .by_t = by_t };
        mcvd_bound bound;

        run_bound(&g, &config, x0, &bound);
        double mean_sum = 0.0;
        double variance_sum = 0.0;
        for (int t = 1; t < T; t++) {
            const mcvd_level l = mcvd_schedule_level(g.sched, t);
            const mcvd_level n = mcvd_schedule_level(g.sched, t - 1);
            const double total = l.a * l.a * tau * tau + l.s * l.s;
            const double weight = 0.5 * (n.a * n.a / (n.s * n.s) - l.a * l.a / (l.s * l.s));
            const double noise = l.a * l.s * tau * tau / total;
            double mean = 0.0;
            double variance = 0.0;
            for (size_t i = 0; i < NUMEL; i++) {
                const double bias = l.s * l.s * (mu - x0[i]) / total;
                mean += weight * (bias * bias + noise * noise);
                variance +=
                    weight * weight * (2.0 * pow(noise, 4.0) + 4.0 * bias * bias * noise * noise);
            }
            mean_sum += mean;
            variance_sum += variance;
            CHECK_CLOSE(by_t[t], mean, 7.0 * sqrt(variance / SAMPLES) + 1e-12);
        }
        CHECK_CLOSE(bound.terms, mean_sum, 5.0 * sqrt(variance_sum / SAMPLES));
        CHECK_EQ(bound.calls, SAMPLES * T);
        mcvd_schedule_free(&g.sched);
    }
}

/* Noise of t alone, so that only the choice of terms is random. */
static mcvd_status fixed_noise(void *user, size_t sample, int t, double *eps, size_t numel)
{
    (void)user;
    (void)sample;
    for (size_t i = 0; i < numel; i++)
        eps[i] = (double)hashed_gauss("fixed", (uint32_t)((size_t)t * numel + i));
    return MCVD_OK;
}

/* The share of the terms is right on average: five standard errors of 400 draws. */
static void test_chosen_terms_are_unbiased(void **state)
{
    enum { SAMPLES = 400, TERMS = 25 };
    static double each[SAMPLES];
    static const char *const kinds[] = { "linear", "cosine", "geometric", "flow" };
    double x0[NUMEL];

    (void)state;
    fill_levels(x0, NUMEL);
    for (size_t c = 0; c < 4; c++) {
        gauss g = make_gauss(kinds[c], "x0", false);
        mcvd_bound_config config = {
            .prediction = "x0", .numel = NUMEL, .batch = 4, .samples = 1, .noise = fixed_noise
        };
        mcvd_bound all;
        mcvd_bound some;
        double squares = 0.0;

        run_bound(&g, &config, x0, &all);
        config.num_terms = 999; /* every piece has one timestep */
        run_bound(&g, &config, x0, &some);
        CHECK_CLOSE(some.terms, all.terms, 0.0);
        config.num_terms = TERMS;
        config.samples = SAMPLES;
        config.each = each;
        run_bound(&g, &config, x0, &some);
        CHECK_EQ(some.calls, SAMPLES * (TERMS + 1));
        CHECK_CLOSE(some.reconstruction, all.reconstruction, 1e-12 * fabs(all.reconstruction));
        const double mean = some.prior + some.terms + some.reconstruction;
        for (size_t i = 0; i < SAMPLES; i++)
            squares += (each[i] - mean) * (each[i] - mean);
        const double error = sqrt(squares / (SAMPLES - 1) / SAMPLES);
        CHECK_CLOSE(some.terms, all.terms, 5.0 * error);
        CHECK_TRUE(error < 0.05 * all.terms);
        mcvd_schedule_free(&g.sched);
    }
}

/* What T steps cost: the sum over t of (SNR[t-1] - SNR[t]) / 2 times the mean square error at t,
 * minus its integral, by which the bound of infinitely many steps is exact up to the levels. */
static double cost_of_steps(const mcvd_schedule *sched)
{
    double sum = 0.0;
    double before = 0.0;

    for (int t = 0; t < mcvd_schedule_num_timesteps(sched); t++) {
        const mcvd_level l = mcvd_schedule_level(sched, t);
        const double here = 1.0 / (tau * tau) + l.a * l.a / (l.s * l.s);
        if (t)
            sum += 0.5 * ((before - here) / here - log(before / here));
        before = here;
    }
    return sum;
}

/* Levels drawn from the data's own (rounded) density: the bound is above the entropy of the levels,
 * which no code beats, by what the steps cost. The rest is below 0.05 bits: the spread of the mean
 * of 20000 values is 0.01, and within a bin the posterior is not quite normal. */
static void test_bound_is_above_the_entropy(void **state)
{
    enum { N = 20000 };
    static double x0[N];
    gauss g = make_gauss("linear", "eps", false);
    mcvd_bound_config config = {
        .prediction = "eps", .numel = N, .batch = 1, .num_terms = 999, .samples = 1
    };
    mcvd_bound bound;
    double nats = 0.0;

    (void)state;
    g.numel = N;
    for (size_t i = 0; i < N; i++) {
        const double value = mu + tau * (double)hashed_gauss("data", (uint32_t)i);
        const double level = fmin(255.0, fmax(0.0, round((value + 1.0) * 127.5)));
        x0[i] = 2.0 * level / 255.0 - 1.0;
        const double low = level == 0.0 ? -INFINITY : (x0[i] - 1.0 / 255.0 - mu) / tau;
        const double high = level == 255.0 ? INFINITY : (x0[i] + 1.0 / 255.0 - mu) / tau;
        nats -= log(0.5 * (erfc(low / sqrt(2.0)) - erfc(high / sqrt(2.0))));
    }
    run_bound(&g, &config, x0, &bound);
    const double bits = mcvd_bits_of_mass(bound.prior + bound.terms + bound.reconstruction, N);
    const double truth = mcvd_bits_of_mass(nats, N);
    CHECK_TRUE(bits > truth);
    CHECK_CLOSE(bits, truth + cost_of_steps(g.sched) / log(2.0), 0.05);
    mcvd_schedule_free(&g.sched);
}

/* --- pixels, refusals --- */

static void test_pixels(void **state)
{
    enum { N = 300 };
    uint8_t levels[N];
    double plain[N];
    double first[N];
    double again[N];
    double other[N];
    size_t same = 0;

    (void)state;
    for (size_t i = 0; i < N; i++)
        levels[i] = (uint8_t)(i % 256);
    mcvd_levels_to_double(plain, levels, N);
    mcvd_levels_dequantise(first, levels, N, 3, 1, 0);
    mcvd_levels_dequantise(again, levels, N, 3, 1, 0);
    mcvd_levels_dequantise(other, levels, N, 3, 1, 1);
    CHECK_CLOSE(plain[0], -1.0, 0.0);
    CHECK_CLOSE(plain[255], 1.0, 0.0);
    for (size_t i = 0; i < N; i++) {
        const double k = (first[i] + 1.0) * 128.0;
        CHECK_EQ(floor(k), levels[i]);
        CHECK_CLOSE(first[i], again[i], 0.0);
        same += first[i] == other[i];
    }
    CHECK_TRUE(same < 3);
    /* A uniform density over [-1, 1]: 8 bits. */
    CHECK_CLOSE(mcvd_bits_of_density(-log(2.0) * N, N), 8.0, 1e-12);
}

static void test_refusals(void **state)
{
    gauss g = make_gauss("flow", "flow", false);
    mcvd_ode_config ode = mcvd_ode_config_default();
    mcvd_bound_config bc = { .prediction = "v", .numel = NUMEL, .batch = 1, .samples = 1 };
    const mcvd_likelihood_net net = net_of(&g);
    const double falling[] = { 0.1, 1.0, 0.5 };
    double x0[NUMEL] = { 0.0 };
    mcvd_ode_result result;
    mcvd_bound bound;

    (void)state;
    ode.numel = NUMEL;
    CHECK_STATUS(mcvd_ode_run(&result, &ode, g.sched, &net, x0), MCVD_E_CONFIG); /* eps, a = 0 */
    ode.prediction = "flow";
    ode.tolerance = 0.0;
    CHECK_STATUS(mcvd_ode_run(&result, &ode, g.sched, &net, x0), MCVD_E_RANGE);
    ode.tolerance = 1e-5;
    ode.probes = 0;
    CHECK_STATUS(mcvd_ode_run(&result, &ode, g.sched, &net, x0), MCVD_E_RANGE);
    ode.probes = 1;
    ode.block = 65536;
    CHECK_STATUS(mcvd_ode_run(&result, &ode, g.sched, &net, x0), MCVD_E_RANGE);
    ode.block = 0;
    ode.solver = MCVD_ODE_HEUN;
    ode.num_steps = 2;
    ode.sigmas = falling;
    CHECK_STATUS(mcvd_ode_run(&result, &ode, g.sched, &net, x0), MCVD_E_RANGE);
    CHECK_MESSAGE("rising");
    CHECK_STATUS(mcvd_bound_run(&bound, &bc, g.sched, &net, x0), MCVD_E_CONFIG); /* v of flow */
    bc.prediction = "x0";
    bc.num_terms = 1000;
    CHECK_STATUS(mcvd_bound_run(&bound, &bc, g.sched, &net, x0), MCVD_E_RANGE);
    CHECK_MESSAGE("999");
    mcvd_schedule_free(&g.sched);
}

static void test_stops_and_bad_answers(void **state)
{
    gauss g = make_gauss("cosine", "v", false);
    mcvd_ode_config ode = mcvd_ode_config_default();
    const mcvd_bound_config bc = { .prediction = "v", .numel = NUMEL, .batch = 3, .samples = 1 };
    const mcvd_likelihood_net net = net_of(&g);
    double x0[NUMEL];
    mcvd_ode_result result;
    mcvd_bound bound;

    (void)state;
    fill_levels(x0, NUMEL);
    ode.prediction = "v";
    ode.numel = NUMEL;
    for (size_t i = 1; i < 12; i += 5) {
        g.stop_after = i;
        g.calls = 0;
        CHECK_STATUS(mcvd_ode_run(&result, &ode, g.sched, &net, x0), MCVD_E_INTERRUPTED);
        CHECK_EQ(g.calls, i);
        g.calls = 0;
        CHECK_STATUS(mcvd_bound_run(&bound, &bc, g.sched, &net, x0), MCVD_E_INTERRUPTED);
        CHECK_EQ(g.calls, i);
    }
    g.stop_after = 0;
    g.spoil = (double)NAN;
    CHECK_STATUS(mcvd_ode_run(&result, &ode, g.sched, &net, x0), MCVD_E_NONFINITE);
    CHECK_STATUS(mcvd_bound_run(&bound, &bc, g.sched, &net, x0), MCVD_E_NONFINITE);
    CHECK_MESSAGE("timestep");
    mcvd_schedule_free(&g.sched);
}

/* A mean far from a level: the mass of its bin is below the smallest double, its logarithm is not.
 */
static void test_far_reconstruction(void **state)
{
    gauss g = make_gauss("linear", "x0", false);
    mcvd_bound_config config = {
        .prediction = "x0", .numel = NUMEL, .batch = 1, .num_terms = 1, .samples = 1
    };
    double x0[NUMEL] = { 0.0 };
    mcvd_bound bound;

    (void)state;
    g.spoil = 1.0;
    run_bound(&g, &config, x0, &bound);
    /* 1 / 0.01 standard deviations: 5000 nats, a little less for the near edge of the bin */
    CHECK_TRUE(bound.reconstruction > NUMEL * 4900.0 && bound.reconstruction < NUMEL * 5100.0);
    mcvd_schedule_free(&g.sched);
}

/* A hundredth off in eps: at the noisy end of a cosine schedule x0 is off by 2e5. Cut, no estimate
 * misses by more than 1.5 (x0 = 0.5 or -0.5); it never misses by more than uncut, and where it lies
 * inside anyway, nothing changes. */
static void test_clip(void **state)
{
    enum { T = 1000 };
    static double by_t[2][T];
    gauss g = make_gauss("cosine", "eps", false);
    double x0[NUMEL];
    mcvd_bound bound[2];
    int same = 0;

    (void)state;
    g.spoil = 0.01;
    for (size_t i = 0; i < NUMEL; i++)
        x0[i] = i % 2 ? 0.5 : -0.5;
    for (int clip = 0; clip < 2; clip++) {
        mcvd_bound_config config = { .prediction = "eps",
                                     .numel = NUMEL,
                                     .batch = 10,
                                     .samples = 1,
                                     .clip = clip,
                                     .by_t = by_t[clip] };
        run_bound(&g, &config, x0, &bound[clip]);
    }
    print_message("clip: %g and %g nats\n", bound[0].terms, bound[1].terms);
    CHECK_TRUE(bound[0].terms > 1e5);
    CHECK_TRUE(bound[1].terms < 1e3 && bound[1].terms > 0.0);
    for (int t = 1; t < T; t++) {
        const mcvd_level l = mcvd_schedule_level(g.sched, t);
        const mcvd_level n = mcvd_schedule_level(g.sched, t - 1);
        const double fall = n.a * n.a / (n.s * n.s) - l.a * l.a / (l.s * l.s);
        CHECK_TRUE(by_t[1][t] <= 0.5 * fall * NUMEL * 1.5 * 1.5 * (1.0 + 1e-9));
        CHECK_TRUE(by_t[1][t] <= by_t[0][t] * (1.0 + 1e-9));
        same += fabs(by_t[1][t] - by_t[0][t]) <= 1e-9 * by_t[0][t];
    }
    CHECK_TRUE(same > 100 && same < T - 1);
    mcvd_schedule_free(&g.sched);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tolerance_is_met),
        cmocka_unit_test(test_heun_has_order_two),
        cmocka_unit_test(test_flow_is_the_density),
        cmocka_unit_test(test_trace_of_a_full_jacobian),
        cmocka_unit_test(test_terms_by_their_mean),
        cmocka_unit_test(test_chosen_terms_are_unbiased),
        cmocka_unit_test(test_bound_is_above_the_entropy),
        cmocka_unit_test(test_pixels),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_stops_and_bad_answers),
        cmocka_unit_test(test_far_reconstruction),
        cmocka_unit_test(test_clip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
