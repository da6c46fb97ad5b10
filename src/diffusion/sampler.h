/* What the sampling methods share: one file per method, one row per method. */
#ifndef MCVDI_SAMPLER_H
#define MCVDI_SAMPLER_H

#include <mcvd/sampler.h>

#include "diffusion/parameterisation.h"

/* One denoising step: from ac at timestep t to ac_next, 1 after the last step. */
typedef struct mcvdi_level {
    int t;
    double ac;
    double ac_next;
    double beta; /* 1 - ac / ac_next */
    bool is_last;
} mcvdi_level;

/* The state of a run; buffers of [batch, numel]. */
typedef struct mcvdi_run {
    const mcvd_sampler_config *config;
    const mcvdi_parameterisation *param;
    const mcvd_sampler_job *job;
    size_t n; /* batch * numel */
    float *x; /* the caller's block */
    float *x0;
    float *eps;
    float *noise;
    bool has_start_noise; /* same_noise: noise holds the start noise for good */
    double *t;            /* [batch] */
    size_t num_draws;
} mcvdi_run;

typedef struct mcvdi_sampler_method {
    const char *name;
    const char *help;
    mcvd_status (*step)(mcvdi_run *run, const mcvdi_level *level);
} mcvdi_sampler_method;

extern const mcvdi_sampler_method mcvdi_sampler_ddpm;
extern const mcvdi_sampler_method mcvdi_sampler_ddim;

/* Call the network at run->x, told timestep t, and read x0 and eps at noise level ac. */
mcvd_status mcvdi_run_predict(mcvdi_run *run, double t, double ac);

/* Clip x0 as the configuration says; after mcvdi_run_predict at the same ac. */
void mcvdi_run_clip(mcvdi_run *run, double ac);

/* Fill run->noise for the next step. */
mcvd_status mcvdi_run_draw(mcvdi_run *run);

/* x = of_x * x + of_x0 * x0 + of_eps * eps, and + sigma * noise, drawn here, when sigma > 0. */
typedef struct mcvdi_move {
    double of_x;
    double of_x0;
    double of_eps;
    double sigma;
} mcvdi_move;

mcvd_status mcvdi_run_move(mcvdi_run *run, const mcvdi_move *move);

#endif
