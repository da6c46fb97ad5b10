/* Videos as a data set: what is found, how it is split, and that cache and seeking agree. */
#include <mcvd/data.h>
#include <mcvd/log.h>

#include <stdlib.h>
#include <sys/stat.h>

#include "core/alloc.h"
#include "core/fileio.h"
#include "data/video_list.h"
#include "support/check.h"
#include "support/data_config.h"

enum { SIDE = 16, FRAME = SIDE * SIDE, WINDOW = 6, MAX_CLIP = WINDOW * FRAME * 3 };

static char root[256];
static char log_text[4096];

static void keep_log(void *user, mcvd_log_level level, const char *line)
{
    (void)user;
    if (level == MCVD_LOG_WARNING)
        snprintf(log_text + strlen(log_text), sizeof log_text - strlen(log_text), "%s\n", line);
}

/* Pixel of frame f of video `id`: the column, so that a flip shows, under the frame's number. */
static uint8_t pixel(int id, int f, int y, int x)
{
    return (uint8_t)(y == 0 ? f : y == 1 ? id : 40 + 5 * x);
}

static const char *inside(const char *name)
{
    static char path[512];

    snprintf(path, sizeof path, "%s/%s", root, name);
    return path;
}

/* A gray y4m of num_frames frames, cut after max_bytes. */
static void write_y4m(const char *name, int id, int num_frames, size_t max_bytes)
{
    char *bytes = malloc(64 + (size_t)num_frames * (6 + FRAME));
    size_t n = (size_t)sprintf(bytes, "YUV4MPEG2 W%d H%d F25:1 Ip A1:1 Cmono\n", SIDE, SIDE);

    for (int f = 0; f < num_frames; f++) {
        memcpy(bytes + n, "FRAME\n", 6);
        n += 6;
        for (int y = 0; y < SIDE; y++)
            for (int x = 0; x < SIDE; x++)
                bytes[n++] = (char)pixel(id, f, y, x);
    }
    write_file(root, name, bytes, n < max_bytes ? n : max_bytes);
    free(bytes);
}

static void write_pictures(const char *folder, int id, int num_frames)
{
    CHECK_OK(mcvdi_make_folders(inside(folder)));
    for (int f = 0; f < num_frames; f++) {
        char name[128];
        char bytes[32 + FRAME];
        size_t n = (size_t)sprintf(bytes, "P5\n%d %d\n255\n", SIDE, SIDE);
        for (int y = 0; y < SIDE; y++)
            for (int x = 0; x < SIDE; x++)
                bytes[n++] = (char)pixel(id, f, y, x);
        snprintf(name, sizeof name, "%s/f%d.pgm", folder, f + 1);
        write_file(root, name, bytes, n);
    }
}

static mcvd_data_config video_config(void)
{
    mcvd_data_config data = digits_config();

    snprintf(data.dataset, sizeof data.dataset, "VIDEOS");
    data.image_size = SIDE;
    data.num_frames_cond = data.num_frames = data.num_frames_future = 2;
    return data;
}

static mcvd_status try_open(mcvd_dataset **dataset, const mcvd_data_config *data, const char *name,
                            mcvd_split split, size_t cache_bytes)
{
    mcvd_dataset_config config = mcvd_dataset_config_default(data);
    const char *path = inside(name);

    config.path = path;
    config.split = split;
    config.seed = 11;
    config.cache_bytes = cache_bytes;
    log_text[0] = '\0';
    return mcvd_dataset_open(dataset, &config);
}

static mcvd_dataset *open_part(const char *name, mcvd_split split, size_t cache_bytes)
{
    const mcvd_data_config data = video_config();
    mcvd_dataset *dataset = NULL;

    CHECK_OK(try_open(&dataset, &data, name, split, cache_bytes));
    return dataset;
}

/* The window shows consecutive frames of one video; returns the first frame and the video. */
static int check_window(const uint8_t *clip, int *id, int step)
{
    const int first = clip[0];

    *id = clip[SIDE];
    for (int f = 0; f < WINDOW; f++)
        for (int y = 0; y < SIDE; y++)
            for (int x = 0; x < SIDE; x++)
                CHECK_EQ(clip[f * FRAME + y * SIDE + x], pixel(*id, first + f * step, y, x));
    return first;
}

