/*
 * Consistent annealed sampling (Jolicoeur-Martineau et al. 2021, algorithm 2): Langevin steps of
 * one relative size eta on a geometric grid of sigma that is steps_per_level times finer than the
 * levels, with the noise that keeps sigma consistent:
 *
 *     x <- x - eta sigma_i eps(x),   eta = step_size / sigma_min^2, 1 when step_size is 0
 *     x <- x + sqrt(1 - (gamma (1 - eta))^2) sigma_{i+1} z,   gamma = sigma_i / sigma_{i+1}
 *
 * The network is told the timestep, a fraction, that has sigma_i. No noise after the last.
 */
#include "diffusion/sampler.h"

#include <math.h>

/* The grid between the first and the last level. */
typedef struct sigma_grid {
    double first;
    double ratio; /* of neighbours, < 1 */
} sigma_grid;

static sigma_grid grid_of(const mcvdi_run *run)
{
    const double first = run->steps[0].level.s;
    const double last = run->steps[run->num_steps - 1].level.s;
    const int intervals = (run->num_steps - 1) * run->config->steps_per_level;

    return (sigma_grid) { first, intervals ? pow(last / first, 1.0 / intervals) : 1.0 };
}

/* log sigma is linear in t. */
static double timestep_of(const mcvdi_run *run, double sigma)
{
    const int last = mcvd_schedule_num_timesteps(run->sched) - 1;
    const double low = log(mcvd_schedule_level(run->sched, 0).s);
    const double high = log(mcvd_schedule_level(run->sched, last).s);

    return last * (log(sigma) - low) / (high - low);
}

static mcvd_status one_step(mcvdi_run *run, double sigma, double ratio, bool noisy)
{
    const double least = run->steps[run->num_steps - 1].level.s;
    const double step_size = run->config->step_size;
    const double eta = step_size > 0.0 ? step_size / (least * least) : 1.0;
    const double kept = (1.0 - eta) / ratio;
    const mcvdi_point here = { run->x, timestep_of(run, sigma), { 1.0, sigma } };
    const mcvdi_move move = { .of_x = 1.0,
                              .of_eps = -eta * sigma,
                              .sigma = noisy ? sqrt(fmax(0.0, 1.0 - kept * kept)) * sigma * ratio
                                             : 0.0 };
    const mcvd_status st = mcvdi_run_predict(run, &here);

    if (st < 0)
        return st;
    mcvdi_run_clip(run, &here, true);
    return mcvdi_run_move(run, &move);
}

/* The noise is real only when sigma_min^2 (1 - ratio) < step_size < sigma_min^2 (1 + ratio), with
 * the levels that are really used. */
static mcvd_status check_step_size(const mcvdi_run *run)
{
    const double ratio = grid_of(run).ratio;
    const double least = run->steps[run->num_steps - 1].level.s;
    const double low = least * least * (1.0 - ratio);
    const double high = least * least * (1.0 + ratio);
    const double step_size = run->config->step_size;

    if (step_size > 0.0 && !(step_size > low && step_size < high))
        return mcvdi_fail(MCVD_E_RANGE,
                          "sampler cas: step_size = %g (sampling.step_lr), expected between %g and "
                          "%g for %d levels of %d steps",
                          step_size, low, high, run->num_steps, run->config->steps_per_level);
    return MCVD_OK;
}

/* Each level but the last has steps_per_level points of the grid, the last one its own. */
static mcvd_status cas_step(mcvdi_run *run, const mcvdi_step *step)
{
    const sigma_grid grid = grid_of(run);
    const int count = step->is_last ? 1 : run->config->steps_per_level;
    mcvd_status st = run->plan && run->index == 0 ? check_step_size(run) : MCVD_OK;

    for (int k = 0; st >= 0 && k < count; k++) {
        const int i = run->index * run->config->steps_per_level + k;
        st = one_step(run, grid.first * pow(grid.ratio, i), grid.ratio, !step->is_last);
    }
    return st;
}

const mcvdi_sampler_method mcvdi_sampler_cas = {
    .name = "cas",
    .help = "consistent annealed sampling, for score matching (ve)",
    .processes = MCVDI_ON_VE,
    .ending = MCVDI_ENDS_WITH_DENOISE,
    .step = cas_step,
};
