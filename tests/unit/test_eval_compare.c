/* Videos against videos: lossless files with known frames, folders, refusals. */
#include <mcvd/log.h>
#include <mcvd/metrics.h>
#include <mcvd/video.h>

#include "core/alloc.h"
#include "support/check.h"
#include "support/folder.h"

enum { SIDE = 16, BYTES = SIDE * SIDE * 3, MAX_PAIRS = 8 };

/* num_frames frames of one level each: base, base + step, ... */
static void write_video(const char *path, int side, int num_frames, int base, int step)
{
    mcvd_video_writer_config config = mcvd_video_writer_config_default();
    mcvd_video_writer *writer = NULL;
    uint8_t *frame = test_malloc((size_t)side * (size_t)side * 3);

    config.width = side;
    config.height = side;
    CHECK_OK(mcvd_video_writer_open(&writer, path, &config));
    for (int f = 0; f < num_frames; f++) {
        memset(frame, base + f * step, (size_t)side * (size_t)side * 3);
        CHECK_OK(mcvd_video_writer_write(writer, frame));
    }
    CHECK_OK(mcvd_video_writer_finish(writer));
    mcvd_video_writer_free(&writer);
    test_free(frame);
}

typedef struct pairs {
    size_t count;
    char names[MAX_PAIRS][64];
    mcvd_compare_result results[MAX_PAIRS];
    mcvd_status answer;
} pairs;

static mcvd_status keep(void *user, const mcvd_compare_result *result)
{
    pairs *p = user;

    CHECK_TRUE(p->count < MAX_PAIRS);
    snprintf(p->names[p->count], sizeof p->names[0], "%s", result->name);
    p->results[p->count++] = *result;
    return p->answer;
}

static char folder[TEST_PATH_BYTES];
static char path_a[TEST_PATH_BYTES];
static char path_b[TEST_PATH_BYTES];

static int set_up(void **state)
{
    (void)state;
    make_test_folder(folder);
    test_path(path_a, folder, "a.mkv");
    test_path(path_b, folder, "b.mkv");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    remove_test_folder(folder);
    return 0;
}

/* Differences 10 and 20 levels: MSE (100 + 400) / 2 / 255^2. */
static void test_two_videos(void **state)
{
    (void)state;
    const mcvd_compare_config config = mcvd_compare_config_default();
    const double mse = 250.0 / (255.0 * 255.0);
    pairs p = { 0 };

    write_video(path_a, SIDE, 2, 100, 10);
    write_video(path_b, SIDE, 2, 110, 20);
    CHECK_OK(mcvd_compare(path_a, path_b, &config, keep, &p));
    CHECK_EQ(p.count, 1);
    assert_string_equal(p.names[0], "a");
    CHECK_EQ(p.results[0].frames, 2);
    CHECK_EQ(p.results[0].identical_frames, 0);
    CHECK_EQ(p.results[0].width, SIDE);
    CHECK_EQ(p.results[0].channels, 3);
    CHECK_CLOSE(p.results[0].scores.value[MCVD_METRIC_MSE], mse, 1e-8);
    CHECK_CLOSE(p.results[0].scores.value[MCVD_METRIC_PSNR], -10.0 * log10(mse), 1e-5);
    CHECK_CLOSE(p.results[0].scores.value[MCVD_METRIC_PSNR_FRAME],
                20.0 * log10(255.0) - 5.0 * (log10(100.0) + log10(400.0)), 1e-5);
}

static void test_identical(void **state)
{
    (void)state;
    const mcvd_compare_config config = mcvd_compare_config_default();
    pairs p = { 0 };

    write_video(path_a, SIDE, 3, 50, 20);
    CHECK_OK(mcvd_compare(path_a, path_a, &config, keep, &p));
    CHECK_EQ(p.results[0].identical_frames, 3);
    CHECK_TRUE(isinf(p.results[0].scores.value[MCVD_METRIC_PSNR]));
    CHECK_TRUE(isinf(p.results[0].scores.value[MCVD_METRIC_PSNR_FRAME]));
    CHECK_CLOSE(p.results[0].scores.value[MCVD_METRIC_SSIM], 1.0, 1e-12);
}

