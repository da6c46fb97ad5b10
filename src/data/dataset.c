#include "data/dataset.h"

#include <string.h>

#include <mcvd/rng.h>

#include "core/alloc.h"
#include "core/checked.h"
#include "core/fileio.h"
#include "core/log.h"
#include "data/clips.h"
#include "data/hue.h"
#include "data/set_options.h"

enum { DEFAULT_TEST_CLIPS = 256, HUE_WORD = 4 };

static const size_t default_cache_bytes = (size_t)2 << 30;

/* A kind of dataset: one of its own, or windows of a clip source. */
typedef struct kind {
    const mcvdi_dataset_kind *own;
    const mcvdi_clip_source_kind *source;
} kind;

/* The first kind that accepts a path opens it; "data.dataset" goes before where it accepts. A
 * store is told by its manifest. */
static const kind kinds[] = {
    { .source = &mcvdi_clip_source_store },      { .source = &mcvdi_clip_source_bair },
    { .source = &mcvdi_clip_source_cityscapes }, { .source = &mcvdi_clip_source_ucf101 },
    { .source = &mcvdi_clip_source_kth },        { .source = &mcvdi_clip_source_hdf5 },
    { .own = &mcvdi_dataset_smmnist },           { .own = &mcvdi_dataset_videos },
};

enum { NUM_KINDS = sizeof kinds / sizeof kinds[0], STORE = 0 };

static const char *name_of(const kind *k)
{
    return k->source ? k->source->name : k->own->name;
}

static bool accepts(const kind *k, const char *path)
{
    return k->source ? k->source->accepts(path) : k->own->accepts(path);
}

struct mcvd_dataset {
    const kind *kind;
    void *state;        /* of a kind of its own */
    mcvdi_clips *clips; /* of a clip source */
    mcvdi_dataset_facts facts;
    mcvd_dataset_config config; /* path and folders are not kept */
    size_t num_test_clips;
    size_t clip_bytes;
};

mcvd_dataset_config mcvd_dataset_config_default(const mcvd_data_config *data)
{
    return (mcvd_dataset_config) { .data = *data, .cache_bytes = default_cache_bytes };
}

void mcvd_dataset_list(mcvd_dataset_list_fn fn, void *user)
{
    for (size_t i = 0; i < NUM_KINDS; i++)
        fn(user, name_of(&kinds[i]), kinds[i].source ? kinds[i].source->help : kinds[i].own->help);
}

static const kind *kind_of(const char *path, const char *preferred)
{
    if (accepts(&kinds[STORE], path))
        return &kinds[STORE];
    for (size_t i = 0; i < NUM_KINDS; i++)
        if (strcmp(name_of(&kinds[i]), preferred) == 0 && accepts(&kinds[i], path))
            return &kinds[i];
    for (size_t i = 0; i < NUM_KINDS; i++)
        if (accepts(&kinds[i], path))
            return &kinds[i];
    return NULL;
}

const char *mcvd_dataset_kind_of(const char *path)
{
    const kind *found = mcvdi_path_exists(path) ? kind_of(path, "") : NULL;

    return found ? name_of(found) : NULL;
}

static mcvd_status choose_kind(const kind **out, const mcvd_dataset_config *config)
{
    *out = NULL;
    if (!config->path) {
        for (size_t i = 0; i < NUM_KINDS; i++)
            if (kinds[i].own && kinds[i].own->opens_without_path &&
                strcmp(name_of(&kinds[i]), config->data.dataset) == 0)
                *out = &kinds[i];
        if (!*out)
            return mcvdi_fail(MCVD_E_INPUT, "data.dataset = %s needs a path: a video or a folder",
                              config->data.dataset);
        return MCVD_OK;
    }
    if (!mcvdi_path_exists(config->path))
        return mcvdi_fail(MCVD_E_INPUT, "%s: no such file or folder", config->path);
    *out = kind_of(config->path, config->data.dataset);
    if (!*out)
        return mcvdi_fail(MCVD_E_INPUT,
                          "%s: neither a video, nor a folder with videos, images or "
                          "MNIST files",
                          config->path);
    return MCVD_OK;
}

