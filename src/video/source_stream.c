#include <string.h>

#include <libavcodec/avcodec.h>
#include <libavutil/display.h>
#include <libavutil/intreadwrite.h>

#include "core/alloc.h"
#include "core/log.h"
#include "video/ffv1.h"
#include "video/libav.h"
#include "video/scan.h"
#include "video/source.h"

/* Streams that begin between key frames give errors until the first one: this many are fine. */
enum { MAX_LEADING_ERRORS = 512 };

typedef struct stream_source {
    mcvdi_source base;
    mcvdi_input *input;
    AVCodecContext *decoder;
    AVPacket *packet;
    int stream;
    bool draining;
    int64_t packets_read;  /* since the start; of use only before a seek */
    int64_t end_of_packet; /* place in the file behind the last one */
    int64_t frames_read;
    int leading_errors;
    mcvdi_ffv1_state ffv1;
    int drain_errors;
} stream_source;

bool mcvdi_frame_is_key(const AVFrame *frame)
{
#ifdef AV_FRAME_FLAG_KEY
    return (frame->flags & AV_FRAME_FLAG_KEY) != 0;
#else
    return frame->key_frame != 0;
#endif
}

bool mcvdi_frame_is_damaged(const AVFrame *frame)
{
    return (frame->flags & AV_FRAME_FLAG_CORRUPT) != 0 || frame->decode_error_flags != 0;
}

void mcvdi_decoder_setup(AVCodecContext *decoder, const mcvd_video_reader_config *config)
{
    decoder->thread_count = config->threads;
    decoder->max_pixels = (int64_t)config->max_pixels;
    if (!config->conceal)
        decoder->err_recognition = AV_EF_CRCCHECK | AV_EF_EXPLODE;
}

static const AVStream *video_stream(const stream_source *s)
{
    return mcvdi_input_format(s->input)->streams[s->stream];
}

static const int32_t *display_matrix(const AVStream *stream)
{
#if LIBAVCODEC_VERSION_INT >= AV_VERSION_INT(60, 31, 100)
    const AVPacketSideData *side =
        av_packet_side_data_get(stream->codecpar->coded_side_data,
                                stream->codecpar->nb_coded_side_data, AV_PKT_DATA_DISPLAYMATRIX);
    return side && side->size >= 36 ? (const int32_t *)(const void *)side->data : NULL;
#else
    size_t size = 0;
    const uint8_t *data = av_stream_get_side_data(stream, AV_PKT_DATA_DISPLAYMATRIX, &size);
    return data && size >= 36 ? (const int32_t *)(const void *)data : NULL;
#endif
}

/* The nearest of the eight orientations of the matrix (x', y') = (x, y) * [[a, b], [c, d]]. */
static mcvdi_orientation orientation_of(const AVStream *stream)
{
    mcvdi_orientation o = { 0, false };
    const int32_t *m = display_matrix(stream);

    if (!m)
        return o;
    double a = (double)m[0];
    double b = (double)m[1];
    const double c = (double)m[3];
    const double d = (double)m[4];
    if (a * d - b * c < 0.0) { /* mirrored: undo it in the stored picture, x becomes -x */
        o.mirrored = true;
        a = -a;
        b = -b;
    }
    if (a == 0.0 && b == 0.0)
        return o;
    if (a >= 0.0 && a >= (b < 0.0 ? -b : b))
        o.degrees = 0;
    else if (b > 0.0 && b >= (a < 0.0 ? -a : a))
        o.degrees = 90;
    else if (a < 0.0 && -a >= (b < 0.0 ? -b : b))
        o.degrees = 180;
    else
        o.degrees = 270;
    return o;
}

static mcvd_status check_size(const stream_source *s, const AVCodecParameters *par)
{
    if (par->width < 0 || par->height < 0 ||
        (uint64_t)par->width * (uint64_t)par->height > s->base.config.max_pixels)
        return mcvdi_fail(MCVD_E_FORMAT, "%s: %dx%d pixels, at most %llu are accepted",
                          s->base.path, par->width, par->height,
                          (unsigned long long)s->base.config.max_pixels);
    return MCVD_OK;
}

static bool is_avi(const AVFormatContext *format)
{
    return strcmp(format->iformat->name, "avi") == 0;
}

/* The header of an AVI also counts the frames that a recorder dropped and left as empty chunks,
 * which nobody decodes. Its index does not, but it may end early: where the two differ, only
 * decoding tells. Before any packet is read the index is the file's own. */
