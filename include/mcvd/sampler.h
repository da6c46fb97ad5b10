/*
 * Samplers: from noise to frames by repeated calls of a denoising network, which is known here only
 * as a function. Time runs from t = T - 1 (noise) down to t = 0, see schedule.h.
 */
#ifndef MCVD_SAMPLER_H
#define MCVD_SAMPLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mcvd/config.h>
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

/* Where the steps lie between T - 1 and 0. */
typedef enum mcvd_spacing {
    MCVD_SPACING_UNIFORM, /* labels 0, k, 2k, ... < T with k = T / S rounded down: the reference's;
                           * more than S steps may be taken */
    MCVD_SPACING_QUADRATIC, /* denser towards the clean end: t_i = (T - 1) (i / (S - 1))^2 */
    MCVD_SPACING_LOG_SNR,   /* equal steps in log(a / s), from the noisiest timestep on */
    MCVD_SPACING_EVEN       /* labels i T / S rounded down: always S steps, and every second one is
                             * the grid of S / 2 (distillation) */
} mcvd_spacing;

/* With x = a x0 + s eps at each level (schedule.h): x0 and eps are read from the network's output,
 * then the method moves from level t to the next cleaner level. */
typedef struct mcvd_sampler_config {
    const char *name;       /* "ddpm", "ddim", ..., see mcvd_sampler_name */
    const char *prediction; /* what the network outputs: "eps" | "v" | "x0" | "score" | "flow" */
    size_t max_batch;       /* samples of a run at most, >= 1 */
    size_t numel;           /* values per sample, >= 1 */
    int num_steps;          /* S: denoising steps, at most T; 0: all. mcvd_sampler_num_steps is the
                             * true count */
    mcvd_spacing spacing;
    bool clip;           /* clip the predicted x0 to [-1, 1] */
    double dynamic_clip; /* with clip, in (0, 1): where this quantile q of |x0| of a sample exceeds
                          * 1, clip to [-q, q] and divide by q; 0: off */
    bool clip_state;     /* pndm: clip the state instead of x0, the reference's habit */
    bool recompute_eps_after_clip; /* ddpm, ddim: make eps agree with the clipped x0: eps = (x - a
                                    * x0) / s; the other methods always do */
    bool denoise;                  /* after the last step of a method that leaves noise, and of ddpm
                                    * and ddim as in the reference: x - s eps(x) */
    mcvd_denoise_label denoise_label;
    double eta;        /* share of noise; ddim in [0, 1]: 0 is deterministic, 1 has the variance of
                        * ddpm; euler-maruyama: 0 is the probability flow, 1 the reverse SDE;
                        * < 0: the method's own, 0 and 1 */
    bool sigma_hat;    /* ddim: the larger noise, that of just_beta, direction of eta = 1 */
    bool just_beta;    /* ddpm: the variance of the forward step instead of that of the posterior;
                        * no effect in ddim, refused elsewhere */
    bool same_noise;   /* the start noise serves in every step */
    double frac_steps; /* (0, 1]: only the last part of the steps; 1 is all */
    double t_min;      /* > 0: noise x again and start later: levels with label < t_min T are left
                        * out; <= 0: off */
    bool t_min_of_steps;     /* the reference's: label < t_min * number of steps */
    int corrector_steps;     /* pc: Langevin steps before each predictor step */
    double corrector_snr;    /* pc: r in the size of a corrector step, (0, 1] */
    bool corrector_of_batch; /* pc: norms averaged over the batch, as published: then a sample
                              * depends on its neighbours */
    int steps_per_level;     /* langevin, cas: steps at each noise level */
    double step_size;        /* langevin, cas: step at the least noisy level; 0: 6.2e-6, for cas
                              * the square of its sigma */
    int repeats;             /* every step but the last this often, noised back to its level in
                              * between, so that what a guide leaves free adapts to what it holds
                              * (Lugmayr et al. 2022); above 1 see mcvd_sampler_takes_repeats */
    bool harmonic_mean;      /* langevin: eps times H / sigma, H the harmonic mean of all sigmas */
    bool gamma_noise;        /* the noise source gives gamma noise, which belongs to one level:
                              * refuses methods that add it elsewhere */
} mcvd_sampler_config;

/** ddpm, eps, all steps, clip, denoise with the last label; pc 1 x 0.16; langevin 5 x 6.2e-6; steps
 * once; max_batch and numel are 0: set them. */
MCVD_API mcvd_sampler_config mcvd_sampler_config_default(void);

/** What model.* and sampling.* of a configuration say, with the method's own where they say
 * nothing; max_batch and numel are 0. Its texts are those of *config, which must live until create.
 */
MCVD_API mcvd_sampler_config mcvd_sampler_config_of(const mcvd_config *config);

/** The sampler that sampling.sampler names, or else model.version. */
MCVD_API const char *mcvd_sampler_of_config(const mcvd_config *config);

/** What mcvd_schedule_create and mcvd_sampler_create say about a configuration. */
MCVD_API mcvd_status mcvd_sampler_check_config(const mcvd_config *config);

/** Name and one line of help of sampler i = 0, 1, ...; NULL past the last. */
MCVD_API const char *mcvd_sampler_name(size_t i);
MCVD_API const char *mcvd_sampler_help(size_t i);

/** Whether sampler `name` draws noise with this eta, and takes an eta above 0 at all. */
MCVD_API bool mcvd_sampler_takes_eta(const char *name);