/* num_frames and clip_bytes from the configuration. */
static mcvd_status measure(mcvd_dataset *ds)
{
    const mcvd_data_config *data = &ds->config.data;
    const size_t side = data->image_size > 0 ? (size_t)data->image_size : 0;
    const size_t channels = data->channels > 0 ? (size_t)data->channels : 0;

    if (ds->config.num_frames == 0)
        ds->config.num_frames =
            (size_t)(data->num_frames_cond + data->num_frames + data->num_frames_future);
    if (ds->config.num_test_clips == 0)
        ds->config.num_test_clips = DEFAULT_TEST_CLIPS;
    if (ds->kind->own && data->start_at > 0)
        return mcvdi_fail(
            MCVD_E_CONFIG,
            "data.start_at = %lld: for the clips of public sets and stores, not for %s",
            (long long)data->start_at, name_of(ds->kind));
    if (!mcvdi_mul_size(&ds->clip_bytes, side, side) ||
        !mcvdi_mul_size(&ds->clip_bytes, ds->clip_bytes, channels) ||
        !mcvdi_mul_size(&ds->clip_bytes, ds->clip_bytes, ds->config.num_frames) ||
        ds->clip_bytes == 0)
        return mcvdi_fail(MCVD_E_CONFIG, "a window of %zu frames of %zux%zux%zu is not possible",
                          ds->config.num_frames, side, side, channels);
    return MCVD_OK;
}

/* What would do nothing is refused in training, whose configuration says what was seen. Testing
 * takes over the configuration of a model, which may have learned from another set. */
static mcvd_status check_options(const mcvd_dataset *ds)
{
    const mcvd_data_config *data = &ds->config.data;
    const char *set = mcvd_dataset_name(ds);
    mcvd_status st = mcvdi_set_options_belong(data, set);

    if (st >= 0 && data->color_jitter > 0.0 && (data->channels != 3 || !ds->facts.may_flip))
        st = mcvdi_fail(MCVD_E_CONFIG, "data.color_jitter = %g: for RGB pictures, not for %s%s",
                        data->color_jitter, data->channels != 3 ? "the gray frames of " : "", set);
    if (st != MCVD_E_CONFIG || ds->config.split == MCVD_SPLIT_TRAIN)
        return st;
    mcvdi_log(MCVD_LOG_WARNING, "passed over: %s", mcvd_last_error());
    return MCVD_OK;
}

mcvd_status mcvd_dataset_open(mcvd_dataset **out, const mcvd_dataset_config *config)
{
    *out = NULL;
    mcvd_dataset *ds = mcvdi_calloc(1, sizeof *ds);
    if (!ds)
        return mcvdi_fail(MCVD_E_NOMEM, "dataset: %zu bytes", sizeof *ds);
    ds->config = *config;

    mcvd_status st = choose_kind(&ds->kind, config);
    if (st >= 0)
        st = measure(ds);
    if (st >= 0)
        st = ds->kind->source
                 ? mcvdi_clips_open(&ds->clips, &ds->facts, &ds->config, ds->kind->source)
                 : ds->kind->own->open(&ds->state, &ds->facts, &ds->config);
    if (st >= 0)
        st = check_options(ds);
    if (st < 0) {
        mcvd_dataset_free(&ds);
        return st;
    }
    ds->config.path = NULL;
    ds->config.digit_folders = NULL;
    ds->config.num_digit_folders = 0;
    if (config->split == MCVD_SPLIT_TEST)
        ds->num_test_clips = ds->facts.num_windows < ds->config.num_test_clips
                                 ? (size_t)ds->facts.num_windows
                                 : ds->config.num_test_clips;
    *out = ds;
    return MCVD_OK;
}

void mcvd_dataset_free(mcvd_dataset **dataset)
{
    mcvd_dataset *ds = *dataset;

    if (!ds)
        return;
    if (ds->state)
        ds->kind->own->free(&ds->state);
    mcvdi_clips_free(&ds->clips);
    mcvdi_free(ds->facts.describe);
    mcvdi_free(ds);
    *dataset = NULL;
}

