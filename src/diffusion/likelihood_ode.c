/*
 * Log density by the probability-flow ODE. The state y holds the numel values and, after them, the
 * integral of the trace for every probe. With eps = ex x + eo out read from the network's answer:
 *
 *     form LOG_SIGMA, u = log sigma:  dx / du = (d log a / du) x + s eps
 *                                     trace   = (d log a / du + s ex) n + s eo v' J v
 *     form SIGMA:                     dX / d sigma = eps,  X = x / a
 *                                     trace        = a ex n + a eo v' J v
 *
 * J = d out / d x, n = numel. d log a / du is -s^2 for vp, 0 for ve, -s for flow.
 */
#include <math.h>
#include <string.h>

#include <mcvd/rng.h>

#include "core/alloc.h"
#include "core/checked.h"
#include "diffusion/likelihood.h"

enum { STAGES = 7, MAX_PROBES = 4096, MAX_STEPS = 1000000 };

typedef struct ode_run {
    const mcvd_ode_config *config;
    const mcvd_schedule *sched;
    const mcvd_likelihood_net *net;
    const mcvdi_parameterisation *param;
    size_t numel;
    size_t size; /* numel + probes */

    double *v;         /* [probes, numel] */
    double *x;         /* [numel] what the network sees */
    double *out;       /* [numel] */
    double *vj;        /* [numel] */
    double *y;         /* [size] */
    double *trial;     /* [size] */
    double *k[STAGES]; /* [size] slopes */
    mcvd_ode_result result;
} ode_run;

mcvd_ode_config mcvd_ode_config_default(void)
{
    return (
        mcvd_ode_config) { .prediction = "eps", .tolerance = 1e-5, .num_steps = 100, .probes = 1 };
}

/* --- the right-hand side --- */

/* x = scale * state, slope = of_x x + of_out out, trace = scale (of_x n + of_out v' J v). */
typedef struct ode_terms {
    mcvdi_place place;
    double scale;
    double of_x;
    double of_out;
} ode_terms;

static double log_a_slope(mcvd_process process, double s)
{
    switch (process) {
    case MCVD_PROCESS_VP:
        return -s * s;
    case MCVD_PROCESS_FLOW:
        return -s;
    case MCVD_PROCESS_VE:
        break;
    }
    return 0.0;
}

static ode_terms terms_at(const ode_run *r, double where)
{
    const bool is_log = r->config->form == MCVD_ODE_LOG_SIGMA;
    const mcvdi_place place = mcvdi_place_of_sigma(r->sched, is_log ? exp(where) : where);
    const mcvd_level level = place.level;
    const mcvdi_output_map map = mcvdi_parameterisation_at(r->param, level);
    const double drift = log_a_slope(mcvd_schedule_process(r->sched), level.s);

    if (is_log)
        return (ode_terms) { place, 1.0, drift + level.s * map.eps_x, level.s * map.eps_out };
    return (ode_terms) { place, level.a, map.eps_x, map.eps_out };
}

/* v' J v of probe p; the answer is left in r->out. */
static mcvd_status probe(ode_run *r, const ode_terms *at, size_t p, double *vjv)
{
    const double *v = r->v + p * r->numel;
    mcvd_status st = r->net->vjp(r->net->user, r->x, at->place.t, v, r->out, r->vj);

    r->result.calls++;
    *vjv = 0.0;
    for (size_t i = 0; st >= 0 && i < r->numel; i++)
        *vjv += r->vj[i] * v[i];
    if (st >= 0 && !isfinite(*vjv))
        st = mcvdi_fail(MCVD_E_NONFINITE, "likelihood: the network's gradient at timestep %g",
                        at->place.t);
    return st < 0 ? st : mcvdi_likelihood_progress(r->net);
}

static mcvd_status slope(ode_run *r, double where, const double *y, double *dy)
{
    const ode_terms at = terms_at(r, where);
    const size_t n = r->numel;
    mcvd_status st = MCVD_OK;

    for (size_t i = 0; i < n; i++)
        r->x[i] = at.scale * y[i];
    for (size_t p = 0; st >= 0 && p < r->config->probes; p++) {
        double vjv = 0.0;

        st = probe(r, &at, p, &vjv);
        dy[n + p] = at.scale * (at.of_x * (double)n + at.of_out * vjv);
    }
    for (size_t i = 0; st >= 0 && i < n; i++) {
        dy[i] = at.of_x * r->x[i] + at.of_out * r->out[i];
        if (!isfinite(dy[i]))
            st = mcvdi_fail(MCVD_E_NONFINITE, "likelihood: the network's output at timestep %g",
                            at.place.t);
    }
    return st;
}

