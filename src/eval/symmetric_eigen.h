/* Eigenvalues and eigenvectors of symmetric matrices, in double. */
#ifndef MCVDI_SYMMETRIC_EIGEN_H
#define MCVDI_SYMMETRIC_EIGEN_H

#include <stdbool.h>
#include <stddef.h>

#include "core/status.h"

/*
 * Eigenvalues of a symmetric matrix in ascending order, and its eigenvectors when they are wanted.
 * a       [n, n]; only one triangle is read. Overwritten: row i becomes the unit eigenvector of
 *         values[i] with vectors, else nothing useful
 * values  [n]
 * MCVD_E_RANGE (n is 0 or above MCVDI_EIGEN_MAX), MCVD_E_NONFINITE (no convergence: a NaN or an
 * infinity), MCVD_E_NOMEM.
 */
mcvd_status mcvdi_symmetric_eigen(double *a, double *values, size_t n, bool vectors);

enum { MCVDI_EIGEN_MAX = 8192 };

#endif
