/*
 * Training: one optimizer step at a time (mcvd_trainer), and a whole run in a folder with journal,
 * checkpoints, validation and resume (mcvd_train_run).
 *
 * Everything random in a step is a function of (training.seed, step, sample), so a run that is
 * killed and resumed computes the same bytes as one that was not.
 */
#ifndef MCVD_TRAINER_H
#define MCVD_TRAINER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mcvd/config.h>
#include <mcvd/data.h>
#include <mcvd/export.h>
#include <mcvd/model.h>
#include <mcvd/status.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mcvd_trainer mcvd_trainer;

/* What one optimizer step did. */
typedef struct mcvd_step_report {
    uint64_t step; /* steps completed, this one included */
    double loss;   /* mean over the batch of 1/2 sum of squares (Voleti et al. 2022, eq. 3;
                      sum of absolute differences with training.L1) */
    double loss_per_element; /* the same divided by the elements of a block */
    double grad_norm;        /* global L2 norm before clipping */
    double lr;
    int round; /* of a distillation, from 1; 0: training */
} mcvd_step_report;

/**
 * A trainer with fresh weights: graph, gradients, Adam moments, EMA, all memory of a step.
 * @return MCVD_OK, MCVD_E_CONFIG, MCVD_E_NOMEM, MCVD_E_SHAPE
 */
MCVD_API mcvd_status mcvd_trainer_create(mcvd_trainer **out, const mcvd_config *config);
MCVD_API void mcvd_trainer_free(mcvd_trainer **trainer);

/**
 * One optimizer step on a batch of training.batch_size clips: noise, forward, backward, clip,
 * Adam, EMA. Allocates nothing.
 * @return MCVD_OK
 *         MCVD_E_NONFINITE  loss or gradient is not finite; weights, moments and EMA are untouched
 *         MCVD_E_SHAPE      the batch does not fit the configuration
 */
MCVD_API mcvd_status mcvd_trainer_step(mcvd_trainer *trainer, const mcvd_batch *batch,
                                       mcvd_step_report *report);

MCVD_API uint64_t mcvd_trainer_steps(const mcvd_trainer *trainer);
/** Multiply-adds of the forward pass of one optimizer step; backward costs twice that. */
MCVD_API double mcvd_trainer_macs(const mcvd_trainer *trainer);
/** Bytes of activations, their gradients and scratch. */
MCVD_API size_t mcvd_trainer_bytes(const mcvd_trainer *trainer);

/**
 * Weights, EMA, Adam moments and position, whole or not at all; replaces an older file.
 * @return MCVD_OK
 *         MCVD_E_NONFINITE  the state is no good any more; nothing is written
 *         MCVD_E_IO         cannot be written; an older file stands
 *         MCVD_E_NOMEM
 */
MCVD_API mcvd_status mcvd_trainer_save(const mcvd_trainer *trainer, const char *path);

/**
 * Continue from a checkpoint of the same network. On failure the trainer is as before.
 * @return MCVD_OK
 *         MCVD_E_MODEL  missing, damaged, no checkpoint, or of another network
 *         MCVD_E_NOMEM
 */
MCVD_API mcvd_status mcvd_trainer_load(mcvd_trainer *trainer, const char *path);

/**
 * The EMA weights (or the weights without EMA) as a model file.
 * @param half       as F16, which halves the file
 * @param summary    JSON for the metadata, or NULL
 * @param overwrite  false refuses an existing file
 * @return MCVD_OK, MCVD_E_EXISTS, MCVD_E_IO, MCVD_E_NOMEM
 *         MCVD_E_FORMAT  summary is not UTF-8
 */
MCVD_API mcvd_status mcvd_trainer_export(const mcvd_trainer *trainer, const char *path, bool half,
                                         const char *summary, bool overwrite);

/**
 * A network for `batch` samples on a copy of the EMA weights (or the weights without EMA).
 * @return MCVD_OK, MCVD_E_RANGE (batch 0), MCVD_E_NOMEM
 */
