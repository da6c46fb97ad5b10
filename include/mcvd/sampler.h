/*
 * Samplers: from noise to frames by repeated calls of a denoising network, which is known here only
 * as a function. Time runs from t = T - 1 (noise) down to t = 0, see schedule.h.
 */
#ifndef MCVD_SAMPLER_H
#define MCVD_SAMPLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mcvd/export.h>
#include <mcvd/schedule.h>
#include <mcvd/status.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mcvd_sampler mcvd_sampler;

/* The timestep that the network is told in the final denoising call. */
typedef enum mcvd_denoise_label {
    MCVD_DENOISE_LAST_LABEL, /* that of the last step: what the image really is */
    MCVD_DENOISE_COUNT_LABEL /* the reference's: label = number of steps - 1, which calls a clean
                              * image noisy unless all T steps are taken; published scores used it
                              */
} mcvd_denoise_label;

/* With a = sqrt(ac[t]), s = sqrt(1 - ac[t]): x0 and eps are read from the network's output, then
 * the sampler moves from level t to the next cleaner level. */
typedef struct mcvd_sampler_config {
    const char *name;       /* "ddpm" | "ddim", see mcvd_sampler_name */
    const char *prediction; /* what the network outputs: "eps" | "v" | "x0" */
    size_t max_batch;       /* samples of a run at most, >= 1 */
    size_t numel;           /* values per sample, >= 1 */
    int num_steps;          /* S: denoising steps; 0 or >= T: all. T / S is rounded down, so that
                             * more steps may be taken: mcvd_sampler_num_steps is the true count */
    bool clip;              /* clip the predicted x0 to [-1, 1] */
    bool recompute_eps_after_clip; /* make eps agree with the clipped x0: eps = (x - a x0) / s */
    bool denoise;                  /* after the last step: x - s eps(x) */
    mcvd_denoise_label denoise_label;
    double eta;        /* ddim, [0, 1]: 0 is deterministic, 1 has the variance of ddpm */
    bool sigma_hat;    /* ddim: the larger noise sqrt(1 - ac[t] / ac[next]), direction of eta = 1 */
    bool just_beta;    /* ddpm: variance beta instead of that of the posterior */
    bool same_noise;   /* the start noise serves in every step */
    double frac_steps; /* (0, 1]: only the last part of the steps; 1 is all */
    double t_min;      /* > 0: noise x again and start later: levels with label < t_min T are left
                        * out; <= 0: off */
    bool t_min_of_steps; /* the reference's: label < t_min * number of steps */
} mcvd_sampler_config;

/** ddpm, eps, all steps, clip, denoise with the last label; max_batch and numel are 0: set them. */
MCVD_API mcvd_sampler_config mcvd_sampler_config_default(void);

/** Name and one line of help of sampler i = 0, 1, ...; NULL past the last. */
MCVD_API const char *mcvd_sampler_name(size_t i);
MCVD_API const char *mcvd_sampler_help(size_t i);

/**
 * Plan the steps and allocate all scratch memory. sched is only read here.
 *
 * Labels 0, k, 2k, ... < T with k = T / S rounded down; in between, ac of the next label takes the
 * place of ac one timestep cleaner, and beta = 1 - ac[t] / ac[next].
 *
 * @return MCVD_OK
 *         MCVD_E_CONFIG  unknown name, prediction or denoise_label
 *         MCVD_E_RANGE   a number outside its range, or t_min leaves no step
 *         MCVD_E_NOMEM
 */
MCVD_API mcvd_status mcvd_sampler_create(mcvd_sampler **out, const mcvd_sampler_config *config,
                                         const mcvd_schedule *sched);
MCVD_API void mcvd_sampler_free(mcvd_sampler **sampler);

/** Steps really taken, and network calls: the steps plus the final denoising call if any. */
MCVD_API int mcvd_sampler_num_steps(const mcvd_sampler *sampler);
MCVD_API int mcvd_sampler_num_calls(const mcvd_sampler *sampler);

