#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include <libavcodec/avcodec.h>

#include "core/alloc.h"
#include "core/fileio.h"
#include "video/libav.h"
#include "video/names.h"
#include "video/source.h"

static const size_t max_picture_bytes = (size_t)256 << 20;

typedef struct pictures_source {
    mcvdi_source base;
    char **paths;
    size_t count;
    size_t next;
    AVCodecContext *decoder; /* of the last picture's kind */
    AVPacket *packet;
} pictures_source;

/* By content: the name may lie. */
static enum AVCodecID codec_of(const char *data, size_t bytes)
{
    if (bytes >= 8 && memcmp(data, "\x89PNG\r\n\x1a\n", 8) == 0)
        return AV_CODEC_ID_PNG;
    if (bytes >= 3 && memcmp(data, "\xff\xd8\xff", 3) == 0)
        return AV_CODEC_ID_MJPEG;
    if (bytes >= 2 && memcmp(data, "BM", 2) == 0)
        return AV_CODEC_ID_BMP;
    if (bytes >= 3 && memcmp(data, "P6", 2) == 0)
        return AV_CODEC_ID_PPM;
    if (bytes >= 3 && memcmp(data, "P5", 2) == 0)
        return AV_CODEC_ID_PGM;
    return AV_CODEC_ID_NONE;
}

static mcvd_status use_decoder(pictures_source *s, enum AVCodecID id, const char *path)
{
    if (s->decoder && s->decoder->codec_id == id)
        return MCVD_OK;
    avcodec_free_context(&s->decoder);
    if (id == AV_CODEC_ID_NONE)
        return mcvdi_fail(MCVD_E_FORMAT, "%s: expected a png, jpeg, bmp, ppm or pgm picture", path);
    const AVCodec *codec = avcodec_find_decoder(id);
    if (!codec)
        return mcvdi_fail(MCVD_E_UNSUPPORTED, "%s: this FFmpeg build has no decoder for '%s'", path,
                          avcodec_get_name(id));
    s->decoder = avcodec_alloc_context3(codec);
    if (!s->decoder)
        return mcvdi_fail(MCVD_E_NOMEM, "%s: decoder", path);
    mcvdi_decoder_setup(s->decoder, &s->base.config);
    s->decoder->thread_count = 1; /* frame threads would hold pictures back */
    const int error = avcodec_open2(s->decoder, codec, NULL);
    if (error < 0)
        return mcvdi_libav_fail(MCVD_E_DECODE, error, path, "the decoder does not start");
    s->base.codec = codec->name;
    return MCVD_OK;
}

static mcvd_status decode(pictures_source *s, AVFrame *frame, const char *data, size_t bytes)
{
    const char *path = s->paths[s->next];

    if (av_new_packet(s->packet, (int)bytes) < 0)
        return mcvdi_fail(MCVD_E_NOMEM, "%s: %zu bytes", path, bytes);
    memcpy(s->packet->data, data, bytes);
    s->packet->flags |= AV_PKT_FLAG_KEY;
    int error = avcodec_send_packet(s->decoder, s->packet);
    av_packet_unref(s->packet);
    if (error >= 0)
        error = avcodec_receive_frame(s->decoder, frame);
    if (error >= 0 && mcvdi_frame_is_damaged(frame) && !s->base.config.conceal)
        error = AVERROR_INVALIDDATA;
    if (error < 0) {
        avcodec_free_context(&s->decoder);
        return mcvdi_libav_fail(MCVD_E_DECODE, error, path,
                                "the picture is damaged, cut off or above the pixel limit");
    }
    return MCVD_OK;
}

static mcvd_status pictures_next(mcvdi_source *source, AVFrame *frame)
{
    pictures_source *s = (pictures_source *)source;
    char *data = NULL;
    size_t bytes = 0;

    av_frame_unref(frame);
    if (s->next >= s->count)
        return MCVD_EOF;
    const char *path = s->paths[s->next];
    mcvd_status st = mcvdi_file_read(&data, &bytes, path, max_picture_bytes);
    if (st >= 0)
        st = use_decoder(s, codec_of(data, bytes), path);
    if (st >= 0)
        st = decode(s, frame, data, bytes);
    mcvdi_free(data);
    if (st < 0)
        return st;
    frame->pts = (int64_t)s->next;
    s->next++;
    return MCVD_OK;
}

