/* Movie files through FFmpeg's muxers and encoders: one row of a table per kind. */
#include <string.h>

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/opt.h>
#include <libswscale/swscale.h>

#include "core/alloc.h"
#include "core/fileio.h"
#include "video/libav.h"
#include "video/names.h"
#include "video/palette.h"
#include "video/sink.h"

enum { MAX_ENCODERS = 4, HD_LINES = 720, MAX_TIME_BASE = 65535 };

typedef struct movie_sink movie_sink;

typedef struct movie_kind {
    const char *suffix;
    const char *muxer;
    const char *encoders[MAX_ENCODERS]; /* the first one that starts is used */
    enum AVPixelFormat gray;
    enum AVPixelFormat rgb;
    bool centiseconds; /* times are whole 1/100 s */
} movie_kind;

struct movie_sink {
    mcvdi_sink base;
    const movie_kind *kind;
    mcvdi_atomic_file *file;
    AVFormatContext *format;
    AVCodecContext *encoder;
    AVStream *stream;
    AVFrame *frame;
    AVPacket *packet;
    struct SwsContext *sws; /* to yuv420p */
    uint8_t *padded;        /* [even h, even w, C] for yuv420p */
    mcvdi_palette *palette; /* RGB GIF */
    uint8_t *indices;
    int64_t last_pts;
    bool trailer_due; /* the header is written, the trailer is not */
};

static const movie_kind kinds[] = {
    { ".mp4",
      "mp4",
      { "libx264", "libopenh264", "mpeg4" },
      AV_PIX_FMT_YUV420P,
      AV_PIX_FMT_YUV420P,
      false },
    { ".m4v",
      "mp4",
      { "libx264", "libopenh264", "mpeg4" },
      AV_PIX_FMT_YUV420P,
      AV_PIX_FMT_YUV420P,
      false },
    { ".mov",
      "mov",
      { "libx264", "libopenh264", "mpeg4" },
      AV_PIX_FMT_YUV420P,
      AV_PIX_FMT_YUV420P,
      false },
    { ".mkv", "matroska", { "ffv1" }, AV_PIX_FMT_GRAY8, AV_PIX_FMT_BGR0, false },
    { ".gif", "gif", { "gif" }, AV_PIX_FMT_GRAY8, AV_PIX_FMT_PAL8, true },
    { ".apng", "apng", { "apng" }, AV_PIX_FMT_GRAY8, AV_PIX_FMT_RGB24, false },
};

static const movie_kind *kind_of(const char *path)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (mcvdi_has_suffix(path, kinds[i].suffix))
            return &kinds[i];
    }
    return NULL;
}

bool mcvdi_sink_movie_knows(const char *path)
{
    return kind_of(path) != NULL;
}

static enum AVPixelFormat pixel_format(const movie_sink *s)
{
    return s->base.config.channels == 1 ? s->kind->gray : s->kind->rgb;
}

static int even(int n)
{
    return n + n % 2;
}

/* quality 0..100 to x264's constant rate factor: 70 is 15, 100 is 0 (nearly lossless). */
static void set_quality(movie_sink *s)
{
    AVCodecContext *e = s->encoder;
    const int quality = s->base.config.quality;

    if (strcmp(e->codec->name, "libx264") == 0) {
        av_opt_set_double(e->priv_data, "crf", (100 - quality) * 0.5, 0);
        av_opt_set(e->priv_data, "preset", "medium", 0);
    } else if (strcmp(e->codec->name, "mpeg4") == 0) {
        e->flags |= AV_CODEC_FLAG_QSCALE;
        e->global_quality = FF_QP2LAMBDA * (1 + (100 - quality) * 30 / 100);
    } else if (strcmp(e->codec->name, "ffv1") == 0) {
        e->level = 3;
        av_opt_set_int(e->priv_data, "slicecrc", 1, 0);
    } else if (strcmp(e->codec->name, "libopenh264") == 0) {
        e->bit_rate = (int64_t)e->width * e->height * e->framerate.num / e->framerate.den *
                      (quality + 10) / 400;
    }
}

static void set_colours(AVCodecContext *e)
{
    const bool hd = e->height >= HD_LINES;

    if (e->pix_fmt == AV_PIX_FMT_YUV420P) {
        e->color_range = AVCOL_RANGE_MPEG;
        e->colorspace = hd ? AVCOL_SPC_BT709 : AVCOL_SPC_SMPTE170M;
        e->color_primaries = hd ? AVCOL_PRI_BT709 : AVCOL_PRI_SMPTE170M;
        e->color_trc = hd ? AVCOL_TRC_BT709 : AVCOL_TRC_SMPTE170M;
    } else if (e->pix_fmt == AV_PIX_FMT_GRAY8) {
        e->color_range = AVCOL_RANGE_JPEG;
    }
}

