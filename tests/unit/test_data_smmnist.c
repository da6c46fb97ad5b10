/* Moving digits: windows are functions of (seed, index); errors name what is missing. */
#include <mcvd/data.h>

#include "core/alloc.h"
#include "data/smmnist.h"
#include "support/check.h"
#include "support/data_config.h"

enum { FRAMES = 15, SIDE = 64, CLIP = FRAMES * SIDE * SIDE };

/* FNV-1a of the first and the last clip of the test set. */
static const uint32_t test_clip_first = 3311533617u;
static const uint32_t test_clip_last = 2916430940u;

static mcvd_dataset *open_split(mcvd_split split, uint64_t seed)
{
    const mcvd_data_config data = digits_config();
    mcvd_dataset_config config = mcvd_dataset_config_default(&data);
    mcvd_dataset *dataset = NULL;

    config.split = split;
    config.seed = seed;
    CHECK_OK(mcvd_dataset_open(&dataset, &config));
    return dataset;
}

static uint32_t checksum(const uint8_t *bytes, size_t n)
{
    uint32_t h = 2166136261u;

    for (size_t i = 0; i < n; i++)
        h = (h ^ bytes[i]) * 16777619u;
    return h;
}

static uint32_t window_checksum(mcvd_dataset *dataset, uint64_t index)
{
    static uint8_t clip[CLIP];

    memset(clip, 0x5a, sizeof clip);
    CHECK_OK(mcvd_dataset_window(dataset, index, clip));
    return checksum(clip, CLIP);
}

static void test_training_windows(void **state)
{
    mcvd_dataset *a = open_split(MCVD_SPLIT_TRAIN, 1);
    mcvd_dataset *b = open_split(MCVD_SPLIT_TRAIN, 1);
    mcvd_dataset *c = open_split(MCVD_SPLIT_TRAIN, 2);

    (void)state;
    CHECK_EQ(mcvd_dataset_clip_bytes(a), CLIP);
    CHECK_EQ(mcvd_dataset_num_frames(a), FRAMES);
    CHECK_EQ(mcvd_dataset_num_test_clips(a), 0);
    CHECK_TRUE(mcvd_dataset_num_windows(a) == UINT64_MAX);
    CHECK_TRUE(strcmp(mcvd_dataset_name(a), "StochasticMovingMNIST") == 0);
    CHECK_TRUE(strstr(mcvd_dataset_describe(a), "2000 images") != NULL);
    const uint32_t seventh = window_checksum(a, 7);
    CHECK_TRUE(window_checksum(a, 8) != seventh);
    CHECK_EQ(window_checksum(a, 7), seventh);
    CHECK_EQ(window_checksum(b, 7), seventh);
    CHECK_TRUE(window_checksum(c, 7) != seventh);
    CHECK_TRUE(window_checksum(a, (1ull << 40) + 7) != seventh);
    mcvd_dataset_free(&a);
    mcvd_dataset_free(&b);
    mcvd_dataset_free(&c);
    CHECK_TRUE(a == NULL);
}

/* The test set never moves: scores of different runs compare. A change of these numbers is a
 * change of the benchmark. */
static void test_test_set_is_fixed(void **state)
{
    uint8_t clip[CLIP];
    mcvd_dataset *a = open_split(MCVD_SPLIT_TEST, 1);
    mcvd_dataset *b = open_split(MCVD_SPLIT_TEST, 2);

    (void)state;
    CHECK_EQ(mcvd_dataset_num_test_clips(a), 256);
    for (uint64_t i = 0; i < 256; i += 51)
        CHECK_EQ(window_checksum(a, i), window_checksum(b, i));
    CHECK_EQ(window_checksum(a, 0), test_clip_first);
    CHECK_EQ(window_checksum(a, 255), test_clip_last);
    CHECK_STATUS(mcvd_dataset_window(a, 256, clip), MCVD_E_RANGE);
    CHECK_MESSAGE("256");
    mcvd_dataset_free(&a);
    mcvd_dataset_free(&b);
}

/* Two digits of 32x32: between 1 and 2048 lit pixels, and they move. */
static void test_frames_show_moving_digits(void **state)
{
    static uint8_t clip[CLIP];
    mcvd_dataset *dataset = open_split(MCVD_SPLIT_TRAIN, 3);

    (void)state;
    for (uint64_t i = 0; i < 20; i++) {
        CHECK_OK(mcvd_dataset_window(dataset, i, clip));
        CHECK_TRUE(memcmp(clip, clip + SIDE * SIDE, SIDE * SIDE) != 0);
        for (size_t f = 0; f < FRAMES; f++) {
            size_t lit = 0;
            for (size_t p = 0; p < SIDE * SIDE; p++)
                lit += clip[f * SIDE * SIDE + p] > 0;
            CHECK_TRUE(lit > 20 && lit <= 2048);
        }
    }
    mcvd_dataset_free(&dataset);
}

static int draw_largest(void *user, int low, int high)
{
    (*(int *)user)++;
    (void)low;
    return high - 1;
}