const char *mcvd_dataset_name(const mcvd_dataset *dataset)
{
    return dataset->facts.set ? dataset->facts.set : name_of(dataset->kind);
}

const char *mcvd_dataset_describe(const mcvd_dataset *dataset)
{
    return dataset->facts.describe;
}

size_t mcvd_dataset_num_frames(const mcvd_dataset *dataset)
{
    return dataset->config.num_frames;
}

size_t mcvd_dataset_clip_bytes(const mcvd_dataset *dataset)
{
    return dataset->clip_bytes;
}

uint64_t mcvd_dataset_num_windows(const mcvd_dataset *dataset)
{
    return dataset->facts.num_windows;
}

size_t mcvd_dataset_num_test_clips(const mcvd_dataset *dataset)
{
    return dataset->num_test_clips;
}

size_t mcvd_dataset_action_dim(const mcvd_dataset *dataset)
{
    return dataset->facts.action_dim;
}

const mcvd_dataset_config *mcvdi_dataset_config_of(const mcvd_dataset *dataset)
{
    return &dataset->config;
}

void mcvdi_clip_flip(uint8_t *clip, size_t num_rows, size_t width, size_t channels)
{
    for (size_t y = 0; y < num_rows; y++) {
        uint8_t *row = clip + y * width * channels;
        for (size_t x = 0; x < width / 2; x++)
            for (size_t c = 0; c < channels; c++) {
                uint8_t *left = row + x * channels + c;
                uint8_t *right = row + (width - 1 - x) * channels + c;
                const uint8_t swap = *left;
                *left = *right;
                *right = swap;
            }
    }
}

/* Both look at one stream of the sample: the coin at its first word, the hue at its fifth. */
static void augment(const mcvd_dataset *ds, uint64_t index, uint8_t *clip)
{
    const mcvd_data_config *data = &ds->config.data;
    const size_t side = (size_t)data->image_size;
    const mcvd_rng_key key = mcvd_rng_key_make(ds->config.seed, MCVD_RNG_AUGMENT, index, 0);
    float u = 0.0f;

    if (ds->config.split != MCVD_SPLIT_TRAIN || !ds->facts.may_flip)
        return;
    if (data->random_flip && mcvd_rng_below(key, 0, 2) == 1)
        mcvdi_clip_flip(clip, ds->config.num_frames * side, side, (size_t)data->channels);
    if (data->color_jitter > 0.0 && data->channels == 3) {
        mcvd_rng_uniform(key, HUE_WORD, &u, 1);
        mcvdi_hue_shift(clip, ds->config.num_frames * side * side,
                        (float)data->color_jitter * (2.0f * u - 1.0f));
    }
}

static mcvd_status get_window(mcvd_dataset *ds, uint64_t index, uint8_t *clip, float *actions)
{
    if (ds->clips)
        return mcvdi_clips_window(ds->clips, index, ds->num_test_clips, clip, actions);
    return ds->kind->own->window(ds->state, index, ds->num_test_clips, clip);
}

mcvd_status mcvd_dataset_window(mcvd_dataset *dataset, uint64_t index, uint8_t *clip)
{
    return mcvd_dataset_window_actions(dataset, index, clip, NULL);
}

mcvd_status mcvd_dataset_window_actions(mcvd_dataset *dataset, uint64_t index, uint8_t *clip,
                                        float *actions)
{
    if (dataset->config.split == MCVD_SPLIT_TEST && index >= dataset->num_test_clips)
        return mcvdi_fail(MCVD_E_RANGE, "test clip %llu of %zu", (unsigned long long)index,
                          dataset->num_test_clips);
    if (actions && !dataset->facts.action_dim)
        return mcvdi_fail(MCVD_E_STATE, "%s: its frames have no actions", name_of(dataset->kind));
    const mcvd_status st = get_window(dataset, index, clip, actions);
    if (st >= 0)
        augment(dataset, index, clip);
    return st;
}
