/*
 * A model is a configuration with weights; a network is a model made ready for one batch size.
 *
 * Model files are safetensors with the reference's parameter names, the resolved configuration in
 * __metadata__ ("mcvd.config"), a format number ("mcvd.format") and a training summary.
 */
#ifndef MCVD_MODEL_H
#define MCVD_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mcvd/config.h>
#include <mcvd/export.h>
#include <mcvd/status.h>
#include <mcvd/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mcvd_model mcvd_model;
typedef struct mcvd_network mcvd_network;

/**
 * A model with random weights (Glorot-uniform, near-zero output; model.md section 12).
 * @return MCVD_OK, MCVD_E_CONFIG, MCVD_E_NOMEM
 */
MCVD_API mcvd_status mcvd_model_create(mcvd_model **out, const mcvd_config *config, uint64_t seed);

/**
 * Open a model file, or bare weights when config is given (which then also replaces the
 * configuration inside the file), or a training checkpoint (its EMA weights where it has them), or
 * a run folder (its model.safetensors, else its latest checkpoint). Every parameter must be there
 * with its shape; F32, F16 and BF16 are read. Weights stay in the mapped file until a network takes
 * them.
 * @return MCVD_OK, MCVD_E_MODEL (missing, damaged, does not fit), MCVD_E_CONFIG, MCVD_E_NOMEM
 */
MCVD_API mcvd_status mcvd_model_load(mcvd_model **out, const char *path, const mcvd_config *config);

/** Accepts NULL; networks made from the model live on. */
MCVD_API void mcvd_model_free(mcvd_model **model);

MCVD_API const mcvd_config *mcvd_model_get_config(const mcvd_model *model);
/** File it was loaded from, "" for a fresh model. */
MCVD_API const char *mcvd_model_path(const mcvd_model *model);
/** The training summary of the file (JSON), "" when there is none. */
MCVD_API const char *mcvd_model_summary(const mcvd_model *model);
MCVD_API size_t mcvd_model_num_params(const mcvd_model *model);
MCVD_API size_t mcvd_model_num_tensors(const mcvd_model *model);
/** Name and shape of tensor i in parameter order; data is NULL. */
MCVD_API mcvd_status mcvd_model_tensor(const mcvd_model *model, size_t i, const char **name,
                                       mcvd_tensor *shape);
/** Multiply-adds of one forward pass of one sample. */
MCVD_API double mcvd_model_macs(const mcvd_model *model);

typedef struct mcvd_network_config {
    size_t batch;
    size_t height;    /* 0: data.image_size */
    size_t width;     /* 0: data.image_size; no other width fits the attention layers */
    bool keep_stages; /* keep every activation readable after forward */
    bool no_onednn;   /* the im2col convolutions */
    bool no_reuse;    /* compute everything in every call, for measuring */
    bool gradient;    /* mcvd_network_vjp works; forward is slower and keeps all activations */
} mcvd_network_config;

/**
 * Build the network of a model for inference.
 * @return MCVD_OK, MCVD_E_SHAPE (size not divisible, or too large), MCVD_E_RANGE (batch 0),
 *         MCVD_E_MODEL, MCVD_E_NOMEM, MCVD_E_UNSUPPORTED (oneDNN refused a convolution)
 */
MCVD_API mcvd_status mcvd_network_create(mcvd_network **out, const mcvd_model *model,
                                         const mcvd_network_config *config);
MCVD_API void mcvd_network_free(mcvd_network **network);
MCVD_API size_t mcvd_network_batch(const mcvd_network *network);

/* Inputs of one call; all channels-last, F frames of C channels stacked (channel = frame*C + c). */
typedef struct mcvd_network_input {
    const float *x;          /* [B, H, W, F*C]  noisy frames */
    const double *t;         /* [B]             timestep, 0 = least noise; fractions are legal */
    const float *cond;       /* [B, H, W, K*C]  past then future, [-1, 1], masked frames 0; NULL
                                when the model has no conditioning frames */
    const float *cond_mask;  /* [B] 1 = past given, 0 = masked; NULL: all 1. Read by cond_emb */
    const float *cond_noise; /* like cond; noise_in_cond models only */
    const float *actions;    /* [B, P + F + U, A] of the frames of the window, action_dim only */
} mcvd_network_input;

/**
 * out [B, H, W, F*C] = network(x, t, cond): the predicted noise (or v, as model.prediction says).
 * What depends on cond and the weights alone (the maps of SPATIN, the share of cond in the first
 * convolution) is kept: a call with the cond of the call before, bit for bit, does not compute it
 * again, and gives the same bytes as if it had. Not with model.noise_in_cond, where every call sees
 * another cond, and not with no_reuse.
 *
 * Allocates nothing. One call at a time per network.
 * @return MCVD_OK, MCVD_E_STATE (cond, cond_noise or actions missing or unexpected),
 *         MCVD_E_RANGE (t outside (-1, 2T - 1), which is as far as the reference's labels T - 1 - t
 *         reach; with noise_in_cond: t that is no whole number in [0, T)), MCVD_E_UNSUPPORTED
 */
MCVD_API mcvd_status mcvd_network_forward(mcvd_network *network, const mcvd_network_input *input,
                                          float *out);

/**
 * A vector-Jacobian product in x, by one forward and one reverse pass. out is that of
 * mcvd_network_forward, and with the samples of the batch independent of each other
 *
 *     dx[b, i] = sum over j of v[b, j] * d out[b, j] / d x[b, i]
 *
 * @param v   [B, H, W, F*C]
 * @param dx  [B, H, W, F*C]  output, must not overlap v
 * @return as mcvd_network_forward; MCVD_E_STATE without mcvd_network_config.gradient
 *
 * Allocates nothing. One call at a time per network.
 */
MCVD_API mcvd_status mcvd_network_vjp(mcvd_network *network, const mcvd_network_input *input,
                                      const float *v, float *out, float *dx);

/** Activations after a forward call with keep_stages, under the names of the reference. */
MCVD_API size_t mcvd_network_num_stages(const mcvd_network *network);
/** dims: N, H, W, C (H = W = 1 for vectors); data is channels-last. */
MCVD_API mcvd_status mcvd_network_stage(const mcvd_network *network, size_t i, const char **name,
                                        mcvd_tensor *stage);

/** Multiply-adds of one forward call; those of them that a call with the same cond as before saves;
 * and bytes of activations, what is kept for reuse, and scratch. */
MCVD_API double mcvd_network_macs(const mcvd_network *network);
MCVD_API double mcvd_network_reused_macs(const mcvd_network *network);
MCVD_API size_t mcvd_network_bytes(const mcvd_network *network);

#ifdef __cplusplus
}
#endif

#endif
