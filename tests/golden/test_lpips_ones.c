/*
 * LPIPS with heads of ones, which needs nothing that is not part of the project, against values
 * that PyTorch computed in double (lpips_ones.json says of what); and LPIPS behind the scorer and
 * between folders of videos.
 */
#include <mcvd/metrics.h>
#include <mcvd/video.h>

#include "core/json.h"
#include "support/extractor_files.h"
#include "support/folder.h"

enum { SIDE = 128, BYTES = SIDE * SIDE * 3, WIDEST = 384 };

static uint8_t a[BYTES];
static uint8_t b[BYTES];
static uint8_t c[BYTES];
static char folder[TEST_PATH_BYTES];
static mcvd_lpips *lpips;

static int set_up(void **state)
{
    (void)state;
    static float ones[WIDEST];
    const float *heads[MCVD_LPIPS_TAPS] = { ones, ones, ones, ones, ones };
    char path[TEST_PATH_BYTES];

    for (int i = 0; i < WIDEST; i++)
        ones[i] = 1.0f;
    for (uint32_t i = 0; i < BYTES; i++) {
        a[i] = hashed_byte("lpips/a", i);
        b[i] = hashed_byte("lpips/b", i);
        c[i] = (uint8_t)((3 * a[i] + b[i]) / 4);
    }
    make_test_folder(folder);
    write_hashed_alexnet(test_path(path, folder, "alexnet.safetensors"), heads);
    CHECK_OK(mcvd_lpips_open(&lpips, path));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    mcvd_lpips_free(&lpips);
    remove_test_folder(folder);
    return 0;
}

/* 2e-4 of the sum, as every comparison with the reference's networks. */
static void check_pair(const cJSON *json, const char *key, const uint8_t *other)
{
    const cJSON *terms = cJSON_GetObjectItemCaseSensitive(json, key);
    double per_tap[MCVD_LPIPS_TAPS];
    double distance;
    double sum = 0.0;

    CHECK_OK(mcvd_lpips_u8(lpips, a, other, &(const mcvd_picture_shape) { SIDE, SIDE, 3 },
                           &distance, per_tap));
    CHECK_EQ(cJSON_GetArraySize(terms), MCVD_LPIPS_TAPS);
    for (int t = 0; t < MCVD_LPIPS_TAPS; t++)
        sum += cJSON_GetArrayItem(terms, t)->valuedouble;
    CHECK_CLOSE(distance, sum, 2e-4 * sum);
    for (int t = 0; t < MCVD_LPIPS_TAPS; t++)
        CHECK_CLOSE(per_tap[t], cJSON_GetArrayItem(terms, t)->valuedouble, 2e-4 * sum);
}

static void test_values(void **state)
{
    (void)state;
    cJSON *json = NULL;

    CHECK_OK(mcvdi_json_read(&json, MCVD_TEST_GOLDEN "/lpips_ones.json"));
    check_pair(json, "a_b", b);
    check_pair(json, "a_c", c);
    cJSON_Delete(json);
}

/* The 8-bit frames reach LPIPS as they are, and the other metrics stay what they were. */
static void test_scorer(void **state)
{
    (void)state;
    const mcvd_scorer_config config = { SIDE, SIDE, 3, MCVD_METRIC_ALL, false, lpips };
    const mcvd_scorer_config plain = { SIDE, SIDE, 3, MCVD_METRIC_PIXELS, false, NULL };
    mcvd_scorer *scorer = NULL;
    mcvd_scorer *without = NULL;
    mcvd_scores s;
    mcvd_scores p;
    double expected;

    CHECK_OK(mcvd_scorer_create(&scorer, &config));
    CHECK_OK(mcvd_scorer_create(&without, &plain));
    CHECK_OK(
        mcvd_lpips_u8(lpips, a, c, &(const mcvd_picture_shape) { SIDE, SIDE, 3 }, &expected, NULL));
    CHECK_OK(mcvd_scorer_frame_u8(scorer, a, c, &s));
    CHECK_OK(mcvd_scorer_frame_u8(without, a, c, &p));
    CHECK_CLOSE(s.value[MCVD_METRIC_LPIPS], expected, 0.0);
    CHECK_CLOSE(s.value[MCVD_METRIC_SSIM], p.value[MCVD_METRIC_SSIM], 0.0);
    CHECK_TRUE(isnan(p.value[MCVD_METRIC_LPIPS]));
    mcvd_scorer_free(&scorer);
    mcvd_scorer_free(&without);
}

