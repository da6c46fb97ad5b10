/* Noise on the given frames (model.noise_in_cond): the network's own share of a noise schedule. */
#ifndef MCVDI_NOISE_IN_COND_H
#define MCVDI_NOISE_IN_COND_H

#include <mcvd/config.h>

#include "core/status.h"

/*
 * alphas_cumprod[t] of model.sigma_dist for t = 0 (least noise) .. num_classes - 1, freed with
 * mcvdi_free. The same numbers as mcvd_schedule_alpha_cumprod; this folder does not know samplers.
 */
mcvd_status mcvdi_cond_schedule(double **alphas_cumprod, const mcvd_model_config *config);

/* y = sqrt(ac) cond + sqrt(1 - ac) z, n values. */
void mcvdi_noise_cond(float *y, const float *cond, const float *z, double ac, size_t n);

#endif