static mcvd_status pictures_rewind(mcvdi_source *source)
{
    ((pictures_source *)source)->next = 0;
    return MCVD_OK;
}

/* Times are picture numbers, and each picture stands alone. */
static mcvd_status pictures_seek(mcvdi_source *source, int64_t pts)
{
    ((pictures_source *)source)->next = (size_t)pts;
    return MCVD_OK;
}

static void pictures_free(mcvdi_source *source)
{
    pictures_source *s = (pictures_source *)source;

    for (size_t i = 0; i < s->count; i++)
        mcvdi_free(s->paths[i]);
    mcvdi_free(s->paths);
    avcodec_free_context(&s->decoder);
    av_packet_free(&s->packet);
}

static const mcvdi_source_class pictures_class = { pictures_next, pictures_rewind, pictures_seek,
                                                   NULL, pictures_free };

static int compare_paths(const void *a, const void *b)
{
    return mcvdi_natural_compare(*(char *const *)a, *(char *const *)b);
}

static mcvd_status list_folder(pictures_source *s)
{
    char **names = NULL;
    size_t count = 0;

    mcvd_status st = mcvdi_folder_names(&names, &count, s->base.path);
    if (st < 0)
        return st;
    s->paths = mcvdi_calloc(count + 1, sizeof *s->paths);
    if (!s->paths)
        st = mcvdi_fail(MCVD_E_NOMEM, "%s: %zu names", s->base.path, count);
    for (size_t i = 0; st >= 0 && i < count; i++) {
        if (!mcvdi_is_picture_name(names[i]))
            continue;
        s->paths[s->count] = mcvdi_sprintf("%s/%s", s->base.path, names[i]);
        if (!s->paths[s->count])
            st = mcvdi_fail(MCVD_E_NOMEM, "%s: %zu names", s->base.path, count);
        else
            s->count++;
    }
    mcvdi_names_free(&names, count);
    if (st >= 0 && s->count == 0)
        st = mcvdi_fail(MCVD_E_INPUT,
                        "%s: expected a folder of png, jpg, bmp, ppm or pgm files, found none",
                        s->base.path);
    if (st >= 0)
        qsort(s->paths, s->count, sizeof *s->paths, compare_paths);
    return st;
}

static mcvd_status list_one(pictures_source *s)
{
    s->paths = mcvdi_calloc(1, sizeof *s->paths);
    if (s->paths)
        s->paths[0] = mcvdi_strdup(s->base.path);
    if (!s->paths || !s->paths[0])
        return mcvdi_fail(MCVD_E_NOMEM, "%s: name", s->base.path);
    s->count = 1;
    return MCVD_OK;
}

mcvd_status mcvdi_source_pictures_create(mcvdi_source **out, const char *path, bool is_folder,
                                         const mcvd_video_reader_config *config)
{
    *out = NULL;
    pictures_source *s = mcvdi_calloc(1, sizeof *s);
    if (!s)
        return mcvdi_fail(MCVD_E_NOMEM, "%s: %zu bytes", path, sizeof *s);
    s->base.class = &pictures_class;
    s->base.config = *config;
    s->base.fps = (AVRational) { 25, 1 };
    s->base.time_base = (AVRational) { 1, 25 };
    s->base.format = "pictures";
    s->base.codec = "";
    s->base.intra = true;
    s->base.path = mcvdi_strdup(path);
    s->packet = av_packet_alloc();
    mcvd_status st = MCVD_OK;
    if (!s->base.path || !s->packet)
        st = mcvdi_fail(MCVD_E_NOMEM, "%s: packet", path);
    if (st >= 0)
        st = is_folder ? list_folder(s) : list_one(s);
    mcvdi_source *source = &s->base;
    if (st < 0) {
        mcvdi_source_free(&source);
        return st;
    }
    s->base.num_frames = (int64_t)s->count;
    s->base.num_frames_exact = true;
    s->base.duration_s = (double)s->count / 25.0;
    *out = source;
    return MCVD_OK;
}
