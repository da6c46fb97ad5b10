#include "ops/gemm.h"

#include <cblas.h>

#if MCVD_HAVE_ONEDNN
#include "ops/onednn.h"
#endif

void mcvdi_gemm(const mcvdi_gemm_args *g)
{
#if MCVD_HAVE_ONEDNN
    if (mcvdi_onednn_sgemm(g))
        return;
#endif
    cblas_sgemm(CblasRowMajor, g->trans_a ? CblasTrans : CblasNoTrans,
                g->trans_b ? CblasTrans : CblasNoTrans, (int)g->m, (int)g->n, (int)g->k, g->alpha,
                g->a, (int)g->lda, g->b, (int)g->ldb, g->beta, g->c, (int)g->ldc);
}

const char *mcvdi_gemm_core_name(void)
{
    return openblas_get_corename();
}
