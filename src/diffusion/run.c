/* The pieces of a step that every sampling method uses. */
#include "diffusion/sampler.h"

#include <float.h>
#include <math.h>

static bool all_finite(const float *x, size_t n)
{
    int bad = 0;

#pragma omp simd reduction(| : bad)
    for (size_t i = 0; i < n; i++)
        bad |= !(fabsf(x[i]) <= FLT_MAX);
    return !bad;
}

mcvd_status mcvdi_run_predict(mcvdi_run *run, double t, double ac)
{
    const mcvd_sampler_job *job = run->job;
    const mcvdi_output_map map = mcvdi_parameterisation_at(run->param, ac);

    for (size_t b = 0; b < job->batch; b++)
        run->t[b] = t;
    const mcvd_status st = job->denoiser(job->denoiser_user, run->x, run->t, job->batch, run->eps);
    if (st < 0)
        return st;
    if (!all_finite(run->eps, run->n))
        return mcvdi_fail(MCVD_E_NONFINITE, "sampler %s: the network's output at timestep %g",
                          run->config->name, t);
    mcvdi_output_read(&map, run->n, run->x, run->eps, run->x0, run->eps);
    return MCVD_OK;
}

void mcvdi_run_clip(mcvdi_run *run, double ac)
{
    const float a = (float)sqrt(ac);
    const float inverse_s = (float)(1.0 / sqrt(1.0 - ac));
    float *restrict x0 = run->x0;

    if (!run->config->clip)
        return;
    for (size_t i = 0; i < run->n; i++)
        x0[i] = x0[i] < -1.0f ? -1.0f : x0[i] > 1.0f ? 1.0f : x0[i];
    if (!run->config->recompute_eps_after_clip)
        return;
    for (size_t i = 0; i < run->n; i++)
        run->eps[i] = (run->x[i] - a * x0[i]) * inverse_s;
}

mcvd_status mcvdi_run_draw(mcvdi_run *run)
{
    const mcvd_sampler_job *job = run->job;

    if (run->has_start_noise)
        return MCVD_OK;
    if (!job->noise)
        return mcvdi_fail(MCVD_E_STATE, "sampler %s draws noise, but has no source of noise",
                          run->config->name);
    return job->noise(job->noise_user, run->num_draws++, run->noise, job->batch,
                      run->config->numel);
}

mcvd_status mcvdi_run_move(mcvdi_run *run, const mcvdi_move *move)
{
    const float of_x = (float)move->of_x;
    const float of_x0 = (float)move->of_x0;
    const float of_eps = (float)move->of_eps;
    const float sigma = (float)move->sigma;
    float *restrict x = run->x;

    for (size_t i = 0; i < run->n; i++)
        x[i] = of_x0 * run->x0[i] + of_x * x[i] + of_eps * run->eps[i];
    if (!(move->sigma > 0.0))
        return MCVD_OK;
    const mcvd_status st = mcvdi_run_draw(run);
    if (st < 0)
        return st;
    for (size_t i = 0; i < run->n; i++)
        x[i] += sigma * run->noise[i];
    return MCVD_OK;
}