/* trial = y + h * sum of weight[s] k[s]. */
static void combine(ode_run *r, double h, const double *weight, int stages)
{
    for (size_t i = 0; i < r->size; i++) {
        double sum = 0.0;
        for (int s = 0; s < stages; s++)
            sum += weight[s] * r->k[s][i];
        r->trial[i] = r->y[i] + h * sum;
    }
}

static void accept(ode_run *r)
{
    double *before = r->y;

    r->y = r->trial;
    r->trial = before;
    r->result.steps++;
}

/* --- Heun --- */

static double heun_place(const ode_run *r, double first, double last, int step)
{
    const double *sigmas = r->config->sigmas;
    const bool is_log = r->config->form == MCVD_ODE_LOG_SIGMA;
    const double share = (double)step / r->config->num_steps;

    if (sigmas)
        return is_log ? log(sigmas[step]) : sigmas[step];
    if (is_log)
        return first + share * (last - first);
    return exp(log(first) + share * (log(last) - log(first)));
}

static mcvd_status heun(ode_run *r, double first, double last)
{
    static const double euler[] = { 1.0 };
    static const double mean[] = { 0.5, 0.5 };
    mcvd_status st = MCVD_OK;

    for (int i = 0; st >= 0 && i < r->config->num_steps; i++) {
        const double here = heun_place(r, first, last, i);
        const double there = heun_place(r, first, last, i + 1);

        st = slope(r, here, r->y, r->k[0]);
        if (st < 0)
            break;
        combine(r, there - here, euler, 1);
        st = slope(r, there, r->trial, r->k[1]);
        combine(r, there - here, mean, 2);
        accept(r);
    }
    return st;
}

/* --- Dormand and Prince --- */

static const double dp_place[STAGES] = { 0.0, 1.0 / 5, 3.0 / 10, 4.0 / 5, 8.0 / 9, 1.0, 1.0 };

static const double dp_weight[STAGES][STAGES] = {
    { 0.0 },
    { 1.0 / 5 },
    { 3.0 / 40, 9.0 / 40 },
    { 44.0 / 45, -56.0 / 15, 32.0 / 9 },
    { 19372.0 / 6561, -25360.0 / 2187, 64448.0 / 6561, -212.0 / 729 },
    { 9017.0 / 3168, -355.0 / 33, 46732.0 / 5247, 49.0 / 176, -5103.0 / 18656 },
    { 35.0 / 384, 0.0, 500.0 / 1113, 125.0 / 192, -2187.0 / 6784, 11.0 / 84 },
};

/* Fifth-order weights, which are the last row above, minus those of fourth order. */
static const double dp_error[STAGES] = { 71.0 / 57600,      0.0,        -71.0 / 16695, 71.0 / 1920,
                                         -17253.0 / 339200, 22.0 / 525, -1.0 / 40 };

static double error_of(const ode_run *r, size_t i, double h)
{
    double sum = 0.0;

    for (int s = 0; s < STAGES; s++)
        sum += dp_error[s] * r->k[s][i];
    return h * sum;
}

/* The estimated error over what is allowed: the larger of the root mean square over the values and
 * the worst log density per value. */
static double error_ratio(const ode_run *r, double h)
{
    const double n = (double)r->numel;
    const double tol = r->config->tolerance;
    double squares = 0.0;
    double worst = 0.0;

    for (size_t i = 0; i < r->numel; i++) {
        const double ratio =
            error_of(r, i, h) / (tol * (1.0 + fmax(fabs(r->y[i]), fabs(r->trial[i]))));
        squares += ratio * ratio;
    }
    for (size_t i = r->numel; i < r->size; i++) {
        const double scale = 1.0 + fmax(fabs(r->y[i]), fabs(r->trial[i])) / n;
        worst = fmax(worst, fabs(error_of(r, i, h)) / n / (tol * scale));
    }
    return fmax(worst, sqrt(squares / n));
}

/* Stages 1 .. 6 from k[0], which is the slope at `here`; the last one is the slope at the end. */
static mcvd_status try_step(ode_run *r, double here, double h)
{
    mcvd_status st = MCVD_OK;

    for (int s = 1; st >= 0 && s < STAGES; s++) {
        combine(r, h, dp_weight[s], s);
        st = slope(r, here + dp_place[s] * h, r->trial, r->k[s]);
    }
    return st;
}

