/* Ancestral sampling (Ho et al. 2020, algorithm 2): mean and variance of q(x_next | x_t, x0). */
#include "diffusion/sampler.h"

#include <math.h>

static mcvdi_move posterior(const mcvdi_level *level, bool just_beta)
{
    const double shrink = (1.0 - level->ac_next) / (1.0 - level->ac);
    const double variance = just_beta ? level->beta : level->beta * shrink;

    return (mcvdi_move) {
        .of_x = sqrt(1.0 - level->beta) * shrink,
        .of_x0 = sqrt(level->ac_next) * level->beta / (1.0 - level->ac),
        .sigma = level->is_last ? 0.0 : sqrt(variance),
    };
}

static mcvd_status ddpm_step(mcvdi_run *run, const mcvdi_level *level)
{
    const mcvdi_move move = posterior(level, run->config->just_beta);
    const mcvd_status st = mcvdi_run_predict(run, level->t, level->ac);

    if (st < 0)
        return st;
    mcvdi_run_clip(run, level->ac);
    return mcvdi_run_move(run, &move);
}

const mcvdi_sampler_method mcvdi_sampler_ddpm = {
    "ddpm", "ancestral sampling, noise in every step but the last", ddpm_step
};