static void test_unlike_sizes(void **state)
{
    (void)state;
    mcvd_compare_config config = mcvd_compare_config_default();
    pairs p = { 0 };

    write_video(path_a, SIDE, 2, 100, 10);
    write_video(path_b, 2 * SIDE, 2, 100, 10);
    CHECK_STATUS(mcvd_compare(path_a, path_b, &config, keep, &p), MCVD_E_INPUT);
    CHECK_MESSAGE("16x16");
    CHECK_MESSAGE("32x32");
    CHECK_MESSAGE("--size");
    CHECK_EQ(p.count, 0);
    config.size = 12;
    CHECK_OK(mcvd_compare(path_a, path_b, &config, keep, &p));
    CHECK_EQ(p.results[0].width, 12);
    CHECK_EQ(p.results[0].identical_frames, 2);
}

static void test_unlike_frame_counts(void **state)
{
    (void)state;
    mcvd_compare_config config = mcvd_compare_config_default();
    pairs p = { 0 };

    write_video(path_a, SIDE, 5, 100, 10);
    write_video(path_b, SIDE, 3, 100, 10);
    CHECK_STATUS(mcvd_compare(path_a, path_b, &config, keep, &p), MCVD_E_INPUT);
    CHECK_MESSAGE("b.mkv has 3 frames");
    CHECK_MESSAGE("--frames 3");
    CHECK_STATUS(mcvd_compare(path_b, path_a, &config, keep, &p), MCVD_E_INPUT);
    CHECK_MESSAGE("b.mkv has 3 frames");
    config.frames = 3;
    CHECK_OK(mcvd_compare(path_a, path_b, &config, keep, &p));
    CHECK_EQ(p.results[0].frames, 3);
    config.frames = 4;
    CHECK_STATUS(mcvd_compare(path_a, path_b, &config, keep, &p), MCVD_E_INPUT);
    CHECK_MESSAGE("b.mkv");
    CHECK_EQ(p.count, 1);
}

static void test_ssim_of_small_frames(void **state)
{
    (void)state;
    mcvd_compare_config config = mcvd_compare_config_default();
    pairs p = { 0 };

    write_video(path_a, SIDE, 2, 100, 10);
    config.size = 8;
    CHECK_STATUS(mcvd_compare(path_a, path_a, &config, keep, &p), MCVD_E_SHAPE);
    config.leave_out = true;
    CHECK_OK(mcvd_compare(path_a, path_a, &config, keep, &p));
    CHECK_TRUE(isnan(p.results[0].scores.value[MCVD_METRIC_SSIM]));
    CHECK_TRUE(isinf(p.results[0].scores.value[MCVD_METRIC_PSNR]));
    config.metrics = MCVD_METRIC_BIT(MCVD_METRIC_SSIM);
    CHECK_OK(mcvd_compare(path_a, path_a, &config, keep, &p));
    CHECK_TRUE(isnan(p.results[1].scores.value[MCVD_METRIC_SSIM]));
    config.leave_out = false;
    config.metrics = MCVD_METRIC_BIT(MCVD_METRIC_PSNR);
    config.gray = true;
    CHECK_OK(mcvd_compare(path_a, path_a, &config, keep, &p));
    CHECK_EQ(p.results[2].channels, 1);
    config.size = -1;
    CHECK_STATUS(mcvd_compare(path_a, path_a, &config, keep, &p), MCVD_E_RANGE);
}

/* truth/{one,two}.mkv against test/{two,one}.mp4-like names, with a table beside them. */
static void test_folders(void **state)
{
    (void)state;
    const mcvd_compare_config config = mcvd_compare_config_default();
    char truth[TEST_PATH_BYTES];
    char test[TEST_PATH_BYTES];
    char path[TEST_PATH_BYTES];
    pairs p = { 0 };

    CHECK_EQ(mkdir(test_path(truth, folder, "truth"), 0777), 0);
    CHECK_EQ(mkdir(test_path(test, folder, "test"), 0777), 0);
    write_video(test_path(path, truth, "two.mkv"), SIDE, 2, 100, 0);
    write_video(test_path(path, truth, "one.mkv"), SIDE, 2, 100, 0);
    write_video(test_path(path, test, "one.mkv"), SIDE, 2, 110, 0);
    CHECK_STATUS(mcvd_compare(truth, test, &config, keep, &p), MCVD_E_INPUT);
    CHECK_MESSAGE("two.mkv");
    CHECK_EQ(p.count, 0);
    write_video(test_path(path, test, "two.gif"), SIDE, 2, 100, 0);
    write_video(test_path(path, test, "ignored%05d.png"), SIDE, 1, 100, 0);
    CHECK_OK(mcvd_compare(truth, test, &config, keep, &p));
    CHECK_EQ(p.count, 2);
    assert_string_equal(p.names[0], "one");
    assert_string_equal(p.names[1], "two");
    CHECK_CLOSE(p.results[0].scores.value[MCVD_METRIC_MSE], 100.0 / (255.0 * 255.0), 1e-8);
    CHECK_EQ(p.results[1].identical_frames, 2);
    write_video(test_path(path, test, "two.mkv"), SIDE, 2, 100, 0);
    CHECK_STATUS(mcvd_compare(truth, test, &config, keep, &p), MCVD_E_INPUT);
    CHECK_MESSAGE("both");
}

