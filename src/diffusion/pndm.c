/*
 * F-PNDM (Liu et al. 2022, algorithm 2; second order) in the direction that denoises: three
 * Runge-Kutta steps of four calls, then the linear multistep rule with one call. A transfer with
 * noise e is
 *
 *     x(t -> u) = (a_u / a_t) x + (s_u - s_t a_u / a_t) e
 *
 *     e1 = eps(x, t), e2 = eps(x(t -> m, e1), m), e3 = eps(x(t -> m, e2), m),
 *     e4 = eps(x(t -> t', e3), t'),  m = floor((t + t') / 2),  e = (e1 + 2 e2 + 2 e3 + e4) / 6
 *     e  = (55 e1 - 59 e1' + 37 e1'' - 9 e1''') / 24,  with the e1 of the steps before
 *
 * Timesteps count from 0 here; the network is told 0 for the clean frame.
 */
#include "diffusion/sampler.h"

#include <string.h>

enum { RUNGE_KUTTA_STEPS = 3, SUM = 3, POINT = 4, NUM_OWN = 5 };

static void transfer(const mcvdi_run *run, float *y, mcvd_level from, mcvd_level to, const float *e)
{
    const double grow = to.a / from.a;

    mcvdi_run_combine(run, y, grow, run->x, to.s - from.s * grow, e);
    if (!run->config->clip_state)
        return;
    for (size_t i = 0; i < run->n; i++)
        y[i] = y[i] < -1.0f ? -1.0f : y[i] > 1.0f ? 1.0f : y[i];
}

/* run->eps at x, which is at timestep t. */
static mcvd_status slope(mcvdi_run *run, const float *x, int t)
{
    const int told = t < 0 ? 0 : t;
    const mcvdi_point point = { x, told, mcvd_schedule_level(run->sched, told) };
    const mcvd_status st = mcvdi_run_predict(run, &point);

    if (st >= 0 && !run->config->clip_state)
        mcvdi_run_clip(run, &point, true);
    return st;
}

static float *before(const mcvdi_run *run, int steps_ago)
{
    return run->own[(run->index - steps_ago + RUNGE_KUTTA_STEPS) % RUNGE_KUTTA_STEPS];
}

/* e1 is in run->eps; the sum ends in own[SUM]. */
static mcvd_status runge_kutta(mcvdi_run *run, const mcvdi_step *step)
{
    const int middle = (step->t + step->t_next) >> 1; /* rounds -1 down to -1 */
    const int told[] = { middle, middle, step->t_next };
    const double weight[] = { 2.0, 2.0, 1.0 };
    float *sum = run->own[SUM];

    memcpy(sum, run->eps, run->n * sizeof *sum);
    for (int k = 0; k < 3; k++) {
        transfer(run, run->own[POINT], step->level, mcvd_schedule_level(run->sched, told[k]),
                 run->eps);
        const mcvd_status st = slope(run, run->own[POINT], told[k]);
        if (st < 0)
            return st;
        mcvdi_run_combine(run, sum, 1.0, sum, weight[k], run->eps);
    }
    mcvdi_run_combine(run, sum, 1.0 / 6.0, sum, 0.0, sum);
    return MCVD_OK;
}

static void multistep(mcvdi_run *run)
{
    float *sum = run->own[SUM];

    mcvdi_run_combine(run, sum, 55.0 / 24.0, run->eps, -59.0 / 24.0, before(run, 1));
    mcvdi_run_combine(run, sum, 1.0, sum, 37.0 / 24.0, before(run, 2));
    mcvdi_run_combine(run, sum, 1.0, sum, -9.0 / 24.0, before(run, 3));
}

static mcvd_status pndm_step(mcvdi_run *run, const mcvdi_step *step)
{
    mcvd_status st = slope(run, run->x, step->t);

    if (st < 0)
        return st;
    if (run->index >= RUNGE_KUTTA_STEPS)
        multistep(run);
    memcpy(before(run, 0), run->eps, run->n * sizeof *run->eps);
    if (run->index < RUNGE_KUTTA_STEPS)
        st = runge_kutta(run, step);
    if (st >= 0)
        transfer(run, run->x, step->level, step->next, run->own[SUM]);
    return st;
}

static mcvd_status check(const mcvd_sampler_config *config, const mcvd_schedule *sched)
{
    const int last = mcvd_schedule_num_timesteps(sched) - 1;

    (void)config;
    if (!(mcvd_schedule_level(sched, last).a > 0.0))
        return mcvdi_fail(MCVD_E_CONFIG, "sampler pndm: divides by a, and the schedule ends at "
                                         "a = 0");
    return MCVD_OK;
}

const mcvdi_sampler_method mcvdi_sampler_pndm = {
    .name = "pndm",
    .help = "F-PNDM, three steps of four calls and then one call a step",
    .processes = MCVDI_ON_VP | MCVDI_ON_VE,
    .grid_from_zero = true,
    .ending = MCVDI_ENDS_CLEAN,
    .num_own = NUM_OWN,
    .step = pndm_step,
    .check = check,
};
