#include "eval/pair_features.h"

#include "core/alloc.h"
#include "core/checked.h"
#include "core/status.h"

/* Both videos in single precision. */
#define MAX_BYTES ((size_t)1 << 30)

static mcvd_status grow_doubles(double **values, size_t count)
{
    double *grown = mcvdi_realloc(*values, count * sizeof *grown);

    if (!grown)
        return mcvdi_fail(MCVD_E_NOMEM, "features: %zu values", count);
    *values = grown;
    return MCVD_OK;
}

static mcvd_status grow_video(float **video, size_t count)
{
    float *grown = mcvdi_realloc(*video, count * sizeof *grown);

    if (!grown)
        return mcvdi_fail(MCVD_E_NOMEM, "features: a video of %zu values", count);
    *video = grown;
    return MCVD_OK;
}

static size_t frame_numel(const mcvdi_pair_features *p)
{
    return p->shape.height * p->shape.width * p->shape.channels;
}

static mcvd_status reserve(mcvdi_pair_features *p)
{
    const size_t capacity = p->capacity ? 2 * p->capacity : 16;
    mcvd_status st = MCVD_OK;
    size_t bytes;

    if (p->shape.frames < p->capacity)
        return MCVD_OK;
    if (p->config->features &&
        (!mcvdi_mul_size(&bytes, p->shape.frames + 1, 2 * sizeof(float) * frame_numel(p)) ||
         bytes > MAX_BYTES))
        return mcvdi_fail(MCVD_E_INPUT,
                          "features of more than %zu frames of %zux%zu take over %zu MiB; --frames "
                          "%zu takes the first ones",
                          p->shape.frames, p->shape.width, p->shape.height, MAX_BYTES >> 20,
                          p->shape.frames);
    for (int i = 0; st >= 0 && i < 2; i++) {
        if (p->config->features)
            st = grow_video(&p->videos[i], capacity * frame_numel(p));
        if (st >= 0 && p->config->frame_features)
            st = grow_doubles(&p->frame_values[i], capacity * MCVD_LPIPS_FEATURES);
    }
    if (st >= 0)
        p->capacity = capacity;
    return st;
}

static mcvd_status add_one(mcvdi_pair_features *p, int side, const mcvd_frame *frame)
{
    const size_t numel = frame_numel(p);

    if (p->config->features) {
        float *to = p->videos[side] + p->shape.frames * numel;
        for (size_t i = 0; i < numel; i++)
            to[i] = (float)frame->data[i] / 255.0f;
    }
    if (!p->config->frame_features)
        return MCVD_OK;
    return mcvd_lpips_features_u8(p->config->lpips, frame->data, p->shape.height, p->shape.width,
                                  p->shape.channels,
                                  p->frame_values[side] + p->shape.frames * MCVD_LPIPS_FEATURES);
}

mcvd_status mcvdi_pair_features_add(mcvdi_pair_features *p, const mcvd_frame frames[2])
{
    if (!p->config->features && !p->config->frame_features)
        return MCVD_OK;
    p->shape.height = (size_t)frames[0].height;
    p->shape.width = (size_t)frames[0].width;
    p->shape.channels = (size_t)frames[0].channels;
    mcvd_status st = reserve(p);
    for (int i = 0; st >= 0 && i < 2; i++)
        st = add_one(p, i, &frames[i]);
    p->shape.frames++;
    return st;
}

static mcvd_status extract(mcvdi_pair_features *p, int side)
{
    mcvd_video_features *f = p->config->features;
    const mcvd_status st = grow_doubles(&p->video_values[side], mcvd_video_features_dim(f));

    return st < 0
               ? st
               : mcvd_video_features_extract(f, p->videos[side], &p->shape, p->video_values[side]);
}

mcvd_status mcvdi_pair_features_finish(mcvdi_pair_features *p, mcvd_compare_result *result)
{
    const mcvd_video_features *f = p->config->features;
    const bool videos = f && p->shape.frames >= mcvd_video_features_min_frames(f);

    for (int i = 0; i < 2; i++) {
        const mcvd_status st = videos ? extract(p, i) : MCVD_OK;
        if (st < 0)
            return st;
        result->video_features[i] = p->video_values[i];
        result->frame_features[i] = p->frame_values[i];
    }
    return MCVD_OK;
}

void mcvdi_pair_features_free(mcvdi_pair_features *p)
{
    for (int i = 0; i < 2; i++) {
        mcvdi_free(p->videos[i]);
        mcvdi_free(p->frame_values[i]);
        mcvdi_free(p->video_values[i]);
    }
}