typedef struct heard {
    mcvd_log_level level;
    int count;
    char last[512];
} heard;

static void hear(void *user, mcvd_log_level level, const char *line)
{
    heard *h = user;

    if (level != h->level)
        return;
    h->count++;
    snprintf(h->last, sizeof h->last, "%s", line);
}

/* A folder's name has no extension: clip.1 and clip.2 are two videos. */
static void test_dots_in_folders(void **state)
{
    (void)state;
    const mcvd_compare_config config = mcvd_compare_config_default();
    char sides[2][TEST_PATH_BYTES];
    char path[TEST_PATH_BYTES];
    heard h = { .level = MCVD_LOG_WARNING };
    pairs p = { 0 };

    for (int side = 0; side < 2; side++) {
        CHECK_EQ(mkdir(test_path(sides[side], folder, side ? "test" : "truth"), 0777), 0);
        write_video(test_path(path, sides[side], "clip.1/"), SIDE, 2, 100 + side, 0);
        write_video(test_path(path, sides[side], side ? "clip.2.mkv" : "clip.2/"), SIDE, 2, 50, 0);
    }
    write_video(test_path(path, sides[1], "picture%05d.png"), SIDE, 1, 100, 0);
    mcvd_log_set(hear, &h);
    CHECK_OK(mcvd_compare(sides[0], sides[1], &config, keep, &p));
    mcvd_log_set(NULL, NULL);
    CHECK_EQ(p.count, 2);
    assert_string_equal(p.names[0], "clip.1");
    assert_string_equal(p.names[1], "clip.2");
    CHECK_EQ(p.results[0].identical_frames, 0);
    CHECK_EQ(p.results[1].identical_frames, 2);
    CHECK_EQ(h.count, 1);
    CHECK_TRUE(strstr(h.last, "picture00001.png: no video by its name, left out") != NULL);
}

static mcvd_status collect(void *user, const mcvd_compare_result *result)
{
    CHECK_TRUE((result->reference == NULL) != (result->test == NULL));
    CHECK_TRUE(isnan(result->scores.value[MCVD_METRIC_MSE]));
    return mcvd_set_collector_add(user, result);
}

/* As sets: other names and numbers; each vector is that of the whole video at once. */
static void test_unpaired(void **state)
{
    (void)state;
    enum { FRAMES = 6, DIM = 64, NUMEL = FRAMES * BYTES };
    static const int levels[2][3] = { { 20, 60, 130 }, { 90, 120, 0 } };
    static double wanted[2][3 * DIM];
    static float video[NUMEL];
    const mcvd_video_shape shape = { FRAMES, SIDE, SIDE, 3 };
    mcvd_compare_config config = mcvd_compare_config_default();
    mcvd_set_collector *collector = NULL;
    char sides[2][TEST_PATH_BYTES];
    char path[TEST_PATH_BYTES];
    double values[MCVD_NUM_SET_METRICS];
    double distance;

    CHECK_OK(mcvd_video_features_open(&config.features, MCVD_EXTRACTOR_PROXY, NULL));
    CHECK_OK(mcvd_set_collector_create(&collector, config.features));
    for (int side = 0; side < 2; side++) {
        CHECK_EQ(mkdir(test_path(sides[side], folder, side ? "test" : "truth"), 0777), 0);
        for (int v = 0; v < 3 - side; v++) {
            char name[32];
            snprintf(name, sizeof name, "%c%d.mkv", 'a' + side, v);
            write_video(test_path(path, sides[side], name), SIDE, FRAMES, levels[side][v], 7);
            for (int i = 0; i < NUMEL; i++)
                video[i] = (float)(levels[side][v] + i / BYTES * 7) / 255.0f;
            CHECK_OK(mcvd_video_features_extract(config.features, video, &shape,
                                                 wanted[side] + v * DIM));
        }
    }
    config.unpaired = true;
    config.metrics = 0;
    CHECK_OK(mcvd_compare(sides[0], sides[1], &config, collect, collector));
    CHECK_OK(
        mcvd_set_collector_scores(collector, MCVD_METRIC_BIT(MCVD_SET_METRIC_FVD_PROXY), values));
    CHECK_OK(mcvd_frechet_distance(&distance, &(const mcvd_feature_set) { wanted[1], 2, DIM },
                                   &(const mcvd_feature_set) { wanted[0], 3, DIM }));
    CHECK_TRUE(distance > 0.0);
    CHECK_CLOSE(values[MCVD_SET_METRIC_FVD_PROXY], distance, 0.0);
    CHECK_STATUS(mcvd_compare(path, path, &config, keep, NULL), MCVD_E_INPUT);
    mcvd_set_collector_free(&collector);
    mcvd_video_features_free(&config.features);
}

