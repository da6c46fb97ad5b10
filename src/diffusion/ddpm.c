/*
 * Ancestral sampling (Ho et al. 2020, algorithm 2): mean and variance of q(x_next | x_t, x0), which
 * any process with x = a x0 + s eps has. With r = a / a', v = s^2 - r^2 s'^2 the variance of the
 * forward step from x' to x:
 *
 *     x' = r s'^2 / s^2 x + a' v / s^2 x0 + sqrt(v) s' / s z
 *
 * just_beta: sqrt(v) z, the larger variance. No noise in the last step, whose result is x0.
 */
#include "diffusion/sampler.h"

#include <math.h>

static mcvdi_move posterior(const mcvdi_step *step, bool just_beta)
{
    const mcvd_level from = step->level;
    const mcvd_level to = step->next;
    const double r = from.a / to.a;
    const double v = from.s * from.s - r * r * to.s * to.s;
    const double shrink = to.s / from.s;

    return (mcvdi_move) {
        .of_x = r * shrink * shrink,
        .of_x0 = to.a * v / (from.s * from.s),
        .sigma = step->is_last ? 0.0 : sqrt(v) * (just_beta ? 1.0 : shrink),
    };
}

static mcvd_status ddpm_step(mcvdi_run *run, const mcvdi_step *step)
{
    const mcvdi_move move = posterior(step, run->config->just_beta);
    const mcvd_status st =
        mcvdi_run_estimate_clipped(run, step, run->config->recompute_eps_after_clip);

    return st < 0 ? st : mcvdi_run_move(run, &move);
}

const mcvdi_sampler_method mcvdi_sampler_ddpm = {
    .name = "ddpm",
    .help = "ancestral sampling, noise in every step but the last",
    .processes = MCVDI_ON_ALL,
    .takes_repeats = true,
    .ending = MCVDI_ENDS_WITH_DENOISE,
    .step = ddpm_step,
};
