/*
 * Frames are prepared one by one, as the video network wants them, so that memory depends on their
 * number and not on the size of the pictures.
 */
#include "eval/clip_features.h"

#include "core/alloc.h"
#include "core/status.h"
#include "eval/video_features.h"

static mcvd_status grow_frame_values(mcvdi_clip_features *c, size_t capacity)
{
    double *grown = mcvdi_realloc(c->frame_values, capacity * MCVD_LPIPS_FEATURES * sizeof *grown);

    if (!grown)
        return mcvdi_fail(MCVD_E_NOMEM, "features of %zu frames", capacity);
    c->frame_values = grown;
    return MCVD_OK;
}

static mcvd_status grow_prepared(mcvdi_clip_features *c, size_t capacity)
{
    float *grown = mcvdi_realloc(c->prepared, capacity * MCVDI_VIDEO_FRAME * sizeof *grown);

    if (!grown)
        return mcvdi_fail(MCVD_E_NOMEM, "features of a video of %zu frames", capacity);
    c->prepared = grown;
    return MCVD_OK;
}

static bool wants_video(const mcvdi_clip_features *c, const mcvd_video_shape *shape)
{
    return c->config->features && c->frames < MCVDI_CLIP_MAX_FRAMES &&
           mcvdi_video_features_fit(shape->height, shape->width);
}

static mcvd_status reserve(mcvdi_clip_features *c, const mcvd_video_shape *shape)
{
    const size_t frame_numel = shape->height * shape->width * shape->channels;
    const size_t capacity = c->capacity ? 2 * c->capacity : 16;
    mcvd_status st = MCVD_OK;

    if (c->config->features && !c->pixels) {
        c->pixels = mcvdi_malloc(frame_numel * sizeof *c->pixels);
        if (!c->pixels)
            return mcvdi_fail(MCVD_E_NOMEM, "features: a frame of %zu values", frame_numel);
    }
    if (c->frames < c->capacity)
        return MCVD_OK;
    if (wants_video(c, shape))
        st = grow_prepared(c, capacity);
    if (st >= 0 && c->config->frame_features)
        st = grow_frame_values(c, capacity);
    if (st >= 0)
        c->capacity = capacity;
    return st;
}

mcvd_status mcvdi_clip_features_add(mcvdi_clip_features *c, const mcvd_frame *frame)
{
    const mcvd_video_shape shape = { 1, (size_t)frame->height, (size_t)frame->width,
                                     (size_t)frame->channels };
    const size_t numel = shape.height * shape.width * shape.channels;

    if (!c->config->features && !c->config->frame_features) {
        c->frames++;
        return MCVD_OK;
    }
    mcvd_status st = reserve(c, &shape);
    if (st >= 0 && wants_video(c, &shape)) {
        for (size_t i = 0; i < numel; i++)
            c->pixels[i] = (float)frame->data[i] / 255.0f;
        st = mcvdi_video_features_prepare(c->prepared + c->frames * MCVDI_VIDEO_FRAME, c->pixels,
                                          &shape);
    }
    if (st >= 0 && c->config->frame_features)
        st = mcvd_lpips_features_u8(c->config->lpips, frame->data, shape.height, shape.width,
                                    shape.channels,
                                    c->frame_values + c->frames * MCVD_LPIPS_FEATURES);
    c->frames++;
    return st;
}

static mcvd_status extract(mcvdi_clip_features *c)
{
    mcvd_video_features *f = c->config->features;

    c->video_values = mcvdi_malloc(mcvd_video_features_dim(f) * sizeof *c->video_values);
    if (!c->video_values)
        return mcvdi_fail(MCVD_E_NOMEM, "features: %zu values", mcvd_video_features_dim(f));
    return mcvdi_video_features_prepared(f, c->prepared, c->frames, c->video_values);
}

mcvd_status mcvdi_clip_features_finish(mcvdi_clip_features *c, int side,
                                       mcvd_compare_result *result)
{
    const mcvd_video_features *f = c->config->features;
    const bool has = f && c->frames >= mcvd_video_features_min_frames(f) &&
                     c->frames <= MCVDI_CLIP_MAX_FRAMES &&
                     mcvdi_video_features_fit((size_t)result->height, (size_t)result->width);
    const mcvd_status st = has ? extract(c) : MCVD_OK;

    if (st < 0)
        return st;
    result->video_features[side] = c->video_values;
    result->frame_features[side] = c->frame_values;
    return MCVD_OK;
}

void mcvdi_clip_features_free(mcvdi_clip_features *c)
{
    mcvdi_free(c->pixels);
    mcvdi_free(c->prepared);
    mcvdi_free(c->frame_values);
    mcvdi_free(c->video_values);
}