static mcvd_status try_encoder(movie_sink *s, const char *name)
{
    const mcvd_video_writer_config *c = &s->base.config;
    const AVCodec *codec = avcodec_find_encoder_by_name(name);

    if (!codec)
        return mcvdi_fail(MCVD_E_UNSUPPORTED, "%s: this FFmpeg build has no encoder '%s'",
                          s->base.path, name);
    s->encoder = avcodec_alloc_context3(codec);
    if (!s->encoder)
        return mcvdi_fail(MCVD_E_NOMEM, "%s: encoder", s->base.path);
    AVCodecContext *e = s->encoder;
    e->pix_fmt = pixel_format(s);
    e->width = e->pix_fmt == AV_PIX_FMT_YUV420P ? even(c->width) : c->width;
    e->height = e->pix_fmt == AV_PIX_FMT_YUV420P ? even(c->height) : c->height;
    (void)av_reduce(&e->framerate.num, &e->framerate.den, c->fps_num, c->fps_den, MAX_TIME_BASE);
    e->time_base = s->kind->centiseconds ? (AVRational) { 1, 100 } : av_inv_q(e->framerate);
    e->sample_aspect_ratio = (AVRational) { 1, 1 };
    e->thread_count = 1; /* the same bytes on every machine */
    e->flags |= AV_CODEC_FLAG_BITEXACT;
    if (s->format->oformat->flags & AVFMT_GLOBALHEADER)
        e->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
    set_colours(e);
    set_quality(s);
    const int error = avcodec_open2(e, codec, NULL);
    if (error < 0) {
        avcodec_free_context(&s->encoder);
        return mcvdi_libav_fail(MCVD_E_UNSUPPORTED, error, s->base.path,
                                "the encoder does not start");
    }
    s->base.codec = codec->name;
    return MCVD_OK;
}

static mcvd_status open_encoder(movie_sink *s)
{
    mcvd_status st = MCVD_E_UNSUPPORTED;

    for (int i = 0; st == MCVD_E_UNSUPPORTED && i < MAX_ENCODERS && s->kind->encoders[i]; i++)
        st = try_encoder(s, s->kind->encoders[i]);
    return st;
}

static mcvd_status open_muxer(movie_sink *s)
{
    const char *temporary = mcvdi_atomic_path(s->file);

    if (avformat_alloc_output_context2(&s->format, NULL, s->kind->muxer, NULL) < 0)
        return mcvdi_fail(MCVD_E_UNSUPPORTED, "%s: this FFmpeg build does not write %s",
                          s->base.path, s->kind->muxer);
    s->format->flags |= AVFMT_FLAG_BITEXACT;
    char *url = mcvdi_sprintf("file:%s", temporary); /* a colon in the name is no protocol */
    if (!url)
        return mcvdi_fail(MCVD_E_NOMEM, "%s: name", s->base.path);
    s->format->url = av_strdup(url); /* the muxer reads it again to put the index first */
    const int error = avio_open(&s->format->pb, url, AVIO_FLAG_WRITE);
    mcvdi_free(url);
    if (error < 0)
        return mcvdi_libav_fail(MCVD_E_IO, error, s->base.path, "cannot be written");
    return MCVD_OK;
}

static mcvd_status write_header(movie_sink *s)
{
    AVDictionary *options = NULL;

    s->stream = avformat_new_stream(s->format, NULL);
    if (!s->stream || avcodec_parameters_from_context(s->stream->codecpar, s->encoder) < 0)
        return mcvdi_fail(MCVD_E_NOMEM, "%s: stream", s->base.path);
    s->stream->time_base = s->encoder->time_base;
    s->stream->avg_frame_rate = s->encoder->framerate;
    s->stream->sample_aspect_ratio = s->encoder->sample_aspect_ratio;
    if (strcmp(s->kind->muxer, "mp4") == 0 || strcmp(s->kind->muxer, "mov") == 0)
        av_dict_set(&options, "movflags", "+faststart+write_colr", 0);
    if (strcmp(s->kind->muxer, "apng") == 0)
        av_dict_set(&options, "plays", "0", 0); /* for ever */
    const int error = avformat_write_header(s->format, &options);
    av_dict_free(&options);
    if (error < 0)
        return mcvdi_libav_fail(MCVD_E_IO, error, s->base.path, "writing");
    s->trailer_due = true;
    return MCVD_OK;
}

