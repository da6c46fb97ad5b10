/* Guidance by gradients, equations in include/mcvd/sampler.h. */
#include "diffusion/sampler.h"

#include <float.h>
#include <math.h>

/* eps -= of_eps * grad, x0 += of_x0 * grad; whether all of it is finite. */
static bool add_gradient(const mcvdi_run *run, float of_eps, float of_x0)
{
    const float *restrict grad = run->grad;
    float *restrict eps = run->eps;
    float *restrict x0 = run->x0;
    int bad = 0;

#pragma omp simd reduction(| : bad)
    for (size_t i = 0; i < run->n; i++) {
        eps[i] -= of_eps * grad[i];
        x0[i] += of_x0 * grad[i];
        bad |= !(fabsf(eps[i]) <= FLT_MAX) | !(fabsf(x0[i]) <= FLT_MAX);
    }
    return !bad;
}

mcvd_status mcvdi_run_guide(mcvdi_run *run, const mcvdi_point *point)
{
    const mcvd_sampler_job *job = run->job;
    const mcvd_level l = point->level;
    const double w = job->guide_weight;

    if (!job->guide || w == 0.0 || !(l.a > 0.0))
        return MCVD_OK;
    const mcvd_guide_point at = { point->x, run->x0, run->batch, run->numel, point->t, l };
    const mcvd_status st = job->guide(job->guide_user, &at, run->grad);
    if (st < 0)
        return st;
    if (!add_gradient(run, (float)(l.s * w), (float)(l.s * l.s / l.a * w)))
        return mcvdi_fail(MCVD_E_NONFINITE, "sampler %s: what guidance makes of timestep %g",
                          run->config->name, point->t);
    return MCVD_OK;
}
