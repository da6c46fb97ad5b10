/* Choosing a kernel table. */
#include "ops/kernels.h"

#include <stdatomic.h>

#include "ops/kernels_levels.h"

static _Atomic(const mcvdi_kernels *) chosen;

const mcvdi_kernels *mcvdi_kernels_of(mcvdi_cpu_level level)
{
    switch (level) {
    case MCVDI_CPU_SCALAR:
        return &mcvdi_kernels_scalar;
#if MCVD_HAVE_X86
    case MCVDI_CPU_AVX2:
        return __builtin_cpu_supports("avx2") ? &mcvdi_kernels_avx2 : NULL;
    case MCVDI_CPU_AVX512:
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                       __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")
                   ? &mcvdi_kernels_avx512
                   : NULL;
#endif
    default:
        return NULL;
    }
}

mcvdi_cpu_level mcvdi_kernels_cap(mcvdi_cpu_level highest)
{
    mcvdi_cpu_level level = highest < MCVDI_CPU_AVX512 ? highest : MCVDI_CPU_AVX512;

    while (level > MCVDI_CPU_SCALAR && !mcvdi_kernels_of(level))
        level--;
    atomic_store(&chosen, mcvdi_kernels_of(level));
    return level;
}

const mcvdi_kernels *mcvdi_kernels_get(void)
{
    const mcvdi_kernels *k = atomic_load_explicit(&chosen, memory_order_acquire);

    if (!k) {
        mcvdi_kernels_cap(MCVDI_CPU_AVX512);
        k = atomic_load(&chosen);
    }
    return k;
}
