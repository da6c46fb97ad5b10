/* Everything that calls oneDNN: see conv.h for the convolution backend. */
#ifndef MCVDI_ONEDNN_H
#define MCVDI_ONEDNN_H

#include "ops/gemm.h"

/* c = alpha op(a) op(b) + beta c; false when the library refused (the caller uses CBLAS). */
bool mcvdi_onednn_sgemm(const mcvdi_gemm_args *args);

/* For reports: version "2.6.3" and the widest instruction set in use, "avx512_core_amx". */
const char *mcvdi_onednn_version(void);
const char *mcvdi_onednn_isa(void);

#endif
