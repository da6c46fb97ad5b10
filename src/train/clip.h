/* Clipping the gradient by its global norm. */
#ifndef MCVDI_CLIP_H
#define MCVDI_CLIP_H

#include <stddef.h>

#include "core/status.h"

typedef struct mcvdi_grad_slab {
    const float *data;
    size_t n;
} mcvdi_grad_slab;

/*
 * norm = sqrt(sum of squares over all slabs), in double, the same number for any number of threads.
 * Returns MCVD_OK or MCVD_E_NONFINITE (norm is set all the same).
 */
mcvd_status mcvdi_grad_norm(const mcvdi_grad_slab *slabs, size_t num_slabs, double *norm);

/* The factor min(1, max_norm / (norm + 1e-6)); 1 when max_norm <= 0 (clipping is off). */
double mcvdi_clip_factor(double norm, double max_norm);

#endif
