/* A folder of videos as clips, so that `mcvd prepare` can store them: whole videos at the model's
 * size, the last test_fraction of each being the test split. */
#include <string.h>

#include <mcvd/video.h>

#include "core/alloc.h"
#include "data/clip_source.h"
#include "data/native_frames.h"
#include "data/video_list.h"

typedef struct video_clips {
    mcvdi_video_list list;
    mcvd_video_reader_config reader;
    size_t frame_bytes;
    double test_fraction;
    bool test;
} video_clips;

static bool accepts(const char *path)
{
    (void)path; /* opening says what it is */
    return true;
}

static void release(void **state)
{
    video_clips *v = *state;

    mcvdi_video_list_release(&v->list);
    mcvdi_free(v);
    *state = NULL;
}

static mcvd_status open_videos(void **state, mcvdi_clip_source_facts *facts,
                               const mcvdi_clip_source_config *config)
{
    video_clips *v = mcvdi_calloc(1, sizeof *v);

    *state = v;
    if (!v)
        return mcvdi_fail(MCVD_E_NOMEM, "videos: %zu bytes", sizeof *v);
    v->reader = mcvd_video_reader_config_default();
    v->reader.width = v->reader.height = (int)config->image_size;
    v->reader.channels = (int)config->channels;
    v->reader.frame_step = (int)config->data->frame_step;
    v->reader.resize =
        strcmp(config->data->resize, "bicubic") == 0 ? MCVD_RESIZE_BICUBIC : MCVD_RESIZE_AREA;
    v->test_fraction = config->data->test_fraction;
    v->frame_bytes = config->image_size * config->image_size * config->channels;
    v->test = config->split == MCVD_SPLIT_TEST;
    mcvd_status st = mcvdi_video_list_create(&v->list, config->path);
    if (st >= 0 && v->test && v->test_fraction <= 0.0)
        st = mcvdi_fail(MCVD_E_INPUT, "data.test_fraction = 0 holds nothing out");
    *facts = (mcvdi_clip_source_facts) { .num_clips = v->list.count,
                                         .height = config->image_size,
                                         .width = config->image_size,
                                         .channels = config->channels,
                                         .test_step = 1,
                                         .may_flip = true };
    if (st >= 0) {
        facts->describe = mcvdi_sprintf("%zu videos of %s", v->list.count, config->path);
        st = facts->describe ? MCVD_OK : mcvdi_fail(MCVD_E_NOMEM, "videos: a description");
    }
    if (st < 0)
        release(state);
    return st;
}

/* Frames of the whole video that belong to the test split. */
static size_t num_test(const video_clips *v, size_t frames)
{
    return (size_t)(v->test_fraction * (double)frames + 0.5);
}

/* Of the whole video, those between the steps left out. */
static mcvd_status count_frames(const video_clips *v, size_t clip, size_t *frames)
{
    const size_t step = (size_t)v->reader.frame_step;
    const mcvd_status st = mcvd_video_count_frames(v->list.paths[clip], frames);

    *frames = (*frames + step - 1) / step;
    return st;
}

static mcvd_status info(void *state, size_t clip, mcvdi_clip_info *info)
{
    const video_clips *v = state;
    size_t frames = 0;

    *info = (mcvdi_clip_info) { v->list.paths[clip], 0 };
    const mcvd_status st = count_frames(v, clip, &frames);
    if (st < 0)
        return st;
    info->num_frames = v->test ? num_test(v, frames) : frames - num_test(v, frames);
    return MCVD_OK;
}

static mcvd_status copy_frames(const video_clips *v, mcvd_video_reader *reader, size_t count,
                               uint8_t *frames)
{
    mcvd_frame frame;
    mcvd_status st = MCVD_OK;

    for (size_t f = 0; st == MCVD_OK && f < count; f++) {
        st = mcvd_video_reader_next(reader, &frame);
        if (st == MCVD_OK)
            memcpy(frames + f * v->frame_bytes, frame.data, v->frame_bytes);
    }
    return st == MCVD_EOF ? mcvdi_fail(MCVD_E_DECODE, "the video ends early") : st;
}

static mcvd_status read_clip(void *state, size_t clip, size_t first, size_t count, uint8_t *frames,
                             float *actions)
{
    const video_clips *v = state;
    mcvd_video_reader *reader = NULL;
    size_t whole = 0;

    (void)actions;
    mcvd_status st = v->test ? count_frames(v, clip, &whole) : MCVD_OK;
    if (st >= 0)
        st = mcvd_video_reader_open(&reader, v->list.paths[clip], &v->reader);
    if (st >= 0 && v->test)
        first += whole - num_test(v, whole);
    if (st >= 0 && first)
        st = mcvd_video_reader_seek(reader, (int64_t)first);
    if (st >= 0)
        st = copy_frames(v, reader, count, frames);
    mcvd_video_reader_free(&reader);
    return st;
}

static const char *const options[] = { "test_fraction", "frame_step", "resize", NULL };

const mcvdi_clip_source_kind mcvdi_clip_source_videos = {
    .name = "VIDEOS",
    .help = "videos, or folders of pictures; the last fifth of each is for testing",
    .options = options,
    .accepts = accepts,
    .open = open_videos,
    .free = release,
    .info = info,
    .read = read_clip,
};
