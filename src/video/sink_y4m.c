/* y4m (YUV4MPEG2): a text header, then raw planes; the pipe format of video tools. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/fileio.h"
#include "video/names.h"
#include "video/sink.h"

typedef struct y4m_sink {
    mcvdi_sink base;
    mcvdi_atomic_file *file; /* NULL: stdout */
    uint8_t *planes;         /* RGB: Y, Cb, Cr, each [H, W] */
} y4m_sink;

bool mcvdi_sink_y4m_knows(const char *path)
{
    return strcmp(path, "-") == 0 || mcvdi_has_suffix(path, ".y4m");
}

static mcvd_status put(y4m_sink *s, const void *data, size_t bytes)
{
    const char *p = data;

    if (s->file)
        return mcvdi_atomic_write(s->file, data, bytes);
    while (bytes > 0) {
        const ssize_t n = write(STDOUT_FILENO, p, bytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return mcvdi_fail(MCVD_E_IO, "stdout: %s", strerror(errno));
        p += n;
        bytes -= (size_t)n;
    }
    return MCVD_OK;
}

static uint8_t level(double v)
{
    return (uint8_t)floor(v + 0.5);
}

/* ITU-R BT.601, limited range: Y 16..235, Cb and Cr 16..240. */
static void to_planes(uint8_t *planes, const uint8_t *rgb, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const double r = rgb[3 * i] / 255.0;
        const double g = rgb[3 * i + 1] / 255.0;
        const double b = rgb[3 * i + 2] / 255.0;
        const double y = 0.299 * r + 0.587 * g + 0.114 * b;
        planes[i] = level(16.0 + 219.0 * y);
        planes[n + i] = level(128.0 + 224.0 * (b - y) / (2.0 * (1.0 - 0.114)));
        planes[2 * n + i] = level(128.0 + 224.0 * (r - y) / (2.0 * (1.0 - 0.299)));
    }
}

static mcvd_status put_header(y4m_sink *s)
{
    const mcvd_video_writer_config *c = &s->base.config;
    char header[160];

    const int n =
        snprintf(header, sizeof header, "YUV4MPEG2 W%d H%d F%d:%d Ip A1:1 C%s XCOLORRANGE=%s\n",
                 c->width, c->height, c->fps_num, c->fps_den, c->channels == 1 ? "mono" : "444",
                 c->channels == 1 ? "FULL" : "LIMITED");
    return put(s, header, (size_t)n);
}

static mcvd_status y4m_write(mcvdi_sink *sink, const uint8_t *frame)
{
    y4m_sink *s = (y4m_sink *)sink;
    const size_t n = (size_t)s->base.config.width * (size_t)s->base.config.height;
    mcvd_status st = MCVD_OK;

    if (s->base.num_frames == 0)
        st = put_header(s);
    if (st >= 0)
        st = put(s, "FRAME\n", 6);
    if (st < 0)
        return st;
    if (s->base.config.channels == 1)
        return put(s, frame, n);
    to_planes(s->planes, frame, n);
    return put(s, s->planes, 3 * n);
}

static mcvd_status y4m_finish(mcvdi_sink *sink)
{
    y4m_sink *s = (y4m_sink *)sink;

    return s->file ? mcvdi_atomic_commit(&s->file) : MCVD_OK;
}

static void y4m_free(mcvdi_sink *sink)
{
    y4m_sink *s = (y4m_sink *)sink;

    mcvdi_atomic_discard(&s->file);
    mcvdi_free(s->planes);
}

static const mcvdi_sink_class y4m_class = { y4m_write, y4m_finish, y4m_free };

mcvd_status mcvdi_sink_y4m_create(mcvdi_sink **out, const char *path,
                                  const mcvd_video_writer_config *config)
{
    mcvd_status st = MCVD_OK;

    *out = NULL;
    y4m_sink *s = mcvdi_calloc(1, sizeof *s);
    if (!s)
        return mcvdi_fail(MCVD_E_NOMEM, "%s: %zu bytes", path, sizeof *s);
    const size_t bytes = (size_t)config->width * (size_t)config->height * 3;
    if (!mcvdi_sink_init(&s->base, &y4m_class, path, config) ||
        (config->channels == 3 && !(s->planes = mcvdi_malloc(bytes))))
        st = mcvdi_fail(MCVD_E_NOMEM, "%s: frame of %zu bytes", path, bytes);
    s->base.codec = "y4m";
    if (st >= 0 && strcmp(path, "-") != 0)
        st = mcvdi_atomic_open(&s->file, path, config->force);
    mcvdi_sink *sink = &s->base;
    if (st < 0) {
        mcvdi_sink_free(&sink);
        return st;
    }
    *out = sink;
    return MCVD_OK;
}