static void distrust_counts(AVFormatContext *format)
{
#if LIBAVFORMAT_VERSION_MAJOR >= 59
    for (unsigned i = 0; is_avi(format) && i < format->nb_streams; i++) {
        AVStream *stream = format->streams[i];
        const int entries = avformat_index_get_entries_count(stream);
        if (entries > 0 && entries != stream->nb_frames)
            stream->nb_frames = 0;
    }
#else
    (void)format;
#endif
}

/* Headers of mpegts and the like say little: let FFmpeg look into the first packets, with our
 * caps. Streams that the header promised are checked before that. */
static mcvd_status find_streams(stream_source *s)
{
    AVFormatContext *format = mcvdi_input_format(s->input);
    const unsigned num_options = format->nb_streams;
    AVDictionary **options = NULL;

    for (unsigned i = 0; i < num_options; i++) {
        if (format->streams[i]->codecpar->codec_type != AVMEDIA_TYPE_VIDEO)
            continue;
        const mcvd_status st = check_size(s, format->streams[i]->codecpar);
        if (st < 0)
            return st;
    }
    if (num_options > 0) {
        options = mcvdi_calloc(num_options, sizeof *options);
        if (!options)
            return mcvdi_fail(MCVD_E_NOMEM, "%s: stream options", s->base.path);
    }
    for (unsigned i = 0; i < num_options; i++)
        av_dict_set_int(&options[i], "max_pixels", (int64_t)s->base.config.max_pixels, 0);
    distrust_counts(format);
    const int error = avformat_find_stream_info(format, options);
    for (unsigned i = 0; i < num_options; i++)
        av_dict_free(&options[i]);
    mcvdi_free(options);
    if (error < 0)
        return mcvdi_libav_fail(MCVD_E_FORMAT, error, s->base.path, "no usable streams");
    return MCVD_OK;
}

static mcvd_status choose_stream(stream_source *s, const AVCodec **codec)
{
    AVFormatContext *format = mcvdi_input_format(s->input);

    s->stream = av_find_best_stream(format, AVMEDIA_TYPE_VIDEO, -1, -1, NULL, 0);
    if (s->stream < 0 ||
        (format->streams[s->stream]->disposition & AV_DISPOSITION_ATTACHED_PIC) != 0)
        return mcvdi_fail(MCVD_E_INPUT, "%s: expected a video stream, found none", s->base.path);
    for (unsigned i = 0; i < format->nb_streams; i++) {
        if ((int)i != s->stream)
            format->streams[i]->discard = AVDISCARD_ALL;
    }
    const AVCodecParameters *par = format->streams[s->stream]->codecpar;
    *codec = avcodec_find_decoder(par->codec_id);
    if (!*codec)
        return mcvdi_fail(MCVD_E_UNSUPPORTED, "%s: this FFmpeg build has no decoder for '%s'",
                          s->base.path, avcodec_get_name(par->codec_id));
    return check_size(s, par);
}

static mcvd_status open_decoder(stream_source *s, const AVCodec *codec)
{
    const AVStream *stream = video_stream(s);

    s->decoder = avcodec_alloc_context3(codec);
    if (!s->decoder || avcodec_parameters_to_context(s->decoder, stream->codecpar) < 0)
        return mcvdi_fail(MCVD_E_NOMEM, "%s: decoder", s->base.path);
    mcvdi_decoder_setup(s->decoder, &s->base.config);
    s->decoder->pkt_timebase = stream->time_base;
    const int error = avcodec_open2(s->decoder, codec, NULL);
    if (error < 0)
        return mcvdi_libav_fail(MCVD_E_DECODE, error, s->base.path, "the decoder does not start");
    return MCVD_OK;
}

static void describe(stream_source *s)
{
    const AVFormatContext *format = mcvdi_input_format(s->input);
    const AVStream *stream = video_stream(s);
    AVRational fps = stream->avg_frame_rate;

    if (fps.num <= 0 || fps.den <= 0)
        fps = stream->r_frame_rate;
    if (fps.num <= 0 || fps.den <= 0)
        fps = (AVRational) { 25, 1 };
    s->base.fps = fps;
    s->base.time_base = stream->time_base;
    s->base.orientation = orientation_of(stream);
    s->base.format = format->iformat->name;
    s->base.codec = avcodec_get_name(stream->codecpar->codec_id);
    if (stream->duration != AV_NOPTS_VALUE)
        s->base.duration_s = (double)stream->duration * av_q2d(stream->time_base);
    else if (format->duration != AV_NOPTS_VALUE)
        s->base.duration_s = (double)format->duration / AV_TIME_BASE;
    if (!(s->base.duration_s > 0.0))
        s->base.duration_s = 0.0;
    s->base.num_frames = stream->nb_frames;
    if (s->base.num_frames <= 0 && !is_avi(format) && s->base.duration_s * av_q2d(fps) < 1e12)
        s->base.num_frames = (int64_t)(s->base.duration_s * av_q2d(fps) + 0.5);
}

