/* Divide and conquer by LAPACK, which OpenBLAS brings along; called from this file only. */
#include "eval/symmetric_eigen.h"

#include "core/alloc.h"

/*
 * The routine's Fortran interface: everything by address, the lengths of the two texts at the end.
 * It runs on the threads of OpenBLAS, so it is called from outside of parallel regions.
 */
extern void dsyevd_(const char *jobz, const char *uplo, const int *n, double *a, const int *lda,
                    double *w, double *work, const int *lwork, int *iwork, const int *liwork,
                    int *info, size_t jobz_length, size_t uplo_length);

typedef struct workspace {
    double *reals;
    int *integers;
    int num_reals;
    int num_integers;
} workspace;

static int solve(double *a, double *values, int n, bool vectors, const workspace *w)
{
    int info = 0;

    dsyevd_(vectors ? "V" : "N", "U", &n, a, &n, values, w->reals, &w->num_reals, w->integers,
            &w->num_integers, &info, 1, 1);
    return info;
}

/* How much it wants: it answers when both sizes are -1. */
static mcvd_status make_workspace(workspace *w, double *a, double *values, int n, bool vectors)
{
    double num_reals = 0.0;
    int num_integers = 0;
    const workspace query = { &num_reals, &num_integers, -1, -1 };

    if (solve(a, values, n, vectors, &query) != 0)
        return mcvdi_fail(MCVD_E_RANGE, "eigenvalues of %d x %d: LAPACK refuses the size", n, n);
    w->num_reals = (int)num_reals;
    w->num_integers = num_integers;
    w->reals = mcvdi_malloc((size_t)w->num_reals * sizeof *w->reals);
    w->integers = mcvdi_malloc((size_t)w->num_integers * sizeof *w->integers);
    if (!w->reals || !w->integers)
        return mcvdi_fail(MCVD_E_NOMEM, "eigenvalues of %d x %d", n, n);
    return MCVD_OK;
}

mcvd_status mcvdi_symmetric_eigen(double *a, double *values, size_t n, bool vectors)
{
    workspace w = { 0 };

    if (n == 0 || n > MCVDI_EIGEN_MAX)
        return mcvdi_fail(MCVD_E_RANGE, "eigenvalues of %zu x %zu, expected 1..%d", n, n,
                          MCVDI_EIGEN_MAX);
    mcvd_status st = make_workspace(&w, a, values, (int)n, vectors);
    if (st >= 0 && solve(a, values, (int)n, vectors, &w) != 0)
        st = mcvdi_fail(MCVD_E_NONFINITE, "eigenvalues of %zu x %zu do not converge", n, n);
    mcvdi_free(w.reals);
    mcvdi_free(w.integers);
    return st;
}
