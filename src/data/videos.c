/*
 * Videos of one's own: a file, a folder of pictures, or a folder of such. What fits is decoded
 * once into a cache of bytes at the model's size; windows of the rest are found by seeking.
 */
#include <string.h>

#include <mcvd/rng.h>
#include <mcvd/video.h>

#include "core/alloc.h"
#include "core/checked.h"
#include "core/log.h"
#include "data/dataset.h"
#include "data/reader_pool.h"
#include "data/video_list.h"

enum { SPARE_READERS = 2 };

/* One video and the part of it that belongs to the split. */
typedef struct video {
    const char *path;  /* inside the list */
    size_t num_frames; /* of the whole video */
    size_t first;      /* of the split's part */
    size_t count;      /* frames of the part */
    uint64_t starts;   /* windows of the videos before this one */
    uint8_t *cache;    /* [count, H, W, C] or NULL */
} video;

typedef struct videos {
    mcvdi_video_list list;
    video *items; /* usable ones only */
    size_t count;
    uint64_t num_windows;
    size_t num_frames; /* of a window */
    size_t frame_bytes;
    size_t cache_left;
    mcvd_split split;
    double test_fraction;
    uint64_t seed;
    mcvd_video_reader_config reader;
    mcvdi_reader_pool *pool;
    size_t longest; /* the longest part of a video that was too short, for the message */
    size_t longest_whole;
} videos;

/* ---- Opening ----------------------------------------------------------------------------- */

/* Which frames of the video belong to the split: the last test_fraction is for testing. */
static void cut(const videos *s, video *v)
{
    const size_t num_test = (size_t)(s->test_fraction * (double)v->num_frames + 0.5);
    const bool is_test = s->split == MCVD_SPLIT_TEST;

    v->first = 0;
    v->count = v->num_frames;
    if (s->test_fraction > 0.0) {
        v->first = is_test ? v->num_frames - num_test : 0;
        v->count = is_test ? num_test : v->num_frames - num_test;
    }
}

/* Decoded frames of one video. */
typedef struct frames {
    uint8_t *data;
    size_t count;
    size_t capacity;
} frames;

static mcvd_status append(frames *f, const uint8_t *frame, size_t frame_bytes)
{
    if (f->count == f->capacity) {
        const size_t larger = f->capacity ? f->capacity + f->capacity / 2 : 64;
        size_t bytes = 0;
        uint8_t *moved =
            mcvdi_mul_size(&bytes, larger, frame_bytes) ? mcvdi_realloc(f->data, bytes) : NULL;
        if (!moved)
            return mcvdi_fail(MCVD_E_NOMEM, "a cache of %zu frames of %zu bytes", larger,
                              frame_bytes);
        f->data = moved;
        f->capacity = larger;
    }
    memcpy(f->data + f->count * frame_bytes, frame, frame_bytes);
    return MCVD_OK;
}

/* Decode to the end. When more frames come than the cache has room for, they are only counted and
 * f->data is NULL. */
static mcvd_status decode(const videos *s, mcvd_video_reader *reader, frames *f)
{
    const size_t max_frames = s->cache_left / s->frame_bytes;
    mcvd_frame frame;
    mcvd_status st = mcvd_video_reader_next(reader, &frame);

    while (st == MCVD_OK) {
        if (f->count < max_frames) {
            st = append(f, frame.data, s->frame_bytes);
        } else {
            mcvdi_free(f->data);
            f->data = NULL;
        }
        f->count++;
        if (st == MCVD_OK)
            st = mcvd_video_reader_next(reader, &frame);
    }
    return st == MCVD_EOF ? MCVD_OK : st;
}

/* Keep the split's part of the decoded frames, or drop them all if none is to be kept. */
static void keep_part(videos *s, video *v, frames *f)
{
    if (!f->data || v->count < s->num_frames) {
        mcvdi_free(f->data);
        return;
    }
    memmove(f->data, f->data + v->first * s->frame_bytes, v->count * s->frame_bytes);
    uint8_t *smaller = mcvdi_realloc(f->data, v->count * s->frame_bytes);
    v->cache = smaller ? smaller : f->data;
    s->cache_left -= v->count * s->frame_bytes;
}

