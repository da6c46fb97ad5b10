#include "rollout/region.h"

#include "core/alloc.h"
#include "core/checked.h"
#include "core/status.h"

mcvd_status mcvdi_region_allocate(mcvdi_region *region, size_t numel)
{
    size_t bytes = 0;

    region->numel = numel;
    if (mcvdi_mul_size(&bytes, numel, sizeof(float))) {
        region->truth = mcvdi_alloc_aligned(bytes);
        region->known = mcvdi_alloc_aligned(bytes);
    }
    if (region->truth && region->known)
        return MCVD_OK;
    return mcvdi_fail(MCVD_E_NOMEM, "rollout: out of memory for the known pixels of a block");
}

void mcvdi_region_free(mcvdi_region *region)
{
    mcvdi_free_aligned(region->truth);
    mcvdi_free_aligned(region->known);
}

void mcvdi_region_set_known(mcvdi_region *region, const uint8_t *unknown, size_t num_frames,
                            size_t channels)
{
    const size_t pixels = region->numel / (num_frames * channels);

    for (size_t p = 0; p < pixels; p++)
        for (size_t i = 0; i < num_frames * channels; i++)
            region->known[p * num_frames * channels + i] =
                unknown[i / channels * pixels + p] ? 0.0f : 1.0f;
}

mcvd_status mcvdi_region_guide(void *user, const mcvd_guide_point *at, float *grad)
{
    const mcvdi_region *region = user;
    const float scale = (float)(at->level.a / (at->level.s * at->level.s));

    for (size_t b = 0; b < at->batch; b++)
        for (size_t i = 0; i < region->numel; i++) {
            const size_t at_i = b * region->numel + i;
            grad[at_i] = scale * region->known[i] * (region->truth[i] - at->x0[at_i]);
        }
    return MCVD_OK;
}

void mcvdi_region_paste(const mcvdi_region *region, size_t batch, float *x)
{
    for (size_t b = 0; b < batch; b++)
        for (size_t i = 0; i < region->numel; i++)
            if (region->known[i] > 0.0f)
                x[b * region->numel + i] = region->truth[i];
}
