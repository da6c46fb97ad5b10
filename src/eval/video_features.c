#include "eval/video_features.h"

#include <math.h>

#include "core/alloc.h"
#include "core/checked.h"
#include "core/sha256.h"
#include "core/status.h"
#include "model/i3d.h"
#include "model/proxy.h"

enum { SIDE = MCVDI_I3D_SIDE, COLOURS = 3, MAX_FRAMES = 4096 };

struct mcvd_video_features {
    mcvdi_i3d *i3d; /* one of the two */
    mcvdi_proxy *proxy;
    char sha256[MCVDI_SHA256_HEX];
    float *prepared; /* [frames, 224, 224, 3] */
    size_t frames;
};

/* ---- preparation ---------------------------------------------------------------------------- */

/* Where output `o` of a resize n -> m lies: between pixels first and second. */
typedef struct tap {
    size_t first, second;
    float share; /* of the second */
} tap;

static tap tap_of(size_t o, size_t n, size_t m)
{
    const float ratio = (float)n / (float)m;
    const float at = fmaxf(ratio * ((float)o + 0.5f) - 0.5f, 0.0f);
    const size_t first = (size_t)at < n ? (size_t)at : n - 1;

    return (tap) { first, first + 1 < n ? first + 1 : first, at - (float)first };
}

static size_t longer_side(size_t longer, size_t shorter, size_t side)
{
    return (longer * side + shorter - 1) / shorter;
}

static void prepare_row(float *out, const float *frame, const mcvd_video_shape *s, tap row,
                        size_t out_width, size_t side)
{
    const size_t left = (out_width - side) / 2;
    const float *above = frame + row.first * s->width * s->channels;
    const float *below = frame + row.second * s->width * s->channels;

    for (size_t x = 0; x < side; x++) {
        const tap col = tap_of(x + left, s->width, out_width);
        for (size_t c = 0; c < COLOURS; c++) {
            const size_t k = s->channels == 1 ? 0 : c;
            const size_t a = col.first * s->channels + k;
            const size_t b = col.second * s->channels + k;
            const float top = (1.0f - col.share) * above[a] + col.share * above[b];
            const float bottom = (1.0f - col.share) * below[a] + col.share * below[b];
            out[x * COLOURS + c] = 2.0f * ((1.0f - row.share) * top + row.share * bottom) - 1.0f;
        }
    }
}

void mcvdi_video_prepare(float *out, const float *video, const mcvd_video_shape *shape, size_t side)
{
    const bool tall = shape->height > shape->width;
    const size_t out_height = tall ? longer_side(shape->height, shape->width, side) : side;
    const size_t out_width = tall ? side : longer_side(shape->width, shape->height, side);
    const size_t top = (out_height - side) / 2;
    const size_t frame = shape->height * shape->width * shape->channels;

#pragma omp parallel for schedule(static)
    for (size_t r = 0; r < shape->frames * side; r++)
        prepare_row(out + r * side * COLOURS, video + r / side * frame, shape,
                    tap_of(r % side + top, shape->height, out_height), out_width, side);
}

/* ---- open ----------------------------------------------------------------------------------- */

static mcvd_status open_proxy(mcvd_video_features *f)
{
    mcvdi_sha256 *sha = NULL;
    mcvd_status st = mcvdi_proxy_create(&f->proxy);

    if (st >= 0)
        st = mcvdi_sha256_create(&sha);
    if (st >= 0) {
        size_t count = 0;
        const float *weights = mcvdi_proxy_weights(f->proxy, &count);
        mcvdi_sha256_add(sha, weights, count * sizeof *weights);
        mcvdi_sha256_end(sha, f->sha256);
    }
    mcvdi_sha256_free(&sha);
    return st;
}

mcvd_status mcvd_video_features_open(mcvd_video_features **out, mcvd_extractor_kind kind,
                                     const char *path)
{
    *out = NULL;
    if (kind != MCVD_EXTRACTOR_I3D && kind != MCVD_EXTRACTOR_PROXY)
        return mcvdi_fail(MCVD_E_RANGE, "video features: %s gives none", mcvd_extractor_name(kind));
    mcvd_video_features *f = mcvdi_calloc(1, sizeof *f);
    if (!f)
        return mcvdi_fail(MCVD_E_NOMEM, "video features: %zu bytes", sizeof *f);
    mcvd_status st;
    if (kind == MCVD_EXTRACTOR_PROXY) {
        st = open_proxy(f);
    } else {
        st = mcvdi_i3d_create(&f->i3d, path);
        if (st >= 0)
            st = mcvdi_sha256_file(f->sha256, path);
    }
    if (st < 0)
        mcvd_video_features_free(&f);
    *out = f;
    return st;
}

