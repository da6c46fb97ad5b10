/* Bernoulli masks: a sample's whole past or whole future is given (1) or masked (0). */
#ifndef MCVDI_MASK_H
#define MCVDI_MASK_H

#include <stddef.h>
#include <stdint.h>

#include <mcvd/config.h>

typedef struct mcvdi_mask {
    int32_t past;   /* 1 = given */
    int32_t future; /* 1 = given; 0 also when the configuration has no future frames */
} mcvdi_mask;

/* Uniform numbers that one sample's mask consumes: 0, 1 or 2. The past comes first. */
size_t mcvdi_mask_num_draws(const mcvd_data_config *data);

/* The mask from uniforms u in [0, 1), in draw order: given iff u > probability. */
mcvdi_mask mcvdi_mask_from_uniforms(const mcvd_data_config *data, const float *u);

/* The mask of training sample number `sample`: a function of (seed, sample). */
mcvdi_mask mcvdi_mask_draw(const mcvd_data_config *data, uint64_t seed, uint64_t sample);

#endif