MCVD_API mcvd_status mcvd_trainer_network(mcvd_network **out, const mcvd_trainer *trainer,
                                          size_t batch);
/**
 * Its weights again after more steps.
 * @return MCVD_OK, MCVD_E_NOMEM
 */
MCVD_API mcvd_status mcvd_trainer_refresh(mcvd_network *network, const mcvd_trainer *trainer);

/**
 * Loss of a network on a batch with timesteps and noise fixed by `key`: for validation.
 * Timesteps are spread evenly over the schedule. The result is per element.
 *
 * @param network  made for batch->batch_size samples
 * @return MCVD_OK
 *         MCVD_E_NONFINITE  the loss is not finite
 *         MCVD_E_STATE      the batch lacks frames that the network needs
 *         MCVD_E_NOMEM
 */
MCVD_API mcvd_status mcvd_trainer_validate(const mcvd_trainer *trainer, mcvd_network *network,
                                           const mcvd_batch *batch, uint64_t key, double *loss);

/* --- a run in a folder --- */

typedef struct mcvd_train_run_config {
    mcvd_config config;
    const char *data_path; /* NULL: moving digits, or the data of the run that is resumed */
    const char *const *digit_folders;
    size_t num_digit_folders;
    const char *folder; /* run folder, created */
    bool resume;        /* continue from the newest checkpoint in the folder */
    bool force;         /* start anew in a folder that has a run */
    /* Nobody has chosen data.test_fraction: videos hold out their last fifth. A store of videos
     * decides by itself, here and where the fraction is 0, and the run keeps its number. */
    bool default_test_fraction;

    /* Callbacks; each may be NULL. A nonzero result of on_step stops cleanly after a checkpoint. */
    void *user;
    int (*on_step)(void *user, const mcvd_step_report *report, double samples_per_s);
    void (*on_start)(void *user, uint64_t first_step, const char *data_description);
    void (*on_checkpoint)(void *user, uint64_t step, const char *path);
    void (*on_validate)(void *user, uint64_t step, double loss_per_element);
    /* Every training.sample_freq steps, with a network on the EMA weights that is made for
     * `batch` windows of the test split. */
    mcvd_status (*on_sample)(void *user, uint64_t step, mcvd_network *network,
                             const mcvd_batch *batch);
} mcvd_train_run_config;

MCVD_API mcvd_train_run_config mcvd_train_run_config_default(void);

/**
 * Train to config.training.n_iters steps. Leaves config.json (data.dataset is what was trained on),
 * run.json (the data), journal.jsonl, checkpoints/ with the newest training.keep_checkpoints,
 * latest, and model.safetensors (EMA) in the folder. Data and memory are found wanting before
 * anything in the folder changes.
 *
 * Resuming goes on with the bytes of a run that never stopped. So all keys must be those of the
 * run, except training.n_iters, *_freq, keep_checkpoints, export_dtype, optim.cooldown,
 * data.num_workers and sampling.*; the data must be the same, unless data_path names other data,
 * which is a warning. Checkpoints that cannot be read are set aside with a warning while an older
 * one can be.
 *
 * @return MCVD_OK            all steps done
 *         MCVD_E_INTERRUPTED on_step asked to stop; a checkpoint is written
 *         MCVD_E_NONFINITE   stopped; the last good checkpoint stands
 *         MCVD_E_EXISTS      the folder has a run and neither resume nor force is set
 *         MCVD_E_STATE       another process writes this run
 *         MCVD_E_CONFIG      wrong, or resuming with other keys or fewer steps than are done
 *         MCVD_E_INPUT       no such data or too little, nothing to resume, or other data than the
 *                            resumed run's
 *         MCVD_E_MODEL       none of the checkpoints can be read
 *         MCVD_E_FORMAT, MCVD_E_DECODE  damaged data
 *         MCVD_E_SHAPE, MCVD_E_IO, MCVD_E_NOMEM, and what on_sample returns
 */
MCVD_API mcvd_status mcvd_train_run(const mcvd_train_run_config *config);

#ifdef __cplusplus
}
#endif

#endif
