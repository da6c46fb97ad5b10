/*
 * Stochastic Moving MNIST (Denton & Fergus 2018, "Stochastic video generation with a learned
 * prior"): digits move at constant speed and leave a border with a new random velocity.
 *
 * The published form adds digits as floats in [0, 1] and cuts at 1. Digits are 8-bit values, so
 * their saturating 8-bit sum is the same number: round(255 x) of the published frame, which
 * itself is a float32 rounding away.
 */
#include "data/smmnist.h"

#include <string.h>

#include <mcvd/rng.h>

#include "core/alloc.h"
#include "core/fileio.h"
#include "data/dataset.h"
#include "data/idx.h"
#include "data/resample_pillow.h"

enum { MIN_SIDE = 16, MAX_SIDE = 256, MAX_DIGITS = 16, SPEED_PER_SIDE = 16 };

static const uint64_t test_seed = 0; /* one test set for everybody */
static const char train_file[] = "train-images-idx3-ubyte";
static const char test_file[] = "t10k-images-idx3-ubyte";

/* The digits that ship with the program: installed, or in the source tree. */
static const char *const shipped_folders[] = { MCVDI_SMMNIST_INSTALLED, MCVDI_SMMNIST_SOURCE };

enum { NUM_SHIPPED = sizeof shipped_folders / sizeof shipped_folders[0] };

typedef struct smmnist {
    mcvdi_idx_images images;
    mcvdi_pillow *resize; /* digit to half the frame's side */
    size_t num_images;    /* how many may be drawn */
    size_t num_digits;
    size_t num_frames;
    size_t side;
    mcvd_split split;
    uint64_t seed;
} smmnist;

/* Random integers of one clip, in order. */
typedef struct clip_draws {
    mcvd_rng_key key;
    uint64_t next;
} clip_draws;

static int draw(void *user, int low, int high)
{
    clip_draws *draws = user;

    return low + (int)mcvd_rng_below(draws->key, draws->next++, (uint32_t)(high - low));
}

mcvdi_smmnist_mover mcvdi_smmnist_start(const mcvdi_smmnist_rules *rules)
{
    mcvdi_smmnist_mover m;

    m.column = rules->draw(rules->user, 0, rules->limit);
    m.row = rules->draw(rules->user, 0, rules->limit);
    m.column_step = rules->draw(rules->user, -rules->speed, rules->speed + 1);
    m.row_step = rules->draw(rules->user, -rules->speed, rules->speed + 1);
    return m;
}

/* One axis: place and step of the axis, step of the other axis. */
static void bounce_axis(int *place, int *step, int *other, const mcvdi_smmnist_rules *rules)
{
    if (*place < 0) {
        *place = 0;
        *step = rules->draw(rules->user, 1, rules->speed + 1);
    } else if (*place >= rules->limit) {
        *place = rules->limit - 1;
        *step = rules->draw(rules->user, -rules->speed, 0);
    } else {
        return;
    }
    *other = rules->draw(rules->user, -rules->speed, rules->speed + 1);
}

void mcvdi_smmnist_bounce(mcvdi_smmnist_mover *mover, const mcvdi_smmnist_rules *rules)
{
    bounce_axis(&mover->row, &mover->row_step, &mover->column_step, rules);
    bounce_axis(&mover->column, &mover->column_step, &mover->row_step, rules);
}

void mcvdi_smmnist_add(uint8_t *frame, size_t side, const uint8_t *digit, size_t digit_side,
                       const mcvdi_smmnist_mover *at)
{
    frame += (size_t)at->row * side + (size_t)at->column;
    for (size_t y = 0; y < digit_side; y++)
        for (size_t x = 0; x < digit_side; x++) {
            const unsigned sum = (unsigned)frame[y * side + x] + digit[y * digit_side + x];
            frame[y * side + x] = (uint8_t)(sum > 255 ? 255 : sum);
        }
}

static void add_moving_digit(const smmnist *s, const mcvdi_smmnist_rules *rules, uint8_t *clip)
{
    uint8_t digit[MAX_SIDE / 2 * MAX_SIDE / 2];
    uint8_t scratch[MCVDI_IDX_MAX_SIDE * MAX_SIDE / 2];
    const size_t which = (size_t)rules->draw(rules->user, 0, (int)s->num_images);
    const size_t image_bytes = s->images.height * s->images.width;

    mcvdi_pillow_resize(s->resize, digit, s->images.pixels + which * image_bytes, scratch);
    mcvdi_smmnist_mover mover = mcvdi_smmnist_start(rules);
    for (size_t f = 0; f < s->num_frames; f++) {
        mcvdi_smmnist_bounce(&mover, rules);
        mcvdi_smmnist_add(clip + f * s->side * s->side, s->side, digit, s->side / 2, &mover);
        mover.row += mover.row_step;
        mover.column += mover.column_step;
    }
}

static mcvd_status window(void *state, uint64_t index, size_t num_test_clips, uint8_t *clip)
{
    const smmnist *s = state;
    clip_draws draws = { .key = mcvd_rng_key_make(s->seed, MCVD_RNG_DATA_CLIP, index, s->split) };
    const mcvdi_smmnist_rules rules = { .limit = (int)s->side / 2,
                                        .speed = (int)s->side / SPEED_PER_SIDE,
                                        .draw = draw,
                                        .user = &draws };

    (void)num_test_clips;
    memset(clip, 0, s->num_frames * s->side * s->side);
    for (size_t d = 0; d < s->num_digits; d++)
        add_moving_digit(s, &rules, clip);
    return MCVD_OK;
}