/* Sets without a network: every video is read and counted all the same. */
static void test_unpaired_without_features(void **state)
{
    (void)state;
    mcvd_compare_config config = mcvd_compare_config_default();
    pairs p = { 0 };

    config.unpaired = true;
    write_video(path_a, SIDE, 5, 100, 10);
    write_video(path_b, SIDE, 3, 100, 10);
    CHECK_OK(mcvd_compare(folder, folder, &config, keep, &p));
    CHECK_EQ(p.count, 4);
    CHECK_EQ(p.results[0].frames, 5);
    CHECK_EQ(p.results[1].frames, 3);
    CHECK_TRUE(p.results[0].video_features[0] == NULL);
    config.frames = 3;
    p.count = 0;
    CHECK_OK(mcvd_compare(folder, folder, &config, keep, &p));
    CHECK_EQ(p.results[0].frames, 3);
    config.frames = 4;
    CHECK_STATUS(mcvd_compare(folder, folder, &config, keep, &p), MCVD_E_INPUT);
    CHECK_MESSAGE("b.mkv has 3 frames, at least 4 are needed");
}

/* 10 frames/s beside 20: said once, compared all the same. */
static void test_rates(void **state)
{
    (void)state;
    const mcvd_compare_config config = mcvd_compare_config_default();
    const uint8_t frame[BYTES] = { 0 };
    heard h = { .level = MCVD_LOG_WARNING };
    pairs p = { 0 };

    for (int i = 0; i < 2; i++) {
        mcvd_video_writer_config wc = mcvd_video_writer_config_default();
        mcvd_video_writer *writer = NULL;
        wc.width = wc.height = SIDE;
        wc.fps_num = 10 * (i + 1);
        wc.fps_den = 1;
        CHECK_OK(mcvd_video_writer_open(&writer, i ? path_b : path_a, &wc));
        CHECK_OK(mcvd_video_writer_write(writer, frame));
        CHECK_OK(mcvd_video_writer_write(writer, frame));
        CHECK_OK(mcvd_video_writer_finish(writer));
        mcvd_video_writer_free(&writer);
    }
    mcvd_log_set(hear, &h);
    CHECK_OK(mcvd_compare(path_a, path_b, &config, keep, &p));
    CHECK_EQ(h.count, 1);
    CHECK_TRUE(strstr(h.last, "a.mkv has 10 frames/s") != NULL);
    CHECK_OK(mcvd_compare(path_a, path_a, &config, keep, &p));
    CHECK_EQ(h.count, 1);
    mcvd_log_set(NULL, NULL);
}

/* A GIF has 256 colours: said of the test video, once; FFV1 loses nothing. */
static void test_lossy_files(void **state)
{
    (void)state;
    const mcvd_compare_config config = mcvd_compare_config_default();
    char gif[TEST_PATH_BYTES];
    heard h = { .level = MCVD_LOG_INFO };
    pairs p = { 0 };

    write_video(path_a, SIDE, 2, 100, 10);
    write_video(test_path(gif, folder, "b.gif"), SIDE, 2, 100, 10);
    mcvd_log_set(hear, &h);
    CHECK_OK(mcvd_compare(gif, path_a, &config, keep, &p));
    CHECK_EQ(h.count, 0);
    CHECK_OK(mcvd_compare(path_a, gif, &config, keep, &p));
    mcvd_log_set(NULL, NULL);
    CHECK_EQ(h.count, 1);
    CHECK_TRUE(strstr(h.last, "b.gif is compressed with loss (gif)") != NULL);
}