static void keep_last_slope(ode_run *r)
{
    double *first = r->k[0];

    r->k[0] = r->k[STAGES - 1];
    r->k[STAGES - 1] = first;
}

static mcvd_status rk45(ode_run *r, double first, double last)
{
    const double range = last - first;
    double here = first;
    double h = range / 100.0;
    mcvd_status st = slope(r, here, r->y, r->k[0]);

    while (st >= 0 && here < last) {
        const bool ends = here + h >= last;
        if (ends)
            h = last - here;
        st = try_step(r, here, h);
        if (st < 0)
            break;
        const double ratio = error_ratio(r, h);
        const double factor = fmin(5.0, fmax(0.2, 0.9 * pow(ratio, -0.2)));
        if (ratio <= 1.0) {
            here = ends ? last : here + h;
            accept(r);
            keep_last_slope(r);
        } else {
            r->result.rejected++;
        }
        h *= ratio <= 1.0 ? factor : fmin(factor, 1.0);
        if (here < last && (h < 1e-9 * range || r->result.steps + r->result.rejected > MAX_STEPS))
            st = mcvdi_fail(MCVD_E_RANGE,
                            "likelihood: tolerance %g is out of reach of this network: the steps "
                            "became too small; expected a larger one",
                            r->config->tolerance);
    }
    return st;
}

/* --- the run --- */

static mcvd_status check_sigmas(const mcvd_ode_config *c)
{
    for (int i = 0; c->solver == MCVD_ODE_HEUN && c->sigmas && i < c->num_steps; i++)
        if (!(c->sigmas[i] > 0.0 && c->sigmas[i + 1] > c->sigmas[i]))
            return mcvdi_fail(MCVD_E_RANGE, "likelihood: sigmas %g and %g, expected rising ones",
                              c->sigmas[i], c->sigmas[i + 1]);
    return MCVD_OK;
}

static mcvd_status check(ode_run *r)
{
    const mcvd_ode_config *c = r->config;

    if (c->probes < 1 || c->probes > MAX_PROBES)
        return mcvdi_fail(MCVD_E_RANGE, "likelihood: %zu probes, expected 1 to %d", c->probes,
                          (int)MAX_PROBES);
    if (c->solver == MCVD_ODE_HEUN && (c->num_steps < 1 || c->num_steps > MAX_STEPS))
        return mcvdi_fail(MCVD_E_RANGE, "likelihood: %d steps, expected 1 to %d", c->num_steps,
                          (int)MAX_STEPS);
    if (c->solver == MCVD_ODE_RK45 && !(c->tolerance >= 1e-12 && c->tolerance <= 0.1))
        return mcvdi_fail(MCVD_E_RANGE, "likelihood: tolerance %g, expected 1e-12 to 0.1",
                          c->tolerance);
    const mcvd_status st = check_sigmas(c);
    if (st < 0)
        return st;
    return mcvdi_likelihood_check(&r->param, c->prediction, r->sched, r->numel, c->block);
}

static mcvd_status allocate(ode_run *r)
{
    bool ok = true;

    r->v = mcvdi_new_doubles(r->config->probes, r->numel);
    r->x = mcvdi_new_doubles(r->numel, 1);
    r->out = mcvdi_new_doubles(r->numel, 1);
    r->vj = mcvdi_new_doubles(r->numel, 1);
    r->y = mcvdi_new_doubles(r->size, 1);
    r->trial = mcvdi_new_doubles(r->size, 1);
    for (int s = 0; s < (r->config->solver == MCVD_ODE_HEUN ? 2 : STAGES); s++) {
        r->k[s] = mcvdi_new_doubles(r->size, 1);
        ok = ok && r->k[s];
    }
    if (!ok || !r->v || !r->x || !r->out || !r->vj || !r->y || !r->trial)
        return mcvdi_fail(MCVD_E_NOMEM, "likelihood: out of memory for %zu values and %zu probes",
                          r->numel, r->config->probes);
    return MCVD_OK;
}

static void release(ode_run *r)
{
    mcvdi_free(r->v);
    mcvdi_free(r->x);
    mcvdi_free(r->out);
    mcvdi_free(r->vj);
    mcvdi_free(r->y);
    mcvdi_free(r->trial);
    for (int s = 0; s < STAGES; s++)
        mcvdi_free(r->k[s]);
}

