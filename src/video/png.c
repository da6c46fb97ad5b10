#include "video/png.h"

#include <string.h>

#include <libavcodec/avcodec.h>

#include "core/alloc.h"
#include "core/fileio.h"
#include "video/libav.h"

enum { MAX_SIDE = 16384 };

struct mcvdi_png {
    AVCodecContext *encoder;
    AVFrame *frame;
    AVPacket *packet;
    size_t row;
};

static mcvd_status open_encoder(mcvdi_png *p, int width, int height, int channels)
{
    const AVCodec *codec = avcodec_find_encoder(AV_CODEC_ID_PNG);

    if (!codec)
        return mcvdi_fail(MCVD_E_UNSUPPORTED, "this FFmpeg build has no PNG encoder");
    p->encoder = avcodec_alloc_context3(codec);
    p->frame = av_frame_alloc();
    p->packet = av_packet_alloc();
    if (!p->encoder || !p->frame || !p->packet)
        return mcvdi_fail(MCVD_E_NOMEM, "PNG encoder");
    p->encoder->width = width;
    p->encoder->height = height;
    p->encoder->pix_fmt = channels == 1 ? AV_PIX_FMT_GRAY8 : AV_PIX_FMT_RGB24;
    p->encoder->time_base = (AVRational) { 1, 25 };
    p->encoder->thread_count = 1;
    const int error = avcodec_open2(p->encoder, codec, NULL);
    if (error < 0)
        return mcvdi_libav_fail(MCVD_E_UNSUPPORTED, error, "PNG", "the encoder does not start");
    p->frame->width = width;
    p->frame->height = height;
    p->frame->format = p->encoder->pix_fmt;
    p->row = (size_t)width * (size_t)channels;
    if (av_frame_get_buffer(p->frame, 0) < 0)
        return mcvdi_fail(MCVD_E_NOMEM, "PNG frame of %dx%d", width, height);
    return MCVD_OK;
}

mcvd_status mcvdi_png_create(mcvdi_png **out, int width, int height, int channels)
{
    *out = NULL;
    if (width < 1 || width > MAX_SIDE || height < 1 || height > MAX_SIDE ||
        (channels != 1 && channels != 3))
        return mcvdi_fail(MCVD_E_RANGE, "PNG of %dx%dx%d, expected sides of 1..%d, 1 or 3 channels",
                          width, height, channels, MAX_SIDE);
    mcvdi_libav_init();
    mcvdi_png *p = mcvdi_calloc(1, sizeof *p);
    if (!p)
        return mcvdi_fail(MCVD_E_NOMEM, "PNG: %zu bytes", sizeof *p);
    const mcvd_status st = open_encoder(p, width, height, channels);
    if (st < 0) {
        mcvdi_png_free(&p);
        return st;
    }
    *out = p;
    return MCVD_OK;
}

void mcvdi_png_free(mcvdi_png **png)
{
    mcvdi_png *p = *png;

    if (!p)
        return;
    avcodec_free_context(&p->encoder);
    av_frame_free(&p->frame);
    av_packet_free(&p->packet);
    mcvdi_free(p);
    *png = NULL;
}

mcvd_status mcvdi_png_encode(mcvdi_png *png, const uint8_t *pixels, const AVPacket **packet)
{
    *packet = NULL;
    if (av_frame_make_writable(png->frame) < 0)
        return mcvdi_fail(MCVD_E_NOMEM, "PNG frame");
    for (int y = 0; y < png->frame->height; y++)
        memcpy(png->frame->data[0] + (ptrdiff_t)y * png->frame->linesize[0],
               pixels + (size_t)y * png->row, png->row);
    av_packet_unref(png->packet);
    int error = avcodec_send_frame(png->encoder, png->frame);
    if (error >= 0)
        error = avcodec_receive_packet(png->encoder, png->packet);
    if (error < 0)
        return mcvdi_libav_fail(MCVD_E_UNSUPPORTED, error, "PNG", "encoding");
    png->frame->pts++;
    *packet = png->packet;
    return MCVD_OK;
}

mcvd_status mcvd_image_write_png(const char *path, const mcvd_image *image, bool force)
{
    const AVPacket *packet = NULL;
    mcvdi_png *png = NULL;

    mcvd_status st = mcvdi_png_create(&png, image->width, image->height, image->channels);
    if (st >= 0)
        st = mcvdi_png_encode(png, image->data, &packet);
    if (st < 0)
        st = mcvdi_fail_context(st, "%s", path);
    else
        st = mcvdi_file_write(path, packet->data, (size_t)packet->size, force);
    mcvdi_png_free(&png);
    return st;
}
