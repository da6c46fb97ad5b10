/*
 * Probability-flow ODE by Heun's method (Karras et al. 2022, algorithm 1 without noise), two calls
 * a step. With X = x / a and S = s / a:
 *
 *     d = eps(x),  x~ = a' (X + (S' - S) d),  d' = eps(x~),  X' = X + (S' - S) (d + d') / 2
 *
 * The last step, to S = 0, is Euler's, and so are steps that begin in nothing but noise: with S of
 * 1e7, where a cosine schedule starts, the average of two slopes times S' - S is mostly rounding.
 */
#include "diffusion/sampler.h"

#include <string.h>

static mcvd_status heun_step(mcvdi_run *run, const mcvdi_step *step)
{
    const mcvd_level from = step->level;
    const mcvd_level to = step->next;
    const mcvdi_move euler = { .of_x0 = to.a, .of_eps = to.s };
    float *start = run->own[0];
    float *slope = run->own[1];
    mcvd_status st = mcvdi_run_estimate(run, step);

    if (st < 0)
        return st;
    memcpy(start, run->x, run->n * sizeof *start);
    memcpy(slope, run->eps, run->n * sizeof *slope);
    st = mcvdi_run_move(run, &euler);
    if (st < 0 || step->is_last || mcvdi_log_snr(from) < MCVDI_LEAST_LOG_SNR)
        return st;
    const mcvdi_point there = { run->x, step->t_next, to };
    st = mcvdi_run_predict(run, &there);
    if (st < 0)
        return st;
    mcvdi_run_clip(run, &there, true);
    const double half = 0.5 * (to.s - to.a * from.s / from.a);
    mcvdi_run_combine(run, run->x, to.a / from.a, start, half, slope);
    mcvdi_run_combine(run, run->x, 1.0, run->x, half, run->eps);
    return MCVD_OK;
}

const mcvdi_sampler_method mcvdi_sampler_heun = {
    .name = "heun",
    .help = "probability-flow ODE, second order, two calls a step",
    .processes = MCVDI_ON_ALL,
    .takes_repeats = true,
    .own_spacing = MCVD_SPACING_LOG_SNR,
    .ending = MCVDI_ENDS_CLEAN,
    .num_own = 2,
    .step = heun_step,
};
