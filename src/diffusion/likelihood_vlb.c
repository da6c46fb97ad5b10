/*
 * The variational bound, term by term (mcvd/likelihood.h has the equations).
 *
 * The network answers out; with its training target p x0 + q eps, known exactly here, and
 * x0 = x0_x x + x0_out target (parameterisation.h),
 *
 *     x0 - x0_pred = x0_out (target - out),
 *
 * where no large numbers cancel at the noisy end.
 */
#include <math.h>
#include <string.h>

#include <mcvd/rng.h>

#include "core/alloc.h"
#include "diffusion/likelihood.h"

typedef struct bound_run {
    const mcvd_bound_config *config;
    const mcvd_schedule *sched;
    const mcvd_likelihood_net *net;
    const mcvdi_parameterisation *param;
    const double *x0;
    size_t numel;
    int num_timesteps;
    int num_terms;

    int *edges;     /* [num_terms + 1] of the pieces of 1 .. T - 1 */
    int *chosen;    /* [num_terms + 1] timesteps of this sample; 0, the reconstruction, last */
    double *weight; /* [num_terms + 1] how often each counts */
    double *eps;    /* [batch, numel] */
    double *x;
    double *out;
    double *t;       /* [batch] */
    size_t *counted; /* [T] samples that computed t */
    mcvd_bound sum;
} bound_run;

/* --- terms --- */

static double prior_of(const bound_run *r)
{
    const mcvd_level last = mcvd_schedule_level(r->sched, r->num_timesteps - 1);
    const double variance = mcvdi_prior_variance(r->sched);
    const double noise = last.s * last.s / variance;
    double sum = 0.0;

    for (size_t i = 0; i < r->numel; i++)
        sum += last.a * last.a * r->x0[i] * r->x0[i] / variance;
    return 0.5 * (sum + (double)r->numel * (noise - log(noise) - 1.0));
}

static double snr(const mcvd_schedule *sched, int t)
{
    const mcvd_level level = mcvd_schedule_level(sched, t);

    return level.a * level.a / (level.s * level.s);
}

/* log of the upper tail of the standard normal; past the range of doubles by its expansion. */
static double log_tail(double z)
{
    if (z < 37.0)
        return log(0.5 * erfc(z * 0.70710678118654752440));
    return -0.5 * z * z - log(z) - 0.5 * mcvdi_log_2pi - 1.0 / (z * z);
}

/* log mass of the standard normal between low and high, either side may be infinite. */
static double log_mass(double low, double high)
{
    if (low + high < 0.0) {
        const double mirror = low;
        low = -high;
        high = -mirror;
    }
    const double nearer = log_tail(low); /* low is the edge nearer to 0, or left of it */
    if (isinf(high))
        return nearer;
    return nearer + log1p(-exp(log_tail(high) - nearer));
}

/* What is missed when x0_pred = x0 - miss is cut to [-1, 1]. */
static double clipped_miss(double x0, double miss)
{
    return x0 - fmin(1.0, fmax(-1.0, x0 - miss));
}

/* x0_pred = x0 - miss. */
static double reconstruction_of(const bound_run *r, const double *miss)
{
    const double sd = mcvd_schedule_level(r->sched, 0).s;
    const double half = 1.0 / 255.0;
    double sum = 0.0;

    for (size_t i = 0; i < r->numel; i++) {
        const double low = r->x0[i] < -0.999 ? -INFINITY : (miss[i] - half) / sd;
        const double high = r->x0[i] > 0.999 ? INFINITY : (miss[i] + half) / sd;
        sum -= log_mass(low, high);
    }
    return sum;
}

/* out becomes x0 - x0_pred; returns the term. */
static double term_of(const bound_run *r, int t, size_t b)
{
    const mcvd_level level = mcvd_schedule_level(r->sched, t);
    const mcvdi_output_map map = mcvdi_parameterisation_at(r->param, level);
    const double *eps = r->eps + b * r->numel;
    double *miss = r->out + b * r->numel;
    double squares = 0.0;

    for (size_t i = 0; i < r->numel; i++) {
        const double target = map.target_x0 * r->x0[i] + map.target_eps * eps[i];
        miss[i] = map.x0_out * (target - miss[i]);
        if (r->config->clip && isfinite(miss[i]))
            miss[i] = clipped_miss(r->x0[i], miss[i]);
        squares += miss[i] * miss[i];
    }
    if (t == 0)
        return reconstruction_of(r, miss);
    return 0.5 * (snr(r->sched, t - 1) - snr(r->sched, t)) * squares;
}