/* 30 frames, a fifth for testing: training starts 0..18, test starts 24. */
static void test_training_never_sees_the_test_part(void **state)
{
    static uint8_t clip[MAX_CLIP];
    mcvd_dataset *train = open_part("one.y4m", MCVD_SPLIT_TRAIN, 1 << 20);
    mcvd_dataset *test = open_part("one.y4m", MCVD_SPLIT_TEST, 1 << 20);
    size_t seen[30] = { 0 };
    int id = 0;

    (void)state;
    CHECK_TRUE(strcmp(mcvd_dataset_name(train), "VIDEOS") == 0);
    CHECK_EQ(mcvd_dataset_num_windows(train), 19);
    CHECK_EQ(mcvd_dataset_num_windows(test), 1);
    CHECK_EQ(mcvd_dataset_num_test_clips(test), 1);
    for (uint64_t i = 0; i < 1900; i++) {
        CHECK_OK(mcvd_dataset_window(train, i, clip));
        seen[check_window(clip, &id, 1)]++;
    }
    for (size_t start = 0; start < 30; start++) /* 100 +- 5 standard deviations of 9.7 */
        CHECK_CLOSE(seen[start], start < 19 ? 100 : 0, start < 19 ? 49 : 0);
    CHECK_OK(mcvd_dataset_window(test, 0, clip));
    CHECK_EQ(check_window(clip, &id, 1), 24);
    CHECK_STATUS(mcvd_dataset_window(test, 1, clip), MCVD_E_RANGE);
    mcvd_dataset_free(&train);
    mcvd_dataset_free(&test);
}

static void test_seeking_equals_the_cache(void **state)
{
    static uint8_t a[MAX_CLIP];
    static uint8_t b[MAX_CLIP];
    static const char *const names[] = { "one.y4m", "many" };

    (void)state;
    for (size_t n = 0; n < 2; n++)
        for (int split = 0; split < 2; split++) {
            mcvd_dataset *cached = open_part(names[n], (mcvd_split)split, 1 << 20);
            mcvd_dataset *seeking = open_part(names[n], (mcvd_split)split, 0);
            mcvd_dataset *partly = open_part(names[n], (mcvd_split)split, 40 * FRAME);
            const uint64_t count = split ? mcvd_dataset_num_test_clips(cached) : 40;
            CHECK_TRUE(strstr(mcvd_dataset_describe(seeking), " 0.0 MB") != NULL);
            CHECK_EQ(mcvd_dataset_num_windows(cached), mcvd_dataset_num_windows(seeking));
            for (uint64_t i = 0; i < count; i++) {
                CHECK_OK(mcvd_dataset_window(cached, i, a));
                CHECK_OK(mcvd_dataset_window(seeking, i, b));
                assert_memory_equal(a, b, WINDOW * FRAME);
                CHECK_OK(mcvd_dataset_window(partly, i, b));
                assert_memory_equal(a, b, WINDOW * FRAME);
            }
            mcvd_dataset_free(&cached);
            mcvd_dataset_free(&seeking);
            mcvd_dataset_free(&partly);
        }
}

/* many: a.y4m (30, id 1), b.y4m (12, id 2), pictures p (20, id 3), sub/c.y4m (30, id 4), a short
 * video and a damaged one, which are left out with warnings, and files that are no videos. */
static void test_folder_of_everything(void **state)
{
    static uint8_t clip[MAX_CLIP];
    mcvd_dataset *dataset = open_part("many", MCVD_SPLIT_TRAIN, 1 << 20);
    size_t seen[6] = { 0 };
    int id = 0;

    (void)state;
    CHECK_TRUE(strstr(log_text, "short.y4m") != NULL);
    CHECK_TRUE(strstr(log_text, "broken.mp4") != NULL);
    CHECK_TRUE(strstr(log_text, "notes") == NULL);
    CHECK_TRUE(strstr(mcvd_dataset_describe(dataset), "4 of 6 videos") != NULL);
    /* training parts of 24, 10, 16, 24 frames */
    CHECK_EQ(mcvd_dataset_num_windows(dataset), 19 + 5 + 11 + 19);
    for (uint64_t i = 0; i < 540; i++) {
        CHECK_OK(mcvd_dataset_window(dataset, i, clip));
        check_window(clip, &id, 1);
        CHECK_TRUE(id >= 1 && id <= 4);
        seen[id]++;
    }
    CHECK_CLOSE(seen[1], 190, 55); /* 5 standard deviations of 11.1 */
    CHECK_CLOSE(seen[2], 50, 34);
    CHECK_CLOSE(seen[3], 110, 47);
    CHECK_CLOSE(seen[4], 190, 55);
    mcvd_dataset_free(&dataset);
}

/* Test clips come in order, each in its own stretch of the test windows. */
static void test_test_clips_are_spread(void **state)
{
    static uint8_t clip[MAX_CLIP];
    mcvd_data_config data = video_config();
    mcvd_dataset *dataset = NULL;
    int id = 0;

    (void)state;
    data.test_fraction = 0.0; /* the whole video: 30 frames, 25 windows */
    mcvd_dataset_config config = mcvd_dataset_config_default(&data);
    config.path = inside("one.y4m");
    config.split = MCVD_SPLIT_TEST;
    config.num_test_clips = 4;
    CHECK_OK(mcvd_dataset_open(&dataset, &config));
    CHECK_EQ(mcvd_dataset_num_windows(dataset), 25);
    CHECK_EQ(mcvd_dataset_num_test_clips(dataset), 4);
    static const int starts[] = { 3, 9, 15, 21 };
    for (uint64_t i = 0; i < 4; i++) {
        CHECK_OK(mcvd_dataset_window(dataset, i, clip));
        CHECK_EQ(check_window(clip, &id, 1), starts[i]);
    }
    mcvd_dataset_free(&dataset);
}

