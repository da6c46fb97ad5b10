#include "video/convert.h"

#include <string.h>

#include <libavutil/opt.h>
#include <libavutil/pixdesc.h>
#include <libswscale/swscale.h>

#include "core/alloc.h"
#include "video/libav.h"

/* What a scaler context was made for. */
typedef struct source_kind {
    int width;
    int height;
    int format;
    int matrix;
    int range;
} source_kind;

struct mcvdi_converter {
    int channels;
    source_kind kind;
    struct SwsContext *sws;
    AVFrame *dst;    /* padded rows: the scaler's vector code writes past the width */
    uint8_t *turned; /* [h, w, C] after turning */
    size_t turned_bytes;
};

mcvd_status mcvdi_converter_create(mcvdi_converter **out, int channels)
{
    *out = NULL;
    mcvdi_converter *c = mcvdi_calloc(1, sizeof *c);
    if (!c)
        return mcvdi_fail(MCVD_E_NOMEM, "colour conversion: %zu bytes", sizeof *c);
    c->channels = channels;
    c->kind.format = AV_PIX_FMT_NONE;
    *out = c;
    return MCVD_OK;
}

void mcvdi_converter_free(mcvdi_converter **converter)
{
    mcvdi_converter *c = *converter;

    if (!c)
        return;
    sws_freeContext(c->sws);
    av_frame_free(&c->dst);
    mcvdi_free(c->turned);
    mcvdi_free(c);
    *converter = NULL;
}

/* Matrix and range: the tag when there is one; without a matrix tag the scaler's 601, without a
 * range tag what the pixel format says, which sws_init_context has found out. */
static void set_colours(struct SwsContext *sws, const source_kind *kind)
{
    int *inverse = NULL;
    int *table = NULL;
    int src_full = 0;
    int dst_full = 0;
    int brightness = 0;
    int contrast = 0;
    int saturation = 0;

    if (sws_getColorspaceDetails(sws, &inverse, &src_full, &table, &dst_full, &brightness,
                                 &contrast, &saturation) < 0)
        return; /* no yuv on either side: nothing to choose */
    const bool is_rgb = kind->matrix == AVCOL_SPC_RGB; /* to gray: 601 luma */
    const int *matrix = sws_getCoefficients(is_rgb ? SWS_CS_DEFAULT : kind->matrix);
    if (kind->range != AVCOL_RANGE_UNSPECIFIED)
        src_full = kind->range == AVCOL_RANGE_JPEG;
    (void)sws_setColorspaceDetails(sws, matrix, src_full, matrix, dst_full, brightness, contrast,
                                   saturation);
}

/* The flags of the ffmpeg program (bicubic alone), so that results equal its own; `accurate`
 * rounding and full chroma would differ from it by up to tens of levels at colour edges. */
static mcvd_status make_scaler(mcvdi_converter *c, const source_kind *kind)
{
    const enum AVPixelFormat dst = c->channels == 1 ? AV_PIX_FMT_GRAY8 : AV_PIX_FMT_RGB24;

    if (sws_isSupportedInput((enum AVPixelFormat)kind->format) <= 0) {
        const char *name = av_get_pix_fmt_name((enum AVPixelFormat)kind->format);
        return mcvdi_fail(MCVD_E_UNSUPPORTED, "pixel format '%s' cannot be converted",
                          name ? name : "unknown");
    }
    sws_freeContext(c->sws);
    c->kind.format = AV_PIX_FMT_NONE;
    c->sws = sws_alloc_context();
    if (!c->sws)
        return mcvdi_fail(MCVD_E_NOMEM, "colour conversion context");
    av_opt_set_int(c->sws, "srcw", kind->width, 0);
    av_opt_set_int(c->sws, "srch", kind->height, 0);
    av_opt_set_int(c->sws, "src_format", kind->format, 0);
    av_opt_set_int(c->sws, "dstw", kind->width, 0);
    av_opt_set_int(c->sws, "dsth", kind->height, 0);
    av_opt_set_int(c->sws, "dst_format", dst, 0);
    av_opt_set_int(c->sws, "sws_flags", SWS_BICUBIC, 0);
    if (kind->range != AVCOL_RANGE_UNSPECIFIED) /* above 8 bits init alone looks at it */
        av_opt_set_int(c->sws, "src_range", kind->range == AVCOL_RANGE_JPEG, 0);
    if (kind->format == AV_PIX_FMT_YUV420P)
        av_opt_set_int(c->sws, "src_v_chr_pos", 128, 0); /* chroma between two lines */
    if (sws_init_context(c->sws, NULL, NULL) < 0)
        return mcvdi_fail(MCVD_E_UNSUPPORTED, "no colour conversion for %dx%d '%s'", kind->width,
                          kind->height, av_get_pix_fmt_name((enum AVPixelFormat)kind->format));
    set_colours(c->sws, kind);

    av_frame_free(&c->dst);
    c->dst = av_frame_alloc();
    if (!c->dst)
        return mcvdi_fail(MCVD_E_NOMEM, "frame");
    c->dst->width = kind->width;
    c->dst->height = kind->height;
    c->dst->format = dst;
    if (av_frame_get_buffer(c->dst, 64) < 0)
        return mcvdi_fail(MCVD_E_NOMEM, "frame of %dx%d", kind->width, kind->height);
    c->kind = *kind;
    return MCVD_OK;
}

