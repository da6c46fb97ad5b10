/*
 * Implicit sampling (Song et al. 2021, eq. 12 and 16): any amount of noise between none (eta 0) and
 * that of ddpm (eta 1), with v and the posterior's deviation as in ddpm.c:
 *
 *     x' = a' x0 + sqrt(s'^2 - sigma^2) eps + sigma z,   sigma = eta sqrt(v) s' / s
 *
 * sigma_hat: direction of eta = 1, noise sqrt(v).
 */
#include "diffusion/sampler.h"

#include <math.h>

static mcvdi_move implicit(const mcvdi_step *step, const mcvd_sampler_config *config)
{
    const mcvd_level from = step->level;
    const mcvd_level to = step->next;
    const double r = from.a / to.a;
    const double full = sqrt(from.s * from.s - r * r * to.s * to.s);
    const double posterior = full * to.s / from.s;
    const double sigma = config->sigma_hat ? posterior : config->eta * posterior;
    const double rest = to.s * to.s - sigma * sigma;

    return (mcvdi_move) {
        .of_x0 = to.a,
        .of_eps = rest > 0.0 ? sqrt(rest) : 0.0,
        .sigma = step->is_last       ? 0.0
                 : config->sigma_hat ? full
                                     : sigma,
    };
}

static mcvd_status ddim_step(mcvdi_run *run, const mcvdi_step *step)
{
    const mcvdi_move move = implicit(step, run->config);
    const mcvd_status st =
        mcvdi_run_estimate_clipped(run, step, run->config->recompute_eps_after_clip);

    return st < 0 ? st : mcvdi_run_move(run, &move);
}

const mcvdi_sampler_method mcvdi_sampler_ddim = {
    .name = "ddim",
    .help = "implicit sampling, without noise unless eta is above 0",
    .processes = MCVDI_ON_ALL,
    .takes_repeats = true,
    .takes_eta = true,
    .ending = MCVDI_ENDS_WITH_DENOISE,
    .step = ddim_step,
};
