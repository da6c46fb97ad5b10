/*
 * Likelihood of video frames under a model, in bits per dimension: one block of num_frames frames
 * at a time, given the frames around it. A video is a chain of blocks, each conditioned on true
 * frames (teacher forcing), so the bits of the blocks of `predict` add up to those of the video.
 */
#ifndef MCVD_MODEL_LIKELIHOOD_H
#define MCVD_MODEL_LIKELIHOOD_H

#include <mcvd/likelihood.h>
#include <mcvd/model.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mcvd_model_likelihood mcvd_model_likelihood;

typedef struct mcvd_model_likelihood_config {
    bool bound;     /* the variational bound */
    bool flow;      /* the probability-flow ODE */
    int num_terms;  /* of the bound, see likelihood.h; 0: all */
    bool clip;      /* bound: estimates cut to [-1, 1] */
    size_t samples; /* draws of noise (bound), of dequantisation and probes (flow), >= 1 */
    size_t batch;   /* of the bound: timesteps per network call; 0: 8 */
    mcvd_ode_solver solver;
    double tolerance;     /* RK45 */
    int num_steps;        /* Heun */
    size_t probes;        /* vectors per dequantisation draw */
    bool gaussian_probes; /* instead of Rademacher's */
    uint64_t seed;
    int (*progress)(void *user); /* after every network call; not 0: stop. May be NULL */
    void *progress_user;
} mcvd_model_likelihood_config;

/** Both; all terms, one sample, RK45 with tolerance 1e-5, one Rademacher probe, seed 0. */
MCVD_API mcvd_model_likelihood_config mcvd_model_likelihood_config_default(void);

/**
 * Build the networks that the methods need, and the schedule of the model.
 * @return MCVD_OK
 *         MCVD_E_USAGE   neither method; the flow of a model with noise_in_cond, whose answers are
 *                        random; model.gamma, whose noise is not normal
 *         MCVD_E_RANGE   more terms than timesteps - 1; samples or probes 0
 *         MCVD_E_CONFIG, MCVD_E_MODEL, MCVD_E_NOMEM
 */
MCVD_API mcvd_status mcvd_model_likelihood_create(mcvd_model_likelihood **out,
                                                  const mcvd_model *model,
                                                  const mcvd_model_likelihood_config *config);
MCVD_API void mcvd_model_likelihood_free(mcvd_model_likelihood **likelihood);

typedef struct mcvd_likelihood_block {
    const uint8_t *frames; /* [num_frames, H, W, C] levels */
    const float *cond;     /* [num_frames_cond + num_frames_future, H, W, C] in [-1, 1], masked
                            * frames 0; NULL when the model has none */
    bool past_given;       /* read by model.cond_emb */
    uint64_t number;       /* of the block, < 65536: other numbers, other random draws */
} mcvd_likelihood_block;

/* Bits per dimension; 0 where the method was not asked for. */
typedef struct mcvd_block_likelihood {
    double prior;
    double terms;
    double reconstruction;
    double bound;             /* sum of the three */
    double flow;              /* by the ODE */
    const double *bound_each; /* [samples], valid until the next call */
    const double *flow_each;  /* [samples, probes] */
    size_t bound_calls;       /* timesteps that the network saw */
    size_t flow_calls;        /* vector-Jacobian products */
    size_t flow_steps;        /* accepted ones of all samples */
    size_t flow_rejected;
} mcvd_block_likelihood;

/**
 * One block. The flow sees dequantised levels 2 (k + u) / 256 - 1, the bound 2 k / 255 - 1.
 * @return as mcvd_bound_run and mcvd_ode_run; MCVD_E_STATE when cond is missing or unexpected
 */
MCVD_API mcvd_status mcvd_model_likelihood_block(mcvd_model_likelihood *likelihood,
                                                 const mcvd_likelihood_block *block,
                                                 mcvd_block_likelihood *result);

/** Values of a block, num_frames H W C. */
MCVD_API size_t mcvd_model_likelihood_numel(const mcvd_model_likelihood *likelihood);

#ifdef __cplusplus
}
#endif

#endif
