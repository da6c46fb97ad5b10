/*
 * Likelihood of frames under a diffusion model, two ways: the variational bound, term by term, and
 * the density by the probability-flow ODE. The network is known here only as functions, in double
 * precision; model_likelihood.h puts a model behind them. Noise levels x = a x0 + s eps and
 * timesteps are those of schedule.h, SNR = a^2 / s^2; sums run over the numel values of one block.
 */
#ifndef MCVD_LIKELIHOOD_H
#define MCVD_LIKELIHOOD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mcvd/export.h>
#include <mcvd/schedule.h>
#include <mcvd/status.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mcvd_likelihood_net {
    /* out [batch, numel] = network(x [batch, numel], t [batch]), whole t. Read by the bound. */
    mcvd_status (*predict)(void *user, const double *x, const double *t, size_t batch, double *out);
    /* out = network(x, t) and vj[i] = sum over j of v[j] d out[j] / d x[i], all [numel]; t may be a
     * fraction. Read by the probability flow. */
    mcvd_status (*vjp)(void *user, const double *x, double t, const double *v, double *out,
                       double *vj);
    /* After every call; anything but 0 stops with MCVD_E_INTERRUPTED. May be NULL. */
    int (*progress)(void *user);
    void *user;
} mcvd_likelihood_net;

/* --- the variational bound --- */

/* Fill eps [numel] with normal noise for timestep t of sample `sample`. */
typedef mcvd_status (*mcvd_bound_noise_fn)(void *user, size_t sample, int t, double *eps,
                                           size_t numel);

typedef struct mcvd_bound_config {
    const char *prediction; /* what the network outputs, see sampler.h */
    size_t numel;
    size_t batch;              /* timesteps per network call, >= 1 */
    int num_terms;             /* N of the T - 1 terms between prior and reconstruction; 0: all */
    bool clip;                 /* x0_pred is cut to [-1, 1], as samplers do */
    size_t samples;            /* estimates, each with noise and chosen terms of its own, >= 1 */
    uint64_t seed;             /* of noise and chosen terms */
    uint64_t block;            /* number of this block, < 65536: other blocks, other noise */
    mcvd_bound_noise_fn noise; /* NULL: Philox streams of seed, block, t and sample */
    void *noise_user;
    double *each; /* output [samples]: the whole bound of each sample, in nats; or NULL */
    double *by_t; /* output [T]: mean L_t at entry t, reconstruction at entry 0, NaN where none was
                   * computed; or NULL */
} mcvd_bound_config;

/* Means over the samples, in nats; -log p(x0) <= prior + terms + reconstruction on average. */
typedef struct mcvd_bound {
    double prior;
    double terms;
    double reconstruction;
    size_t calls; /* timesteps that the network saw */
} mcvd_bound;

/**
 * The variational bound of one block whose values are levels 2 k / 255 - 1, k = 0 .. 255:
 *
 *     prior            KL of q(x_{T-1} | x0) = N(a x0, s^2) from N(0, P): the sum of
 *                      (a^2 x0^2 + s^2) / (2 P) - log(s^2 / P) / 2 - 1/2;
 *                      P = 1 for vp, s^2 of the noisiest level for ve and flow
 *     L_t, t = 1..T-1  KL of the posterior q(x_{t-1} | x_t, x0) from the model's step with the
 *                      same variance: (SNR[t-1] - SNR[t]) / 2 * sum of (x0 - x0_pred)^2
 *     reconstruction   -log of the mass that N(x0_pred, s[0]^2) gives to the bin x0 +- 1/255, the
 *                      outermost bins open; x0_pred from x_0
 *
 * terms is the sum of all L_t. With num_terms = N below T - 1 it is estimated: 1 .. T - 1 is cut
 * into N pieces, one t is drawn from each, and its L_t counts as often as the piece has timesteps:
 * the mean over draws is the whole sum. The pieces are equal in the sum of their share of the
 * timesteps and their share of log SNR, because an L_t is about as large as log SNR falls. A
 * network that predicts eps is read by x0 - x0_pred = s (eps_pred - eps) / a, which does not cancel
 * where a is small. With clip the bound is that of the model as a sampler with clip uses it: no L_t
 * is above the one without (the reconstruction may be, since the outermost bins are open), and at
 * the noisy end of a cosine schedule, where x0 read from eps is off by s / a = 2e7 times the error
 * of eps, it alone says something.
 *
 * @param bound  output
 * @param x0     [numel]
 * @return MCVD_OK
 *         MCVD_E_RANGE        a number outside its range, more terms than T - 1
 *         MCVD_E_CONFIG       unknown prediction, or one that does not suit the schedule
 *         MCVD_E_NONFINITE    the network's output, naming the timestep
 *         MCVD_E_INTERRUPTED, MCVD_E_NOMEM, whatever the network or the noise returned
 *
 * Source: Ho et al. 2020, eq. 5 and section 3.3; Kingma et al. 2021, eq. 14 (SNR form).
 */