static void draw_probes(ode_run *r)
{
    enum { PIECE = 256 };
    const mcvd_ode_config *c = r->config;
    float z[PIECE];

    for (size_t p = 0; p < c->probes; p++) {
        const mcvd_rng_key key = mcvd_rng_key_make(c->seed, MCVD_RNG_PROBE,
                                                   c->block * MAX_PROBES + (uint64_t)p, c->sample);
        double *v = r->v + p * r->numel;
        for (size_t first = 0; first < r->numel; first += PIECE) {
            const size_t count = r->numel - first < PIECE ? r->numel - first : PIECE;
            (c->gaussian_probes ? mcvd_rng_normal : mcvd_rng_uniform)(key, first, z, count);
            for (size_t i = 0; i < count; i++)
                v[first + i] = c->gaussian_probes ? (double)z[i] : z[i] < 0.5f ? -1.0 : 1.0;
        }
    }
}

/* Log density of X = x / a: log N(x; 0, P) + n log a. */
static double prior_of(const ode_run *r, const mcvdi_place *end)
{
    const double variance = mcvdi_prior_variance(r->sched);
    const double a = end->level.a;
    const double scale = r->config->form == MCVD_ODE_LOG_SIGMA ? 1.0 : a;
    double squares = 0.0;

    for (size_t i = 0; i < r->numel; i++)
        squares += scale * scale * r->y[i] * r->y[i];
    return -0.5 * (squares / variance + (double)r->numel * (mcvdi_log_2pi + log(variance))) +
           (double)r->numel * log(a);
}

/* What form LOG_SIGMA integrates is the density of x: n (log a_end - log a_start) less. */
static void finish(ode_run *r, const mcvdi_place *start, const mcvdi_place *end)
{
    const double n = (double)r->numel;
    const double shift =
        r->config->form == MCVD_ODE_LOG_SIGMA ? n * (log(start->level.a) - log(end->level.a)) : 0.0;
    double sum = 0.0;

    r->result.prior = prior_of(r, end);
    for (size_t p = 0; p < r->config->probes; p++) {
        const double divergence = r->y[r->numel + p] + shift;
        sum += divergence;
        if (r->config->each)
            r->config->each[p] = r->result.prior + divergence;
    }
    r->result.divergence = sum / (double)r->config->probes;
    r->result.log_density = r->result.prior + r->result.divergence;
}

static mcvd_status integrate(ode_run *r, const double *x0)
{
    const mcvd_ode_config *c = r->config;
    const bool own_grid = c->solver == MCVD_ODE_HEUN && c->sigmas;
    const mcvd_level clean = mcvd_schedule_level(r->sched, 0);
    const mcvd_level noisy = mcvd_schedule_level(r->sched, mcvdi_noisiest_finite(r->sched));
    const mcvdi_place start =
        mcvdi_place_of_sigma(r->sched, own_grid ? c->sigmas[0] : clean.s / clean.a);
    const mcvdi_place end =
        mcvdi_place_of_sigma(r->sched, own_grid ? c->sigmas[c->num_steps] : noisy.s / noisy.a);
    const bool is_log = c->form == MCVD_ODE_LOG_SIGMA;
    const double first = is_log ? log(start.sigma) : start.sigma;
    const double last = is_log ? log(end.sigma) : end.sigma;

    draw_probes(r);
    memset(r->y, 0, r->size * sizeof *r->y);
    for (size_t i = 0; i < r->numel; i++)
        r->y[i] = is_log ? start.level.a * x0[i] : x0[i];
    const mcvd_status st = (c->solver == MCVD_ODE_HEUN ? heun : rk45)(r, first, last);
    if (st >= 0)
        finish(r, &start, &end);
    return st;
}

mcvd_status mcvd_ode_run(mcvd_ode_result *result, const mcvd_ode_config *config,
                         const mcvd_schedule *sched, const mcvd_likelihood_net *net,
                         const double *x0)
{
    ode_run r = { .config = config, .sched = sched, .net = net, .numel = config->numel };

    memset(result, 0, sizeof *result);
    mcvd_status st = check(&r);
    if (st < 0)
        return st;
    if (!mcvdi_add_size(&r.size, config->numel, config->probes))
        return mcvdi_fail(MCVD_E_NOMEM, "likelihood: %zu values", config->numel);
    st = allocate(&r);
    if (st >= 0)
        st = integrate(&r, x0);
    if (st >= 0)
        *result = r.result;
    release(&r);
    return st;
}