static void write_video(const char *name, const uint8_t *first, const uint8_t *second)
{
    mcvd_video_writer_config config = mcvd_video_writer_config_default();
    mcvd_video_writer *writer = NULL;
    char path[TEST_PATH_BYTES];

    config.width = SIDE;
    config.height = SIDE;
    CHECK_OK(mcvd_video_writer_open(&writer, test_path(path, folder, name), &config));
    CHECK_OK(mcvd_video_writer_write(writer, first));
    CHECK_OK(mcvd_video_writer_write(writer, second));
    CHECK_OK(mcvd_video_writer_finish(writer));
    mcvd_video_writer_free(&writer);
}

static mcvd_status collect(void *user, const mcvd_compare_result *result)
{
    CHECK_TRUE(result->scores.value[MCVD_METRIC_LPIPS] > 0.0);
    CHECK_TRUE(result->video_features[0] == NULL);
    return mcvd_set_collector_add(user, result);
}

/* Two frames each: the distance of fid-alexnet is that of their features. */
static void test_compare(void **state)
{
    (void)state;
    static double features[2][2][MCVD_LPIPS_FEATURES];
    const mcvd_feature_set real = { features[0][0], 2, MCVD_LPIPS_FEATURES };
    const mcvd_feature_set fake = { features[1][0], 2, MCVD_LPIPS_FEATURES };
    const unsigned fid = MCVD_METRIC_BIT(MCVD_SET_METRIC_FID_ALEXNET);
    mcvd_compare_config config = mcvd_compare_config_default();
    mcvd_set_collector *collector = NULL;
    char paths[2][TEST_PATH_BYTES];
    double values[MCVD_NUM_SET_METRICS];
    double expected;

    write_video("truth.mkv", a, b);
    write_video("test.mkv", c, b);
    config.metrics = MCVD_METRIC_BIT(MCVD_METRIC_LPIPS);
    config.lpips = lpips;
    config.frame_features = true;
    CHECK_OK(mcvd_set_collector_create(&collector, NULL));
    CHECK_OK(mcvd_compare(test_path(paths[0], folder, "truth.mkv"),
                          test_path(paths[1], folder, "test.mkv"), &config, collect, collector));
    CHECK_OK(mcvd_lpips_features_u8(lpips, a, SIDE, SIDE, 3, features[0][0]));
    CHECK_OK(mcvd_lpips_features_u8(lpips, b, SIDE, SIDE, 3, features[0][1]));
    CHECK_OK(mcvd_lpips_features_u8(lpips, c, SIDE, SIDE, 3, features[1][0]));
    CHECK_OK(mcvd_lpips_features_u8(lpips, b, SIDE, SIDE, 3, features[1][1]));
    CHECK_OK(mcvd_frechet_distance(&expected, &fake, &real));
    CHECK_OK(mcvd_set_collector_scores(collector, fid, values));
    CHECK_TRUE(values[MCVD_SET_METRIC_FID_ALEXNET] > 0.0);
    CHECK_CLOSE(values[MCVD_SET_METRIC_FID_ALEXNET], expected, 1e-9 * expected);
    CHECK_TRUE(isnan(values[MCVD_SET_METRIC_FVD]));
    CHECK_STATUS(mcvd_set_collector_scores(collector, MCVD_METRIC_BIT(MCVD_SET_METRIC_FVD), values),
                 MCVD_E_RANGE);
    mcvd_set_collector_free(&collector);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_scorer),
        cmocka_unit_test(test_compare),
    };

    return cmocka_run_group_tests_name("LPIPS with heads of ones", tests, set_up, tear_down);
}
