/*
 * OpenBLAS brings LAPACK along; it is called from this file only. Its Fortran interface: everything
 * by address, matrices column by column, the lengths of texts at the end. It runs on one thread: a
 * few hundred rows are thousands of short steps, which wait for each other longer than they take
 * where the processor is shared; and so the result is the same with any number of threads.
 */
#include "eval/lapack.h"

#include <limits.h>
#include <stdbool.h>

#include "core/alloc.h"
#include "core/threads.h"

extern void dsyevd_(const char *jobz, const char *uplo, const int *n, double *a, const int *lda,
                    double *w, double *work, const int *lwork, int *iwork, const int *liwork,
                    int *info, size_t jobz_length, size_t uplo_length);
extern void dgelqf_(const int *m, const int *n, double *a, const int *lda, double *tau,
                    double *work, const int *lwork, int *info);

/* ---- eigenvalues: divide and conquer ----------------------------------------------------------
 */

typedef struct workspace {
    double *reals;
    int *integers;
    int num_reals;
    int num_integers;
} workspace;

static int solve(double *a, double *values, int n, const workspace *w)
{
    const int threads = mcvdi_threads_count();
    int info = 0;

    mcvdi_threads_set(1);
    dsyevd_("N", "U", &n, a, &n, values, w->reals, &w->num_reals, w->integers, &w->num_integers,
            &info, 1, 1);
    mcvdi_threads_set(threads);
    return info;
}

/* How much it wants: it answers when both sizes are -1. */
static mcvd_status make_workspace(workspace *w, double *a, double *values, int n)
{
    double num_reals = 0.0;
    int num_integers = 0;
    const workspace query = { &num_reals, &num_integers, -1, -1 };

    if (solve(a, values, n, &query) != 0)
        return mcvdi_fail(MCVD_E_RANGE, "eigenvalues of %d x %d: LAPACK refuses the size", n, n);
    w->num_reals = (int)num_reals;
    w->num_integers = num_integers;
    w->reals = mcvdi_malloc((size_t)w->num_reals * sizeof *w->reals);
    w->integers = mcvdi_malloc((size_t)w->num_integers * sizeof *w->integers);
    if (!w->reals || !w->integers)
        return mcvdi_fail(MCVD_E_NOMEM, "eigenvalues of %d x %d", n, n);
    return MCVD_OK;
}

mcvd_status mcvdi_symmetric_eigenvalues(double *a, double *values, size_t n)
{
    workspace w = { 0 };

    if (n == 0 || n > MCVDI_EIGEN_MAX)
        return mcvdi_fail(MCVD_E_RANGE, "eigenvalues of %zu x %zu, expected 1..%d", n, n,
                          MCVDI_EIGEN_MAX);
    mcvd_status st = make_workspace(&w, a, values, (int)n);
    if (st >= 0 && solve(a, values, (int)n, &w) != 0)
        st = mcvdi_fail(MCVD_E_NONFINITE, "eigenvalues of %zu x %zu do not converge", n, n);
    mcvdi_free(w.reals);
    mcvdi_free(w.integers);
    return st;
}

/* ---- triangle: Householder reflections --------------------------------------------------------
 */

/* What it leaves of the reflections below the diagonal of r. */
static void clear_below(double *x, size_t dim)
{
    for (size_t i = 1; i < dim; i++)
        for (size_t j = 0; j < i; j++)
            x[i * dim + j] = 0.0;
}

/* x row by row is x^T column by column, whose L q is what LAPACK computes: r = L^T. */
static int factorise(double *x, int columns, int rows, double *factors, double *work, int count)
{
    const int threads = mcvdi_threads_count();
    int info = 0;

    mcvdi_threads_set(1);
    dgelqf_(&rows, &columns, x, &rows, factors, work, &count, &info);
    mcvdi_threads_set(threads);
    return info;
}

mcvd_status mcvdi_triangle(double *x, size_t n, size_t dim)
{
    double wanted = 0.0; /* of work, the answer to a size of -1 */
    int info = 0;

    if (n < dim || dim == 0 || n > INT_MAX)
        return mcvdi_fail(MCVD_E_RANGE, "triangle of %zu x %zu", n, dim);
    info = factorise(x, (int)n, (int)dim, &wanted, &wanted, -1);
    const size_t count = wanted >= 1.0 ? (size_t)wanted : 1;
    double *factors = mcvdi_malloc(dim * sizeof *factors);
    double *work = mcvdi_malloc(count * sizeof *work);
    if (factors && work && info == 0)
        info = factorise(x, (int)n, (int)dim, factors, work, (int)count);
    const bool allocated = factors && work;
    mcvdi_free(factors);
    mcvdi_free(work);
    if (!allocated)
        return mcvdi_fail(MCVD_E_NOMEM, "triangle of %zu x %zu", n, dim);
    if (info != 0)
        return mcvdi_fail(MCVD_E_RANGE, "triangle of %zu x %zu: LAPACK refuses the size", n, dim);
    clear_below(x, dim);
    return MCVD_OK;
}
