/*
 * A window is drawn in two steps: a clip, uniformly, then a start inside it. Two rules for starts,
 * data.windows: "all" takes every start 0 ... V - R of a clip of V frames for windows of R;
 * "reference" leaves out the last one where there are several, as the published scores do (so too
 * the last column of a random crop, and test items are mapped to clips by the published rule). Test
 * windows are a fixed list: their starts are drawn by a seed that never changes. data.start_at
 * leaves out the first frames of every clip before any of this.
 */
#include "data/clips.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include <mcvd/rng.h>

#include "core/alloc.h"
#include "core/checked.h"
#include "core/log.h"

enum { MAX_NAMED = 8, MAX_DRAWS = 64 };

typedef struct clip_item {
    size_t number;     /* in the source */
    size_t num_frames; /* without those skipped */
} clip_item;

struct mcvdi_clips {
    const mcvdi_clip_source_kind *source;
    void *state;
    mcvdi_clip_source_facts facts;
    clip_item *items; /* long enough ones */
    size_t count;
    atomic_bool *damaged; /* [count] found while reading; training leaves them out */
    size_t declared;      /* M test items */
    mcvd_split split;
    bool reference;
    uint64_t seed;
    size_t num_frames; /* R */
    size_t skip;       /* first frames of a clip that no window touches */
    size_t image_size;
};

/* ---- Opening ----------------------------------------------------------------------------- */

static void warn_short(const mcvdi_clips *c, const mcvdi_clip_info *info, size_t num_short)
{
    if (num_short <= MAX_NAMED)
        mcvdi_log(MCVD_LOG_WARNING, "%s: left out: %zu frames, a window needs %zu", info->name,
                  info->num_frames, c->num_frames + c->skip);
}

/* The clips of the split that hold a window; the test split takes every test_step-th. */
static mcvd_status list_clips(mcvdi_clips *c, const char *path)
{
    const bool is_test = c->split == MCVD_SPLIT_TEST;
    const size_t step = is_test && c->facts.test_step > 1 ? c->facts.test_step : 1;
    size_t num_short = 0;
    size_t longest = 0;

    /* As published: n / step of them, rounded down. */
    const size_t wanted = c->facts.num_clips < step ? 1 : c->facts.num_clips / step;

    for (size_t i = 0; i / step < wanted; i += step) {
        mcvdi_clip_info info;
        const mcvd_status st = c->source->info(c->state, i, &info);
        if (st < 0)
            return st;
        if (info.num_frames > longest)
            longest = info.num_frames;
        if (info.num_frames < c->num_frames + c->skip)
            warn_short(c, &info, ++num_short);
        else
            c->items[c->count++] = (clip_item) { i, info.num_frames - c->skip };
    }
    if (num_short > MAX_NAMED)
        mcvdi_log(MCVD_LOG_WARNING, "%s: %zu clips left out, shorter than a window of %zu frames",
                  path, num_short, c->num_frames + c->skip);
    if (c->count == 0)
        return mcvdi_fail(MCVD_E_INPUT,
                          "%s: a window needs %zu frames, the longest of %zu %s clips has %zu",
                          path, c->num_frames + c->skip, c->facts.num_clips,
                          is_test ? "test" : "training", longest);
    return MCVD_OK;
}

static size_t num_starts(const mcvdi_clips *c, const clip_item *of)
{
    const size_t all = of->num_frames - c->num_frames + 1;

    return c->reference && all > 1 ? all - 1 : all;
}

static uint64_t count_windows(const mcvdi_clips *c)
{
    uint64_t windows = 0;

    for (size_t i = 0; i < c->count; i++)
        windows += num_starts(c, &c->items[i]);
    return windows;
}

/* Frames are taken one after the other; what a store of videos left out was left out before. */
static mcvd_status check_step(const mcvdi_clips *c, const mcvd_dataset_config *config)
{
    const char *set = c->facts.set ? c->facts.set : c->source->name;

    if (config->data.frame_step <= 1 || strcmp(set, "VIDEOS") == 0)
        return MCVD_OK;
    return mcvdi_fail(MCVD_E_CONFIG, "data.frame_step = %lld: for videos, not for the clips of %s",
                      (long long)config->data.frame_step, set);
}

