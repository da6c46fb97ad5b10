#include "train/clip.h"

#include <math.h>

/* Pieces of a slab, whatever the number of threads: their sums are added in order. */
enum { NUM_PIECES = 256 };

static double sum_squares(const float *x, size_t n)
{
    double sum = 0.0;

#pragma omp simd reduction(+ : sum)
    for (size_t i = 0; i < n; i++)
        sum += (double)x[i] * (double)x[i];
    return sum;
}

static double slab_sum_squares(const mcvdi_grad_slab *slab)
{
    const size_t piece = slab->n / NUM_PIECES + 1;
    double sums[NUM_PIECES];
    double total = 0.0;

#pragma omp parallel for schedule(static)
    for (int p = 0; p < NUM_PIECES; p++) {
        const size_t first = (size_t)p * piece;
        const size_t left = first < slab->n ? slab->n - first : 0;

        sums[p] = left ? sum_squares(slab->data + first, left < piece ? left : piece) : 0.0;
    }
    for (int p = 0; p < NUM_PIECES; p++)
        total += sums[p];
    return total;
}

mcvd_status mcvdi_grad_norm(const mcvdi_grad_slab *slabs, size_t num_slabs, double *norm)
{
    double total = 0.0;

    for (size_t i = 0; i < num_slabs; i++)
        total += slab_sum_squares(&slabs[i]);
    *norm = sqrt(total);
    if (!isfinite(*norm))
        return mcvdi_fail(MCVD_E_NONFINITE, "the norm of the gradient is %g", *norm);
    return MCVD_OK;
}

double mcvdi_clip_factor(double norm, double max_norm)
{
    const double factor = max_norm / (norm + 1e-6);

    return max_norm > 0.0 && factor < 1.0 ? factor : 1.0;
}