/* The video's length, its part of the split, and its frames if there is room. */
static mcvd_status load(videos *s, video *v)
{
    mcvd_video_reader *reader = NULL;
    frames f = { 0 };
    mcvd_status st = mcvd_video_reader_open(&reader, v->path, &s->reader);

    if (st < 0)
        return st;
    const mcvd_video_info *info = mcvd_video_reader_info(reader);
    const bool fits =
        info->num_frames <= 0 || (uint64_t)info->num_frames <= s->cache_left / s->frame_bytes;
    if (info->num_frames_exact && !fits)
        f.count = (size_t)info->num_frames;
    else
        st = decode(s, reader, &f);
    mcvd_video_reader_free(&reader);
    if (st < 0) {
        mcvdi_free(f.data);
        return st;
    }
    v->num_frames = f.count;
    cut(s, v);
    keep_part(s, v, &f);
    return MCVD_OK;
}

/* Enter a loaded video, or say why it is left out. */
static void enter(videos *s, const video *v)
{
    if (v->count < s->num_frames) {
        mcvdi_log(MCVD_LOG_WARNING,
                  "%s: left out: a window needs %zu frames, its %s part has %zu of %zu", v->path,
                  s->num_frames, s->split == MCVD_SPLIT_TEST ? "test" : "training", v->count,
                  v->num_frames);
        if (v->count >= s->longest) {
            s->longest = v->count;
            s->longest_whole = v->num_frames;
        }
        return;
    }
    s->items[s->count] = *v;
    s->items[s->count++].starts = s->num_windows;
    s->num_windows += v->count - s->num_frames + 1;
}

/* A damaged video among others is left out with a warning; alone it is an error. */
static mcvd_status load_all(videos *s, const char *path)
{
    size_t num_damaged = 0;

    for (size_t i = 0; i < s->list.count; i++) {
        video v = { .path = s->list.paths[i] };
        const mcvd_status st = load(s, &v);
        if (st < 0 && (s->list.count == 1 || st == MCVD_E_NOMEM || st == MCVD_E_RANGE))
            return st;
        if (st < 0) {
            mcvdi_log(MCVD_LOG_WARNING, "left out: %s", mcvd_last_error());
            num_damaged++;
            continue;
        }
        enter(s, &v);
    }
    if (s->count > 0)
        return MCVD_OK;
    if (num_damaged == s->list.count)
        return mcvdi_fail(MCVD_E_INPUT, "%s: none of its %zu videos can be read (the last: %s)",
                          path, num_damaged, mcvd_last_error());
    return mcvdi_fail(MCVD_E_INPUT,
                      "%s: a window needs %zu frames, the longest %s part of a video has %zu of "
                      "%zu frames (data.test_fraction = %g)",
                      path, s->num_frames, s->split == MCVD_SPLIT_TEST ? "test" : "training",
                      s->longest, s->longest_whole, s->test_fraction);
}

static mcvd_status check_config(const mcvd_data_config *data)
{
    if (data->channels != 1 && data->channels != 3)
        return mcvdi_fail(MCVD_E_CONFIG,
                          "data.channels = %lld, videos are read as 1 (gray) or 3 "
                          "(RGB)",
                          (long long)data->channels);
    if (data->image_size > 8192)
        return mcvdi_fail(MCVD_E_CONFIG, "data.image_size = %lld, at most 8192",
                          (long long)data->image_size);
    if (data->frame_step < 1 || data->frame_step > 1000)
        return mcvdi_fail(MCVD_E_CONFIG, "data.frame_step = %lld, expected 1..1000",
                          (long long)data->frame_step);
    if (!(data->test_fraction >= 0.0 && data->test_fraction < 1.0))
        return mcvdi_fail(MCVD_E_CONFIG, "data.test_fraction = %g, expected 0 <= x < 1",
                          data->test_fraction);
    if (strcmp(data->resize, "area") != 0 && strcmp(data->resize, "bicubic") != 0)
        return mcvdi_fail(MCVD_E_CONFIG, "data.resize = %s, expected area or bicubic",
                          data->resize);
    return MCVD_OK;
}

static mcvd_video_reader_config reader_config(const mcvd_data_config *data)
{
    mcvd_video_reader_config config = mcvd_video_reader_config_default();

    config.width = config.height = (int)data->image_size;
    config.channels = (int)data->channels;
    config.frame_step = (int)data->frame_step;
    config.resize = strcmp(data->resize, "area") == 0 ? MCVD_RESIZE_AREA : MCVD_RESIZE_BICUBIC;
    return config;
}

static char *describe(const videos *s, const mcvd_dataset_config *config)
{
    const char *split = config->split == MCVD_SPLIT_TEST ? "test" : "training";
    size_t cached = 0;
    size_t num_frames = 0;

    for (size_t i = 0; i < s->count; i++) {
        num_frames += s->items[i].count;
        cached += s->items[i].cache ? s->items[i].count : 0;
    }
    return mcvdi_sprintf("%zu of %zu videos of %s, %s split: %zu frames, %llu windows, %.1f MB "
                         "cached",
                         s->count, s->list.count, config->path, split, num_frames,
                         (unsigned long long)s->num_windows,
                         (double)(cached * s->frame_bytes) / 1048576.0);
}

