/*
 * The training loss: a sum over the values of a sample, the mean over the batch.
 *
 *     l2:  loss[b] = 1/2 sum (target - pred)^2       d loss[b] / d pred = pred - target
 *     l1:  loss[b] =     sum |target - pred|         d loss[b] / d pred = sign(pred - target)
 *
 * each times weights[b] where there are weights. There is no division by the number of values; the
 * usual clip of the gradient norm depends on it.
 */
#ifndef MCVDI_LOSS_H
#define MCVDI_LOSS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/status.h"

typedef struct mcvdi_loss_input {
    bool l1;
    size_t batch; /* >= 1 */
    size_t numel; /* values per sample, >= 1 */
    const float *target;
    const float *pred;
    double grad_scale; /* d_pred is multiplied by this: 1 / samples of the whole optimizer step */
    const double *weights; /* [batch], see weighting.h; NULL: all 1 */
} mcvdi_loss_input;

typedef struct mcvdi_loss_result {
    double mean;        /* over the batch */
    double per_element; /* mean / numel, for logs */
} mcvdi_loss_result;

/*
 * Forward and backward in one pass. target, pred, d_pred: [batch, numel]; d_pred is overwritten
 * with grad_scale * d loss[b] / d pred and may be pred or target; NULL: no gradient (validation).
 * per_sample: [batch] or NULL. Sums in double; the same numbers for any number of threads.
 *
 * Returns MCVD_OK, MCVD_E_RANGE (batch or numel 0), MCVD_E_NONFINITE (the message names the
 * sample; result is set, d_pred must not be used).
 */
mcvd_status mcvdi_loss(const mcvdi_loss_input *in, float *d_pred, double *per_sample,
                       mcvdi_loss_result *result);

#endif
