/*
 * Rollout: blocks of the sampler chained into prediction, backward prediction, interpolation and
 * generation of any length. The four tasks differ in which condition frames are given and which
 * are masked (zero, mid-grey), and in which way the window moves:
 *
 *     predict       past given,  future masked;  past <- last P frames of (past ++ block)
 *     predict-past  past masked, future given;   future <- first U frames of (block ++ future)
 *     interp        both given;                  one block between them, no chaining
 *     generate      both masked at first;        then like predict, on its own frames
 *
 * Source: Voleti, Jolicoeur-Martineau, Pal 2022, "MCVD", section 3. Memory does not depend on the
 * number of frames.
 */
#ifndef MCVD_ROLLOUT_H
#define MCVD_ROLLOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mcvd/config.h>
#include <mcvd/export.h>
#include <mcvd/model.h>
#include <mcvd/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/* identifier, word on the command line */
#define MCVD_TASK_LIST(X)                     \
    X(MCVD_TASK_PREDICT, "predict")           \
    X(MCVD_TASK_PREDICT_PAST, "predict-past") \
    X(MCVD_TASK_INTERP, "interp")             \
    X(MCVD_TASK_GENERATE, "generate")

#define MCVD_TASK_ENUM(id, word) id,
typedef enum mcvd_task { MCVD_TASK_LIST(MCVD_TASK_ENUM) MCVD_NUM_TASKS } mcvd_task;

MCVD_API const char *mcvd_task_word(mcvd_task task);
/** MCVD_E_USAGE lists the known words. */
MCVD_API mcvd_status mcvd_task_parse(mcvd_task *task, const char *word);

/** Which condition frames a task is given at its start; the others are masked. */
MCVD_API bool mcvd_task_past_given(mcvd_task task);
MCVD_API bool mcvd_task_future_given(mcvd_task task);

/** Why a model cannot do a task at all (it has no such frames); NULL when it can. */
MCVD_API const char *mcvd_task_impossible(const mcvd_config *config, mcvd_task task);
/** Why its training masks did not prepare it for the task; NULL when they did. */
MCVD_API const char *mcvd_task_untrained(const mcvd_config *config, mcvd_task task);
/** The same for a rollout's blocks after the first: generate then has past frames, its own. */
MCVD_API const char *mcvd_task_untrained_chain(const mcvd_config *config, mcvd_task task);

typedef struct mcvd_rollout mcvd_rollout;

enum { MCVD_ROLLOUT_MAX_BLOCKS = 65536 }; /* each block has noise of its own up to here */

/** After each step, with the number of its last network call; anything but 0 stops the block with
 * MCVD_E_INTERRUPTED. */
typedef int (*mcvd_rollout_progress_fn)(void *user, size_t call, size_t num_calls);

/*
 * Guidance by masks. A network that was trained with masks knows its frames with a past and a
 * future that are given, e(p, f), and with one or both of them masked, e(p, 0), e(0, 0). With
 * w_p = sampling.guidance_past and w_f = sampling.guidance_future a call answers
 *
 *     e(0, 0) + w_p [e(p, 0) - e(0, 0)] + w_f [e(p, f) - e(p, 0)]      interp
 *     e(0, 0) + w_p [e(p, 0) - e(0, 0)]                                predict, generate
 *     e(0, 0) + w_f [e(0, f) - e(0, 0)]                                predict-past
 *
 * 1 is the network's own answer, 0 leaves the frames of that side out, above 1 they count more than
 * the network says. (The w of Ho and Salimans 2022 is this one less 1.) It makes no difference
 * whether e is noise, velocity, x0, score or flow: each is affine in the noise, with the same
 * coefficients in all terms, and the weights sum to 1. x0 is clipped after it. Up to three rows of
 * one network call per trajectory; terms of weight 0, and weights of 1, cost nothing. A weight of
 * a side that the task is not given is not read. Networks with model.cond_emb are told that
 * the past is masked where it is, and with model.noise_in_cond all terms see the same noise.
 */
typedef struct mcvd_rollout_config {
    mcvd_task task;
    size_t samples; /* trajectories, >= 1; trajectory k is the same whatever their number */
    size_t batch;   /* trajectories per network call; 0: as sampling.batch_size allows */
    uint64_t seed;
    bool inpaint; /* blocks by mcvd_rollout_next_inpainted */
    /* Taken from the model's `sampling` section by mcvd_rollout_config_default. */
    mcvd_sampling_config sampling;
    mcvd_rollout_progress_fn progress; /* or NULL */
    void *progress_user;
} mcvd_rollout_config;

/** predict, one trajectory, seed 0, the model's own sampling section. */
MCVD_API mcvd_rollout_config mcvd_rollout_config_default(const mcvd_config *model_config);

