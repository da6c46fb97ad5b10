/*
 * LPIPS (Zhang et al. 2018): with taps y_l(a), y_l(b) of AlexNet, each pixel's channels divided by
 * (their norm + 1e-10), and the learned weights w_l >= 0 of the channels,
 *
 *     d(a, b) = sum over l of mean over pixels of sum over c of w_l[c] (y_l(a)[c] - y_l(b)[c])^2
 */
#include <mcvd/features.h>

#include <math.h>
#include <string.h>

#include "core/alloc.h"
#include "core/sha256.h"
#include "core/status.h"
#include "data/resample_pillow.h"
#include "model/alexnet.h"

enum { SIDE = MCVDI_ALEXNET_SIDE, COLOURS = 3, PICTURE = SIDE * SIDE * COLOURS };
enum { MAX_REMEMBERED = 4096 };

static const float shift[COLOURS] = { -0.030f, -0.088f, -0.188f };
static const float scale[COLOURS] = { 0.458f, 0.448f, 0.450f };

/* Normalised taps of one picture, one behind the other. */
typedef struct memory {
    uint8_t *picture; /* as it was given; NULL: empty */
    size_t bytes;
    float *taps;
    uint64_t last_use;
} memory;

struct mcvd_lpips {
    mcvdi_alexnet *net;
    char sha256[MCVDI_SHA256_HEX];
    mcvdi_pillow *plan; /* for pictures of `shape`; NULL at 128 x 128 */
    mcvdi_pillow_shape shape;
    uint8_t *rgb;     /* of `shape` */
    uint8_t *scratch; /* of the plan */
    uint8_t resized[PICTURE];
    float input[PICTURE];
    mcvdi_alexnet_map maps[MCVDI_ALEXNET_TAPS]; /* sizes; values are the net's */
    size_t tap_floats;                          /* of all taps together */
    float *other;                               /* taps of the second picture */
    memory *memories;
    size_t num_memories;
    uint64_t clock;
};

/* ---- open ----------------------------------------------------------------------------------- */

static mcvd_status open_net(mcvd_lpips *l, const char *path)
{
    mcvd_status st = mcvdi_alexnet_create(&l->net, path);

    if (st < 0)
        return st;
    if (!mcvdi_alexnet_head(l->net, 0))
        return mcvdi_fail(MCVD_E_MODEL,
                          "%s: without the learned heads of LPIPS; `mcvd import alexnet FILE "
                          "--heads FILE` puts them in",
                          path);
    st = mcvdi_sha256_file(l->sha256, path);
    if (st >= 0) /* the sizes of the taps */
        st = mcvdi_alexnet_taps(l->net, l->input, l->maps);
    for (size_t t = 0; t < MCVDI_ALEXNET_TAPS; t++)
        l->tap_floats += l->maps[t].pixels * l->maps[t].channels;
    return st;
}

mcvd_status mcvd_lpips_open(mcvd_lpips **out, const char *path)
{
    mcvd_lpips *l = mcvdi_calloc(1, sizeof *l);

    *out = l;
    if (!l)
        return mcvdi_fail(MCVD_E_NOMEM, "lpips: %zu bytes", sizeof *l);
    mcvd_status st = open_net(l, path);
    if (st >= 0) {
        l->other = mcvdi_alloc_aligned(l->tap_floats * sizeof *l->other);
        st = l->other ? mcvd_lpips_remember(l, 1) : mcvdi_fail(MCVD_E_NOMEM, "lpips: features");
    }
    if (st < 0)
        mcvd_lpips_free(out);
    return st;
}

static void free_memories(memory *memories, size_t count)
{
    for (size_t i = 0; memories && i < count; i++) {
        mcvdi_free(memories[i].picture);
        mcvdi_free_aligned(memories[i].taps);
    }
    mcvdi_free(memories);
}

void mcvd_lpips_free(mcvd_lpips **lpips)
{
    mcvd_lpips *l = *lpips;

    if (!l)
        return;
    mcvdi_alexnet_free(&l->net);
    mcvdi_pillow_free(&l->plan);
    mcvdi_free(l->rgb);
    mcvdi_free(l->scratch);
    mcvdi_free_aligned(l->other);
    free_memories(l->memories, l->num_memories);
    mcvdi_free(l);
    *lpips = NULL;
}