static mcvd_status check_frames(const mcvdi_clips *c, const mcvd_dataset_config *config)
{
    const mcvdi_clip_source_facts *f = &c->facts;

    if (f->height != c->image_size || f->width < c->image_size ||
        f->channels != (size_t)config->data.channels || f->test_left > f->width - c->image_size)
        return mcvdi_fail(MCVD_E_CONFIG,
                          "%s: its frames are %zux%zu of %zu channels, the model's are %zux%zu of "
                          "%lld (data.image_size, data.channels)",
                          config->path, f->width, f->height, f->channels, c->image_size,
                          c->image_size, (long long)config->data.channels);
    if (f->num_clips == 0)
        return mcvdi_fail(MCVD_E_INPUT, "%s: no clip in its %s split", config->path,
                          c->split == MCVD_SPLIT_TEST ? "test" : "training");
    return MCVD_OK;
}

static mcvd_status fill(mcvdi_clips *c, mcvdi_dataset_facts *facts,
                        const mcvd_dataset_config *config)
{
    const mcvdi_clip_source_config sc = { .path = config->path,
                                          .split = config->split,
                                          .image_size = (size_t)config->data.image_size,
                                          .channels = (size_t)config->data.channels,
                                          .data = &config->data };

    mcvd_status st = c->source->open(&c->state, &c->facts, &sc);
    if (st >= 0)
        st = check_frames(c, config);
    if (st >= 0)
        st = check_step(c, config);
    if (st < 0)
        return st;
    c->items = mcvdi_calloc(c->facts.num_clips, sizeof *c->items);
    c->damaged = mcvdi_calloc(c->facts.num_clips, sizeof *c->damaged);
    if (!c->items || !c->damaged)
        return mcvdi_fail(MCVD_E_NOMEM, "%s: a list of %zu clips", config->path,
                          c->facts.num_clips);
    st = list_clips(c, config->path);
    if (st < 0)
        return st;
    c->declared = c->reference && c->facts.test_declared ? c->facts.test_declared : c->count;
    facts->num_windows = count_windows(c);
    facts->may_flip = c->facts.may_flip;
    facts->action_dim = c->facts.action_dim;
    facts->set = c->facts.set;
    facts->describe = mcvdi_sprintf("%s, %s split: %zu clips, %llu windows", c->facts.describe,
                                    c->split == MCVD_SPLIT_TEST ? "test" : "training", c->count,
                                    (unsigned long long)facts->num_windows);
    return facts->describe ? MCVD_OK : mcvdi_fail(MCVD_E_NOMEM, "clips: a description");
}

mcvd_status mcvdi_clips_open(mcvdi_clips **out, mcvdi_dataset_facts *facts,
                             const mcvd_dataset_config *config,
                             const mcvdi_clip_source_kind *source)
{
    *out = NULL;
    mcvdi_clips *c = mcvdi_calloc(1, sizeof *c);
    if (!c)
        return mcvdi_fail(MCVD_E_NOMEM, "clips: %zu bytes", sizeof *c);
    c->source = source;
    c->split = config->split;
    c->reference = strcmp(config->data.windows, "reference") == 0;
    c->seed = config->seed;
    c->num_frames = config->num_frames;
    c->skip = config->data.start_at > 0 ? (size_t)config->data.start_at : 0;
    c->image_size = (size_t)config->data.image_size;
    const mcvd_status st = fill(c, facts, config);
    if (st < 0)
        mcvdi_clips_free(&c);
    *out = c;
    return st;
}

void mcvdi_clips_free(mcvdi_clips **clips)
{
    mcvdi_clips *c = *clips;

    if (!c)
        return;
    if (c->state)
        c->source->free(&c->state);
    mcvdi_free(c->facts.describe);
    mcvdi_free(c->items);
    mcvdi_free(c->damaged);
    mcvdi_free(c);
    *clips = NULL;
}

/* ---- Windows ----------------------------------------------------------------------------- */

size_t mcvdi_clips_index(size_t item, size_t declared, size_t num_clips)
{
    if (declared < 2)
        return 0;
    return (size_t)nearbyint((double)item / (double)(declared - 1) * (double)(num_clips - 1));
}

/* What a window is. */
typedef struct choice {
    size_t item;  /* of c->items */
    size_t start; /* among the frames that are not skipped */
    size_t left;  /* first column */
} choice;

