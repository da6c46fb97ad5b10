#include "data/mask.h"

#include <stdbool.h>

#include <mcvd/rng.h>

static bool draws_past(const mcvd_data_config *data)
{
    return data->prob_mask_cond > 0.0;
}

/* A probability of 1 needs no number; a synchronous mask uses the number of the past. */
static bool draws_future(const mcvd_data_config *data)
{
    return data->num_frames_future > 0 && !data->prob_mask_sync && data->prob_mask_future > 0.0 &&
           data->prob_mask_future < 1.0;
}

size_t mcvdi_mask_num_draws(const mcvd_data_config *data)
{
    return (size_t)draws_past(data) + (size_t)draws_future(data);
}

mcvdi_mask mcvdi_mask_from_uniforms(const mcvd_data_config *data, const float *u)
{
    mcvdi_mask mask = { .past = 1, .future = data->num_frames_future > 0 };

    if (draws_past(data))
        mask.past = (double)*u++ > data->prob_mask_cond;
    if (data->num_frames_future == 0)
        return mask;
    if (data->prob_mask_future >= 1.0)
        mask.future = 0;
    else if (data->prob_mask_sync)
        mask.future = mask.past;
    else if (draws_future(data))
        mask.future = (double)*u > data->prob_mask_future;
    return mask;
}

mcvdi_mask mcvdi_mask_draw(const mcvd_data_config *data, uint64_t seed, uint64_t sample)
{
    float u[2];

    mcvd_rng_uniform(mcvd_rng_key_make(seed, MCVD_RNG_MASK, sample, 0), 0, u, 2);
    return mcvdi_mask_from_uniforms(data, u);
}