/** Whether sampler `name` can repeat a step: it remembers nothing of the steps before, and its step
 * ends at the next level. ddpm, ddim, reverse-diffusion, pc, euler and heun. */
MCVD_API bool mcvd_sampler_takes_repeats(const char *name);

/** The spacing that suits the method: uniform for those that published models were sampled with,
 * log-SNR for the solvers of the probability flow, which then come nearer to its exact solution. */
MCVD_API mcvd_spacing mcvd_sampler_own_spacing(const char *name);

/**
 * Plan the steps and allocate all scratch memory. sched must outlive the sampler.
 *
 * @return MCVD_OK
 *         MCVD_E_CONFIG  unknown name, prediction or denoise_label; a method that does not suit the
 *                        process of the schedule, an output that the process does not have; eta
 *                        above 0 where the method is an ordinary differential equation
 *         MCVD_E_RANGE   a number outside its range, more steps than timesteps, t_min leaves none
 *         MCVD_E_NOMEM
 */
MCVD_API mcvd_status mcvd_sampler_create(mcvd_sampler **out, const mcvd_sampler_config *config,
                                         const mcvd_schedule *sched);
MCVD_API void mcvd_sampler_free(mcvd_sampler **sampler);

/** Its name as in mcvd_sampler_name, a literal. */
MCVD_API const char *mcvd_sampler_get_name(const mcvd_sampler *sampler);

/** Steps really taken, and network calls: one a step or more, plus the final denoising call. */
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

/** Called after each step with the number of its last network call and the state x; anything but 0
 * stops the run. */
typedef int (*mcvd_sampler_progress_fn)(void *user, int call, int num_calls, const float *x);

/*
 * Guidance by gradients. By Bayes' rule for scores,
 *
 *     grad log p(x_t | y) = grad log p(x_t) + grad log p(y | x_t)      (with respect to x_t)
 *
 * and the score of a noised frame is -eps / s, so a condition y that the network was not trained
 * for moves its answer, in every call of every method and before x0 is clipped, by
 *
 *     eps <- eps - s w grad log p(y | x_t),      x0 <- x0 + (s^2 / a) w grad log p(y | x_t)
 *
 * w = job->guide_weight; 1 is Bayes' rule, more obeys y more than the model allows. Gradients are
 * in units of 1 / (unit of x_t), the frames being in [-1, 1]. p(y | x_t) is the average of
 * p(y | x0) over p(x0 | x_t), of which the network gives the mean: for y = x0 + N(0, q^2) and
 * data of variance v, p(x0 | x_t) has the variance c = v s^2 / (a^2 v + s^2), and
 *
 *     grad log p(y | x_t) = (d x0 / d x_t) (y - x0) / (q^2 + c),      d x0 / d x_t = a c / s^2
 *
 * The level a = 0, where x_t tells nothing of y, the gradient is 0 and s^2 / a infinite, is not
 * guided: a step from there, the first of a run, goes to the mean without y.
 * Source: Song et al. 2021, section 5; Dhariwal and Nichol 2021, section 4.
 */
typedef struct mcvd_guide_point {
    const float *x_t; /* [batch, numel] where the network looked */
    const float *x0;  /* [batch, numel] its mean of the clean frames, not clipped */
    size_t batch;
    size_t numel;
    double t;         /* as the network was told */
    mcvd_level level; /* of x_t; a > 0, s > 0 */
} mcvd_guide_point;

/** Fill grad [batch, numel] with the gradient of log p(y | x_t) with respect to x_t. A negative
 * status stops the run and is returned. */
typedef mcvd_status (*mcvd_guide_fn)(void *user, const mcvd_guide_point *at, float *grad);

typedef struct mcvd_sampler_job {
    size_t batch;
    mcvd_denoiser_fn denoiser;
    void *denoiser_user;
    mcvd_noise_fn noise; /* may be NULL when the sampler draws none (ddim with eta 0) */
    void *noise_user;
    mcvd_sampler_progress_fn progress; /* or NULL */
    void *progress_user;
    mcvd_guide_fn guide; /* or NULL */
    void *guide_user;
    double guide_weight; /* w; finite. 0, what an initialiser leaves, makes no difference */
} mcvd_sampler_job;

/**
 * Sample. One run at a time per sampler; the result depends on x, the network and the noise only.
 * The equations of each method stand in its file.
 *
 * @param x  [batch, numel]  start noise in, result out; unspecified after a failure
 * @return MCVD_OK
 *         MCVD_E_RANGE        batch is 0 or above max_batch; guide_weight is not finite
 *         MCVD_E_STATE        noise is needed and job->noise is NULL
 *         MCVD_E_NONFINITE    the network's output, or what guidance made of it, naming timestep
 *         MCVD_E_INTERRUPTED  progress asked to stop
 *         whatever the network, the guide or the noise source returned
 *
 * Allocates nothing.
 */
MCVD_API mcvd_status mcvd_sampler_run(mcvd_sampler *sampler, const mcvd_sampler_job *job, float *x);

/* Noise as a function of what it is for: sample b of a batch is trajectory first_sample + b, so
 * the way trajectories are dealt out to batches does not change them. */
typedef struct mcvd_noise_philox {
    uint64_t seed;
    uint64_t first_sample;
    uint64_t block;     /* number of the block in a rollout, < 65536 */
    double gamma_shape; /* > 0: gamma noise of this shape, mcvd_schedule_gamma_shape; 0: normal */
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
