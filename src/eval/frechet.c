/*
 * Fréchet distance of two normal distributions, in double:
 *   |m_a - m_b|^2 + tr S_a + tr S_b - 2 tr (S_a S_b)^(1/2).
 * With S_a = U diag(l) U^T over its rank r and R = diag(l)^(1/2) U^T  [r, dim], the last trace is
 * the sum of the square roots of the eigenvalues of R S_b R^T = (R C^T) (R C^T)^T / (n_b - 1), C
 * the centred vectors of b. Nothing is inverted, so singular covariances are fine.
 */
#include <mcvd/features.h>

#include <float.h>
#include <math.h>

#include "core/alloc.h"
#include "core/checked.h"
#include "core/status.h"
#include "eval/symmetric_eigen.h"

typedef struct gaussian {
    double *mean;    /* [dim] */
    double *centred; /* [n, dim] */
    size_t n;
    size_t dim;
    double trace; /* of the covariance */
} gaussian;

static void free_gaussian(gaussian *g)
{
    mcvdi_free(g->mean);
    mcvdi_free(g->centred);
}

static mcvd_status check_sets(const mcvd_feature_set *a, const mcvd_feature_set *b)
{
    const mcvd_feature_set *sets[2] = { a, b };
    size_t bytes;

    if (a->dim != b->dim || a->dim == 0 || a->dim > MCVDI_EIGEN_MAX)
        return mcvdi_fail(MCVD_E_RANGE,
                          "Frechet distance: features of %zu and %zu values, expected as many,"
                          " 1..%d",
                          a->dim, b->dim, MCVDI_EIGEN_MAX);
    for (int s = 0; s < 2; s++) {
        if (sets[s]->n < 2)
            return mcvdi_fail(MCVD_E_RANGE, "Frechet distance: a set of %zu, at least 2 are needed",
                              sets[s]->n);
        if (!mcvdi_mul_size(&bytes, sets[s]->n, sets[s]->dim) ||
            !mcvdi_mul_size(&bytes, bytes, sizeof(double)))
            return mcvdi_fail(MCVD_E_RANGE, "Frechet distance: a set of %zu", sets[s]->n);
        for (size_t i = 0; i < sets[s]->n * sets[s]->dim; i++)
            if (!isfinite(sets[s]->values[i]))
                return mcvdi_fail(MCVD_E_NONFINITE,
                                  "Frechet distance: a NaN or infinity in vector %zu",
                                  i / sets[s]->dim);
    }
    return MCVD_OK;
}

static mcvd_status fit(gaussian *g, const mcvd_feature_set *set)
{
    g->n = set->n;
    g->dim = set->dim;
    g->mean = mcvdi_calloc(set->dim, sizeof *g->mean);
    g->centred = mcvdi_malloc(set->n * set->dim * sizeof *g->centred);
    if (!g->mean || !g->centred)
        return mcvdi_fail(MCVD_E_NOMEM, "Frechet distance: %zu vectors of %zu", set->n, set->dim);
    for (size_t i = 0; i < set->n; i++)
        for (size_t j = 0; j < set->dim; j++)
            g->mean[j] += set->values[i * set->dim + j];
    for (size_t j = 0; j < set->dim; j++)
        g->mean[j] /= (double)set->n;
    g->trace = 0.0;
    for (size_t i = 0; i < set->n * set->dim; i++) {
        g->centred[i] = set->values[i] - g->mean[i % set->dim];
        g->trace += g->centred[i] * g->centred[i];
    }
    g->trace /= (double)(set->n - 1);
    return MCVD_OK;
}

static double dot(const double *x, const double *y, size_t n)
{
    double sum = 0.0;

    for (size_t i = 0; i < n; i++)
        sum += x[i] * y[i];
    return sum;
}

/* out [dim, dim] = the covariance. Each row sums over the vectors in their order. */
static void covariance(double *out, const gaussian *g)
{
    const size_t dim = g->dim;

#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < dim; i++) {
        double *row = out + i * dim;
        for (size_t j = 0; j < dim; j++)
            row[j] = 0.0;
        for (size_t v = 0; v < g->n; v++) {
            const double *c = g->centred + v * dim;
            for (size_t j = 0; j < dim; j++)
                row[j] += c[i] * c[j];
        }
        for (size_t j = 0; j < dim; j++)
            row[j] /= (double)(g->n - 1);
    }
}