/* Each of our own allocations refused in turn, for a folder of one pair. */
static void test_without_memory(void **state)
{
    (void)state;
    const mcvd_compare_config config = mcvd_compare_config_default();
    const uint64_t live = mcvdi_alloc_stats_get().live;
    mcvd_status st = MCVD_E_NOMEM;
    long n = 0;

    write_video(path_a, SIDE, 2, 100, 10);
    for (; st < 0; n++) {
        pairs p = { 0 };
        mcvdi_alloc_fail_after(n);
        st = mcvd_compare(folder, folder, &config, keep, &p);
        mcvdi_alloc_fail_after(-1);
        CHECK_EQ(mcvdi_alloc_stats_get().live, live);
        if (st < 0)
            CHECK_STATUS(st, MCVD_E_NOMEM);
    }
    CHECK_TRUE(n > 10);
}

/* The same for the features of a set. */
static void test_features_without_memory(void **state)
{
    (void)state;
    mcvd_compare_config config = mcvd_compare_config_default();
    mcvd_status st = MCVD_E_NOMEM;
    long n = 0;

    write_video(path_a, SIDE, 4, 100, 10);
    CHECK_OK(mcvd_video_features_open(&config.features, MCVD_EXTRACTOR_PROXY, NULL));
    config.unpaired = true;
    for (; st < 0; n++) {
        mcvd_set_collector *collector = NULL;
        CHECK_OK(mcvd_set_collector_create(&collector, config.features));
        mcvdi_alloc_fail_after(n);
        st = mcvd_compare(folder, folder, &config, collect, collector);
        mcvdi_alloc_fail_after(-1);
        mcvd_set_collector_free(&collector);
        if (st < 0)
            CHECK_STATUS(st, MCVD_E_NOMEM);
    }
    CHECK_TRUE(n > 20);
    mcvd_video_features_free(&config.features);
    CHECK_EQ(mcvdi_alloc_stats_get().live, 0);
}

static void test_pictures_are_one_video(void **state)
{
    (void)state;
    const mcvd_compare_config config = mcvd_compare_config_default();
    char pictures[TEST_PATH_BYTES];
    pairs p = { 0 };

    test_path(pictures, folder, "pictures/");
    write_video(pictures, SIDE, 3, 100, 10);
    write_video(path_a, SIDE, 3, 100, 10);
    CHECK_OK(mcvd_compare(path_a, pictures, &config, keep, &p));
    CHECK_OK(mcvd_compare(pictures, pictures, &config, keep, &p));
    CHECK_EQ(p.results[0].identical_frames, 3);
    CHECK_EQ(p.results[1].frames, 3);
}

static void test_bad_paths(void **state)
{
    (void)state;
    const mcvd_compare_config config = mcvd_compare_config_default();
    pairs p = { 0 };
    char empty[TEST_PATH_BYTES];

    write_video(path_a, SIDE, 2, 100, 10);
    CHECK_STATUS(mcvd_compare(path_a, "/nowhere/b.mkv", &config, keep, &p), MCVD_E_INPUT);
    CHECK_MESSAGE("/nowhere/b.mkv");
    CHECK_EQ(mkdir(test_path(empty, folder, "empty"), 0777), 0);
    CHECK_STATUS(mcvd_compare(empty, empty, &config, keep, &p), MCVD_E_INPUT);
    CHECK_MESSAGE("empty");
    p.answer = MCVD_E_INTERRUPTED;
    CHECK_STATUS(mcvd_compare(path_a, path_a, &config, keep, &p), MCVD_E_INTERRUPTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_two_videos, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_identical, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_unlike_sizes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_unlike_frame_counts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_ssim_of_small_frames, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_folders, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_dots_in_folders, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_unpaired, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_unpaired_without_features, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_rates, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_lossy_files, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_without_memory, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_features_without_memory, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_pictures_are_one_video, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bad_paths, set_up, tear_down),
    };

    return cmocka_run_group_tests_name("eval compare", tests, NULL, NULL);
}