/* Open everything from the start of the file; also the way to rewind. */
static mcvd_status open_all(stream_source *s)
{
    const AVCodec *codec = NULL;

    mcvd_status st = mcvdi_input_open(&s->input, s->base.path, &s->base.config);
    if (st >= 0)
        st = find_streams(s);
    if (st >= 0)
        st = choose_stream(s, &codec);
    if (st >= 0)
        st = open_decoder(s, codec);
    if (st >= 0)
        describe(s);
    s->draining = false;
    s->packets_read = 0;
    s->frames_read = 0;
    s->leading_errors = 0;
    s->ffv1 = MCVDI_FFV1_UNKNOWN;
    s->drain_errors = 0;
    return st;
}

static void close_all(stream_source *s)
{
    avcodec_free_context(&s->decoder);
    mcvdi_input_free(&s->input);
}

/* A damaged packet or frame: fail, or go on when concealing or before the first frame. A decoder
 * that gives nothing but errors while it is drained is at its end. */
static mcvd_status tolerate(stream_source *s, int error)
{
    if (s->draining && ++s->drain_errors > MAX_LEADING_ERRORS)
        return MCVD_EOF;
    if (s->base.config.conceal)
        return MCVD_OK;
    if (error != AVERROR(ENOMEM) && s->frames_read == 0 && s->leading_errors++ < MAX_LEADING_ERRORS)
        return MCVD_OK;
    return mcvdi_libav_fail(MCVD_E_DECODE, error, s->base.path, "damaged or cut off frame");
}

/* A container that counts its frames in the header and delivers far fewer was cut off; so was a
 * raw stream with bytes behind its last whole frame, and a file shorter than its header says. */
static mcvd_status check_complete(const stream_source *s)
{
    const AVFormatContext *format = mcvdi_input_format(s->input);
    const int64_t promised = video_stream(s)->nb_frames;

    if (s->base.config.conceal)
        return MCVD_OK;
    if (promised > 0 && s->packets_read < promised - promised / 20)
        return mcvdi_fail(MCVD_E_DECODE, "%s: cut off: the header promises %lld frames, found %lld",
                          s->base.path, (long long)promised, (long long)s->packets_read);
    if (strcmp(format->iformat->name, "yuv4mpegpipe") == 0 && s->packets_read > 0 &&
        avio_tell(format->pb) > s->end_of_packet)
        return mcvdi_fail(MCVD_E_DECODE, "%s: cut off within frame %lld", s->base.path,
                          (long long)s->frames_read);
    if (!mcvdi_input_complete(s->input))
        return mcvdi_fail(MCVD_E_DECODE, "%s: cut off: the file is shorter than its header says",
                          s->base.path);
    return MCVD_OK;
}

/* The demuxer or a checksum says that the packet is not what was written. */
static bool packet_is_damaged(stream_source *s)
{
    if ((s->packet->flags & AV_PKT_FLAG_CORRUPT) != 0)
        return s->frames_read > 0;
    return s->decoder->codec_id == AV_CODEC_ID_FFV1 &&
           mcvdi_ffv1_is_damaged(&s->ffv1, s->packet->data, (size_t)s->packet->size);
}

static mcvd_status end_of_packets(stream_source *s, int error)
{
    const AVFormatContext *format = mcvdi_input_format(s->input);
    const int io = format->pb ? format->pb->error : 0;

    if (io < 0 && io != AVERROR_EOF)
        return mcvdi_libav_fail(MCVD_E_IO, io, s->base.path, "reading");
    if (error != AVERROR_EOF && !s->base.config.conceal)
        return mcvdi_libav_fail(MCVD_E_DECODE, error, s->base.path, "damaged or cut off");
    s->draining = true;
    (void)avcodec_send_packet(s->decoder, NULL);
    return MCVD_OK;
}

