/*
 * DPM-Solver++ (Lu et al. 2022, "DPM-Solver++", algorithm 2, and its appendix for the SDE), multi-
 * step, second order. With lambda = log(a / s), h = lambda' - lambda, and r = h_before / h:
 *
 *     D  = x0 + (x0 - x0_before) / (2 r),   D = x0 in the first step
 *     x' = (s' / s) x - a' (e^-h - 1) D                                              2M
 *     x' = (s' / s) e^-h x + a' (1 - e^-2h) D + s' sqrt(1 - e^-2h) z                 2M SDE
 *
 * The last step, to s = 0, takes x' = x0.
 */
#include "diffusion/sampler.h"

#include <math.h>
#include <string.h>

/* x0 becomes D; the method's own buffer keeps x0 for the next step. */
static void extrapolate(mcvdi_run *run, const mcvdi_step *step)
{
    float *before = run->own[0];
    float *x0 = run->x0;
    float share = 0.0f; /* 1 / (2 r) */

    if (run->index > 0 && !step->is_last) {
        const double at = mcvdi_log_snr(step->level);
        const double h = mcvdi_log_snr(step->next) - at;
        share = (float)(0.5 * h / (at - mcvdi_log_snr(step[-1].level)));
    }
    for (size_t i = 0; i < run->n; i++) {
        const float now = x0[i];
        if (share > 0.0f) /* the first step finds nothing in before */
            x0[i] += share * (now - before[i]);
        before[i] = now;
    }
}

static mcvd_status step_2m(mcvdi_run *run, const mcvdi_step *step)
{
    const mcvd_level from = step->level;
    const mcvd_level to = step->next;
    const double shrink = to.s / from.s;
    const mcvdi_move move = { .of_x = shrink, .of_x0 = to.a - from.a * shrink };
    const mcvd_status st = mcvdi_run_estimate(run, step);

    if (st < 0)
        return st;
    extrapolate(run, step);
    return mcvdi_run_move(run, &move);
}

static mcvd_status step_2m_sde(mcvdi_run *run, const mcvdi_step *step)
{
    const mcvd_level from = step->level;
    const mcvd_level to = step->next;
    const double decay = from.a * to.s / (from.s * to.a); /* e^-h */
    const double fresh = 1.0 - decay * decay;
    const mcvdi_move move = { .of_x = to.s / from.s * decay,
                              .of_x0 = to.a * fresh,
                              .sigma = step->is_last ? 0.0 : to.s * sqrt(fresh) };
    const mcvd_status st = mcvdi_run_estimate(run, step);

    if (st < 0)
        return st;
    extrapolate(run, step);
    return mcvdi_run_move(run, &move);
}

const mcvdi_sampler_method mcvdi_sampler_dpmpp_2m = {
    .name = "dpm++2m",
    .help = "DPM-Solver++ 2M, second order, good from 10 steps on",
    .processes = MCVDI_ON_ALL,
    .own_spacing = MCVD_SPACING_LOG_SNR,
    .ending = MCVDI_ENDS_CLEAN,
    .num_own = 1,
    .step = step_2m,
};

const mcvdi_sampler_method mcvdi_sampler_dpmpp_2m_sde = {
    .name = "dpm++2m-sde",
    .help = "DPM-Solver++ 2M with noise in every step but the last",
    .processes = MCVDI_ON_ALL,
    .own_spacing = MCVD_SPACING_LOG_SNR,
    .ending = MCVDI_ENDS_CLEAN,
    .num_own = 1,
    .step = step_2m_sde,
};