/* Three draws per attempt: clip, start, column. */
static choice draw_training(const mcvdi_clips *c, uint64_t index, uint32_t attempt)
{
    const mcvd_rng_key key = mcvd_rng_key_make(c->seed, MCVD_RNG_DATA_ORDER, index, attempt);
    const size_t room = c->facts.width - c->image_size;
    const uint32_t columns = (uint32_t)(c->reference && room ? room : room + 1);
    choice w = { .item = mcvd_rng_below(key, 0, (uint32_t)c->count) };

    w.start = mcvd_rng_below(key, 1, (uint32_t)num_starts(c, &c->items[w.item]));
    w.left = mcvd_rng_below(key, 2, columns);
    return w;
}

/* Test clip `index` of n: items spread over the declared ones, again from the first with other
 * starts when there are more windows than items. */
static choice draw_test(const mcvdi_clips *c, uint64_t index, size_t n)
{
    const uint64_t round = n > c->declared ? index / c->declared : 0;
    const uint64_t item = n > c->declared ? index % c->declared : index * c->declared / n;
    choice w = { .item = mcvdi_clips_index((size_t)item, c->declared, c->count),
                 .left = c->facts.test_left };
    const mcvd_rng_key key = mcvd_rng_key_make(0, MCVD_RNG_TEST, item, round);

    w.start = mcvd_rng_below(key, 0, (uint32_t)num_starts(c, &c->items[w.item]));
    return w;
}

/* [R, height, width, C] -> [R, size, size, C]: columns left ... left + size - 1. */
static void crop(const mcvdi_clips *c, const uint8_t *wide, size_t left, uint8_t *clip_out)
{
    const size_t pixel = c->facts.channels;
    const size_t rows = c->num_frames * c->facts.height;

    for (size_t y = 0; y < rows; y++)
        memcpy(clip_out + y * c->image_size * pixel, wide + (y * c->facts.width + left) * pixel,
               c->image_size * pixel);
}

static mcvd_status read_wide(const mcvdi_clips *c, const choice *w, uint8_t *out, float *actions)
{
    const size_t number = c->items[w->item].number;
    const size_t rows = c->num_frames * c->facts.height;
    size_t bytes = 0;
    uint8_t *wide = mcvdi_mul_size(&bytes, rows, c->facts.width * c->facts.channels)
                        ? mcvdi_malloc(bytes)
                        : NULL;

    if (!wide)
        return mcvdi_fail(MCVD_E_NOMEM, "a window of %zu rows", rows);
    const mcvd_status st =
        c->source->read(c->state, number, c->skip + w->start, c->num_frames, wide, actions);
    if (st >= 0)
        crop(c, wide, w->left, out);
    mcvdi_free(wide);
    return st;
}

static mcvd_status read_window(const mcvdi_clips *c, const choice *w, uint8_t *out, float *actions)
{
    mcvdi_clip_info info = { "a clip", 0 };
    mcvd_status st;

    if (c->facts.width > c->image_size)
        st = read_wide(c, w, out, actions);
    else
        st = c->source->read(c->state, c->items[w->item].number, c->skip + w->start, c->num_frames,
                             out, actions);
    if (st >= 0)
        return st;
    (void)c->source->info(c->state, c->items[w->item].number, &info);
    return mcvdi_fail_context(st, "%s", info.name);
}

/* A damaged clip is said once, and another one drawn. */
static mcvd_status training_window(mcvdi_clips *c, uint64_t index, uint8_t *out, float *actions)
{
    mcvd_status st = MCVD_OK;

    for (uint32_t attempt = 0; attempt < MAX_DRAWS; attempt++) {
        const choice w = draw_training(c, index, attempt);
        if (atomic_load(&c->damaged[w.item]))
            continue;
        st = read_window(c, &w, out, actions);
        if (st >= 0 || !mcvdi_clip_is_damaged(st))
            return st;
        if (!atomic_exchange(&c->damaged[w.item], true))
            mcvdi_log(MCVD_LOG_WARNING, "left out: %s", mcvd_last_error());
    }
    return mcvdi_fail(MCVD_E_INPUT, "%d clips in a row are damaged, the last: %s", (int)MAX_DRAWS,
                      st < 0 ? mcvd_last_error() : "known from before");
}

mcvd_status mcvdi_clips_window(mcvdi_clips *clips, uint64_t index, size_t num_test_clips,
                               uint8_t *clip, float *actions)
{
    if (clips->split == MCVD_SPLIT_TRAIN)
        return training_window(clips, index, clip, actions);
    const choice w = draw_test(clips, index, num_test_clips);
    return read_window(clips, &w, clip, actions);
}