MCVD_API mcvd_status mcvd_bound_run(mcvd_bound *bound, const mcvd_bound_config *config,
                                    const mcvd_schedule *sched, const mcvd_likelihood_net *net,
                                    const double *x0);

/* --- the probability flow --- */

typedef enum mcvd_ode_solver {
    MCVD_ODE_RK45, /* Dormand and Prince 5(4), steps chosen by the tolerance */
    MCVD_ODE_HEUN  /* second order, num_steps fixed steps, two calls each */
} mcvd_ode_solver;

/* What is integrated over what, with sigma = s / a. */
typedef enum mcvd_ode_form {
    MCVD_ODE_LOG_SIGMA, /* x over log sigma: all bounded, the noisy tail of a cosine costs nothing
                         */
    MCVD_ODE_SIGMA      /* x / a over sigma: the right-hand side is eps itself */
} mcvd_ode_form;

typedef struct mcvd_ode_config {
    const char *prediction;
    size_t numel;
    mcvd_ode_solver solver;
    mcvd_ode_form form;
    double tolerance;     /* RK45: relative and absolute, in [1e-12, 0.1] */
    int num_steps;        /* Heun: 1 .. 1000000 */
    const double *sigmas; /* Heun: [num_steps + 1] rising; NULL: equal steps in log sigma from the
                           * least noisy level to the noisiest with a > 0 */
    size_t probes;        /* vectors v of the trace estimate, 1 .. 4096 */
    bool gaussian_probes; /* normal v instead of Rademacher's +-1 */
    uint64_t seed;        /* of the probes */
    uint64_t block;       /* < 65536: other blocks, */
    uint64_t sample;      /* other samples, other probes */
    double *each;         /* output [probes]: log density by each probe alone; or NULL */
} mcvd_ode_config;

/** RK45 over log sigma, tolerance 1e-5, one Rademacher probe; numel is to be set. */
MCVD_API mcvd_ode_config mcvd_ode_config_default(void);

typedef struct mcvd_ode_result {
    double log_density; /* nats; prior + divergence */
    double prior;       /* log density of the noise at the end, in units of x / a */
    double divergence;  /* integral of the trace, mean over the probes */
    size_t steps;       /* taken */
    size_t rejected;    /* tried again with a smaller step */
    size_t calls;       /* of the vector-Jacobian product */
} mcvd_ode_result;

/**
 * Log density of one block, from the least noisy level, where x0 is taken for x / a, to the
 * noisiest:
 *
 *     d(x / a) / d sigma = eps(x, t),  log p(x0) = log p(x_end / a_end) + integral of
 *                                                 tr(d eps / d(x / a)) d sigma
 *
 * with x_end ~ N(0, P), P as in mcvd_bound_run. The trace is estimated by v' J v (Hutchinson) with
 * v fixed along the way; the part of the flow that is a multiple of x is exact. Between timesteps
 * the network is told the fraction at which log sigma, drawn as a straight line from timestep to
 * timestep, has the value. RK45 keeps the error of a step, root mean square over the values and
 * over the log density per value, below tolerance * (1 + |size|).
 *
 * @param x0  [numel] dequantised, in [-1, 1]
 * @return MCVD_OK
 *         MCVD_E_RANGE        a number outside its range, sigmas that do not rise, a tolerance that
 *                             no step reaches
 *         MCVD_E_CONFIG       unknown prediction, or one that does not suit the schedule
 *         MCVD_E_NONFINITE    the network's output
 *         MCVD_E_INTERRUPTED, MCVD_E_NOMEM, whatever the network returned
 *
 * Source: Song et al. 2021, section 4.3 and appendix D.2; Grathwohl et al. 2019 (fixed v); Dormand
 * and Prince 1980.
 */
MCVD_API mcvd_status mcvd_ode_run(mcvd_ode_result *result, const mcvd_ode_config *config,
                                  const mcvd_schedule *sched, const mcvd_likelihood_net *net,
                                  const double *x0);

/* --- pixels --- */

/** Levels 0 .. 255 as the networks see them, 2 k / 255 - 1. */
MCVD_API void mcvd_levels_to_double(double *out, const uint8_t *levels, size_t n);

/** Dequantised: 2 (k + u) / 256 - 1, u uniform in [0, 1) by seed, block and sample. */
MCVD_API void mcvd_levels_dequantise(double *out, const uint8_t *levels, size_t n, uint64_t seed,
                                     uint64_t block, uint64_t sample);

/** Bits per value of nats: of a probability over levels (the bound), nats / (numel log 2). */
MCVD_API double mcvd_bits_of_mass(double nats, size_t numel);
/** The same of -log density of dequantised levels: + 7, since 256 levels are 2 wide. */
MCVD_API double mcvd_bits_of_density(double log_density, size_t numel);

#ifdef __cplusplus
}
#endif

#endif
