/* The tables that kernels_<level>.c define. */
#ifndef MCVDI_KERNELS_LEVELS_H
#define MCVDI_KERNELS_LEVELS_H

#include "ops/kernels.h"

extern const mcvdi_kernels mcvdi_kernels_scalar;
extern const mcvdi_kernels mcvdi_kernels_avx2;
extern const mcvdi_kernels mcvdi_kernels_avx512;

#endif
