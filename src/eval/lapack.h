/* Decompositions of dense matrices, in double, by LAPACK. */
#ifndef MCVDI_LAPACK_H
#define MCVDI_LAPACK_H

#include <stddef.h>

#include "core/status.h"

/*
 * Eigenvalues of a symmetric matrix in ascending order, each right to about n * DBL_EPSILON times
 * the largest magnitude among them.
 * a       [n, n]; only one triangle is read. Overwritten
 * values  [n]
 * MCVD_E_RANGE (n is 0 or above MCVDI_EIGEN_MAX), MCVD_E_NONFINITE (no convergence), MCVD_E_NOMEM.
 * Everything must be finite.
 */
mcvd_status mcvdi_symmetric_eigenvalues(double *a, double *values, size_t n);

enum { MCVDI_EIGEN_MAX = 8192 };

/*
 * Fewer rows with the same products: for x [n, dim] with n >= dim, the first dim rows become an
 * upper triangle r with r^T r = x^T x, and x = q r for some q with orthonormal columns.
 * x  [n, dim]; overwritten, rows from dim on are left with nothing useful
 * MCVD_E_RANGE (n < dim, too large), MCVD_E_NOMEM. Everything must be finite.
 */
mcvd_status mcvdi_triangle(double *x, size_t n, size_t dim);

#endif
