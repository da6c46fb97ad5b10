/*
 * Noise schedules of a diffusion process with T discrete timesteps.
 *
 *     x_t = sqrt(ac[t]) * x0 + sqrt(1 - ac[t]) * eps,      ac = alphas_cumprod
 *
 * Timestep 0 is the least noisy, T - 1 the noisiest. The authors' networks and files count the
 * other way round ("labels", 0 = noisiest); mcvd_schedule_label is the one conversion.
 */
#ifndef MCVD_SCHEDULE_H
#define MCVD_SCHEDULE_H

#include <stddef.h>
#include <stdint.h>

#include <mcvd/export.h>
#include <mcvd/status.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mcvd_schedule mcvd_schedule;

typedef struct mcvd_schedule_config {
    const char *kind;  /* "linear" | "cosine" */
    int num_timesteps; /* T, 2 .. 65536 */
    double beta_begin; /* linear: beta at the noisiest timestep, in (0, 1) */
    double beta_end;   /* linear: beta at the least noisy timestep, in (0, 1) */
} mcvd_schedule_config;

/** linear, T = 1000, 0.02 -> 0.0001: what every published video setting uses. */
MCVD_API mcvd_schedule_config mcvd_schedule_config_default(void);

/**
 * Build a schedule. It never changes afterwards, so any number of threads may use it.
 *
 *   linear  betas[t] equally spaced, beta_end at t = 0, beta_begin at t = T - 1;
 *           ac[t] = product of 1 - betas[j] over j <= t
 *   cosine  ac[t] = f((t + 1) / T) / f(0), f(u) = cos^2((u + 0.008) / 1.008 * pi / 2), evaluated in
 *           single precision as the published networks were trained; betas are not clipped, so
 *           ac[T - 1] is about 2e-15: clip x0 when sampling
 *
 * @return MCVD_OK
 *         MCVD_E_RANGE  num_timesteps or a beta outside its range
 *         MCVD_E_CONFIG unknown kind; the message lists the known ones
 *         MCVD_E_NOMEM
 *
 * Source: Ho et al. 2020 (linear); Nichol and Dhariwal 2021, eq. 17 (cosine).
 */
MCVD_API mcvd_status mcvd_schedule_create(mcvd_schedule **out, const mcvd_schedule_config *config);
MCVD_API void mcvd_schedule_free(mcvd_schedule **sched);

MCVD_API int mcvd_schedule_num_timesteps(const mcvd_schedule *sched);

/**
 * Values at timestep t in [0, T); a timestep outside gives NaN.
 * alpha_cumprod_prev is the product one timestep cleaner: ac[t - 1], and 1 at t = 0.
 */
MCVD_API double mcvd_schedule_alpha_cumprod(const mcvd_schedule *sched, int t);
MCVD_API double mcvd_schedule_alpha_cumprod_prev(const mcvd_schedule *sched, int t);
MCVD_API double mcvd_schedule_beta(const mcvd_schedule *sched, int t);

/** The label that the authors' networks know timestep t by, T - 1 - t; its own inverse. Fractions
 * and numbers outside the schedule are converted alike. */
MCVD_API double mcvd_schedule_label(const mcvd_schedule *sched, double t);

/* One timestep per sample of a batch of equally large blocks. */
typedef struct mcvd_timesteps {
    const int32_t *t; /* [batch] in [0, T) */
    size_t batch;
    size_t numel; /* values per sample */
} mcvd_timesteps;

/**
 * Noise clean frames:  x_t = sqrt(ac[t]) * x0 + sqrt(1 - ac[t]) * eps.
 *
 * @param steps  timestep of each sample
 * @param x0     [batch, numel]  clean frames in [-1, 1]
 * @param eps    [batch, numel]  noise of unit variance
 * @param x_t    [batch, numel]  output, overwritten; may be x0 or eps
 * @return MCVD_OK
 *         MCVD_E_RANGE  a timestep is outside the schedule; x_t is untouched
 *
 * Allocates nothing. Safe from several threads on different outputs.
 * Source: Ho et al. 2020, "Denoising Diffusion Probabilistic Models", eq. 4.
 */
MCVD_API mcvd_status mcvd_schedule_q_sample(const mcvd_schedule *sched, const mcvd_timesteps *steps,
                                            const float *x0, const float *eps, float *x_t);

#ifdef __cplusplus
}
#endif

#endif