/* Give the decoder one more packet of our stream, or tell it that there are no more. */
static mcvd_status feed(stream_source *s)
{
    AVFormatContext *format = mcvdi_input_format(s->input);
    int error = 0;

    do {
        av_packet_unref(s->packet);
        error = av_read_frame(format, s->packet);
        if (error < 0)
            return end_of_packets(s, error);
    } while (s->packet->stream_index != s->stream);
    s->packets_read++;
    s->end_of_packet = avio_tell(format->pb);
    if (!s->base.config.conceal && packet_is_damaged(s)) {
        av_packet_unref(s->packet);
        return mcvdi_fail(MCVD_E_DECODE, "%s: damaged or cut off in packet %lld", s->base.path,
                          (long long)s->packets_read);
    }
    error = avcodec_send_packet(s->decoder, s->packet);
    av_packet_unref(s->packet);
    return error < 0 ? tolerate(s, error) : MCVD_OK;
}

static mcvd_status stream_next(mcvdi_source *source, AVFrame *frame)
{
    stream_source *s = (stream_source *)source;

    for (;;) {
        mcvd_status st = MCVD_OK;
        av_frame_unref(frame);
        const int error = avcodec_receive_frame(s->decoder, frame);
        if (error == 0 && mcvdi_frame_is_damaged(frame) && !s->base.config.conceal) {
            st = tolerate(s, AVERROR_INVALIDDATA);
        } else if (error == 0) {
            s->frames_read++;
            frame->pts = frame->best_effort_timestamp;
            return MCVD_OK;
        } else if (error == AVERROR_EOF) {
            st = check_complete(s);
            return st < 0 ? st : MCVD_EOF;
        } else if (error == AVERROR(EAGAIN)) {
            st = feed(s);
        } else {
            st = tolerate(s, error);
        }
        if (st != MCVD_OK)
            return st;
    }
}

static mcvd_status stream_rewind(mcvdi_source *source)
{
    stream_source *s = (stream_source *)source;

    if (!mcvdi_input_seekable(s->input))
        return mcvdi_fail(MCVD_E_UNSUPPORTED, "%s: stdin cannot be read twice", s->base.path);
    close_all(s);
    return open_all(s);
}

static mcvd_status stream_seek(mcvdi_source *source, int64_t pts)
{
    stream_source *s = (stream_source *)source;
    AVFormatContext *format = mcvdi_input_format(s->input);

    if (!mcvdi_input_seekable(s->input) ||
        avformat_seek_file(format, s->stream, INT64_MIN, pts, pts, 0) < 0)
        return mcvdi_fail(MCVD_E_UNSUPPORTED, "%s: no seeking", s->base.path);
    avcodec_flush_buffers(s->decoder);
    s->draining = false;
    s->packets_read = INT64_MAX / 2; /* completeness was a matter of the first pass */
    return MCVD_OK;
}

static void stream_free(mcvdi_source *source)
{
    stream_source *s = (stream_source *)source;

    close_all(s);
    av_packet_free(&s->packet);
}

static mcvd_status stream_scan(mcvdi_source *source, mcvdi_timeline *timeline, bool *trusted)
{
    const stream_source *s = (stream_source *)source;

    *trusted = false;
    if (!mcvdi_input_seekable(s->input))
        return MCVD_OK;
    return mcvdi_scan_times(timeline, trusted, source, s->stream);
}

static const mcvdi_source_class stream_class = { stream_next, stream_rewind, stream_seek,
                                                 stream_scan, stream_free };

mcvd_status mcvdi_source_stream_create(mcvdi_source **out, const char *path,
                                       const mcvd_video_reader_config *config)
{
    *out = NULL;
    stream_source *s = mcvdi_calloc(1, sizeof *s);
    if (!s)
        return mcvdi_fail(MCVD_E_NOMEM, "%s: %zu bytes", path, sizeof *s);
    s->base.class = &stream_class;
    s->base.config = *config;
    s->base.path = mcvdi_strdup(path);
    s->packet = av_packet_alloc();
    mcvd_status st = MCVD_OK;
    if (!s->base.path || !s->packet)
        st = mcvdi_fail(MCVD_E_NOMEM, "%s: packet", path);
    if (st >= 0)
        st = open_all(s);
    mcvdi_source *source = &s->base;
    if (st < 0) {
        mcvdi_source_free(&source);
        return st;
    }
    *out = source;
    return MCVD_OK;
}

void mcvdi_source_free(mcvdi_source **source)
{
    mcvdi_source *s = *source;

    if (!s)
        return;
    s->class->free(s);
    mcvdi_free(s->path);
    mcvdi_free(s);
    *source = NULL;
}