/* --- one sample --- */

/* Where timestep t ends on the way from 0 to 1 on which pieces are equally long: half of it is
 * log SNR, since an L_t is about its fall by as much as it falls, and half is timesteps. */
static double way_to(const bound_run *r, int t)
{
    const double least = exp(-10.0); /* hardly a trace of x0 */
    const double clean = log(snr(r->sched, 0));
    const double noisy = log(fmax(snr(r->sched, r->num_timesteps - 1), least));
    const double here = log(fmax(snr(r->sched, t), least));
    const double fallen = clean > noisy ? (clean - here) / (clean - noisy) : 1.0;

    return 0.5 * fallen + 0.5 * t / (r->num_timesteps - 1);
}

/* Piece i is timesteps [edges[i], edges[i + 1]), every one of them at least one long. */
static void cut_pieces(bound_run *r)
{
    int *edges = r->edges;
    int t = 1;

    edges[0] = 1;
    for (int i = 1; i < r->num_terms; i++) {
        while (t < r->num_timesteps && way_to(r, t) < (double)i / r->num_terms)
            t++;
        edges[i] = t > edges[i - 1] ? t : edges[i - 1] + 1;
    }
    edges[r->num_terms] = r->num_timesteps;
    for (int i = r->num_terms - 1; i > 0 && edges[i] >= edges[i + 1]; i--)
        edges[i] = edges[i + 1] - 1;
}

static void choose_terms(const bound_run *r, size_t sample)
{
    const mcvd_rng_key key =
        mcvd_rng_key_make(r->config->seed, MCVD_RNG_BOUND_TERM, r->config->block, sample);

    for (int i = 0; i < r->num_terms; i++) {
        const int length = r->edges[i + 1] - r->edges[i];
        r->chosen[i] = r->edges[i] + (int)mcvd_rng_below(key, (uint64_t)i, (uint32_t)length);
        r->weight[i] = length;
    }
    r->chosen[r->num_terms] = 0;
    r->weight[r->num_terms] = 1.0;
}

static mcvd_status draw_noise(const bound_run *r, size_t sample, int t, double *eps)
{
    enum { PIECE = 256 };
    const mcvd_bound_config *c = r->config;
    float z[PIECE];

    if (c->noise)
        return c->noise(c->noise_user, sample, t, eps, r->numel);
    const mcvd_rng_key key = mcvd_rng_key_make(
        c->seed, MCVD_RNG_BOUND_NOISE, c->block * MCVDI_LIKELIHOOD_BLOCKS + (uint64_t)t, sample);
    for (size_t first = 0; first < r->numel; first += PIECE) {
        const size_t count = r->numel - first < PIECE ? r->numel - first : PIECE;
        mcvd_rng_normal(key, first, z, count);
        for (size_t i = 0; i < count; i++)
            eps[first + i] = (double)z[i];
    }
    return MCVD_OK;
}

static mcvd_status predict_batch(bound_run *r, size_t sample, const int *t, size_t batch)
{
    mcvd_status st = MCVD_OK;

    for (size_t b = 0; st >= 0 && b < batch; b++) {
        const mcvd_level level = mcvd_schedule_level(r->sched, t[b]);
        double *eps = r->eps + b * r->numel;
        double *x = r->x + b * r->numel;

        st = draw_noise(r, sample, t[b], eps);
        for (size_t i = 0; i < r->numel; i++)
            x[i] = level.a * r->x0[i] + level.s * eps[i];
        r->t[b] = t[b];
    }
    if (st >= 0)
        st = r->net->predict(r->net->user, r->x, r->t, batch, r->out);
    r->sum.calls += batch;
    return st < 0 ? st : mcvdi_likelihood_progress(r->net);
}

static mcvd_status add_term(bound_run *r, int t, double weight, size_t b)
{
    const double value = term_of(r, t, b);

    if (!isfinite(value))
        return mcvdi_fail(MCVD_E_NONFINITE, "likelihood: the network's output at timestep %d", t);
    if (t)
        r->sum.terms += weight * value;
    else
        r->sum.reconstruction += value;
    r->counted[t]++;
    if (r->config->by_t)
        r->config->by_t[t] += value;
    return MCVD_OK;
}

