/* Single-precision matrix product behind one function: oneDNN where built in, else CBLAS. */
#ifndef MCVDI_GEMM_H
#define MCVDI_GEMM_H

#include <stdbool.h>
#include <stddef.h>

typedef struct mcvdi_gemm_args {
    bool trans_a, trans_b;
    size_t m, n, k;
    float alpha;
    const float *a; /* row-major; m x k, or k x m when trans_a */
    size_t lda;
    const float *b; /* k x n, or n x k when trans_b */
    size_t ldb;
    float beta; /* 0 overwrites c without reading it */
    float *c;   /* m x n */
    size_t ldc;
} mcvdi_gemm_args;

/* c = alpha * op(a) op(b) + beta * c. Uses all threads, or one inside a parallel region. */
void mcvdi_gemm(const mcvdi_gemm_args *args);

/* For reports: the CPU whose kernels OpenBLAS has chosen, "SkylakeX". */
const char *mcvdi_gemm_core_name(void);

#endif
