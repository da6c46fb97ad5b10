/* Song et al. 2021, eq. 12: any amount of noise between none (eta 0) and that of ddpm (eta 1). */
#include "diffusion/sampler.h"

#include <math.h>

static mcvdi_move implicit(const mcvdi_level *level, const mcvd_sampler_config *config)
{
    const double full = sqrt(1.0 - level->ac / level->ac_next);
    const double posterior = sqrt((1.0 - level->ac_next) / (1.0 - level->ac)) * full;
    const double sigma = config->sigma_hat ? posterior : config->eta * posterior;
    const double rest = 1.0 - level->ac_next - sigma * sigma;

    return (mcvdi_move) {
        .of_x0 = sqrt(level->ac_next),
        .of_eps = rest > 0.0 ? sqrt(rest) : 0.0,
        .sigma = level->is_last      ? 0.0
                 : config->sigma_hat ? full
                                     : sigma,
    };
}

static mcvd_status ddim_step(mcvdi_run *run, const mcvdi_level *level)
{
    const mcvdi_move move = implicit(level, run->config);
    const mcvd_status st = mcvdi_run_predict(run, level->t, level->ac);

    if (st < 0)
        return st;
    mcvdi_run_clip(run, level->ac);
    return mcvdi_run_move(run, &move);
}

const mcvdi_sampler_method mcvdi_sampler_ddim = {
    "ddim", "implicit sampling, without noise unless eta is above 0", ddim_step
};
