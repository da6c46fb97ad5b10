/*
 * Fréchet distance of two normal distributions, in double:
 *   |m_a - m_b|^2 + tr S_a + tr S_b - 2 tr (S_a S_b)^(1/2).
 * With S_a = A^T A and S_b = B^T B, A [r_a, dim] the centred vectors over sqrt(n_a - 1), the last
 * trace is the sum of the singular values of A B^T, and these are the eigenvalues >= 0 of the
 * symmetric
 *       [  0     A B^T ]
 *       [ B A^T    0   ],
 * whose other ones are their negatives and zeros. Nothing is squared, inverted or cut: covariances
 * may be singular, and small variances keep their roots, which eigenvalues of S_a^(1/2) S_b
 * S_a^(1/2) lose below the square root of the rounding. Sets of more than dim vectors become
 * triangles of dim rows first.
 */
#include <mcvd/features.h>

#include <math.h>
#include <string.h>

#include "core/alloc.h"
#include "core/checked.h"
#include "core/status.h"
#include "eval/lapack.h"

enum { MAX_DIM = MCVDI_EIGEN_MAX / 2 };

typedef struct gaussian {
    double *mean; /* [dim] */
    double *root; /* [n, dim], of it [rank, dim] in use: root^T root is the covariance */
    size_t n;
    size_t dim;
    size_t rank;  /* at most */
    double trace; /* of the covariance */
} gaussian;

static void free_gaussian(gaussian *g)
{
    mcvdi_free(g->mean);
    mcvdi_free(g->root);
}

static mcvd_status check_sets(const mcvd_feature_set *a, const mcvd_feature_set *b)
{
    const mcvd_feature_set *sets[2] = { a, b };
    size_t bytes;

    if (a->dim != b->dim || a->dim == 0 || a->dim > MAX_DIM)
        return mcvdi_fail(MCVD_E_RANGE,
                          "Frechet distance: features of %zu and %zu values, expected as many,"
                          " 1..%d",
                          a->dim, b->dim, MAX_DIM);
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

static void centre(gaussian *g, const mcvd_feature_set *set)
{
    const double share = 1.0 / sqrt((double)(set->n - 1));

    for (size_t i = 0; i < set->n; i++)
        for (size_t j = 0; j < set->dim; j++)
            g->mean[j] += set->values[i * set->dim + j];
    for (size_t j = 0; j < set->dim; j++)
        g->mean[j] /= (double)set->n;
    for (size_t i = 0; i < set->n * set->dim; i++) {
        g->root[i] = (set->values[i] - g->mean[i % set->dim]) * share;
        g->trace += g->root[i] * g->root[i];
    }
}

static mcvd_status fit(gaussian *g, const mcvd_feature_set *set)
{
    g->n = set->n;
    g->dim = set->dim;
    g->rank = set->n < set->dim ? set->n : set->dim;
    g->mean = mcvdi_calloc(set->dim, sizeof *g->mean);
    g->root = mcvdi_malloc(set->n * set->dim * sizeof *g->root);
    if (!g->mean || !g->root)
        return mcvdi_fail(MCVD_E_NOMEM, "Frechet distance: %zu vectors of %zu", set->n, set->dim);
    centre(g, set);
    if (!isfinite(g->trace))
        return mcvdi_fail(MCVD_E_NONFINITE, "Frechet distance: the features are too large");
    return g->n > g->dim ? mcvdi_triangle(g->root, g->n, g->dim) : MCVD_OK;
}

static double dot(const double *x, const double *y, size_t n)
{
    double sum = 0.0;

    for (size_t i = 0; i < n; i++)
        sum += x[i] * y[i];
    return sum;
}

/* The symmetric matrix above, [r_a + r_b, r_a + r_b]. */
static void join(double *out, const gaussian *a, const gaussian *b)
{
    const size_t n = a->rank + b->rank;

    memset(out, 0, n * n * sizeof *out);
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < a->rank; i++)
        for (size_t j = 0; j < b->rank; j++) {
            const double product = dot(a->root + i * a->dim, b->root + j * b->dim, a->dim);
            out[i * n + a->rank + j] = product;
            out[(a->rank + j) * n + i] = product;
        }
}

/* tr (S_a S_b)^(1/2) */
static mcvd_status trace_of_root(double *trace, const gaussian *a, const gaussian *b)
{
    const size_t n = a->rank + b->rank;
    double *matrix = mcvdi_malloc(n * n * sizeof *matrix);
    double *values = mcvdi_malloc(n * sizeof *values);
    mcvd_status st = MCVD_OK;

    *trace = 0.0;
    if (!matrix || !values)
        st = mcvdi_fail(MCVD_E_NOMEM, "Frechet distance: a matrix of %zu x %zu", n, n);
    if (st >= 0) {
        join(matrix, a, b);
        st = mcvdi_symmetric_eigenvalues(matrix, values, n);
    }
    for (size_t i = 0; st >= 0 && i < n; i++)
        *trace += values[i] > 0.0 ? values[i] : 0.0;
    mcvdi_free(matrix);
    mcvdi_free(values);
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
    if (st >= 0) /* rounding can take it below 0, where no distance is */
        *distance = fmax(0.0, square_distance(fits[0].mean, fits[1].mean, a->dim) + fits[0].trace +
                                  fits[1].trace - 2.0 * root);
    if (st >= 0 && !isfinite(*distance)) {
        *distance = NAN;
        st = mcvdi_fail(MCVD_E_NONFINITE, "Frechet distance: the features are too large");
    }
    free_gaussian(&fits[0]);
    free_gaussian(&fits[1]);
    return st;
}
