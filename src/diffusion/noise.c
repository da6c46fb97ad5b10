#include <mcvd/sampler.h>

#include <mcvd/rng.h>

#include "core/status.h"

enum { DRAWS_PER_BLOCK = 65536 };

mcvd_status mcvd_noise_philox_draw(void *user, size_t draw_index, float *out, size_t batch,
                                   size_t numel)
{
    const mcvd_noise_philox *noise = user;
    const uint64_t step = noise->block * DRAWS_PER_BLOCK + draw_index;

    if (draw_index >= DRAWS_PER_BLOCK)
        return mcvdi_fail(MCVD_E_RANGE, "noise draw %zu of a block, there are %d streams",
                          draw_index, DRAWS_PER_BLOCK);
#pragma omp parallel for schedule(static)
    for (ptrdiff_t b = 0; b < (ptrdiff_t)batch; b++) {
        const uint64_t sample = noise->first_sample + (uint64_t)b;
        mcvd_rng_normal(mcvd_rng_key_make(noise->seed, MCVD_RNG_SAMPLE_STEP, step, sample), 0,
                        out + (size_t)b * numel, numel);
    }
    return MCVD_OK;
}

void mcvd_noise_philox_start(const mcvd_noise_philox *noise, float *out, size_t batch, size_t numel)
{
#pragma omp parallel for schedule(static)
    for (ptrdiff_t b = 0; b < (ptrdiff_t)batch; b++) {
        const uint64_t sample = noise->first_sample + (uint64_t)b;
        mcvd_rng_normal(mcvd_rng_key_make(noise->seed, MCVD_RNG_SAMPLE_START, noise->block, sample),
                        0, out + (size_t)b * numel, numel);
    }
}
