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

mcvd_status mcvdi_run_predict(mcvdi_run *run, const mcvdi_point *point)
{
    const mcvd_sampler_job *job = run->job;
    const int call = run->num_calls++;

    if (run->plan) {
        run->plan[call] = point->t;
        return MCVD_OK;
    }
    for (size_t b = 0; b < run->batch; b++)
        run->t[b] = point->t;
    const mcvd_status st =
        job->denoiser(job->denoiser_user, point->x, run->t, run->batch, run->eps);
    if (st < 0)
        return st;
    if (!all_finite(run->eps, run->n))
        return mcvdi_fail(MCVD_E_NONFINITE, "sampler %s: the network's output at timestep %g",
                          run->config->name, point->t);
    const mcvdi_output_map map = mcvdi_parameterisation_at(run->param, point->level);
    mcvdi_output_read(&map, run->n, point->x, run->eps, run->x0, run->eps);
    return mcvdi_run_guide(run, point);
}

/* --- clipping --- */

/* Reorder a so that a[k] is what sorting would put there (Hoare 1961). */
static float select_kth(float *a, size_t n, size_t k)
{
    size_t low = 0;
    size_t high = n - 1;

    while (low < high) {
        const float pivot = a[low + (high - low) / 2];
        size_t i = low;
        size_t j = high;
        for (;; i++, j--) {
            while (a[i] < pivot)
                i++;
            while (a[j] > pivot)
                j--;
            if (i >= j)
                break;
            const float swapped = a[i];
            a[i] = a[j];
            a[j] = swapped;
        }
        if (k <= j)
            high = j;
        else
            low = j + 1;
    }
    return a[k];
}

/* The quantile of |x0| of one sample, at least 1 (Saharia et al. 2022, section 2.3). */
static float dynamic_limit(const mcvdi_run *run, const float *x0)
{
    const size_t rank = (size_t)(run->config->dynamic_clip * (double)(run->numel - 1));

    for (size_t i = 0; i < run->numel; i++)
        run->sorted[i] = fabsf(x0[i]);
    return fmaxf(1.0f, select_kth(run->sorted, run->numel, rank));
}

static void clip_sample(const mcvdi_run *run, float *restrict x0)
{
    const float limit = run->sorted ? dynamic_limit(run, x0) : 1.0f;

    for (size_t i = 0; i < run->numel; i++) {
        const float x = x0[i] < -limit ? -limit : x0[i] > limit ? limit : x0[i];
        x0[i] = x / limit;
    }
}

void mcvdi_run_clip(mcvdi_run *run, const mcvdi_point *point, bool recompute)
{
    const float a = (float)point->level.a;
    const float inverse_s = (float)(1.0 / point->level.s);

    if (!run->config->clip || run->plan)
        return;
    for (size_t b = 0; b < run->batch; b++)
        clip_sample(run, run->x0 + b * run->numel);
    if (!recompute)
        return;
    for (size_t i = 0; i < run->n; i++)
        run->eps[i] = (point->x[i] - a * run->x0[i]) * inverse_s;
}

mcvd_status mcvdi_run_estimate_clipped(mcvdi_run *run, const mcvdi_step *step, bool recompute)
{
    const mcvdi_point here = { run->x, step->t, step->level };
    const mcvd_status st = mcvdi_run_predict(run, &here);

    if (st >= 0)
        mcvdi_run_clip(run, &here, recompute);
    return st;
}

mcvd_status mcvdi_run_estimate(mcvdi_run *run, const mcvdi_step *step)
{
    return mcvdi_run_estimate_clipped(run, step, true);
}

/* --- noise and moves --- */

mcvd_status mcvdi_run_draw(mcvdi_run *run)
{
    const mcvd_sampler_job *job = run->job;

    if (run->has_start_noise || run->plan)
        return MCVD_OK;
    if (!job->noise)
        return mcvdi_fail(MCVD_E_STATE, "sampler %s draws noise, but has no source of noise",
                          run->config->name);
    return job->noise(job->noise_user, run->num_draws++, run->noise, run->batch, run->numel);
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

void mcvdi_run_combine(const mcvdi_run *run, float *y, double a, const float *x, double b,
                       const float *z)
{
    const float of_x = (float)a;
    const float of_z = (float)b;

    for (size_t i = 0; i < run->n; i++)
        y[i] = of_x * x[i] + of_z * z[i];
}
