/* What this build computes with, for `mcvd --version`, benchmarks and bug reports. */
#include <mcvd/version.h>

#include <pthread.h>
#include <stdio.h>

#include "core/threads.h"
#include "ops/gemm.h"
#include "ops/kernels.h"
#if MCVD_HAVE_ONEDNN
#include "ops/onednn.h"
#endif

static char info[512];
static pthread_once_t info_once = PTHREAD_ONCE_INIT;

const char *mcvd_version(void)
{
    return MCVD_VERSION;
}

const char *mcvd_onednn_version(void)
{
#if MCVD_HAVE_ONEDNN
    return mcvdi_onednn_version();
#else
    return "";
#endif
}

const char *mcvd_onednn_isa(void)
{
#if MCVD_HAVE_ONEDNN
    return mcvdi_onednn_isa();
#else
    return "";
#endif
}

const char *mcvd_openblas_core(void)
{
    return mcvdi_gemm_core_name();
}

const char *mcvd_kernel_level(void)
{
    return mcvdi_kernels_get()->name;
}

static void write_info(void)
{
    char onednn[96] = "none (convolutions by im2col and OpenBLAS)";

    if (*mcvd_onednn_version())
        snprintf(onednn, sizeof onednn, "%s, %s", mcvd_onednn_version(), mcvd_onednn_isa());
    snprintf(info, sizeof info,
             "oneDNN:   %s\n"
             "OpenBLAS: %s\n"
             "kernels:  %s\n"
             "threads:  %d\n",
             onednn, mcvd_openblas_core(), mcvd_kernel_level(), mcvdi_threads_count());
}

const char *mcvd_build_info(void)
{
    pthread_once(&info_once, write_info);
    return info;
}