const char *mcvd_lpips_sha256(const mcvd_lpips *lpips)
{
    return lpips->sha256;
}

double mcvd_lpips_macs(const mcvd_lpips *lpips)
{
    return mcvdi_alexnet_macs(lpips->net);
}

mcvd_status mcvd_lpips_remember(mcvd_lpips *lpips, size_t pictures)
{
    if (pictures < 1 || pictures > MAX_REMEMBERED)
        return mcvdi_fail(MCVD_E_RANGE, "lpips: %zu pictures to remember, expected 1..%d", pictures,
                          MAX_REMEMBERED);
    memory *memories = mcvdi_calloc(pictures, sizeof *memories);
    if (!memories)
        return mcvdi_fail(MCVD_E_NOMEM, "lpips: %zu pictures", pictures);
    free_memories(lpips->memories, lpips->num_memories);
    lpips->memories = memories;
    lpips->num_memories = pictures;
    return MCVD_OK;
}

/* ---- one picture ---------------------------------------------------------------------------- */

/* Buffers and resize plan for pictures of this size, made when it changes. */
static mcvd_status fit(mcvd_lpips *l, size_t height, size_t width)
{
    const mcvdi_pillow_shape shape = { height, width, SIDE, SIDE, COLOURS };

    if (l->rgb && l->shape.in_height == height && l->shape.in_width == width)
        return MCVD_OK;
    mcvdi_pillow_free(&l->plan);
    mcvdi_free(l->rgb);
    mcvdi_free(l->scratch);
    l->rgb = l->scratch = NULL;
    if (height == 0 || width == 0 || height > 65535 || width > 65535)
        return mcvdi_fail(MCVD_E_SHAPE, "lpips: a picture of %zux%zu", width, height);
    const mcvd_status st = mcvdi_pillow_create(&l->plan, MCVDI_PILLOW_BILINEAR, &shape);
    if (st < 0)
        return st;
    l->shape = shape;
    l->rgb = mcvdi_malloc(height * width * COLOURS);
    l->scratch = mcvdi_malloc(mcvdi_pillow_scratch_bytes(l->plan) + 1);
    return l->rgb && l->scratch
               ? MCVD_OK
               : mcvdi_fail(MCVD_E_NOMEM, "lpips: a picture of %zux%zu", width, height);
}

/* x = (2 v / 255 - 1 - shift) / scale */
static void normalise_input(mcvd_lpips *l)
{
    for (size_t i = 0; i < PICTURE; i++) {
        const size_t c = i % COLOURS;
        l->input[i] = ((float)l->resized[i] / 255.0f * 2.0f - 1.0f - shift[c]) / scale[c];
    }
}

static mcvd_status run_net(mcvd_lpips *l, const uint8_t *picture, const mcvd_video_shape *shape)
{
    const size_t pixels = shape->height * shape->width;
    const uint8_t *rgb = picture;
    const mcvd_status st = fit(l, shape->height, shape->width);

    if (st < 0)
        return st;
    if (shape->channels == 1) {
        for (size_t i = 0; i < pixels * COLOURS; i++)
            l->rgb[i] = picture[i / COLOURS];
        rgb = l->rgb;
    }
    mcvdi_pillow_resize(l->plan, l->resized, rgb, l->scratch);
    normalise_input(l);
    return mcvdi_alexnet_taps(l->net, l->input, l->maps);
}

static void normalise_pixel(float *out, const float *x, size_t channels)
{
    double sum = 0.0;

    for (size_t c = 0; c < channels; c++)
        sum += (double)x[c] * (double)x[c];
    const float norm = (float)(sqrt(sum) + 1e-10);
    for (size_t c = 0; c < channels; c++)
        out[c] = x[c] / norm;
}

static mcvd_status taps_of(mcvd_lpips *l, const uint8_t *picture, const mcvd_video_shape *shape,
                           float *taps)
{
    const mcvd_status st = run_net(l, picture, shape);

    for (size_t t = 0; st >= 0 && t < MCVDI_ALEXNET_TAPS; t++) {
        const mcvdi_alexnet_map *m = &l->maps[t];
        for (size_t p = 0; p < m->pixels; p++, taps += m->channels)
            normalise_pixel(taps, m->values + p * m->channels, m->channels);
    }
    return st;
}

/* ---- the first picture is remembered -------------------------------------------------------- */

