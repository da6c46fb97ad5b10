#include "video/scan.h"

#include <stdlib.h>
#include <string.h>

#include <libavcodec/packet.h>

#include "core/alloc.h"

/* Growing array of times in packet order. */
typedef struct times {
    int64_t *pts;
    size_t count;
    size_t capacity;
} times;

static bool push(times *t, int64_t pts)
{
    if (t->count == t->capacity) {
        const size_t capacity = t->capacity ? t->capacity * 2 : 1024;
        int64_t *grown = mcvdi_realloc(t->pts, capacity * sizeof *grown);
        if (!grown)
            return false;
        t->pts = grown;
        t->capacity = capacity;
    }
    t->pts[t->count++] = pts;
    return true;
}

static bool one_packet_is_one_frame(const AVFormatContext *format, int stream)
{
    static const enum AVCodecID codecs[] = {
        AV_CODEC_ID_H264, AV_CODEC_ID_HEVC,  AV_CODEC_ID_VP8, AV_CODEC_ID_VP9,   AV_CODEC_ID_AV1,
        AV_CODEC_ID_FFV1, AV_CODEC_ID_MJPEG, AV_CODEC_ID_PNG, AV_CODEC_ID_PRORES
    };
    const char *name = format->iformat->name;

    if (strncmp(name, "mov", 3) != 0 && strncmp(name, "matroska", 8) != 0)
        return false;
    if (stream >= (int)format->nb_streams)
        return false;
    for (size_t i = 0; i < sizeof codecs / sizeof *codecs; i++) {
        if (format->streams[stream]->codecpar->codec_id == codecs[i])
            return true;
    }
    return false;
}

/* False when a packet has no time, is not to be shown or is damaged. */
static bool collect(times *t, AVFormatContext *format, int stream, mcvd_status *st)
{
    AVPacket *packet = av_packet_alloc();
    bool good = packet != NULL;

    *st = good ? MCVD_OK : mcvdi_fail(MCVD_E_NOMEM, "packet");
    for (unsigned i = 0; i < format->nb_streams; i++) {
        if ((int)i != stream)
            format->streams[i]->discard = AVDISCARD_ALL;
    }
    while (good && av_read_frame(format, packet) >= 0) {
        if (packet->stream_index == stream) {
            const int bad = AV_PKT_FLAG_DISCARD | AV_PKT_FLAG_CORRUPT;
            good = packet->pts != AV_NOPTS_VALUE && !(packet->flags & bad);
            if (good && !push(t, packet->pts)) {
                *st = mcvdi_fail(MCVD_E_NOMEM, "times of %zu frames", t->count);
                good = false;
            }
        }
        av_packet_unref(packet);
    }
    av_packet_free(&packet);
    return good;
}

static int compare_times(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a;
    const int64_t y = *(const int64_t *)b;

    return x < y ? -1 : x > y;
}

mcvd_status mcvdi_scan_times(mcvdi_timeline *timeline, bool *trusted, const mcvdi_source *source,
                             int stream)
{
    mcvdi_input *input = NULL;
    times t = { NULL, 0, 0 };

    *trusted = false;
    mcvd_status st = mcvdi_input_open(&input, source->path, &source->config);
    if (st < 0)
        return st;
    if (one_packet_is_one_frame(mcvdi_input_format(input), stream))
        *trusted = collect(&t, mcvdi_input_format(input), stream, &st);
    mcvdi_input_free(&input);
    if (*trusted && t.count > 0)
        qsort(t.pts, t.count, sizeof *t.pts, compare_times);
    for (size_t i = 0; st >= 0 && *trusted && i < t.count; i++)
        st = mcvdi_timeline_note(timeline, (int64_t)i, t.pts[i], true);
    mcvdi_free(t.pts);
    *trusted = *trusted && st >= 0 && !timeline->broken;
    return st;
}
