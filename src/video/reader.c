#include <stdio.h>
#include <string.h>

#include <libavutil/pixdesc.h>

#include "core/alloc.h"
#include "core/checked.h"
#include "video/frame_fit.h"
#include "video/libav.h"
#include "video/source.h"
#include "video/timeline.h"

enum { MAX_SIDE = 16384, NEARBY = 16, SCAN_FROM = 64, SEEK_ATTEMPTS = 4 };

struct mcvd_video_reader {
    mcvd_video_reader_config config;
    mcvd_video_info info;
    mcvdi_source *source;
    mcvdi_converter *converter;
    mcvdi_frame_fit fit;
    mcvdi_timeline timeline;
    AVFrame *decoded;
    uint8_t *pixels;    /* [height, width, channels] */
    int64_t position;   /* source number of the frame that comes next */
    bool scanned;       /* the packets were looked at, with or without success */
    bool pending;       /* ... and it is in `decoded` already */
    int64_t next_index; /* of the frame that _next returns next */
    mcvd_status failed; /* a failure is final until a seek */
};

mcvd_video_reader_config mcvd_video_reader_config_default(void)
{
    return (mcvd_video_reader_config) { .channels = 3,
                                        .resize = MCVD_RESIZE_AREA,
                                        .crop = true,
                                        .frame_step = 1,
                                        .threads = 1,
                                        .max_pixels = (uint64_t)64 << 20,
                                        .max_streams = 32,
                                        .max_bytes = (size_t)4 << 30 };
}

static mcvd_status check_config(const mcvd_video_reader_config *c)
{
    if (c->channels != 1 && c->channels != 3)
        return mcvdi_fail(MCVD_E_RANGE, "video channels = %d, expected 1 or 3", c->channels);
    if ((c->width == 0) != (c->height == 0) || c->width < 0 || c->height < 0 ||
        c->width > MAX_SIDE || c->height > MAX_SIDE)
        return mcvdi_fail(MCVD_E_RANGE, "video size %dx%d, expected two sides of 1..%d or 0x0",
                          c->width, c->height, MAX_SIDE);
    if (c->resize != MCVD_RESIZE_AREA && c->resize != MCVD_RESIZE_BICUBIC)
        return mcvdi_fail(MCVD_E_RANGE, "video resize method %d is unknown", (int)c->resize);
    if (c->frame_step < 1 || c->threads < 1 || c->threads > 64)
        return mcvdi_fail(MCVD_E_RANGE, "video frame_step = %d, threads = %d, expected >= 1, 1..64",
                          c->frame_step, c->threads);
    if (c->max_pixels < 1 || c->max_pixels > INT32_MAX || c->max_streams < 1)
        return mcvdi_fail(MCVD_E_RANGE, "video caps: %llu pixels, %d streams, expected >= 1",
                          (unsigned long long)c->max_pixels, c->max_streams);
    return MCVD_OK;
}

/* The next decoded frame in r->decoded, timed. */
static mcvd_status read_source(mcvd_video_reader *r)
{
    mcvd_status st = MCVD_OK;

    if (!r->pending) {
        st = r->source->class->next(r->source, r->decoded);
        if (st == MCVD_OK)
            st = mcvdi_timeline_note(&r->timeline, r->position, r->decoded->pts,
                                     r->decoded->pts != AV_NOPTS_VALUE);
        if (st == MCVD_EOF) {
            const int64_t step = r->config.frame_step;
            r->info.num_frames = (r->position + step - 1) / step;
            r->info.num_frames_exact = true;
        }
    }
    if (st != MCVD_OK)
        return st;
    r->pending = false;
    r->position++;
    return MCVD_OK;
}

/* Put the frame that read_source gave back. */
static void unread(mcvd_video_reader *r)
{
    r->pending = true;
    r->position--;
}

static void copy_text(char *to, const char *from)
{
    (void)snprintf(to, MCVD_VIDEO_TEXT, "%s", from ? from : "unknown");
}

static void fill_info(mcvd_video_reader *r)
{
    mcvd_video_info *info = &r->info;
    const mcvdi_source *s = r->source;
    const AVFrame *f = r->decoded;
    const int64_t step = r->config.frame_step;
    int fps_num = s->fps.num;
    int fps_den = s->fps.den;

    (void)av_reduce(&fps_num, &fps_den, s->fps.num, (int64_t)s->fps.den * step, INT32_MAX);
    info->width = (int)r->fit.width;
    info->height = (int)r->fit.height;
    info->channels = r->config.channels;
    info->native_width = f->width;
    info->native_height = f->height;
    info->rotation = s->orientation.degrees;
    info->mirrored = s->orientation.mirrored;
    info->fps_num = fps_num;
    info->fps_den = fps_den;
    info->num_frames = s->num_frames > 0 ? (s->num_frames - 1) / step + 1 : 0;
    info->num_frames_exact = s->num_frames_exact;
    info->duration_s = s->duration_s;
    copy_text(info->format, s->format);
    copy_text(info->codec, s->codec);
    copy_text(info->pixel_format, av_get_pix_fmt_name((enum AVPixelFormat)f->format));
    copy_text(info->matrix, av_color_space_name(f->colorspace));
    copy_text(info->range, av_color_range_name(f->color_range));
}

