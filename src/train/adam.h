/*
 * Adam (Kingma and Ba 2015; amsgrad: Reddi et al. 2018), in single precision:
 *
 *     g <- grad_scale * grad + weight_decay * param
 *     m <- beta1 m + (1 - beta1) g                     v <- beta2 v + (1 - beta2) g^2
 *     param <- param - lr / (1 - beta1^t) * m / (sqrt(v / (1 - beta2^t)) + eps)
 *
 * amsgrad puts the running maximum of v in the place of v in the last line.
 */
#ifndef MCVDI_ADAM_H
#define MCVDI_ADAM_H

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

typedef struct mcvdi_adam_config {
    double beta1;        /* [0, 1) */
    double beta2;        /* [0, 1) */
    double eps;          /* >= 0 */
    double weight_decay; /* added to the gradient (L2), not decoupled */
} mcvdi_adam_config;

/* What changes from step to step. */
typedef struct mcvdi_adam_now {
    int64_t t;         /* this step, counted from 1 */
    double lr;         /* mcvdi_lr_at */
    double grad_scale; /* mcvdi_clip_factor, times whatever else the gradients still need */
    double ema_rate;   /* used when slab.ema is given */
} mcvdi_adam_now;

/* Contiguous arrays of n floats, no overlap. */
typedef struct mcvdi_adam_slab {
    float *params;
    const float *grads;
    float *m;     /* zero before the first step */
    float *v;     /* zero before the first step */
    float *v_max; /* amsgrad: zero before the first step; NULL: plain Adam */
    float *ema;   /* NULL: no moving average */
    size_t n;
} mcvdi_adam_slab;

/*
 * One step over one slab: clip factor, Adam and the moving average in one pass over memory, in
 * parallel. The same numbers for any number of threads. Allocates nothing.
 *
 * Returns MCVD_OK, MCVD_E_RANGE (t < 1, or lr, grad_scale not finite; nothing is changed).
 */
mcvd_status mcvdi_adam_step(const mcvdi_adam_config *config, const mcvdi_adam_now *now,
                            const mcvdi_adam_slab *slab);

#endif