/* A mirrored digit is not a digit: data.random_flip changes nothing. */
static void test_digits_are_never_flipped(void **state)
{
    mcvd_data_config data = digits_config();
    mcvd_dataset *plain = open_split(MCVD_SPLIT_TRAIN, 4);
    mcvd_dataset *flip = NULL;

    (void)state;
    data.random_flip = true;
    mcvd_dataset_config config = mcvd_dataset_config_default(&data);
    config.seed = 4;
    CHECK_OK(mcvd_dataset_open(&flip, &config));
    for (uint64_t i = 0; i < 20; i++)
        CHECK_EQ(window_checksum(plain, i), window_checksum(flip, i));
    mcvd_dataset_free(&plain);
    mcvd_dataset_free(&flip);
}

/* Both borders in one frame: the row's redraw sets the column's step before the column bounces. */
static void test_bounce_in_a_corner(void **state)
{
    int draws = 0;
    const mcvdi_smmnist_rules rules = {
        .limit = 32, .speed = 4, .draw = draw_largest, .user = &draws
    };
    mcvdi_smmnist_mover m = { .row = -1, .column = 32, .row_step = -1, .column_step = 1 };

    (void)state;
    mcvdi_smmnist_bounce(&m, &rules);
    CHECK_EQ(draws, 4);
    CHECK_EQ(m.row, 0);
    CHECK_EQ(m.column, 31);
    CHECK_EQ(m.column_step, -1); /* the largest of [-4, 0) */
    CHECK_EQ(m.row_step, 4);     /* redrawn by the column's bounce */
    mcvdi_smmnist_bounce(&m, &rules);
    CHECK_EQ(draws, 4);
}

static void test_sums_saturate(void **state)
{
    uint8_t frame[16] = { 0 };
    const uint8_t digit[4] = { 100, 200, 255, 0 };
    const mcvdi_smmnist_mover at = { .row = 1, .column = 2 };

    (void)state;
    mcvdi_smmnist_add(frame, 4, digit, 2, &at);
    mcvdi_smmnist_add(frame, 4, digit, 2, &at);
    CHECK_EQ(frame[1 * 4 + 2], 200);
    CHECK_EQ(frame[1 * 4 + 3], 255);
    CHECK_EQ(frame[2 * 4 + 2], 255);
    CHECK_EQ(frame[2 * 4 + 3], 0);
    CHECK_EQ(frame[0], 0);
}

static void test_other_sizes(void **state)
{
    static uint8_t clip[FRAMES * 256 * 256];
    const int64_t sizes[] = { 16, 18, 32, 128, 256 };

    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        mcvd_data_config data = digits_config();
        mcvd_dataset *dataset = NULL;
        data.image_size = sizes[i];
        mcvd_dataset_config config = mcvd_dataset_config_default(&data);
        CHECK_OK(mcvd_dataset_open(&dataset, &config));
        CHECK_TRUE(mcvd_dataset_clip_bytes(dataset) <= sizeof clip);
        CHECK_OK(mcvd_dataset_window(dataset, 5, clip));
        mcvd_dataset_free(&dataset);
    }
}

static mcvd_status open_with(mcvd_data_config data, const char *path)
{
    mcvd_dataset *dataset = NULL;
    mcvd_dataset_config config = mcvd_dataset_config_default(&data);

    config.path = path;
    const mcvd_status st = mcvd_dataset_open(&dataset, &config);
    if (st < 0)
        CHECK_TRUE(dataset == NULL);
    mcvd_dataset_free(&dataset);
    return st;
}

static void test_refuses_what_does_not_fit(void **state)
{
    mcvd_data_config data = digits_config();

    (void)state;
    data.channels = 3;
    CHECK_STATUS(open_with(data, NULL), MCVD_E_CONFIG);
    CHECK_MESSAGE("data.channels = 3");
    data = digits_config();
    data.image_size = 63;
    CHECK_STATUS(open_with(data, NULL), MCVD_E_CONFIG);
    data.image_size = 512;
    CHECK_STATUS(open_with(data, NULL), MCVD_E_CONFIG);
    data = digits_config();
    data.num_digits = 0;
    CHECK_STATUS(open_with(data, NULL), MCVD_E_CONFIG);
    data = digits_config();
    CHECK_STATUS(open_with(data, "/nonexistent/x"), MCVD_E_INPUT);
    CHECK_MESSAGE("/nonexistent/x");
    snprintf(data.dataset, sizeof data.dataset, "VIDEOS");
    CHECK_STATUS(open_with(data, NULL), MCVD_E_INPUT);
    CHECK_MESSAGE("VIDEOS");
}

