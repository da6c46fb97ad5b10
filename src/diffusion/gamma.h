/*
 * Gamma noise (Nachmani et al. 2021, "Denoising Diffusion Gamma Models"): at the level a, s the sum
 * of the increments up to there is Gamma(k, theta) with theta = a theta_0, theta_0 = 0.001, and
 *
 *     k = sum of betas[j] / (ac[j] theta_0^2) over j <= t = (1 / ac - 1) / theta_0^2 = (s /
 * theta)^2
 *
 * so that its variance k theta^2 is s^2 and, with g = Gamma(k, 1),
 *
 *     z = (Gamma(k, theta) - k theta) / s = (g - k) / sqrt(k)
 *
 * has mean 0, variance 1 and skewness 2 / sqrt(k): the clean end is skew, the noisy end normal.
 */
#ifndef MCVDI_GAMMA_H
#define MCVDI_GAMMA_H

#include <mcvd/rng.h>

#include "diffusion/schedule.h"

/* z for the shape k > 0 (infinite: normal), out[0..n). Element i is a function of key and i. */
void mcvdi_gamma_noise(mcvd_rng_key key, double shape, float *out, size_t n);

#endif
