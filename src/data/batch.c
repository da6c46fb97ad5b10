#include "data/batch.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "core/alloc.h"
#include "core/checked.h"
#include "data/dataset.h"

float mcvdi_rescale(float x)
{
    return 2.0f * x - 1.0f;
}

float mcvdi_rescale_inverse(float y)
{
    const float x = (y + 1.0f) / 2.0f;

    return x < 0.0f ? 0.0f : x > 1.0f ? 1.0f : x;
}

static float pixel_to_float(uint8_t pixel)
{
    return mcvdi_rescale((float)pixel / 255.0f);
}

void mcvd_pixels_to_float(float *out, const uint8_t *pixels, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = pixel_to_float(pixels[i]);
}

void mcvd_float_to_pixels(uint8_t *pixels, const float *in, size_t n)
{
    for (size_t i = 0; i < n; i++)
        pixels[i] = (uint8_t)lrintf(mcvdi_rescale_inverse(in[i]) * 255.0f);
}

mcvdi_split_shape mcvdi_split_shape_of(const mcvd_data_config *data)
{
    return (mcvdi_split_shape) { .num_pixels = (size_t)(data->image_size * data->image_size),
                                 .channels = (size_t)data->channels,
                                 .num_frames = (size_t)data->num_frames,
                                 .num_frames_cond = (size_t)data->num_frames_cond,
                                 .num_frames_future = (size_t)data->num_frames_future,
                                 .num_frames_pred = (size_t)data->num_frames };
}

/* Where a run of frames of a clip goes: channels `to` .. `to` + num*C of every pixel of a stack. */
typedef struct frame_run {
    size_t first; /* frame of the clip */
    size_t num;
    float *stack; /* [pixels, depth] */
    size_t depth;
    size_t to;
} frame_run;

static void put_zeros(const mcvdi_split_shape *s, const frame_run *run)
{
    for (size_t p = 0; p < s->num_pixels; p++)
        memset(run->stack + p * run->depth + run->to, 0,
               run->num * s->channels * sizeof *run->stack);
}

static void put_frames(const mcvdi_split_shape *s, const frame_run *run, const float *clip)
{
    for (size_t f = 0; f < run->num; f++) {
        const float *in = clip + (run->first + f) * s->num_pixels * s->channels;
        float *out = run->stack + run->to + f * s->channels;
        for (size_t p = 0; p < s->num_pixels; p++)
            for (size_t c = 0; c < s->channels; c++)
                out[p * run->depth + c] = in[p * s->channels + c];
    }
}

static void put(const mcvdi_split_shape *s, const frame_run *run, const float *clip, bool given)
{
    if (run->num == 0)
        return;
    if (given)
        put_frames(s, run, clip);
    else
        put_zeros(s, run);
}

void mcvdi_split(const mcvdi_split_shape *shape, const float *clip, mcvdi_mask mask, float *x0,
                 float *cond)
{
    const size_t P = shape->num_frames_cond;
    const size_t U = shape->num_frames_future;
    const size_t C = shape->channels;
    const frame_run current = { P, shape->num_frames_pred, x0, shape->num_frames_pred * C, 0 };
    const frame_run past = { 0, P, cond, (P + U) * C, 0 };
    const frame_run future = { P + shape->num_frames, U, cond, (P + U) * C, P * C };

    put(shape, &current, clip, true);
    put(shape, &past, clip, mask.past != 0);
    put(shape, &future, clip, mask.future != 0);
}

static mcvd_status allocate(mcvdi_batch_buffer *b, size_t num_pixels)
{
    const mcvd_batch *v = &b->view;
    const size_t num_cond = v->num_frames_cond + v->num_frames_future;
    size_t samples = 0; /* values of one frame of every sample */
    size_t bytes = 0;

    if (!mcvdi_mul_size(&samples, num_pixels, v->batch_size) ||
        !mcvdi_mul_size(&samples, samples, v->channels) ||
        !mcvdi_mul_size(&bytes, samples, (num_cond + v->num_frames) * sizeof(float)))
        return mcvdi_fail(MCVD_E_NOMEM, "a batch of %zu windows", v->batch_size);
    b->x0 = mcvdi_alloc_aligned(samples * v->num_frames * sizeof(float));
    b->cond = num_cond ? mcvdi_alloc_aligned(samples * num_cond * sizeof(float)) : NULL;
    b->cond_mask = mcvdi_calloc(v->batch_size, sizeof *b->cond_mask);
    b->future_mask = mcvdi_calloc(v->batch_size, sizeof *b->future_mask);
    b->frames = mcvdi_alloc_aligned(samples * (num_cond + v->num_frames));
    b->clip = mcvdi_alloc_aligned(bytes / v->batch_size);
    if (!b->x0 || (num_cond && !b->cond) || !b->cond_mask || !b->future_mask || !b->frames ||
        !b->clip)
        return mcvdi_fail(MCVD_E_NOMEM, "a batch of %zu windows: about %zu bytes", v->batch_size,
                          bytes);
    return MCVD_OK;
}

