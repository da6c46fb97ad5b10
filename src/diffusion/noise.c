#include <mcvd/sampler.h>

#include <mcvd/rng.h>

#include "core/status.h"
#include "diffusion/gamma.h"

enum { DRAWS_PER_BLOCK = 65536 };

static void draw(const mcvd_noise_philox *noise, mcvd_rng_purpose purpose, uint64_t step,
                 float *out, size_t batch, size_t numel)
{
#pragma omp parallel for schedule(static)
    for (ptrdiff_t b = 0; b < (ptrdiff_t)batch; b++) {
        const uint64_t sample = noise->first_sample + (uint64_t)b;
        const mcvd_rng_key key = mcvd_rng_key_make(noise->seed, purpose, step, sample);
        float *z = out + (size_t)b * numel;

        if (noise->gamma_shape > 0.0)
            mcvdi_gamma_noise(key, noise->gamma_shape, z, numel);
        else
            mcvd_rng_normal(key, 0, z, numel);
    }
}

/* Stream `index` of DRAWS_PER_BLOCK in the block. */
static mcvd_status find_stream(const mcvd_noise_philox *noise, size_t index, uint64_t *step)
{
    *step = noise->block * DRAWS_PER_BLOCK + index;
    if (index >= DRAWS_PER_BLOCK)
        return mcvdi_fail(MCVD_E_RANGE, "noise draw %zu of a block, there are %d streams", index,
                          DRAWS_PER_BLOCK);
    return MCVD_OK;
}

mcvd_status mcvd_noise_philox_draw(void *user, size_t draw_index, float *out, size_t batch,
                                   size_t numel)
{
    const mcvd_noise_philox *noise = user;
    uint64_t step;
    const mcvd_status st = find_stream(noise, draw_index, &step);

    if (st >= 0)
        draw(noise, MCVD_RNG_SAMPLE_STEP, step, out, batch, numel);
    return st;
}

void mcvd_noise_philox_start(const mcvd_noise_philox *noise, float *out, size_t batch, size_t numel)
{
    draw(noise, MCVD_RNG_SAMPLE_START, noise->block, out, batch, numel);
}

mcvd_status mcvd_noise_philox_cond(const mcvd_noise_philox *noise, size_t call, float *out,
                                   size_t batch, size_t numel)
{
    uint64_t step;
    const mcvd_status st = find_stream(noise, call, &step);

    if (st >= 0)
        draw(noise, MCVD_RNG_SAMPLE_COND, step, out, batch, numel);
    return st;
}