/* Bicubic chroma, exact rounding; the matrix that the stream is tagged with. */
static mcvd_status open_yuv(movie_sink *s)
{
    const AVCodecContext *e = s->encoder;
    const bool gray = s->base.config.channels == 1;
    const int *source = sws_getCoefficients(SWS_CS_DEFAULT);
    const int *matrix = sws_getCoefficients(e->colorspace);
    const size_t bytes =
        (size_t)e->width * (size_t)e->height * (size_t)s->base.config.channels + 64;

    s->sws = sws_getContext(e->width, e->height, gray ? AV_PIX_FMT_GRAY8 : AV_PIX_FMT_RGB24,
                            e->width, e->height, AV_PIX_FMT_YUV420P,
                            SWS_BICUBIC | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INP, NULL, NULL, NULL);
    s->padded = mcvdi_malloc(bytes);
    if (!s->sws || !s->padded)
        return mcvdi_fail(MCVD_E_NOMEM, "%s: colour conversion", s->base.path);
    (void)sws_setColorspaceDetails(s->sws, source, 1, matrix, 0, 0, 1 << 16, 1 << 16);
    return MCVD_OK;
}

static mcvd_status open_frame(movie_sink *s)
{
    const AVCodecContext *e = s->encoder;

    s->frame = av_frame_alloc();
    s->packet = av_packet_alloc();
    if (!s->frame || !s->packet)
        return mcvdi_fail(MCVD_E_NOMEM, "%s: frame", s->base.path);
    s->frame->format = e->pix_fmt;
    s->frame->width = e->width;
    s->frame->height = e->height;
    s->frame->color_range = e->color_range;
    s->frame->colorspace = e->colorspace;
    if (av_frame_get_buffer(s->frame, 0) < 0)
        return mcvdi_fail(MCVD_E_NOMEM, "%s: frame", s->base.path);
    if (e->pix_fmt == AV_PIX_FMT_YUV420P)
        return open_yuv(s);
    if (e->pix_fmt != AV_PIX_FMT_PAL8)
        return MCVD_OK;
    const mcvd_status st = mcvdi_palette_create(&s->palette);
    if (st < 0)
        return st;
    s->indices = mcvdi_malloc((size_t)e->width * (size_t)e->height);
    return s->indices ? MCVD_OK : mcvdi_fail(MCVD_E_NOMEM, "%s: indices", s->base.path);
}

static void copy_rows(AVFrame *to, const uint8_t *from, size_t row)
{
    for (int y = 0; y < to->height; y++)
        memcpy(to->data[0] + (ptrdiff_t)y * to->linesize[0], from + (size_t)y * row, row);
}

static void fill_bgr0(AVFrame *to, const uint8_t *rgb)
{
    for (int y = 0; y < to->height; y++) {
        uint8_t *p = to->data[0] + (ptrdiff_t)y * to->linesize[0];
        for (int x = 0; x < to->width; x++, p += 4, rgb += 3) {
            p[0] = rgb[2];
            p[1] = rgb[1];
            p[2] = rgb[0];
            p[3] = 0;
        }
    }
}

static void fill_palette(movie_sink *s, const uint8_t *rgb)
{
    uint32_t colours[256];
    const size_t width = (size_t)s->frame->width;

    mcvdi_palette_reduce(s->palette, rgb, width * (size_t)s->frame->height, s->indices, colours);
    copy_rows(s->frame, s->indices, width);
    memcpy(s->frame->data[1], colours, sizeof colours);
}

/* Repeat the last column and row where the encoder needs even sides. */
static void fill_yuv(movie_sink *s, const uint8_t *pixels)
{
    const size_t channels = (size_t)s->base.config.channels;
    const size_t row = (size_t)s->base.config.width * channels;
    const size_t stride = (size_t)s->frame->width * channels;

    for (size_t y = 0; y < (size_t)s->frame->height; y++) {
        const size_t last = (size_t)s->base.config.height - 1;
        uint8_t *to = s->padded + y * stride;
        memcpy(to, pixels + (y < last ? y : last) * row, row);
        if (stride > row)
            memcpy(to + row, to + row - channels, channels);
    }
    const uint8_t *const planes[4] = { s->padded };
    const int strides[4] = { (int)stride };
    (void)sws_scale(s->sws, planes, strides, 0, s->frame->height, s->frame->data,
                    s->frame->linesize);
}

static void fill_frame(movie_sink *s, const uint8_t *pixels)
{
    const size_t row = (size_t)s->base.config.width * (size_t)s->base.config.channels;

    switch (s->frame->format) {
    case AV_PIX_FMT_YUV420P:
        fill_yuv(s, pixels);
        break;
    case AV_PIX_FMT_BGR0:
        fill_bgr0(s->frame, pixels);
        break;
    case AV_PIX_FMT_PAL8:
        fill_palette(s, pixels);
        break;
    default:
        copy_rows(s->frame, pixels, row);
    }
}