/* Eigenvalues at or below this are rounding: a rank that is not there has no square root. */
static double rounding_level(const double *values, size_t n)
{
    return values[n - 1] > 0.0 ? values[n - 1] * (double)n * DBL_EPSILON : 0.0;
}

/* Rows of `vectors` that carry variance, times the square roots of theirs, moved to the front. */
static size_t root_of_covariance(double *vectors, const double *values, size_t dim)
{
    const double least = rounding_level(values, dim);
    size_t rank = 0;

    for (size_t i = 0; i < dim; i++) {
        if (values[i] <= least)
            continue;
        const double root = sqrt(values[i]);
        for (size_t j = 0; j < dim; j++)
            vectors[rank * dim + j] = vectors[i * dim + j] * root;
        rank++;
    }
    return rank;
}

/* out [rank, rank] = R S_b R^T; projected [rank, n_b] is scratch for R C^T. */
static void sandwich(double *out, double *projected, const double *root, size_t rank,
                     const gaussian *b)
{
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < rank; i++)
        for (size_t v = 0; v < b->n; v++)
            projected[i * b->n + v] = dot(root + i * b->dim, b->centred + v * b->dim, b->dim);
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < rank; i++)
        for (size_t j = 0; j < rank; j++)
            out[i * rank + j] =
                dot(projected + i * b->n, projected + j * b->n, b->n) / (double)(b->n - 1);
}

static double sum_of_roots(const double *values, size_t n)
{
    const double least = rounding_level(values, n);
    double sum = 0.0;

    for (size_t i = 0; i < n; i++)
        if (values[i] > least)
            sum += sqrt(values[i]);
    return sum;
}

/* tr (S_a S_b)^(1/2) */
static mcvd_status trace_of_root(double *trace, const gaussian *a, const gaussian *b)
{
    const size_t dim = a->dim;
    double *vectors = mcvdi_malloc(dim * dim * sizeof *vectors);
    double *middle = mcvdi_malloc(dim * dim * sizeof *middle);
    double *values = mcvdi_malloc(dim * sizeof *values);
    double *projected = mcvdi_malloc(dim * b->n * sizeof *projected);
    mcvd_status st = MCVD_OK;

    *trace = 0.0;
    if (!vectors || !middle || !values || !projected)
        st = mcvdi_fail(MCVD_E_NOMEM, "Frechet distance: matrices of %zu x %zu", dim, dim);
    if (st >= 0) {
        covariance(vectors, a);
        st = mcvdi_symmetric_eigen(vectors, values, dim, true);
    }
    if (st >= 0) {
        const size_t rank = root_of_covariance(vectors, values, dim);
        sandwich(middle, projected, vectors, rank, b);
        if (rank > 0)
            st = mcvdi_symmetric_eigen(middle, values, rank, false);
        if (rank > 0 && st >= 0)
            *trace = sum_of_roots(values, rank);
    }
    mcvdi_free(vectors);
    mcvdi_free(middle);
    mcvdi_free(values);
    mcvdi_free(projected);
    return st;
}

static double square_distance(const double *x, const double *y, size_t n)
{
    double sum = 0.0;

    for (size_t i = 0; i < n; i++)
        sum += (x[i] - y[i]) * (x[i] - y[i]);
    return sum;
}

mcvd_status mcvd_frechet_distance(double *distance, const mcvd_feature_set *a,
                                  const mcvd_feature_set *b)
{
    gaussian fits[2] = { 0 };
    double root = 0.0;

    *distance = NAN;
    mcvd_status st = check_sets(a, b);
    if (st < 0)
        return st;
    st = fit(&fits[0], a);
    if (st >= 0)
        st = fit(&fits[1], b);
    if (st >= 0)
        st = trace_of_root(&root, &fits[0], &fits[1]);
    if (st >= 0)
        *distance = square_distance(fits[0].mean, fits[1].mean, a->dim) + fits[0].trace +
                    fits[1].trace - 2.0 * root;
    if (st >= 0 && !isfinite(*distance))
        st = mcvdi_fail(MCVD_E_NONFINITE, "Frechet distance: the features are too large");
    free_gaussian(&fits[0]);
    free_gaussian(&fits[1]);
    return st;
}