/* Room for the actions of every frame. */
static mcvd_status allocate_actions(mcvdi_batch_buffer *b, size_t action_dim)
{
    const mcvd_batch *v = &b->view;
    const size_t window = v->num_frames_cond + v->num_frames + v->num_frames_future;
    size_t bytes = 0;

    if (!action_dim)
        return MCVD_OK;
    if (mcvdi_mul_size(&bytes, v->batch_size * window, action_dim * sizeof(float)))
        b->actions = mcvdi_alloc_aligned(bytes);
    b->view.actions = b->actions;
    return b->actions ? MCVD_OK : mcvdi_fail(MCVD_E_NOMEM, "the actions of a batch");
}

mcvd_status mcvdi_batch_buffer_create(mcvdi_batch_buffer *buffer, const mcvd_data_config *data,
                                      size_t batch_size, size_t action_dim)
{
    *buffer = (mcvdi_batch_buffer) {
        .view = { .batch_size = batch_size,
                  .image_size = (size_t)data->image_size,
                  .channels = (size_t)data->channels,
                  .num_frames = (size_t)data->num_frames,
                  .num_frames_cond = (size_t)data->num_frames_cond,
                  .num_frames_future = (size_t)data->num_frames_future },
    };
    mcvd_status st = allocate(buffer, (size_t)(data->image_size * data->image_size));
    if (st >= 0)
        st = allocate_actions(buffer, action_dim);
    if (st < 0) {
        mcvdi_batch_buffer_release(buffer);
        return st;
    }
    buffer->view.x0 = buffer->x0;
    buffer->view.cond = buffer->cond;
    buffer->view.cond_mask = buffer->cond_mask;
    buffer->view.future_mask = buffer->future_mask;
    buffer->view.frames = buffer->frames;
    return MCVD_OK;
}

void mcvdi_batch_buffer_release(mcvdi_batch_buffer *buffer)
{
    mcvdi_free_aligned(buffer->x0);
    mcvdi_free_aligned(buffer->cond);
    mcvdi_free(buffer->cond_mask);
    mcvdi_free(buffer->future_mask);
    mcvdi_free_aligned(buffer->frames);
    mcvdi_free_aligned(buffer->actions);
    mcvdi_free_aligned(buffer->clip);
    memset(buffer, 0, sizeof *buffer);
}

mcvd_status mcvdi_batch_fill(mcvdi_batch_buffer *buffer, mcvd_dataset *dataset, uint64_t seed,
                             uint64_t step)
{
    const mcvd_data_config *data = &mcvdi_dataset_config_of(dataset)->data;
    const mcvdi_split_shape shape = mcvdi_split_shape_of(data);
    const size_t num_cond = shape.num_frames_cond + shape.num_frames_future;
    const size_t frame = shape.num_pixels * shape.channels;
    const size_t clip_bytes = (num_cond + shape.num_frames) * frame;
    const uint64_t num_test = mcvd_dataset_num_test_clips(dataset);
    const size_t num_actions = (num_cond + shape.num_frames) * mcvd_dataset_action_dim(dataset);

    for (size_t b = 0; b < buffer->view.batch_size; b++) {
        const uint64_t sample = step * buffer->view.batch_size + b;
        uint8_t *bytes = buffer->frames + b * clip_bytes;
        float *actions = buffer->actions ? buffer->actions + b * num_actions : NULL;
        const mcvd_status st = mcvd_dataset_window_actions(
            dataset, num_test ? sample % num_test : sample, bytes, actions);
        if (st < 0)
            return st;
        const mcvdi_mask mask = mcvdi_mask_draw(data, seed, sample);
        mcvd_pixels_to_float(buffer->clip, bytes, clip_bytes);
        mcvdi_split(&shape, buffer->clip, mask, buffer->x0 + b * shape.num_frames * frame,
                    num_cond ? buffer->cond + b * num_cond * frame : NULL);
        buffer->cond_mask[b] = mask.past;
        buffer->future_mask[b] = mask.future;
    }
    buffer->view.step = step;
    return MCVD_OK;
}
