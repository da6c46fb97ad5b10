/* What the two likelihoods share. */
#ifndef MCVDI_DIFFUSION_LIKELIHOOD_H
#define MCVDI_DIFFUSION_LIKELIHOOD_H

#include <mcvd/likelihood.h>

#include "diffusion/parameterisation.h"

enum { MCVDI_LIKELIHOOD_BLOCKS = 65536 };

static const double mcvdi_log_2pi = 1.83787706640934548356;

/* The row of the prediction, checked against the schedule; numel and block as well. */
mcvd_status mcvdi_likelihood_check(const mcvdi_parameterisation **param, const char *prediction,
                                   const mcvd_schedule *sched, size_t numel, uint64_t block);

/* n * each doubles; NULL when that does not fit. */
double *mcvdi_new_doubles(size_t n, size_t each);

/* Variance P of the noise that a sampler starts from. */
double mcvdi_prior_variance(const mcvd_schedule *sched);

/* A place on the noisy way: sigma = s / a, the level, the timestep of the network. */
typedef struct mcvdi_place {
    double sigma;
    double t;
    mcvd_level level;
} mcvdi_place;

/* By sigma, which is kept inside the schedule; t is interpolated in log sigma. */
mcvdi_place mcvdi_place_of_sigma(const mcvd_schedule *sched, double sigma);
/* The noisiest timestep with a > 0, hence with a finite sigma. */
int mcvdi_noisiest_finite(const mcvd_schedule *sched);

/* progress after a call. */
mcvd_status mcvdi_likelihood_progress(const mcvd_likelihood_net *net);

#endif
