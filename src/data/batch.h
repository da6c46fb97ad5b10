/* From windows of bytes to what the network eats. */
#ifndef MCVDI_BATCH_H
#define MCVDI_BATCH_H

#include <stddef.h>
#include <stdint.h>

#include <mcvd/config.h>
#include <mcvd/data.h>

#include "core/status.h"
#include "data/mask.h"

/* The data transform of every video setting: 2x - 1 for x in [0, 1], and back, cut to [0, 1]. */
float mcvdi_rescale(float x);
float mcvdi_rescale_inverse(float y);

/* How a window splits: past | current | future. In evaluation num_frames_pred frames are wanted
 * as `current` while the future still starts after num_frames; training passes num_frames. */
typedef struct mcvdi_split_shape {
    size_t num_pixels; /* H * W */
    size_t channels;
    size_t num_frames;
    size_t num_frames_cond;
    size_t num_frames_future;
    size_t num_frames_pred;
} mcvdi_split_shape;

mcvdi_split_shape mcvdi_split_shape_of(const mcvd_data_config *data);

/* One sample. clip: [frames, H, W, C] in [-1, 1] -> x0: [H, W, num_frames_pred*C] (frames P to
 * P + num_frames_pred - 1) and cond: [H, W, (P+U)*C], masked frames 0. */
void mcvdi_split(const mcvdi_split_shape *shape, const float *clip, mcvdi_mask mask, float *x0,
                 float *cond);

/* A batch and the memory behind it. */
typedef struct mcvdi_batch_buffer {
    mcvd_batch view;
    float *x0;
    float *cond; /* NULL without condition frames */
    int32_t *cond_mask;
    int32_t *future_mask;
    uint8_t *frames;
    float *actions; /* NULL unless asked for */
    float *clip;    /* one window in [-1, 1] */
} mcvdi_batch_buffer;

/* action_dim: numbers per frame; 0: no actions. */
mcvd_status mcvdi_batch_buffer_create(mcvdi_batch_buffer *buffer, const mcvd_data_config *data,
                                      size_t batch_size, size_t action_dim);
void mcvdi_batch_buffer_release(mcvdi_batch_buffer *buffer);

/* Fill with the samples of a step; seed is that of the masks. Allocates nothing. */
mcvd_status mcvdi_batch_fill(mcvdi_batch_buffer *buffer, mcvd_dataset *dataset, uint64_t seed,
                             uint64_t step);

#endif