void mcvd_video_features_free(mcvd_video_features **features)
{
    mcvd_video_features *f = *features;

    if (!f)
        return;
    mcvdi_i3d_free(&f->i3d);
    mcvdi_proxy_free(&f->proxy);
    mcvdi_free_aligned(f->prepared);
    mcvdi_free(f);
    *features = NULL;
}

size_t mcvd_video_features_dim(const mcvd_video_features *features)
{
    return features->i3d ? MCVDI_I3D_FEATURES : MCVDI_PROXY_FEATURES;
}

size_t mcvd_video_features_min_frames(const mcvd_video_features *features)
{
    return features->i3d ? MCVDI_I3D_MIN_FRAMES : MCVDI_PROXY_MIN_FRAMES;
}

const char *mcvd_video_features_sha256(const mcvd_video_features *features)
{
    return features->sha256;
}

const char *mcvd_video_features_distance(const mcvd_video_features *features)
{
    return features->i3d ? "fvd" : "fvd-proxy";
}

double mcvd_video_features_macs(const mcvd_video_features *features)
{
    return features->i3d ? mcvdi_i3d_macs(features->i3d) : mcvdi_proxy_macs(features->proxy);
}

/* ---- extract -------------------------------------------------------------------------------- */

bool mcvdi_video_features_fit(size_t height, size_t width)
{
    return height && width && height <= MCVDI_VIDEO_MAX_ASPECT * width &&
           width <= MCVDI_VIDEO_MAX_ASPECT * height;
}

static mcvd_status check_pictures(const float *video, const mcvd_video_shape *s)
{
    size_t numel;

    if (s->channels != 1 && s->channels != 3)
        return mcvdi_fail(MCVD_E_RANGE, "video features: %zu channels, expected 1 or 3",
                          s->channels);
    if (!mcvdi_video_features_fit(s->height, s->width) ||
        !mcvdi_mul_size(&numel, s->frames * s->channels, s->height) ||
        !mcvdi_mul_size(&numel, numel, s->width))
        return mcvdi_fail(MCVD_E_RANGE,
                          "video features: frames of %zux%zu, the longer side may be at most %d "
                          "times the other",
                          s->width, s->height, MCVDI_VIDEO_MAX_ASPECT);
    for (size_t i = 0; i < numel; i++)
        if (!isfinite(video[i]))
            return mcvdi_fail(MCVD_E_NONFINITE,
                              "video features: a NaN or infinity among the pixels");
    return MCVD_OK;
}

static mcvd_status check_frames(const mcvd_video_features *f, size_t frames)
{
    if (frames < mcvd_video_features_min_frames(f) || frames > MAX_FRAMES)
        return mcvdi_fail(MCVD_E_RANGE, "%s: a video of %zu frames, expected %zu..%d",
                          mcvd_video_features_distance(f), frames,
                          mcvd_video_features_min_frames(f), MAX_FRAMES);
    return MCVD_OK;
}

static mcvd_status reserve(mcvd_video_features *f, size_t frames)
{
    if (f->frames == frames)
        return MCVD_OK;
    mcvdi_free_aligned(f->prepared);
    f->prepared = mcvdi_alloc_aligned(frames * SIDE * SIDE * COLOURS * sizeof *f->prepared);
    f->frames = f->prepared ? frames : 0;
    return f->prepared ? MCVD_OK : mcvdi_fail(MCVD_E_NOMEM, "video features: %zu frames", frames);
}

mcvd_status mcvdi_video_features_prepare(float *out, const float *video,
                                         const mcvd_video_shape *shape)
{
    const mcvd_status st = check_pictures(video, shape);

    if (st >= 0)
        mcvdi_video_prepare(out, video, shape, SIDE);
    return st;
}

mcvd_status mcvdi_video_features_prepared(mcvd_video_features *features, const float *prepared,
                                          size_t frames, double *out)
{
    const mcvd_status st = check_frames(features, frames);

    if (st < 0)
        return st;
    return features->i3d ? mcvdi_i3d_features(features->i3d, prepared, frames, out)
                         : mcvdi_proxy_features(features->proxy, prepared, frames, out);
}

mcvd_status mcvd_video_features_extract(mcvd_video_features *features, const float *video,
                                        const mcvd_video_shape *shape, double *out)
{
    mcvd_status st = check_frames(features, shape->frames);

    if (st >= 0)
        st = reserve(features, shape->frames);
    if (st >= 0)
        st = mcvdi_video_features_prepare(features->prepared, video, shape);
    return st < 0 ? st
                  : mcvdi_video_features_prepared(features, features->prepared, shape->frames, out);
}
