/*
 * Probability-flow ODE by Euler's method (Song et al. 2021, eq. 13). In X = x / a and S = s / a it
 * is dX = eps dS, so that a step is X' = X + (S' - S) eps, which is x' = a' x0 + s' eps: ddim
 * without noise.
 */
#include "diffusion/sampler.h"

static mcvd_status euler_step(mcvdi_run *run, const mcvdi_step *step)
{
    const mcvdi_move move = { .of_x0 = step->next.a, .of_eps = step->next.s };
    const mcvd_status st = mcvdi_run_estimate(run, step);

    return st < 0 ? st : mcvdi_run_move(run, &move);
}

const mcvdi_sampler_method mcvdi_sampler_euler = {
    .name = "euler",
    .help = "probability-flow ODE, first order: ddim without noise",
    .processes = MCVDI_ON_ALL,
    .takes_repeats = true,
    .own_spacing = MCVD_SPACING_LOG_SNR,
    .ending = MCVDI_ENDS_CLEAN,
    .step = euler_step,
};
