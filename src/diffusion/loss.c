#include "diffusion/loss.h"

#include <math.h>

enum { SAMPLES_AT_ONCE = 64 };

/* sum (target - pred)^2, pred - target scaled into d_pred. */
static double sample_l2(const mcvdi_loss_input *in, size_t first, float scale, float *d_pred)
{
    const float *target = in->target + first;
    const float *pred = in->pred + first;
    double sum = 0.0;

    if (!d_pred) {
#pragma omp simd reduction(+ : sum)
        for (size_t i = 0; i < in->numel; i++) {
            const double diff = (double)(pred[i] - target[i]);
            sum += diff * diff;
        }
        return 0.5 * sum;
    }
#pragma omp simd reduction(+ : sum)
    for (size_t i = 0; i < in->numel; i++) {
        const float diff = pred[i] - target[i];
        sum += (double)diff * (double)diff;
        d_pred[first + i] = scale * diff;
    }
    return 0.5 * sum;
}

static double sample_l1(const mcvdi_loss_input *in, size_t first, float scale, float *d_pred)
{
    const float *target = in->target + first;
    const float *pred = in->pred + first;
    double sum = 0.0;

#pragma omp simd reduction(+ : sum)
    for (size_t i = 0; i < in->numel; i++) {
        const float diff = pred[i] - target[i];
        sum += (double)fabsf(diff);
        if (d_pred)
            d_pred[first + i] = diff > 0.0f ? scale : diff < 0.0f ? -scale : 0.0f;
    }
    return sum;
}

/* Samples in parallel, each summed by one thread; chunks of samples because the sums need a home
 * without allocating. */
static void chunk_losses(const mcvdi_loss_input *in, size_t begin, size_t count, float *d_pred,
                         double *loss)
{
#pragma omp parallel for schedule(static)
    for (ptrdiff_t b = 0; b < (ptrdiff_t)count; b++) {
        const size_t sample = begin + (size_t)b;
        const size_t first = sample * in->numel;
        const double weight = in->weights ? in->weights[sample] : 1.0;
        const float scale = (float)(weight * in->grad_scale);

        loss[b] = weight * (in->l1 ? sample_l1(in, first, scale, d_pred)
                                   : sample_l2(in, first, scale, d_pred));
    }
}

mcvd_status mcvdi_loss(const mcvdi_loss_input *in, float *d_pred, double *per_sample,
                       mcvdi_loss_result *result)
{
    double loss[SAMPLES_AT_ONCE];
    double sum = 0.0;
    mcvd_status st = MCVD_OK;

    *result = (mcvdi_loss_result) { 0.0, 0.0 };
    if (in->batch < 1 || in->numel < 1)
        return mcvdi_fail(MCVD_E_RANGE, "loss of %zu samples of %zu values, expected at least one",
                          in->batch, in->numel);
    for (size_t begin = 0; begin < in->batch; begin += SAMPLES_AT_ONCE) {
        const size_t left = in->batch - begin;
        const size_t count = left < SAMPLES_AT_ONCE ? left : SAMPLES_AT_ONCE;

        chunk_losses(in, begin, count, d_pred, loss);
        for (size_t b = 0; b < count; b++) {
            if (!isfinite(loss[b]) && st >= 0)
                st = mcvdi_fail(MCVD_E_NONFINITE, "loss of sample %zu is %g", begin + b, loss[b]);
            if (per_sample)
                per_sample[begin + b] = loss[b];
            sum += loss[b];
        }
    }
    result->mean = sum / (double)in->batch;
    result->per_element = result->mean / (double)in->numel;
    return st;
}
