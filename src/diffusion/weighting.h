/*
 * Weights of the noise levels in the training loss. An error e of the clean frames is an error k e
 * of the output, k = target_x0 - target_eps a / s (parameterisation.h), so a weight u of |e|^2 is
 * the weight w = u / k^2 of the output's squared error. With SNR = a^2 / s^2:
 *
 *     uniform   w = 1: every level as the output measures it
 *     min-snr   u = min(SNR, min_snr_gamma)      (Hang et al. 2023, section 3.4)
 *     elbo      u = T (SNR' - SNR)               (Kingma et al. 2021, eq. 13)
 *     truncated-snr  u = max(SNR, 1)             (Salimans and Ho 2022, section 4)
 *     snr+1     u = SNR + 1: the loss of v, whatever the output is           (the same)
 *     sigma     u = SNR: the loss of eps, whatever the output is; s^2 for score
 *
 * SNR' belongs to the next cleaner timestep. With elbo the loss, which has 1/2 in front, estimates
 * the sum over the timesteps of the bound in nats. At t = 0, where SNR' is infinite, SNR' - SNR is
 * replaced by SNR: what a Gaussian decoder of the deviation s / a contributes.
 */
#ifndef MCVDI_WEIGHTING_H
#define MCVDI_WEIGHTING_H

#include "diffusion/parameterisation.h"

typedef struct mcvdi_weighting {
    const mcvdi_parameterisation *param;
    bool l1;              /* the weights of absolute errors: sqrt(w) */
    double min_snr_gamma; /* > 0 */
    double (*of_x0)(double snr, double cleaner, double min_snr_gamma); /* u, u / T; NULL: w = 1 */
    bool times_t;
} mcvdi_weighting;

/* The row of training.loss_weight; sets of_x0 and times_t alone. MCVD_E_CONFIG lists the names. */
mcvd_status mcvdi_weighting_find(mcvdi_weighting *out, const char *name);

/* w at timestep t of the schedule. */
double mcvdi_weighting_at(const mcvdi_weighting *weighting, const mcvd_schedule *sched, int t);

#endif
