#include <immintrin.h>

#include "ops/peak.h"

static float run(size_t rounds)
{
    const __m512 keep = _mm512_set1_ps(0.999f);
    const __m512 add = _mm512_set1_ps(0.001f);
    __m512 chain[MCVDI_PEAK_CHAINS];

    for (int i = 0; i < MCVDI_PEAK_CHAINS; i++)
        chain[i] = _mm512_set1_ps(0.1f * (float)i);
    for (size_t r = 0; r < rounds; r++)
        for (int i = 0; i < MCVDI_PEAK_CHAINS; i++)
            chain[i] = _mm512_fmadd_ps(chain[i], keep, add);
    for (int i = 1; i < MCVDI_PEAK_CHAINS; i++)
        chain[0] = _mm512_add_ps(chain[0], chain[i]);
    return _mm512_reduce_add_ps(chain[0]);
}

const mcvdi_peak_kernel mcvdi_peak_avx512 = { "avx512", 16, run };