static void release(void **state)
{
    videos *s = *state;

    mcvdi_reader_pool_free(&s->pool);
    for (size_t i = 0; i < s->count; i++)
        mcvdi_free(s->items[i].cache);
    mcvdi_free(s->items);
    mcvdi_video_list_release(&s->list);
    mcvdi_free(s);
    *state = NULL;
}

static mcvd_status prepare(videos *s, mcvdi_dataset_facts *facts, const mcvd_dataset_config *config)
{
    const int64_t workers = config->data.num_workers > 0 ? config->data.num_workers : 0;

    mcvd_status st = mcvdi_video_list_create(&s->list, config->path);
    if (st < 0)
        return st;
    s->items = mcvdi_calloc(s->list.count, sizeof *s->items);
    if (!s->items)
        return mcvdi_fail(MCVD_E_NOMEM, "%s: a list of %zu videos", config->path, s->list.count);
    st = mcvdi_reader_pool_create(&s->pool, (size_t)workers + SPARE_READERS, &s->reader);
    if (st >= 0)
        st = load_all(s, config->path);
    if (st < 0)
        return st;
    facts->num_windows = s->num_windows;
    facts->may_flip = true;
    facts->describe = describe(s, config);
    return facts->describe ? MCVD_OK : mcvdi_fail(MCVD_E_NOMEM, "videos: a description");
}

static mcvd_status open_videos(void **state, mcvdi_dataset_facts *facts,
                               const mcvd_dataset_config *config)
{
    const mcvd_data_config *data = &config->data;

    mcvd_status st = check_config(data);
    if (st < 0)
        return st;
    videos *s = mcvdi_calloc(1, sizeof *s);
    if (!s)
        return mcvdi_fail(MCVD_E_NOMEM, "videos: %zu bytes", sizeof *s);
    s->num_frames = config->num_frames;
    s->frame_bytes = (size_t)(data->image_size * data->image_size * data->channels);
    s->cache_left = config->cache_bytes;
    s->split = config->split;
    s->test_fraction = data->test_fraction;
    s->seed = config->seed;
    s->reader = reader_config(data);
    *state = s;
    st = prepare(s, facts, config);
    if (st < 0)
        release(state);
    return st;
}

/* ---- Windows ----------------------------------------------------------------------------- */

/* The video that holds window number `start` of all windows in a row. */
static const video *find(const videos *s, uint64_t start)
{
    size_t low = 0;
    size_t high = s->count; /* the answer is in [low, high) */

    while (high - low > 1) {
        const size_t middle = low + (high - low) / 2;
        if (s->items[middle].starts <= start)
            low = middle;
        else
            high = middle;
    }
    return &s->items[low];
}

/* Training: uniform over all windows (the bias of the remainder is below windows / 2^64).
 * Test: the middle of the index-th of num_test_clips equal stretches. */
static uint64_t choose_start(const videos *s, uint64_t index, size_t num_test_clips)
{
    if (s->split == MCVD_SPLIT_TEST) {
        const uint64_t whole = s->num_windows / num_test_clips;
        const uint64_t rest = s->num_windows % num_test_clips;
        return index * whole + whole / 2 + index * rest / num_test_clips;
    }
    const mcvd_rng_key key = mcvd_rng_key_make(s->seed, MCVD_RNG_DATA_ORDER, index, 0);
    const uint64_t r = (uint64_t)mcvd_rng_u32(key, 0) << 32 | mcvd_rng_u32(key, 1);
    return r % s->num_windows;
}

static mcvd_status window(void *state, uint64_t index, size_t num_test_clips, uint8_t *clip)
{
    videos *s = state;
    const uint64_t start = choose_start(s, index, num_test_clips);
    const video *v = find(s, start);
    const size_t first = (size_t)(start - v->starts);

    if (!v->cache)
        return mcvdi_reader_pool_read(s->pool, v->path, v->first + first, s->num_frames, clip);
    memcpy(clip, v->cache + first * s->frame_bytes, s->num_frames * s->frame_bytes);
    return MCVD_OK;
}

static bool accepts(const char *path)
{
    (void)path; /* whatever exists and is not another kind: opening it says what it is */
    return true;
}

const mcvdi_dataset_kind mcvdi_dataset_videos = {
    .name = "VIDEOS",
    .help = "a video, a folder of pictures, or a folder of such",
    .accepts = accepts,
    .open = open_videos,
    .free = release,
    .window = window,
};
