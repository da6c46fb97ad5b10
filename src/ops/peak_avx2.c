#include <immintrin.h>

#include "ops/peak.h"

static float run(size_t rounds)
{
    const __m256 keep = _mm256_set1_ps(0.999f);
    const __m256 add = _mm256_set1_ps(0.001f);
    __m256 chain[MCVDI_PEAK_CHAINS];
    float lanes[8];

    for (int i = 0; i < MCVDI_PEAK_CHAINS; i++)
        chain[i] = _mm256_set1_ps(0.1f * (float)i);
    for (size_t r = 0; r < rounds; r++)
        for (int i = 0; i < MCVDI_PEAK_CHAINS; i++)
            chain[i] = _mm256_fmadd_ps(chain[i], keep, add);
    for (int i = 1; i < MCVDI_PEAK_CHAINS; i++)
        chain[0] = _mm256_add_ps(chain[0], chain[i]);
    _mm256_storeu_ps(lanes, chain[0]);
    return lanes[0] + lanes[1] + lanes[2] + lanes[3] + lanes[4] + lanes[5] + lanes[6] + lanes[7];
}

const mcvdi_peak_kernel mcvdi_peak_avx2 = { "avx2+fma", 8, run };
