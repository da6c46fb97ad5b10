/*
 * Annealed Langevin dynamics (Song and Ermon 2019, algorithm 1): at each noise level, from the
 * largest sigma down, steps_per_level times
 *
 *     x <- x - (alpha / sigma) eps(x) + sqrt(2 alpha) z,   alpha = step_size (sigma / sigma_min)^2
 *
 * harmonic_mean: eps(x) H / sigma in the place of eps(x), H the harmonic mean of the sigmas used.
 */
#include "diffusion/sampler.h"

#include <math.h>

static const double own_step_size = 6.2e-6;

/* H / sigma, or 1. */
static double scale_of_eps(const mcvdi_run *run, double sigma)
{
    double sum = 0.0;

    if (!run->config->harmonic_mean)
        return 1.0;
    for (int i = 0; i < run->num_steps; i++)
        sum += 1.0 / run->steps[i].level.s;
    return run->num_steps / sum / sigma;
}

static mcvd_status langevin_step(mcvdi_run *run, const mcvdi_step *step)
{
    const double least = run->steps[run->num_steps - 1].level.s;
    const double ratio = step->level.s / least;
    const double step_size = run->config->step_size;
    const double alpha = (step_size > 0.0 ? step_size : own_step_size) * ratio * ratio;
    const double scale = scale_of_eps(run, step->level.s);
    const mcvdi_move move = { .of_x = 1.0,
                              .of_eps = -alpha * scale / step->level.s,
                              .sigma = sqrt(2.0 * alpha) };
    mcvd_status st = MCVD_OK;

    for (int k = 0; st >= 0 && k < run->config->steps_per_level; k++) {
        st = mcvdi_run_estimate(run, step);
        if (st >= 0)
            st = mcvdi_run_move(run, &move);
    }
    return st;
}

const mcvdi_sampler_method mcvdi_sampler_langevin = {
    .name = "langevin",
    .help = "annealed Langevin dynamics, for score matching (ve)",
    .processes = MCVDI_ON_VE,
    .ending = MCVDI_ENDS_WITH_DENOISE,
    .step = langevin_step,
};