static bool folder_has(const char *folder, const char *name)
{
    char *path = mcvdi_sprintf("%s/%s", folder, name);
    const bool found = path && mcvdi_path_exists(path);

    mcvdi_free(path);
    return found;
}

static bool accepts(const char *path)
{
    return mcvdi_path_is_folder(path) &&
           (folder_has(path, train_file) || folder_has(path, test_file));
}

/* The given folder, the caller's folders, the shipped ones: the first that has the file. */
static const char *find_folder(const mcvd_dataset_config *config, const char *name)
{
    if (config->path)
        return config->path;
    for (size_t i = 0; i < config->num_digit_folders; i++)
        if (folder_has(config->digit_folders[i], name))
            return config->digit_folders[i];
    for (size_t i = 0; i < NUM_SHIPPED; i++)
        if (folder_has(shipped_folders[i], name))
            return shipped_folders[i];
    return NULL;
}

static bool is_shipped(const char *folder)
{
    for (size_t i = 0; i < NUM_SHIPPED; i++)
        if (strcmp(folder, shipped_folders[i]) == 0)
            return true;
    return false;
}

static mcvd_status read_digits(smmnist *s, mcvdi_dataset_facts *facts,
                               const mcvd_dataset_config *config)
{
    const bool is_test = config->split == MCVD_SPLIT_TEST;
    const char *name = is_test ? test_file : train_file;
    const char *folder = find_folder(config, name);

    if (!folder)
        return mcvdi_fail(MCVD_E_INPUT,
                          "moving digits: no %s in %zu given folders, nor %s; "
                          "scripts/fetch_mnist.sh fetches it",
                          name, config->num_digit_folders, shipped_folders[0]);
    char *path = mcvdi_sprintf("%s/%s", folder, name);
    if (!path)
        return mcvdi_fail(MCVD_E_NOMEM, "moving digits: a path");
    const mcvd_status st = mcvdi_idx_read(&s->images, path);
    mcvdi_free(path);
    if (st < 0)
        return st;
    s->num_images = s->images.count;
    if (is_test && config->data.test_digits > 0 && s->num_images > (size_t)config->data.test_digits)
        s->num_images = (size_t)config->data.test_digits;
    facts->describe =
        mcvdi_sprintf("%zu moving digits, %s split: %zu images of %s%s", s->num_digits,
                      is_test ? "test" : "training", s->num_images, folder,
                      is_shipped(folder) ? " (the subset of MNIST that ships)" : "");
    return facts->describe ? MCVD_OK : mcvdi_fail(MCVD_E_NOMEM, "moving digits: a description");
}

static mcvd_status check_config(const mcvd_data_config *data)
{
    if (data->channels != 1)
        return mcvdi_fail(MCVD_E_CONFIG, "data.channels = %lld, moving digits are gray: 1",
                          (long long)data->channels);
    if (data->image_size < MIN_SIDE || data->image_size > MAX_SIDE || data->image_size % 2)
        return mcvdi_fail(MCVD_E_CONFIG,
                          "data.image_size = %lld, moving digits need an even size in %d..%d",
                          (long long)data->image_size, MIN_SIDE, MAX_SIDE);
    if (data->num_digits < 1 || data->num_digits > MAX_DIGITS)
        return mcvdi_fail(MCVD_E_CONFIG, "data.num_digits = %lld, expected 1..%d",
                          (long long)data->num_digits, MAX_DIGITS);
    return MCVD_OK;
}

static void release(void **state)
{
    smmnist *s = *state;

    mcvdi_idx_release(&s->images);
    mcvdi_pillow_free(&s->resize);
    mcvdi_free(s);
    *state = NULL;
}

static mcvd_status prepare(smmnist *s, mcvdi_dataset_facts *facts,
                           const mcvd_dataset_config *config)
{
    const mcvd_status st = read_digits(s, facts, config);
    if (st < 0)
        return st;
    facts->num_windows = UINT64_MAX;
    return mcvdi_pillow_create(&s->resize, MCVDI_PILLOW_BILINEAR,
                               &(mcvdi_pillow_shape) { .in_height = s->images.height,
                                                       .in_width = s->images.width,
                                                       .out_height = s->side / 2,
                                                       .out_width = s->side / 2,
                                                       .channels = 1 });
}

static mcvd_status open_digits(void **state, mcvdi_dataset_facts *facts,
                               const mcvd_dataset_config *config)
{
    mcvd_status st = check_config(&config->data);
    if (st < 0)
        return st;
    smmnist *s = mcvdi_calloc(1, sizeof *s);
    if (!s)
        return mcvdi_fail(MCVD_E_NOMEM, "moving digits: %zu bytes", sizeof *s);
    s->side = (size_t)config->data.image_size;
    s->num_digits = (size_t)config->data.num_digits;
    s->num_frames = config->num_frames;
    s->split = config->split;
    s->seed = config->split == MCVD_SPLIT_TEST ? test_seed : config->seed;
    *state = s;
    st = prepare(s, facts, config);
    if (st < 0)
        release(state);
    return st;
}

const mcvdi_dataset_kind mcvdi_dataset_smmnist = {
    .name = "StochasticMovingMNIST",
    .help = "handwritten digits that move and bounce at random; from MNIST's IDX files",
    .accepts = accepts,
    .open = open_digits,
    .free = release,
    .window = window,
    .opens_without_path = true,
};
