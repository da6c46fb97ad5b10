/*
 * Known pixels inside the frames that a block makes. In every call of the network its estimate of
 * x0 is replaced by the truth where that is known, and eps by what then explains x_t:
 *
 *     x0 <- truth,  eps <- (x_t - a truth) / s      at known pixels
 *
 * For these pixels the posterior of x0 is the truth itself, so each method takes them from noise to
 * the truth through x_t = a truth + s eps, the truth noised by the forward process: on ddpm this is
 * the replacement of Lugmayr et al. 2022 (RePaint, eq. 8) with the noise of the steps correlated as
 * in the forward process.
 *
 * As guidance by a gradient (sampler.h): p(y | x_t) = N(y; x0, q^2) at known pixels, with the
 * network's Jacobian d x0 / d x_t taken as 1 / a, that is, eps held fixed, and q = s / a, gives
 * grad log p = -(a / s^2) (x0 - y), which moves x0 by (s^2 / a) grad log p to y exactly. Pixels
 * that are not known hear of it through the network's next call.
 */
#ifndef MCVDI_ROLLOUT_REGION_H
#define MCVDI_ROLLOUT_REGION_H

#include <mcvd/rollout.h>
#include <mcvd/sampler.h>

typedef struct mcvdi_region {
    float *truth; /* [H, W, F * C], one block of the network */
    float *known; /* the same shape: 1 where the truth is known, else 0 */
    size_t numel;
} mcvdi_region;

/* MCVD_E_NOMEM */
mcvd_status mcvdi_region_allocate(mcvdi_region *region, size_t numel);
void mcvdi_region_free(mcvdi_region *region);

/* known[H, W, F, C] from unknown [F, H, W]. */
void mcvdi_region_set_known(mcvdi_region *region, const uint8_t *unknown, size_t num_frames,
                            size_t channels);

/* A mcvd_guide_fn; user is the region. */
mcvd_status mcvdi_region_guide(void *user, const mcvd_guide_point *at, float *grad);

/* x [batch, numel] <- the truth at known pixels. */
void mcvdi_region_paste(const mcvdi_region *region, size_t batch, float *x);

#endif