/**
 * Build the network and the sampler, allocate everything.
 * @return MCVD_OK, MCVD_E_USAGE (a task that the model cannot do, guidance by masks that it was not
 *         trained with), MCVD_E_RANGE, MCVD_E_CONFIG, MCVD_E_MODEL, MCVD_E_NOMEM
 */
MCVD_API mcvd_status mcvd_rollout_create(mcvd_rollout **out, const mcvd_model *model,
                                         const mcvd_rollout_config *config);
/** The same on a network that exists; its batch is the number of trajectories per call, times the
 * terms of guidance (MCVD_E_RANGE when that does not divide it). */
MCVD_API mcvd_status mcvd_rollout_create_on(mcvd_rollout **out, mcvd_network *network,
                                            const mcvd_config *model_config,
                                            const mcvd_rollout_config *config);
MCVD_API void mcvd_rollout_free(mcvd_rollout **rollout);

/**
 * Set the known frames of all trajectories and start at block 0, with the noise of block 0: the
 * gaps of one video, each begun anew, share it.
 * @param past    [num_frames_cond, H, W, C] in [-1, 1], in time order; read by predict and interp
 * @param future  [num_frames_future, H, W, C]; read by predict-past and interp
 * @return MCVD_OK, MCVD_E_STATE (frames of the task are NULL)
 */
MCVD_API mcvd_status mcvd_rollout_begin(mcvd_rollout *rollout, const float *past,
                                        const float *future);

/**
 * The same with known frames of its own for every trajectory, so that one rollout works on several
 * clips at once.
 * @param first   number of the first trajectory: its noise is that of trajectory `first` of a
 *                rollout begun with mcvd_rollout_begin, whatever the split into rollouts
 * @param past    [samples] pointers as for mcvd_rollout_begin; NULL where the task reads none
 * @param future  [samples]
 * @return MCVD_OK, MCVD_E_STATE (frames of the task are NULL)
 */
MCVD_API mcvd_status mcvd_rollout_begin_each(mcvd_rollout *rollout, uint64_t first,
                                             const float *const *past, const float *const *future);

/**
 * Actions of the trajectories, for models with model.action_dim, after begin and before the first
 * block. Rows are frames in time order. For predict, generate and interp row 0 belongs to the first
 * past frame and the predicted frames follow; for predict-past the last row belongs to the last
 * future frame. Windows that reach beyond the rows use the first or the last one again.
 * @param actions  [num_frames, A], read until the last block is made
 * @return MCVD_OK, MCVD_E_STATE (no model of actions, not begun), MCVD_E_RANGE (no frame)
 */
MCVD_API mcvd_status mcvd_rollout_set_actions(mcvd_rollout *rollout, const float *actions,
                                              size_t num_frames);

/** The same with actions of its own for every trajectory: [samples] pointers to [num_frames, A]. */
MCVD_API mcvd_status mcvd_rollout_set_actions_each(mcvd_rollout *rollout,
                                                   const float *const *actions, size_t num_frames);

/**
 * The next block: num_frames frames of every trajectory, in time order inside the block. Blocks of
 * predict-past come nearest first: block 0 ends where the known future begins.
 * @param frames  [samples, num_frames, H, W, C], output; about [-1, 1], not cut, since the next
 * block is conditioned on what the sampler made
 * @return MCVD_OK, MCVD_E_INTERRUPTED, MCVD_E_NONFINITE, MCVD_E_RANGE (MCVD_ROLLOUT_MAX_BLOCKS
 *         done), MCVD_E_STATE (mcvd_rollout_begin was not called since create or a failure; a
 *         model of actions has none)
 *
 * Allocates nothing.
 */
MCVD_API mcvd_status mcvd_rollout_next(mcvd_rollout *rollout, float *frames);

/* Pixels of a block that are known already, the same for all trajectories. */
typedef struct mcvd_rollout_region {
    const float *truth;     /* [num_frames, H, W, C] in [-1, 1]; read where it is known, finite */
    const uint8_t *unknown; /* [num_frames, H, W] 0 = known, other = to be made */
} mcvd_rollout_region;

/**
 * The next block, of which some pixels are known: every estimate of the clean frames on the way
 * has the truth there, so that the rest is made to fit it, and so has the result, bit for bit.
 * Statuses of mcvd_rollout_next; MCVD_E_STATE without config.inpaint. Allocates nothing.
 */
MCVD_API mcvd_status mcvd_rollout_next_inpainted(mcvd_rollout *rollout,
                                                 const mcvd_rollout_region *region, float *frames);

/** Denoising steps really taken per block, and network calls (one more with the denoise call). */
MCVD_API int mcvd_rollout_num_steps(const mcvd_rollout *rollout);
MCVD_API int mcvd_rollout_num_calls(const mcvd_rollout *rollout);
/** What was chosen, see mcvd_sampler_name. */
MCVD_API const char *mcvd_rollout_sampler_name(const mcvd_rollout *rollout);

#ifdef __cplusplus
}
#endif

#endif