static void test_digits_from_a_folder(void **state)
{
    char folder[256];
    uint8_t file[16 + 2 * 4] = { 0, 0, 8, 3, 0,   0,   0,   2,   0,   0,   0,   2,
                                 0, 0, 0, 2, 255, 255, 255, 255, 255, 255, 255, 255 };
    mcvd_data_config data = digits_config();

    (void)state;
    make_folder(folder, sizeof folder);
    write_file(folder, "train-images-idx3-ubyte", file, sizeof file);
    CHECK_OK(open_with(data, folder));

    /* given as a search folder, it wins over the shipped digits */
    mcvd_dataset_config config = mcvd_dataset_config_default(&data);
    config.digit_folders = (const char *[]) { "/nonexistent", folder };
    config.num_digit_folders = 2;
    mcvd_dataset *dataset = NULL;
    CHECK_OK(mcvd_dataset_open(&dataset, &config));
    CHECK_TRUE(strstr(mcvd_dataset_describe(dataset), folder) != NULL);
    mcvd_dataset_free(&dataset);

    file[3] = 1;
    write_file(folder, "train-images-idx3-ubyte", file, sizeof file);
    CHECK_STATUS(open_with(data, folder), MCVD_E_FORMAT);
    CHECK_MESSAGE(folder);
    remove_file(folder, "train-images-idx3-ubyte");
    write_file(folder, "t10k-images-idx3-ubyte", file, sizeof file);
    CHECK_STATUS(open_with(data, folder), MCVD_E_INPUT); /* no training images in it */
    remove_file(folder, "t10k-images-idx3-ubyte");
    CHECK_EQ(rmdir(folder), 0);
}

/* The brightest pixel of the first 256 test clips. */
static int brightest(const char *folder, int64_t test_digits)
{
    static uint8_t clip[FRAMES * 64 * 64];
    mcvd_data_config data = digits_config();
    int most = 0;

    data.num_digits = 1;
    data.test_digits = test_digits;
    mcvd_dataset_config config = mcvd_dataset_config_default(&data);
    config.path = folder;
    config.split = MCVD_SPLIT_TEST;
    config.num_frames = FRAMES;
    mcvd_dataset *dataset = NULL;
    CHECK_OK(mcvd_dataset_open(&dataset, &config));
    for (uint64_t i = 0; i < mcvd_dataset_num_test_clips(dataset); i++) {
        CHECK_OK(mcvd_dataset_window(dataset, i, clip));
        for (size_t k = 0; k < sizeof clip; k++)
            most = clip[k] > most ? clip[k] : most;
    }
    mcvd_dataset_free(&dataset);
    return most;
}

/* Test images 0 .. 255 have level 10, 256 .. 399 level 200, the last one 250. */
static void test_which_digits_are_tested(void **state)
{
    enum { IMAGES = 400, HEAD = 16 };
    static uint8_t file[HEAD + 4 * IMAGES] = { 0, 0, 8, 3, 0, 0, 1, 144, 0, 0, 0, 2, 0, 0, 0, 2 };
    char folder[256];

    (void)state;
    for (size_t i = 0; i < IMAGES; i++)
        memset(file + HEAD + 4 * i, i < 256 ? 10 : i < IMAGES - 1 ? 200 : 250, 4);
    make_folder(folder, sizeof folder);
    write_file(folder, "t10k-images-idx3-ubyte", file, sizeof file);
    CHECK_EQ(brightest(folder, 256), 10);
    CHECK_EQ(brightest(folder, 5), 10);
    CHECK_EQ(brightest(folder, IMAGES - 1), 200);
    CHECK_TRUE(brightest(folder, 0) >= 200);
    CHECK_EQ(brightest(folder, 0), brightest(folder, 100000));
    remove_file(folder, "t10k-images-idx3-ubyte");
    CHECK_EQ(rmdir(folder), 0);
}

static void test_every_allocation_may_fail(void **state)
{
    const uint64_t live = mcvdi_alloc_stats_get().live;
    mcvd_status st = MCVD_E_NOMEM;
    long n = 0;

    (void)state;
    for (; st != MCVD_OK; n++) {
        mcvd_dataset *dataset = NULL;
        const mcvd_data_config data = digits_config();
        const mcvd_dataset_config config = mcvd_dataset_config_default(&data);
        mcvdi_alloc_fail_after(n);
        st = mcvd_dataset_open(&dataset, &config);
        mcvdi_alloc_fail_after(-1);
        CHECK_TRUE(st == MCVD_OK || (dataset == NULL && st < 0));
        mcvd_dataset_free(&dataset);
        CHECK_EQ(mcvdi_alloc_stats_get().live, live);
        CHECK_TRUE(n < 100);
    }
    CHECK_TRUE(n > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_training_windows),
        cmocka_unit_test(test_test_set_is_fixed),
        cmocka_unit_test(test_frames_show_moving_digits),
        cmocka_unit_test(test_digits_are_never_flipped),
        cmocka_unit_test(test_bounce_in_a_corner),
        cmocka_unit_test(test_sums_saturate),
        cmocka_unit_test(test_other_sizes),
        cmocka_unit_test(test_refuses_what_does_not_fit),
        cmocka_unit_test(test_digits_from_a_folder),
        cmocka_unit_test(test_which_digits_are_tested),
        cmocka_unit_test(test_every_allocation_may_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
