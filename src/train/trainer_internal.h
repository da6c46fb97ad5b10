/* What trainer.c and checkpoint.c share. */
#ifndef MCVDI_TRAINER_INTERNAL_H
#define MCVDI_TRAINER_INTERNAL_H

#include <mcvd/rng.h>
#include <mcvd/schedule.h>
#include <mcvd/trainer.h>

#include "diffusion/parameterisation.h"
#include "diffusion/weighting.h"
#include "model/model_internal.h"

/* The samples at work: [part] of the batch from `first` on. */
typedef struct mcvdi_example {
    const mcvd_batch *batch;
    size_t first;
    const float *x0;  /* [part, numel] clean */
    const float *x_t; /* [part, numel] as the network sees it */
} mcvdi_example;

/* What a step teaches: at which timesteps, and what the network should answer there. Distillation
 * is another one than training. */
typedef struct mcvdi_lesson {
    /* A timestep in [0, T), a function of the key. */
    int32_t (*timestep)(void *user, const mcvd_trainer *trainer, mcvd_rng_key key);
    /* trainer->target, [part, numel], from the example, trainer->t and trainer->eps. */
    mcvd_status (*target)(void *user, mcvd_trainer *trainer, const mcvdi_example *example);
    void *user;
} mcvdi_lesson;

struct mcvd_trainer {
    mcvd_config config;
    mcvdi_graph *graph; /* owns weights and gradients */
    mcvdi_unet unet;
    mcvd_schedule *schedule;
    const mcvdi_parameterisation *prediction;
    mcvdi_weighting weighting;
    mcvdi_lesson lesson;
    uint64_t steps; /* completed optimizer steps */
    uint64_t begun; /* steps when learning rate, moments and EMA began: those before this round */
    size_t batch;   /* samples of an optimizer step */
    size_t part;    /* samples of one pass through the graph */
    size_t numel;   /* floats of a block per sample */

    /* Slabs in parameter order. */
    float *m;
    float *v;
    float *v_max; /* amsgrad only */
    float *ema;   /* model.ema only */

    /* One part: [part, numel] and [part]. */
    float *eps;
    float *target;
    int32_t *t;
    double *weights;   /* of the levels, for the loss */
    float *cond_noise; /* like the part's given frames; model.noise_in_cond only */
};

/* The weights that results are made with: EMA where it is kept. */
const float *mcvdi_trainer_result_weights(const mcvd_trainer *trainer);

/* Begin a round: the weights (and EMA) of a model of the same network, fresh moments. */
mcvd_status mcvdi_trainer_begin(mcvd_trainer *trainer, const mcvd_model *model);

/* The noise of a sample at timestep t: normal, or gamma noise of that level. */
void mcvdi_trainer_noise(const mcvd_trainer *trainer, mcvd_rng_key key, int t, float *out,
                         size_t n);

#endif