static memory *recall(mcvd_lpips *l, const uint8_t *picture, size_t bytes)
{
    for (size_t i = 0; i < l->num_memories; i++) {
        memory *m = &l->memories[i];
        if (m->picture && m->bytes == bytes && memcmp(m->picture, picture, bytes) == 0) {
            m->last_use = ++l->clock;
            return m;
        }
    }
    return NULL;
}

static memory *oldest(mcvd_lpips *l)
{
    memory *found = &l->memories[0];

    for (size_t i = 1; i < l->num_memories; i++)
        if (l->memories[i].last_use < found->last_use)
            found = &l->memories[i];
    return found;
}

static mcvd_status remember(mcvd_lpips *l, const uint8_t *picture, const mcvd_video_shape *shape,
                            size_t bytes, memory **out)
{
    memory *m = oldest(l);

    mcvdi_free(m->picture);
    m->picture = NULL;
    if (!m->taps)
        m->taps = mcvdi_alloc_aligned(l->tap_floats * sizeof *m->taps);
    uint8_t *copy = mcvdi_malloc(bytes);
    if (!m->taps || !copy) {
        mcvdi_free(copy);
        return mcvdi_fail(MCVD_E_NOMEM, "lpips: features of a picture");
    }
    memcpy(copy, picture, bytes);
    const mcvd_status st = taps_of(l, picture, shape, m->taps);
    if (st < 0) {
        mcvdi_free(copy);
        return st;
    }
    *m = (memory) { copy, bytes, m->taps, ++l->clock };
    *out = m;
    return MCVD_OK;
}

/* ---- the distance --------------------------------------------------------------------------- */

static double tap_distance(const float *a, const float *b, const mcvdi_alexnet_map *m,
                           const float *head)
{
    double sum = 0.0;

    for (size_t p = 0; p < m->pixels; p++)
        for (size_t c = 0; c < m->channels; c++) {
            const double d = (double)a[p * m->channels + c] - (double)b[p * m->channels + c];
            sum += (double)head[c] * d * d;
        }
    return sum / (double)m->pixels;
}

mcvd_status mcvd_lpips_u8(mcvd_lpips *lpips, const uint8_t *a, const uint8_t *b,
                          const mcvd_picture_shape *picture, double *distance, double *per_tap)
{
    const mcvd_video_shape shape = { 1, picture->height, picture->width, picture->channels };
    const size_t bytes = shape.height * shape.width * shape.channels;
    mcvd_status st = MCVD_OK;
    size_t start = 0;

    *distance = NAN;
    if (shape.channels != 1 && shape.channels != 3)
        return mcvdi_fail(MCVD_E_SHAPE, "lpips: %zu channels, expected 1 or 3", shape.channels);
    memory *first = recall(lpips, a, bytes);
    if (!first)
        st = remember(lpips, a, &shape, bytes, &first);
    if (st >= 0)
        st = taps_of(lpips, b, &shape, lpips->other);
    if (st < 0)
        return st;
    *distance = 0.0;
    for (size_t t = 0; t < MCVDI_ALEXNET_TAPS; t++) {
        const mcvdi_alexnet_map *m = &lpips->maps[t];
        const double d = tap_distance(first->taps + start, lpips->other + start, m,
                                      mcvdi_alexnet_head(lpips->net, t));
        *distance += d;
        if (per_tap)
            per_tap[t] = d;
        start += m->pixels * m->channels;
    }
    return MCVD_OK;
}

mcvd_status mcvd_lpips_features_u8(mcvd_lpips *lpips, const uint8_t *picture, size_t height,
                                   size_t width, size_t channels, double *out)
{
    const mcvd_video_shape shape = { 1, height, width, channels };
    const mcvdi_alexnet_map *m = &lpips->maps[MCVDI_ALEXNET_TAPS - 1];

    if (channels != 1 && channels != 3)
        return mcvdi_fail(MCVD_E_SHAPE, "lpips: %zu channels, expected 1 or 3", channels);
    const mcvd_status st = run_net(lpips, picture, &shape);
    if (st < 0)
        return st;
    memset(out, 0, MCVD_LPIPS_FEATURES * sizeof *out);
    for (size_t p = 0; p < m->pixels; p++)
        for (size_t c = 0; c < MCVD_LPIPS_FEATURES; c++)
            out[c] += (double)m->values[p * m->channels + c] / (double)m->pixels;
    return MCVD_OK;
}
