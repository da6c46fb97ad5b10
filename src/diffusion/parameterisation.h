/*
 * What a network's output means. With x_t = a x0 + s eps every parameterisation here is linear,
 *
 *     output = target_x0 * x0 + target_eps * eps,
 *
 * so the two equations solved for x0 and eps give one row of coefficients per (row of the table,
 * noise level), which serves training and sampling:
 *
 *     x0  = x0_x * x_t + x0_out * output
 *     eps = eps_x * x_t + eps_out * output
 */
#ifndef MCVDI_PARAMETERISATION_H
#define MCVDI_PARAMETERISATION_H

#include "diffusion/schedule.h"

typedef struct mcvdi_output_map {
    double target_x0;
    double target_eps;
    double x0_x;
    double x0_out;
    double eps_x;
    double eps_out;
} mcvdi_output_map;

typedef struct mcvdi_parameterisation {
    const char *name; /* value of model.prediction */
    const char *help;
    unsigned processes;   /* bit 1 << mcvd_process: where it is defined */
    bool knows_all_noise; /* x0 can be read from the output at a = 0 */
    void (*target)(mcvd_level level, double *of_x0, double *of_eps);
} mcvdi_parameterisation;

/* The row of that name. MCVD_E_CONFIG lists the known names. */
mcvd_status mcvdi_parameterisation_find(const mcvdi_parameterisation **out, const char *name);

/* MCVD_E_CONFIG when the process has no such output (v belongs to vp), or when the schedule
 * reaches a = 0 and the output says nothing about x0 there. */
mcvd_status mcvdi_parameterisation_check(const mcvdi_parameterisation *param,
                                         const mcvd_schedule *sched);

/* The coefficients at a level with s > 0, and a > 0 unless the row knows all noise. */
mcvdi_output_map mcvdi_parameterisation_at(const mcvdi_parameterisation *param, mcvd_level level);

/*
 * What the network should have answered: target = target_x0 * x0 + target_eps * eps.
 * x0, eps, target: [batch, numel]; target may be x0 or eps. MCVD_E_RANGE as q_sample.
 */
mcvd_status mcvdi_training_target(const mcvdi_parameterisation *param, const mcvd_schedule *sched,
                                  const mcvd_timesteps *steps, const float *x0, const float *eps,
                                  float *target);

/* Read an answer: x0_pred and eps_pred from x_t and output, all [n]. eps_pred may be output. */
void mcvdi_output_read(const mcvdi_output_map *map, size_t n, const float *x_t, const float *output,
                       float *x0_pred, float *eps_pred);

#endif