/* out[h, w, C] = in turned: output (y, x) comes from the stored position that lands there. */
static void turn(uint8_t *out, const mcvdi_pixels *in, mcvdi_orientation o)
{
    const bool swap = o.degrees == 90 || o.degrees == 270;
    const size_t width = swap ? in->height : in->width;
    const size_t height = swap ? in->width : in->height;

    for (size_t y = 0; y < height; y++) {
        for (size_t x = 0; x < width; x++) {
            size_t from_x = x;
            size_t from_y = y;
            if (o.degrees == 90) {
                from_x = y;
                from_y = in->height - 1 - x;
            } else if (o.degrees == 180) {
                from_x = in->width - 1 - x;
                from_y = in->height - 1 - y;
            } else if (o.degrees == 270) {
                from_x = in->width - 1 - y;
                from_y = x;
            }
            if (o.mirrored)
                from_x = in->width - 1 - from_x;
            const uint8_t *p = in->data + from_y * in->stride + from_x * in->channels;
            for (size_t c = 0; c < in->channels; c++)
                *out++ = p[c];
        }
    }
}

static mcvd_status turn_pixels(mcvdi_converter *c, mcvdi_orientation o, mcvdi_pixels *pixels)
{
    const size_t bytes = pixels->width * pixels->height * pixels->channels;

    if (bytes > c->turned_bytes) {
        mcvdi_free(c->turned);
        c->turned_bytes = 0;
        c->turned = mcvdi_malloc(bytes);
        if (!c->turned)
            return mcvdi_fail(MCVD_E_NOMEM, "turned frame of %zu bytes", bytes);
        c->turned_bytes = bytes;
    }
    turn(c->turned, pixels, o);
    if (o.degrees == 90 || o.degrees == 270) {
        const size_t width = pixels->width;
        pixels->width = pixels->height;
        pixels->height = width;
    }
    pixels->data = c->turned;
    pixels->stride = pixels->width * pixels->channels;
    return MCVD_OK;
}

mcvd_status mcvdi_converter_run(mcvdi_converter *converter, const AVFrame *frame,
                                mcvdi_orientation orientation, mcvdi_pixels *pixels)
{
    const source_kind kind = { frame->width, frame->height, frame->format, frame->colorspace,
                               frame->color_range };

    if (memcmp(&kind, &converter->kind, sizeof kind) != 0) {
        const mcvd_status st = make_scaler(converter, &kind);
        if (st < 0)
            return st;
    }
    AVFrame *dst = converter->dst;
    const int lines = sws_scale(converter->sws, (const uint8_t *const *)frame->data,
                                frame->linesize, 0, frame->height, dst->data, dst->linesize);
    if (lines < 0)
        return mcvdi_fail(MCVD_E_NOMEM, "colour conversion of a %dx%d frame failed", frame->width,
                          frame->height);
    *pixels = (mcvdi_pixels) { .data = dst->data[0],
                               .stride = (size_t)dst->linesize[0],
                               .width = (size_t)frame->width,
                               .height = (size_t)frame->height,
                               .channels = (size_t)converter->channels };
    if (orientation.degrees == 0 && !orientation.mirrored)
        return MCVD_OK;
    return turn_pixels(converter, orientation, pixels);
}
