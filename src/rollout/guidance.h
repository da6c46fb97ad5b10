/*
 * Classifier-free guidance by masks (Ho and Salimans 2022). With e(p, f) the network's output for a
 * past and a future that are given (p, f) or masked (0),
 *
 *     e = e(0, 0) + w_p [e(p, 0) - e(0, 0)] + w_f [e(p, f) - e(p, 0)]
 *
 * which is the sum of (1 - w_p) e(0, 0), (w_p - w_f) e(p, 0) and w_f e(p, f). Without a future
 * w_f is 0 and without a past w_p is 0 and p masked:
 *
 *     (1 - w_p) e(0, 0) + w_p e(p, 0),      (1 - w_f) e(0, 0) + w_f e(0, f)
 *
 * Terms of weight 0 are not computed. The output of every parameterisation is affine in the
 * predicted noise, with coefficients that x_t and t decide and all terms share, and the weights sum
 * to 1: so the same sum guides eps, v, x0, score and flow.
 */
#ifndef MCVDI_ROLLOUT_GUIDANCE_H
#define MCVDI_ROLLOUT_GUIDANCE_H

#include <mcvd/rollout.h>

enum { MCVDI_MAX_TERMS = 3 };

/* One call of the network for a trajectory. */
typedef struct mcvdi_term {
    bool past; /* false: masked, also where the task has it */
    bool future;
    double weight;
} mcvdi_term;

typedef struct mcvdi_guidance {
    size_t num_terms; /* 1: the network's own answer */
    mcvdi_term terms[MCVDI_MAX_TERMS];
} mcvdi_guidance;

/* The terms of a task. MCVD_E_USAGE: the model's training masks did not teach all of them;
 * MCVD_E_RANGE: a weight. */
mcvd_status mcvdi_guidance_plan(mcvdi_guidance *guidance, const mcvd_config *model,
                                const mcvd_rollout_config *config);

/* out [n] = the weighted sum of answers [num_terms, n]. */
void mcvdi_guidance_combine(const mcvdi_guidance *guidance, const float *answers, size_t n,
                            float *out);

#endif