/* Decode the first frame: sizes and colours come from it, and a file without one is refused. */
static mcvd_status start(mcvd_video_reader *r, const char *path)
{
    mcvdi_pixels first;
    size_t bytes = 0;

    mcvd_status st = read_source(r);
    if (st == MCVD_EOF)
        return mcvdi_fail(MCVD_E_INPUT, "%s: expected a video, found no frame in it", path);
    if (st >= 0)
        st = mcvdi_converter_run(r->converter, r->decoded, r->source->orientation, &first);
    if (st < 0)
        return st;
    mcvdi_frame_fit_init(&r->fit, &r->config, &first);
    if (!mcvdi_mul_size(&bytes, r->fit.width, r->fit.height) ||
        !mcvdi_mul_size(&bytes, bytes, first.channels))
        return mcvdi_fail(MCVD_E_FORMAT, "%s: frame size overflows", path);
    r->pixels = mcvdi_malloc(bytes);
    if (!r->pixels)
        return mcvdi_fail(MCVD_E_NOMEM, "%s: frame of %zu bytes", path, bytes);
    fill_info(r);
    unread(r);
    return MCVD_OK;
}

static mcvd_status open_source(mcvdi_source **source, const char *path,
                               const mcvd_video_reader_config *config)
{
    mcvdi_input_kind kind = MCVDI_INPUT_STDIN;

    const mcvd_status st = mcvdi_input_inspect(&kind, path);
    if (st < 0)
        return st;
    if (kind == MCVDI_INPUT_FOLDER || kind == MCVDI_INPUT_PICTURE)
        return mcvdi_source_pictures_create(source, path, kind == MCVDI_INPUT_FOLDER, config);
    return mcvdi_source_stream_create(source, path, config);
}

mcvd_status mcvd_video_reader_open(mcvd_video_reader **out, const char *path,
                                   const mcvd_video_reader_config *config)
{
    const mcvd_video_reader_config c = config ? *config : mcvd_video_reader_config_default();

    *out = NULL;
    mcvd_status st = check_config(&c);
    if (st < 0)
        return st;
    mcvdi_libav_init();
    mcvd_video_reader *r = mcvdi_calloc(1, sizeof *r);
    if (!r)
        return mcvdi_fail(MCVD_E_NOMEM, "%s: %zu bytes", path, sizeof *r);
    r->config = c;
    r->decoded = av_frame_alloc();
    if (!r->decoded)
        st = mcvdi_fail(MCVD_E_NOMEM, "%s: frame", path);
    if (st >= 0)
        st = mcvdi_converter_create(&r->converter, c.channels);
    if (st >= 0)
        st = open_source(&r->source, path, &c);
    if (st >= 0)
        st = start(r, path);
    if (st < 0) {
        mcvd_video_reader_free(&r);
        return st;
    }
    *out = r;
    return MCVD_OK;
}

void mcvd_video_reader_free(mcvd_video_reader **reader)
{
    mcvd_video_reader *r = *reader;

    if (!r)
        return;
    mcvdi_source_free(&r->source);
    mcvdi_converter_free(&r->converter);
    mcvdi_frame_fit_free(&r->fit);
    mcvdi_timeline_free(&r->timeline);
    av_frame_free(&r->decoded);
    mcvdi_free(r->pixels);
    mcvdi_free(r);
    *reader = NULL;
}

const mcvd_video_info *mcvd_video_reader_info(const mcvd_video_reader *reader)
{
    return &reader->info;
}

/* Read and drop until frame `target` of the source is next. */
static mcvd_status skip_to(mcvd_video_reader *r, int64_t target)
{
    mcvd_status st = MCVD_OK;

    while (st == MCVD_OK && r->position < target)
        st = read_source(r);
    return st;
}

static double time_of(const mcvd_video_reader *r)
{
    if (r->decoded->pts != AV_NOPTS_VALUE)
        return (double)r->decoded->pts * av_q2d(r->source->time_base);
    return (double)r->next_index * r->info.fps_den / r->info.fps_num;
}

