#include <mcvd/video.h>

#include "core/alloc.h"
#include "core/status.h"
#include "video/libav.h"
#include "video/sink.h"

enum { MAX_SIDE = 16384, MAX_FPS = 1000, DEFAULT_QUALITY = 70 };

struct mcvd_video_writer {
    mcvdi_sink *sink;
    bool closed; /* finished or failed */
};

typedef struct sink_kind {
    bool (*knows)(const char *path);
    mcvd_status (*create)(mcvdi_sink **out, const char *path,
                          const mcvd_video_writer_config *config);
} sink_kind;

static const sink_kind kinds[] = {
    { mcvdi_sink_y4m_knows, mcvdi_sink_y4m_create },
    { mcvdi_sink_pictures_knows, mcvdi_sink_pictures_create },
    { mcvdi_sink_movie_knows, mcvdi_sink_movie_create },
};

mcvd_video_writer_config mcvd_video_writer_config_default(void)
{
    return (mcvd_video_writer_config) {
        .channels = 3, .fps_num = 25, .fps_den = 1, .quality = DEFAULT_QUALITY
    };
}

static mcvd_status check_config(const mcvd_video_writer_config *c, const char *path)
{
    if (c->width < 1 || c->width > MAX_SIDE || c->height < 1 || c->height > MAX_SIDE)
        return mcvdi_fail(MCVD_E_RANGE, "%s: frames of %dx%d, expected sides of 1..%d", path,
                          c->width, c->height, MAX_SIDE);
    if (c->channels != 1 && c->channels != 3)
        return mcvdi_fail(MCVD_E_RANGE, "%s: %d channels, expected 1 or 3", path, c->channels);
    if (c->fps_num < 1 || c->fps_den < 1 || c->fps_num / c->fps_den > MAX_FPS)
        return mcvdi_fail(MCVD_E_RANGE, "%s: %d/%d frames per second, expected above 0, up to %d",
                          path, c->fps_num, c->fps_den, MAX_FPS);
    if (c->quality < 0 || c->quality > 100)
        return mcvdi_fail(MCVD_E_RANGE, "%s: quality %d, expected 0..100", path, c->quality);
    return MCVD_OK;
}

static mcvd_status create_sink(mcvdi_sink **sink, const char *path,
                               const mcvd_video_writer_config *config)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (kinds[i].knows(path))
            return kinds[i].create(sink, path, config);
    }
    return mcvdi_fail(MCVD_E_USAGE,
                      "%s: unknown kind of video output, expected .mp4 .mov .m4v .mkv .gif .apng"
                      " .y4m, name%%05d.png, folder/ or -",
                      path);
}

mcvd_status mcvd_video_writer_open(mcvd_video_writer **out, const char *path,
                                   const mcvd_video_writer_config *config)
{
    mcvd_video_writer_config c = *config;

    *out = NULL;
    mcvd_status st = check_config(&c, path);
    if (st < 0)
        return st;
    if (c.quality == 0)
        c.quality = DEFAULT_QUALITY;
    mcvdi_libav_init();
    mcvd_video_writer *w = mcvdi_calloc(1, sizeof *w);
    if (!w)
        return mcvdi_fail(MCVD_E_NOMEM, "%s: %zu bytes", path, sizeof *w);
    st = create_sink(&w->sink, path, &c);
    if (st < 0) {
        mcvd_video_writer_free(&w);
        return st;
    }
    *out = w;
    return MCVD_OK;
}

mcvd_status mcvd_video_writer_write(mcvd_video_writer *writer, const uint8_t *frame)
{
    mcvdi_sink *sink = writer->sink;

    if (writer->closed)
        return mcvdi_fail(MCVD_E_STATE, "%s: the output is finished or has failed", sink->path);
    const mcvd_status st = sink->class->write(sink, frame);
    if (st < 0)
        writer->closed = true;
    else
        sink->num_frames++;
    return st;
}

mcvd_status mcvd_video_writer_finish(mcvd_video_writer *writer)
{
    mcvdi_sink *sink = writer->sink;

    if (writer->closed)
        return mcvdi_fail(MCVD_E_STATE, "%s: the output is finished or has failed", sink->path);
    if (sink->num_frames == 0)
        return mcvdi_fail(MCVD_E_STATE, "%s: no frame was written", sink->path);
    writer->closed = true;
    return sink->class->finish(sink);
}

void mcvd_video_writer_free(mcvd_video_writer **writer)
{
    mcvd_video_writer *w = *writer;

    if (!w)
        return;
    mcvdi_sink_free(&w->sink);
    mcvdi_free(w);
    *writer = NULL;
}

const char *mcvd_video_writer_codec(const mcvd_video_writer *writer)
{
    return writer->sink->codec;
}

bool mcvdi_sink_init(mcvdi_sink *sink, const mcvdi_sink_class *class, const char *path,
                     const mcvd_video_writer_config *config)
{
    sink->class = class;
    sink->config = *config;
    sink->codec = "";
    sink->path = mcvdi_strdup(path);
    return sink->path != NULL;
}

void mcvdi_sink_free(mcvdi_sink **sink)
{
    mcvdi_sink *s = *sink;

    if (!s)
        return;
    s->class->free(s);
    mcvdi_free(s->path);
    mcvdi_free(s);
    *sink = NULL;
}
