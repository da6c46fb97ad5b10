/*
 * Noise schedules: what a clean frame looks like after t of T discrete timesteps of a diffusion
 * process,
 *
 *     x_t = a[t] x0 + s[t] eps
 *
 *     vp    variance preserving (DDPM):  a = sqrt(ac), s = sqrt(1 - ac), ac = alphas_cumprod
 *     ve    variance exploding (SMLD):   a = 1, s = sigma
 *     flow  straight path:               a = 1 - tau, s = tau
 *
 * Timestep 0 is the least noisy, T - 1 the noisiest. The authors' networks and files count the
 * other way round ("labels", 0 = noisiest); mcvd_schedule_label is the one conversion.
 */
#ifndef MCVD_SCHEDULE_H
#define MCVD_SCHEDULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mcvd/config.h>
#include <mcvd/export.h>
#include <mcvd/status.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mcvd_schedule mcvd_schedule;

typedef enum mcvd_process { MCVD_PROCESS_VP, MCVD_PROCESS_VE, MCVD_PROCESS_FLOW } mcvd_process;

typedef struct mcvd_schedule_config {
    const char *kind;       /* "linear" | "cosine" | "geometric" | "flow" */
    int num_timesteps;      /* T, 2 .. 65536 */
    double beta_begin;      /* linear: beta at the noisiest timestep, in (0, 1) */
    double beta_end;        /* linear: beta at the least noisy timestep, in (0, 1) */
    double sigma_begin;     /* geometric: sigma at the noisiest timestep, in (0, 1e6] */
    double sigma_end;       /* geometric: sigma at the least noisy timestep, in (0, sigma_begin) */
    bool zero_terminal_snr; /* vp: shift and scale a so that a[T - 1] = 0; a[0] stays */
} mcvd_schedule_config;

/** linear, T = 1000, 0.02 -> 0.0001: what every published video setting uses; 50 -> 0.01. */
MCVD_API mcvd_schedule_config mcvd_schedule_config_default(void);

/**
 * Build a schedule. It never changes afterwards, so any number of threads may use it.
 *
 *   linear     vp: betas[t] equally spaced, beta_end at t = 0, beta_begin at t = T - 1;
 *              ac[t] = product of 1 - betas[j] over j <= t
 *   cosine     vp: ac[t] = f((t + 1) / T) / f(0), f(u) = cos^2((u + 0.008) / 1.008 * pi / 2),
 *              evaluated in single precision as the published networks were trained; betas are not
 *              clipped, so ac[T - 1] is about 2e-15: clip x0 when sampling
 *   geometric  ve: log sigma equally spaced, sigma_end at t = 0, sigma_begin at t = T - 1
 *   flow       tau[t] = (t + 1) / T
 *
 * zero_terminal_snr: a <- (a - a[T-1]) a[0] / (a[0] - a[T-1]). A network that predicts eps knows
 * nothing at a = 0; use v, x0 or flow.
 *
 * @return MCVD_OK
 *         MCVD_E_RANGE  num_timesteps, a beta or a sigma outside its range, or so small or so
 *                       many that in double precision a timestep is no noisier than the one before
 *         MCVD_E_CONFIG unknown kind (the message lists the known ones); zero_terminal_snr of a
 *                       process that is not vp
 *         MCVD_E_NOMEM
 *
 * Source: Ho et al. 2020 (linear); Nichol and Dhariwal 2021, eq. 17 (cosine); Song and Ermon 2019
 * (geometric); Lipman et al. 2023 and Liu et al. 2023 (flow); Lin et al. 2024 (zero_terminal_snr).
 */
MCVD_API mcvd_status mcvd_schedule_create(mcvd_schedule **out, const mcvd_schedule_config *config);
/** The schedule of model.sigma_dist, sigma_begin, sigma_end, num_classes and zero_terminal_snr. */
MCVD_API mcvd_status mcvd_schedule_of_config(mcvd_schedule **out, const mcvd_model_config *model);
MCVD_API void mcvd_schedule_free(mcvd_schedule **sched);

MCVD_API int mcvd_schedule_num_timesteps(const mcvd_schedule *sched);

MCVD_API mcvd_process mcvd_schedule_process(const mcvd_schedule *sched);
/** "vp", "ve", "flow" */
MCVD_API const char *mcvd_process_word(mcvd_process process);

/* The noise level of a frame: x = a x0 + s eps. The clean frame has a = 1, s = 0. */
typedef struct mcvd_level {
    double a;
    double s;
} mcvd_level;

/** The level at timestep t in [0, T); -1 is the clean frame, other timesteps give NaN. */
MCVD_API mcvd_level mcvd_schedule_level(const mcvd_schedule *sched, int t);

/**
 * a^2 and the betas of a vp schedule at timestep t in [0, T); a timestep outside, or another
 * process, gives NaN. alpha_cumprod_prev is one timestep cleaner: ac[t - 1], and 1 at t = 0.
 */
MCVD_API double mcvd_schedule_alpha_cumprod(const mcvd_schedule *sched, int t);
MCVD_API double mcvd_schedule_alpha_cumprod_prev(const mcvd_schedule *sched, int t);
MCVD_API double mcvd_schedule_beta(const mcvd_schedule *sched, int t);

/** The shape of the gamma noise (model.gamma) at timestep t of a vp schedule: (s / (0.001 a))^2,
 * infinite, which is normal noise, at a = 0. Source: Nachmani et al. 2021. */
MCVD_API double mcvd_schedule_gamma_shape(const mcvd_schedule *sched, int t);

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
 * Noise clean frames:  x_t = a[t] x0 + s[t] eps.
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