/** The timestep that network call i in [0, num_calls) is told; NaN outside. */
MCVD_API double mcvd_sampler_timestep(const mcvd_sampler *sampler, int call);

/**
 * The network. x_t: [batch, numel]; t: [batch], in timesteps of the schedule, not always whole or
 * inside it; out: [batch, numel], what the sampler's parameterisation says. A negative status
 * stops the run and is returned.
 */
typedef mcvd_status (*mcvd_denoiser_fn)(void *user, const float *x_t, const double *t, size_t batch,
                                        float *out);

/** Fill out [batch, numel] with noise of unit variance; draw_index counts the draws of a run. */
typedef mcvd_status (*mcvd_noise_fn)(void *user, size_t draw_index, float *out, size_t batch,
                                     size_t numel);

/** Called after each network call with the state x; anything but 0 stops the run. */
typedef int (*mcvd_sampler_progress_fn)(void *user, int call, int num_calls, const float *x);

typedef struct mcvd_sampler_job {
    size_t batch;
    mcvd_denoiser_fn denoiser;
    void *denoiser_user;
    mcvd_noise_fn noise; /* may be NULL when the sampler draws none (ddim with eta 0) */
    void *noise_user;
    mcvd_sampler_progress_fn progress; /* or NULL */
    void *progress_user;
} mcvd_sampler_job;

/**
 * Sample. One run at a time per sampler; the result depends on x, the network and the noise only.
 *
 *   ddpm  x <- sqrt(ac') beta / (1 - ac) x0 + sqrt(1 - beta) (1 - ac') / (1 - ac) x + sigma z,
 *         sigma^2 = beta (1 - ac') / (1 - ac); no noise in the last step
 *   ddim  x <- sqrt(ac') x0 + sqrt(1 - ac' - sigma^2) eps + sigma z,
 *         sigma = eta sqrt((1 - ac') / (1 - ac)) sqrt(1 - ac / ac')
 *
 * with ac, ac' at this and at the next cleaner level (1 after the last step).
 *
 * @param x  [batch, numel]  start noise in, result out; unspecified after a failure
 * @return MCVD_OK
 *         MCVD_E_RANGE        batch is 0 or above max_batch
 *         MCVD_E_STATE        noise is needed and job->noise is NULL
 *         MCVD_E_NONFINITE    the network's output, naming call and timestep
 *         MCVD_E_INTERRUPTED  progress asked to stop
 *         whatever the network or the noise source returned
 *
 * Allocates nothing.
 * Source: Ho et al. 2020, algorithm 2; Song et al. 2021, "Denoising Diffusion Implicit Models",
 * eq. 12 and 16.
 */
MCVD_API mcvd_status mcvd_sampler_run(mcvd_sampler *sampler, const mcvd_sampler_job *job, float *x);

/* Noise as a function of what it is for: sample b of a batch is trajectory first_sample + b, so
 * the way trajectories are dealt out to batches does not change them. */
typedef struct mcvd_noise_philox {
    uint64_t seed;
    uint64_t first_sample;
    uint64_t block; /* number of the block in a rollout, < 65536 */
} mcvd_noise_philox;

/** A mcvd_noise_fn; user is a mcvd_noise_philox. MCVD_E_RANGE from draw 65536 on. */
MCVD_API mcvd_status mcvd_noise_philox_draw(void *user, size_t draw_index, float *out, size_t batch,
                                            size_t numel);

/** The start noise of the block; independent of every draw of mcvd_noise_philox_draw. */
MCVD_API void mcvd_noise_philox_start(const mcvd_noise_philox *noise, float *out, size_t batch,
                                      size_t numel);

/** The noise on the given frames (model.noise_in_cond) in network call `call` of the block, the
 * denoising call included; independent of the other two. MCVD_E_RANGE from call 65536 on. */
MCVD_API mcvd_status mcvd_noise_philox_cond(const mcvd_noise_philox *noise, size_t call, float *out,
                                            size_t batch, size_t numel);

#ifdef __cplusplus
}
#endif

#endif