static void test_flips_half_of_the_clips(void **state)
{
    static uint8_t plain[MAX_CLIP];
    static uint8_t flipped[MAX_CLIP];
    mcvd_data_config data = video_config();
    mcvd_dataset *a = NULL;
    mcvd_dataset *b = NULL;
    size_t num_flipped = 0;

    (void)state;
    CHECK_OK(try_open(&a, &data, "one.y4m", MCVD_SPLIT_TRAIN, 1 << 20));
    data.random_flip = true;
    CHECK_OK(try_open(&b, &data, "one.y4m", MCVD_SPLIT_TRAIN, 1 << 20));
    for (uint64_t i = 0; i < 1000; i++) {
        CHECK_OK(mcvd_dataset_window(a, i, plain));
        CHECK_OK(mcvd_dataset_window(b, i, flipped));
        const bool is_flipped = memcmp(plain, flipped, WINDOW * FRAME) != 0;
        num_flipped += is_flipped;
        for (size_t y = 0; is_flipped && y < WINDOW * SIDE; y++)
            for (size_t x = 0; x < SIDE; x++)
                CHECK_EQ(flipped[y * SIDE + x], plain[y * SIDE + SIDE - 1 - x]);
    }
    CHECK_CLOSE(num_flipped, 500, 80); /* 5 standard deviations of 15.8 */
    mcvd_dataset_free(&a);
    mcvd_dataset_free(&b);
}

static void test_steps_and_colour(void **state)
{
    static uint8_t clip[MAX_CLIP];
    mcvd_data_config data = video_config();
    mcvd_dataset *dataset = NULL;
    int id = 0;

    (void)state;
    data.frame_step = 3; /* 10 frames remain, 8 of them for training */
    CHECK_OK(try_open(&dataset, &data, "one.y4m", MCVD_SPLIT_TRAIN, 1 << 20));
    CHECK_EQ(mcvd_dataset_num_windows(dataset), 3);
    CHECK_OK(mcvd_dataset_window(dataset, 0, clip));
    CHECK_EQ(check_window(clip, &id, 3) % 3, 0);
    mcvd_dataset_free(&dataset);

    data.frame_step = 1;
    data.channels = 3;
    CHECK_OK(try_open(&dataset, &data, "one.y4m", MCVD_SPLIT_TRAIN, 1 << 20));
    CHECK_EQ(mcvd_dataset_clip_bytes(dataset), MAX_CLIP);
    CHECK_OK(mcvd_dataset_window(dataset, 0, clip));
    CHECK_EQ(clip[2 * SIDE * 3 + 3], 45);
    CHECK_EQ(clip[2 * SIDE * 3 + 5], 45);
    mcvd_dataset_free(&dataset);
}

static void expect_failure(const char *name, mcvd_status expected, const char *part)
{
    const mcvd_data_config data = video_config();
    mcvd_dataset *dataset = NULL;

    CHECK_STATUS(try_open(&dataset, &data, name, MCVD_SPLIT_TRAIN, 1 << 20), expected);
    CHECK_TRUE(dataset == NULL);
    CHECK_MESSAGE(part);
}

static void test_errors_say_what_was_found(void **state)
{
    const uint64_t live = mcvdi_alloc_stats_get().live;
    mcvd_dataset *dataset = NULL;
    mcvd_data_config data = video_config();

    (void)state;
    expect_failure("missing.mp4", MCVD_E_INPUT, "missing.mp4");
    expect_failure("empty", MCVD_E_INPUT, "found none");
    expect_failure("many/short.y4m", MCVD_E_INPUT, "needs 6 frames");
    CHECK_MESSAGE("has 5 of 6");
    expect_failure("many/notes.txt", MCVD_E_FORMAT, "notes.txt");
    expect_failure("many/broken.mp4", MCVD_E_FORMAT, "broken.mp4");
    data.channels = 2;
    CHECK_STATUS(try_open(&dataset, &data, "one.y4m", MCVD_SPLIT_TRAIN, 0), MCVD_E_CONFIG);
    data = video_config();
    data.test_fraction = 1.0;
    CHECK_STATUS(try_open(&dataset, &data, "one.y4m", MCVD_SPLIT_TRAIN, 0), MCVD_E_CONFIG);
    CHECK_EQ(mcvdi_alloc_stats_get().live, live);
}

