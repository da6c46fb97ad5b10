/*
 * UniPC (Zhao et al. 2023), second order, data prediction, B(h) = e^-h - 1: each call at a
 * predicted x first corrects that x and then predicts the next one. With lambda = log(a / s), h the
 * step in lambda, and m_i the estimate of x0 at level i:
 *
 *     base  = (s_i / s_{i-1}) x_{i-1} - a_i B m_{i-1},      D = (m_{i-2} - m_{i-1}) / r,
 *     r     = (lambda_{i-2} - lambda_{i-1}) / h
 *     x_i^p = base - a_i B D / 2
 *     x_i   = base - a_i B (rho_0 D + rho_1 (m_i - m_{i-1}))
 *     rho_0 + rho_1 = b_1,  r rho_0 + rho_1 = b_2
 *     b_1   = (B / -h - 1) / B,  b_2 = 2 ((B / -h - 1) / -h - 1 / 2) / B
 *
 * The first step has no D: x_1^p = base, rho_1 = 1 / 2. The last step takes x0.
 */
#include "diffusion/sampler.h"

#include <math.h>
#include <string.h>

/* What is known of a step that was taken: from[0] to from[1]. */
typedef struct solver_step {
    double shrink; /* s_i / s_{i-1} */
    double of_m;   /* -a_i B */
    double h;
    double r;
} solver_step;

static solver_step solver_step_of(const mcvdi_run *run, const mcvdi_step *step)
{
    const double at = mcvdi_log_snr(step->level);
    const double shrink = step->next.s / step->level.s;
    solver_step s = { .shrink = shrink, .of_m = step->next.a - step->level.a * shrink };

    s.h = mcvdi_log_snr(step->next) - at;
    if (step > run->steps)
        s.r = (mcvdi_log_snr(step[-1].level) - at) / s.h;
    return s;
}

/* x = base + of_m (rho_d D + rho_m (m - m_before)); own: x, m, m of the level before. */
typedef struct combination {
    double d;
    double m;
} combination;

static combination corrector(const solver_step *s, bool first)
{
    if (first)
        return (combination) { 0.0, 0.5 };
    const double b = expm1(-s->h);
    const double phi2 = isinf(s->h) ? -1.0 : b / -s->h - 1.0;
    const double phi3 = isinf(s->h) ? -0.5 : phi2 / -s->h - 0.5;
    const double b1 = phi2 / b;
    const double b2 = 2.0 * phi3 / b;
    const double rho_0 = (b1 - b2) / (1.0 - s->r);

    return (combination) { rho_0 / s->r, b1 - rho_0 };
}

/* x = shrink x_before + of_m (m_before + c.d (m_before2 - m_before) + c.m (x0 - m_before)) */
static void advance(mcvdi_run *run, const solver_step *s, combination c)
{
    const float shrink = (float)s->shrink;
    const float before = (float)(s->of_m * (1.0 - c.d - c.m));
    const float before2 = (float)(s->of_m * c.d);
    const float now = (float)(s->of_m * c.m);
    const float *x = run->own[0];
    const float *m1 = run->own[1];
    const float *m2 = run->own[2];

    for (size_t i = 0; i < run->n; i++) {
        float y = shrink * x[i] + before * m1[i];
        if (c.d != 0.0) /* the first steps find nothing in m2 */
            y += before2 * m2[i];
        run->x[i] = c.m != 0.0 ? y + now * run->x0[i] : y;
    }
}

static void remember(mcvdi_run *run)
{
    float *oldest = run->own[2];

    run->own[2] = run->own[1];
    run->own[1] = oldest;
    memcpy(run->own[1], run->x0, run->n * sizeof *run->x0);
    memcpy(run->own[0], run->x, run->n * sizeof *run->x);
}

static mcvd_status unipc_step(mcvdi_run *run, const mcvdi_step *step)
{
    const mcvd_status st = mcvdi_run_estimate(run, step);

    if (st < 0)
        return st;
    if (step->is_last) {
        memcpy(run->x, run->x0, run->n * sizeof *run->x);
        return MCVD_OK;
    }
    if (run->index > 0) {
        const solver_step taken = solver_step_of(run, step - 1);
        advance(run, &taken, corrector(&taken, run->index == 1));
    }
    remember(run);
    const solver_step next = solver_step_of(run, step);
    const combination predictor = { run->index > 0 ? 0.5 / next.r : 0.0, 0.0 };
    advance(run, &next, predictor);
    return MCVD_OK;
}

const mcvdi_sampler_method mcvdi_sampler_unipc = {
    .name = "unipc",
    .help = "UniPC, predicts and corrects with one call a step, good from 5 steps on",
    .processes = MCVDI_ON_ALL,
    .own_spacing = MCVD_SPACING_LOG_SNR,
    .ending = MCVDI_ENDS_CLEAN,
    .num_own = 3,
    .step = unipc_step,
};