/* Frame n starts at n / fps, in the encoder's units and never at the time of the one before. */
static int64_t time_of(const movie_sink *s, int64_t n)
{
    const int64_t pts = av_rescale_q(n, av_inv_q(s->encoder->framerate), s->encoder->time_base);

    return pts > s->last_pts ? pts : s->last_pts + 1;
}

static mcvd_status write_failed(const movie_sink *s, int error)
{
    const int io = s->format->pb ? s->format->pb->error : 0;

    return mcvdi_libav_fail(MCVD_E_IO, io < 0 ? io : error, s->base.path, "writing");
}

/* Move finished packets to the file. frame NULL: the end. */
static mcvd_status encode(movie_sink *s, const AVFrame *frame)
{
    int error = avcodec_send_frame(s->encoder, frame);

    while (error >= 0) {
        error = avcodec_receive_packet(s->encoder, s->packet);
        if (error == AVERROR(EAGAIN) || error == AVERROR_EOF)
            return MCVD_OK;
        if (error < 0)
            break;
        if (s->packet->duration <= 0)
            s->packet->duration =
                av_rescale_q(1, av_inv_q(s->encoder->framerate), s->encoder->time_base);
        av_packet_rescale_ts(s->packet, s->encoder->time_base, s->stream->time_base);
        s->packet->stream_index = s->stream->index;
        error = av_interleaved_write_frame(s->format, s->packet);
        if (error >= 0 && s->format->pb && s->format->pb->error < 0)
            error = s->format->pb->error;
    }
    return write_failed(s, error);
}

static mcvd_status movie_write(mcvdi_sink *sink, const uint8_t *pixels)
{
    movie_sink *s = (movie_sink *)sink;

    if (av_frame_make_writable(s->frame) < 0)
        return mcvdi_fail(MCVD_E_NOMEM, "%s: frame", s->base.path);
    fill_frame(s, pixels);
    s->frame->pts = time_of(s, s->base.num_frames);
    s->last_pts = s->frame->pts;
    return encode(s, s->frame);
}

static mcvd_status movie_finish(mcvdi_sink *sink)
{
    movie_sink *s = (movie_sink *)sink;

    mcvd_status st = encode(s, NULL);
    if (st < 0)
        return st;
    s->trailer_due = false;
    int error = av_write_trailer(s->format);
    if (error >= 0 && s->format->pb->error < 0)
        error = s->format->pb->error;
    if (error < 0)
        return write_failed(s, error);
    error = avio_closep(&s->format->pb);
    if (error < 0)
        return mcvdi_libav_fail(MCVD_E_IO, error, s->base.path, "writing");
    return mcvdi_atomic_commit(&s->file);
}

static void movie_free(mcvdi_sink *sink)
{
    movie_sink *s = (movie_sink *)sink;

    /* These muxers keep a packet until the trailer; the file that it goes to is dropped. */
    if (s->trailer_due &&
        (strcmp(s->kind->muxer, "gif") == 0 || strcmp(s->kind->muxer, "apng") == 0))
        (void)av_write_trailer(s->format);
    if (s->format) {
        (void)avio_closep(&s->format->pb);
        avformat_free_context(s->format);
    }
    avcodec_free_context(&s->encoder);
    av_frame_free(&s->frame);
    av_packet_free(&s->packet);
    sws_freeContext(s->sws);
    mcvdi_palette_free(&s->palette);
    mcvdi_free(s->padded);
    mcvdi_free(s->indices);
    mcvdi_atomic_discard(&s->file);
}

static const mcvdi_sink_class movie_class = { movie_write, movie_finish, movie_free };

mcvd_status mcvdi_sink_movie_create(mcvdi_sink **out, const char *path,
                                    const mcvd_video_writer_config *config)
{
    mcvd_status st = MCVD_OK;

    *out = NULL;
    movie_sink *s = mcvdi_calloc(1, sizeof *s);
    if (!s)
        return mcvdi_fail(MCVD_E_NOMEM, "%s: %zu bytes", path, sizeof *s);
    s->kind = kind_of(path);
    s->last_pts = -1;
    if (!mcvdi_sink_init(&s->base, &movie_class, path, config))
        st = mcvdi_fail(MCVD_E_NOMEM, "%s: name", path);
    if (st >= 0)
        st = mcvdi_atomic_open(&s->file, path, config->force);
    if (st >= 0)
        st = open_muxer(s);
    if (st >= 0)
        st = open_encoder(s);
    if (st >= 0)
        st = open_frame(s);
    if (st >= 0)
        st = write_header(s);
    mcvdi_sink *sink = &s->base;
    if (st < 0) {
        mcvdi_sink_free(&sink);
        return st;
    }
    *out = sink;
    return MCVD_OK;
}