/* Without a cache a worker meets the missing file; the consumer gets its message. */
static void test_worker_failure_arrives(void **state)
{
    const mcvd_data_config data = video_config();
    mcvd_dataset *dataset = NULL;
    mcvd_batch batch;

    (void)state;
    for (size_t workers = 0; workers < 3; workers++) {
        write_y4m("passing.y4m", 1, 30, SIZE_MAX);
        CHECK_OK(try_open(&dataset, &data, "passing.y4m", MCVD_SPLIT_TRAIN, 0));
        remove_file(root, "passing.y4m");
        mcvd_loader_config config = mcvd_loader_config_default(dataset);
        mcvd_loader *loader = NULL;
        config.num_workers = workers;
        CHECK_OK(mcvd_loader_create(&loader, dataset, &config));
        CHECK_STATUS(mcvd_loader_next(loader, &batch), MCVD_E_INPUT);
        CHECK_MESSAGE("passing.y4m");
        CHECK_STATUS(mcvd_loader_next(loader, &batch), MCVD_E_INPUT);
        CHECK_MESSAGE("passing.y4m");
        mcvd_loader_free(&loader);
        mcvd_dataset_free(&dataset);
    }
}

static void test_workers_share_one_video(void **state)
{
    static uint8_t expected[MAX_CLIP];
    const mcvd_data_config data = video_config();
    mcvd_dataset *dataset = NULL;
    mcvd_loader *loader = NULL;
    mcvd_batch batch;

    (void)state;
    CHECK_OK(try_open(&dataset, &data, "many", MCVD_SPLIT_TRAIN, 0));
    mcvd_loader_config config = mcvd_loader_config_default(dataset);
    config.num_workers = 4;
    config.batch_size = 3;
    CHECK_OK(mcvd_loader_create(&loader, dataset, &config));
    for (uint64_t s = 0; s < 20; s++) {
        CHECK_OK(mcvd_loader_next(loader, &batch));
        for (uint64_t b = 0; b < 3; b++) {
            CHECK_OK(mcvd_dataset_window(dataset, 3 * s + b, expected));
            assert_memory_equal(batch.frames + b * WINDOW * FRAME, expected, WINDOW * FRAME);
        }
    }
    mcvd_loader_free(&loader);
    mcvd_dataset_free(&dataset);
}

static void test_every_allocation_may_fail(void **state)
{
    const uint64_t live = mcvdi_alloc_stats_get().live;
    const mcvd_data_config data = video_config();
    mcvd_status st = MCVD_E_NOMEM;
    long n = 0;

    (void)state;
    for (; st != MCVD_OK && n < 2000; n++) {
        mcvd_dataset *dataset = NULL;
        mcvdi_alloc_fail_after(n);
        st = try_open(&dataset, &data, "one.y4m", MCVD_SPLIT_TRAIN, 1 << 20);
        mcvdi_alloc_fail_after(-1);
        CHECK_TRUE(st == MCVD_OK || (dataset == NULL && st < 0));
        mcvd_dataset_free(&dataset);
        CHECK_EQ(mcvdi_alloc_stats_get().live, live);
    }
    CHECK_OK(st);
    CHECK_TRUE(n > 10);
}

static int setup(void **state)
{
    (void)state;
    make_folder(root, sizeof root);
    CHECK_OK(mcvdi_make_folders(inside("many/sub")));
    CHECK_OK(mcvdi_make_folders(inside("empty")));
    write_y4m("one.y4m", 9, 30, SIZE_MAX);
    write_y4m("many/a.y4m", 1, 30, SIZE_MAX);
    write_y4m("many/b.y4m", 2, 12, SIZE_MAX);
    write_pictures("many/p", 3, 20);
    write_y4m("many/sub/c.y4m", 4, 30, SIZE_MAX);
    write_y4m("many/short.y4m", 5, 6, SIZE_MAX);
    write_file(root, "many/broken.mp4", "this is not a video at all, whatever it is called", 49);
    write_file(root, "many/notes.txt", "some notes", 10);
    mcvd_log_set(keep_log, NULL);
    return 0;
}

static int teardown(void **state)
{
    char command[320];

    (void)state;
    mcvd_log_set(NULL, NULL);
    snprintf(command, sizeof command, "rm -r '%s'", root);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_training_never_sees_the_test_part),
        cmocka_unit_test(test_seeking_equals_the_cache),
        cmocka_unit_test(test_folder_of_everything),
        cmocka_unit_test(test_test_clips_are_spread),
        cmocka_unit_test(test_flips_half_of_the_clips),
        cmocka_unit_test(test_steps_and_colour),
        cmocka_unit_test(test_errors_say_what_was_found),
        cmocka_unit_test(test_worker_failure_arrives),
        cmocka_unit_test(test_workers_share_one_video),
        cmocka_unit_test(test_every_allocation_may_fail),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
