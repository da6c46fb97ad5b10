/* Precision and recall by k nearest neighbours (Kynkäänniemi et al. 2019), in double. */
#include <mcvd/features.h>

#include <math.h>

#include "core/alloc.h"
#include "core/checked.h"
#include "core/status.h"

static mcvd_status check_set(const mcvd_feature_set *set, size_t k)
{
    size_t numel;

    if (k == 0 || set->n <= k)
        return mcvdi_fail(MCVD_E_RANGE,
                          "precision and recall: a set of %zu has no %zu-th neighbour, at least "
                          "%zu vectors are needed",
                          set->n, k, k + 1);
    if (!mcvdi_mul_size(&numel, set->n, set->dim))
        return mcvdi_fail(MCVD_E_RANGE, "precision and recall: a set of %zu", set->n);
    for (size_t i = 0; i < numel; i++)
        if (!isfinite(set->values[i]))
            return mcvdi_fail(MCVD_E_NONFINITE,
                              "precision and recall: a NaN or infinity in vector %zu",
                              i / set->dim);
    return MCVD_OK;
}

static double square_distance(const mcvd_feature_set *a, size_t i, const mcvd_feature_set *b,
                              size_t j)
{
    const double *x = a->values + i * a->dim;
    const double *y = b->values + j * b->dim;
    double sum = 0.0;

    for (size_t d = 0; d < a->dim; d++)
        sum += (x[d] - y[d]) * (x[d] - y[d]);
    return sum;
}

/* Put value into the ascending nearest[0..k) if it belongs there. */
static void keep_nearest(double *nearest, size_t k, double value)
{
    if (value >= nearest[k - 1])
        return;
    size_t i = k - 1;
    for (; i > 0 && nearest[i - 1] > value; i--)
        nearest[i] = nearest[i - 1];
    nearest[i] = value;
}

/* radii [n]: squared distance of each vector to its k-th neighbour; nearest [n, k] is scratch. */
static void find_radii(double *radii, double *nearest, const mcvd_feature_set *set, size_t k)
{
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < set->n; i++) {
        double *mine = nearest + i * k;
        for (size_t j = 0; j < k; j++)
            mine[j] = INFINITY;
        for (size_t j = 0; j < set->n; j++)
            if (j != i)
                keep_nearest(mine, k, square_distance(set, i, set, j));
        radii[i] = mine[k - 1];
    }
}

static bool is_covered(const mcvd_feature_set *points, size_t i, const mcvd_feature_set *by,
                       const double *radii)
{
    for (size_t j = 0; j < by->n; j++)
        if (square_distance(points, i, by, j) <= radii[j])
            return true;
    return false;
}

/* The share of points within the radius of some vector of `by`. */
static mcvd_status covered_share(double *share, const mcvd_feature_set *points,
                                 const mcvd_feature_set *by, size_t k)
{
    double *radii = mcvdi_malloc(by->n * sizeof *radii);
    double *nearest = mcvdi_malloc(by->n * k * sizeof *nearest);
    const bool allocated = radii && nearest;
    size_t covered = 0;

    if (allocated) {
        find_radii(radii, nearest, by, k);
#pragma omp parallel for schedule(static) reduction(+ : covered)
        for (size_t i = 0; i < points->n; i++)
            covered += is_covered(points, i, by, radii);
        *share = (double)covered / (double)points->n;
    }
    mcvdi_free(radii);
    mcvdi_free(nearest);
    return allocated ? MCVD_OK : mcvdi_fail(MCVD_E_NOMEM, "precision and recall: %zu radii", by->n);
}

mcvd_status mcvd_precision_recall(double *precision, double *recall, const mcvd_feature_set *fake,
                                  const mcvd_feature_set *real, size_t k)
{
    *precision = NAN;
    *recall = NAN;
    if (fake->dim != real->dim || fake->dim == 0)
        return mcvdi_fail(MCVD_E_RANGE,
                          "precision and recall: features of %zu and %zu values, expected as many",
                          fake->dim, real->dim);
    mcvd_status st = check_set(fake, k);
    if (st >= 0)
        st = check_set(real, k);
    if (st >= 0)
        st = covered_share(precision, fake, real, k);
    if (st >= 0)
        st = covered_share(recall, real, fake, k);
    if (st < 0)
        *precision = NAN;
    return st;
}