static mcvd_status deliver(mcvd_video_reader *r, mcvd_frame *frame)
{
    mcvdi_pixels pixels;

    mcvd_status st = mcvdi_converter_run(r->converter, r->decoded, r->source->orientation, &pixels);
    if (st >= 0)
        st = mcvdi_frame_fit_run(&r->fit, r->pixels, &pixels);
    if (st < 0)
        return mcvdi_fail_context(st, "%s: frame %lld", r->source->path, (long long)r->next_index);
    *frame = (mcvd_frame) { .data = r->pixels,
                            .width = r->info.width,
                            .height = r->info.height,
                            .channels = r->info.channels,
                            .index = r->next_index,
                            .time_s = time_of(r) };
    r->next_index++;
    return MCVD_OK;
}

mcvd_status mcvd_video_reader_next(mcvd_video_reader *reader, mcvd_frame *frame)
{
    mcvd_video_reader *r = reader;

    memset(frame, 0, sizeof *frame);
    if (r->failed < 0)
        return mcvdi_fail(r->failed, "%s: reading stopped at frame %lld", r->source->path,
                          (long long)r->next_index);
    mcvd_status st = skip_to(r, r->next_index * r->config.frame_step);
    if (st == MCVD_OK)
        st = read_source(r);
    if (st == MCVD_OK)
        st = deliver(r, frame);
    if (st < 0)
        r->failed = st;
    return st;
}

/* Decode from the key frame at hand until pts; false when this is the wrong place to start: the
 * first frame is later, or no key frame (it may lack references). */
static bool decode_until(mcvd_video_reader *r, int64_t pts)
{
    const mcvdi_source_class *class = r->source->class;

    if (class->next(r->source, r->decoded) != MCVD_OK)
        return false;
    if (!r->source->intra && !mcvdi_frame_is_key(r->decoded))
        return false;
    while (r->decoded->pts != AV_NOPTS_VALUE && r->decoded->pts < pts) {
        if (class->next(r->source, r->decoded) != MCVD_OK)
            return false;
    }
    return r->decoded->pts == pts;
}

/* Jump to a frame whose time is known; starts further back each time it does not work out. */
static bool jump(mcvd_video_reader *r, int64_t target)
{
    int64_t pts = 0;
    int64_t aim = 0;
    int64_t back = 0;

    if (!mcvdi_timeline_find(&r->timeline, target, &pts))
        return false;
    for (int attempt = 0; attempt < SEEK_ATTEMPTS; attempt++) {
        if (!mcvdi_timeline_find(&r->timeline, target - back, &aim) ||
            r->source->class->seek(r->source, aim) < 0)
            return false;
        if (decode_until(r, pts)) {
            r->position = target;
            r->pending = true;
            return true;
        }
        back = back ? back * 4 : 32;
    }
    return false;
}

static mcvd_status rewind_source(mcvd_video_reader *r)
{
    const mcvd_status st = r->source->class->rewind(r->source);

    if (st < 0)
        return st;
    r->pending = false;
    r->position = 0;
    return MCVD_OK;
}

/* A seek far beyond what has been decoded: learn all times from the packets, once. Whatever goes
 * wrong there only means that frames are decoded on the way. */
static void scan_times(mcvd_video_reader *r, int64_t target)
{
    mcvdi_timeline all = { NULL, 0, 0, false };
    bool trusted = false;

    if (r->scanned || !r->source->class->scan || r->timeline.broken ||
        target < (int64_t)r->timeline.count + SCAN_FROM)
        return;
    r->scanned = true;
    if (r->source->class->scan(r->source, &all, &trusted) >= 0 && trusted &&
        mcvdi_timeline_agrees(&all, &r->timeline)) {
        mcvdi_timeline_free(&r->timeline);
        r->timeline = all;
        return;
    }
    mcvdi_timeline_free(&all);
}

mcvd_status mcvd_video_reader_seek(mcvd_video_reader *reader, int64_t index)
{
    mcvd_video_reader *r = reader;
    int64_t target = 0;
    int64_t pts = 0;
    mcvd_status st = MCVD_OK;

    if (index < 0 || __builtin_mul_overflow(index, (int64_t)r->config.frame_step, &target))
        return mcvdi_fail(MCVD_E_RANGE, "%s: seek to frame %lld", r->source->path,
                          (long long)index);
    if (index < INT64_MAX) /* not for counting */
        scan_times(r, target);
    const bool ahead = r->failed == MCVD_OK && target >= r->position;
    const bool near = ahead && (target - r->position <= NEARBY ||
                                !mcvdi_timeline_find(&r->timeline, target, &pts));
    if (!near && !jump(r, target))
        st = rewind_source(r);
    r->next_index = index;
    if (st >= 0)
        st = skip_to(r, target);
    if (st == MCVD_OK) /* is there such a frame? */
        st = read_source(r);
    if (st == MCVD_OK)
        unread(r);
    r->failed = st < 0 ? st : MCVD_OK;
    return st;
}