static mcvd_status run_sample(bound_run *r, size_t sample)
{
    const size_t count = (size_t)r->num_terms + 1;
    const double before = r->sum.terms + r->sum.reconstruction;
    mcvd_status st = MCVD_OK;

    choose_terms(r, sample);
    for (size_t first = 0; st >= 0 && first < count; first += r->config->batch) {
        const size_t rest = count - first;
        const size_t batch = rest < r->config->batch ? rest : r->config->batch;

        st = predict_batch(r, sample, r->chosen + first, batch);
        for (size_t b = 0; st >= 0 && b < batch; b++)
            st = add_term(r, r->chosen[first + b], r->weight[first + b], b);
    }
    if (st >= 0 && r->config->each)
        r->config->each[sample] = r->sum.prior + r->sum.terms + r->sum.reconstruction - before;
    return st;
}

/* --- the run --- */

static mcvd_status check(bound_run *r)
{
    const mcvd_bound_config *c = r->config;

    if (c->num_terms < 0 || c->num_terms > r->num_timesteps - 1)
        return mcvdi_fail(MCVD_E_RANGE, "likelihood: %d terms of the bound, there are %d",
                          c->num_terms, r->num_timesteps - 1);
    if (!c->batch || !c->samples)
        return mcvdi_fail(MCVD_E_RANGE,
                          "likelihood: batch = %zu and samples = %zu, expected at "
                          "least 1",
                          c->batch, c->samples);
    return mcvdi_likelihood_check(&r->param, c->prediction, r->sched, r->numel, c->block);
}

static mcvd_status allocate(bound_run *r)
{
    const size_t batch = r->config->batch;
    const size_t count = (size_t)r->num_terms + 1;

    r->chosen = mcvdi_calloc(count, sizeof *r->chosen);
    r->edges = mcvdi_calloc(count, sizeof *r->edges);
    r->weight = mcvdi_calloc(count, sizeof *r->weight);
    r->counted = mcvdi_calloc((size_t)r->num_timesteps, sizeof *r->counted);
    r->eps = mcvdi_new_doubles(batch, r->numel);
    r->x = mcvdi_new_doubles(batch, r->numel);
    r->out = mcvdi_new_doubles(batch, r->numel);
    r->t = mcvdi_new_doubles(batch, 1);
    if (!r->chosen || !r->edges || !r->weight || !r->counted || !r->eps || !r->x || !r->out ||
        !r->t)
        return mcvdi_fail(MCVD_E_NOMEM, "likelihood: out of memory for %zu blocks at once", batch);
    return MCVD_OK;
}

static void release(bound_run *r)
{
    mcvdi_free(r->chosen);
    mcvdi_free(r->edges);
    mcvdi_free(r->weight);
    mcvdi_free(r->counted);
    mcvdi_free(r->eps);
    mcvdi_free(r->x);
    mcvdi_free(r->out);
    mcvdi_free(r->t);
}

static void finish(bound_run *r, mcvd_bound *bound)
{
    const double samples = (double)r->config->samples;
    double *by_t = r->config->by_t;

    bound->terms = r->sum.terms / samples;
    bound->reconstruction = r->sum.reconstruction / samples;
    bound->prior = r->sum.prior;
    bound->calls = r->sum.calls;
    for (int t = 0; by_t && t < r->num_timesteps; t++)
        by_t[t] = r->counted[t] ? by_t[t] / (double)r->counted[t] : (double)NAN;
}

mcvd_status mcvd_bound_run(mcvd_bound *bound, const mcvd_bound_config *config,
                           const mcvd_schedule *sched, const mcvd_likelihood_net *net,
                           const double *x0)
{
    bound_run r = { .config = config,
                    .sched = sched,
                    .net = net,
                    .x0 = x0,
                    .numel = config->numel,
                    .num_timesteps = mcvd_schedule_num_timesteps(sched) };

    memset(bound, 0, sizeof *bound);
    mcvd_status st = check(&r);
    if (st < 0)
        return st;
    r.num_terms = config->num_terms ? config->num_terms : r.num_timesteps - 1;
    st = allocate(&r);
    if (st >= 0 && config->by_t)
        memset(config->by_t, 0, (size_t)r.num_timesteps * sizeof *config->by_t);
    if (st >= 0)
        cut_pieces(&r);
    r.sum.prior = prior_of(&r);
    for (size_t sample = 0; st >= 0 && sample < config->samples; sample++)
        st = run_sample(&r, sample);
    if (st >= 0)
        finish(&r, bound);
    release(&r);
    return st;
}
