/* Image pairs and aggregates against the reference evaluation code. */
#include <mcvd/metrics.h>
#include <mcvd/safetensors.h>

#include "core/json.h"
#include "support/check.h"

#define PAIRS     MCVD_TEST_GOLDEN "/pipeline/metrics/image_pairs"
#define AGGREGATE MCVD_TEST_GOLDEN "/pipeline/metrics/aggregate.json"

enum { MAX_VALUES = 64, MAX_PIXELS = 64 * 64 * 3 };

static double number(const cJSON *object, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

    if (!cJSON_IsNumber(item))
        fail_msg("no number '%s'", key);
    return item->valuedouble;
}

static mcvd_tensor tensor(const mcvd_safetensors *file, const char *pair, const char *name)
{
    char key[64];
    mcvd_tensor t;

    snprintf(key, sizeof key, "%s/%s", pair, name);
    CHECK_OK(mcvd_safetensors_get(file, key, &t));
    return t;
}

/* [C, H, W] -> [H, W, C] */
static void to_hwc(float *dst, const mcvd_tensor *src)
{
    CHECK_TRUE(mcvd_tensor_numel(src) <= MAX_PIXELS);
    mcvd_tensor_to_nhwc(dst, src->data, 1, src->shape[0], src->shape[1] * src->shape[2]);
}

static void check_gray(const mcvd_safetensors *file, const cJSON *pair, const float *frame,
                       const char *name)
{
    const bool rounded = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(pair, "rounded"));
    const mcvd_tensor expected =
        tensor(file, cJSON_GetObjectItemCaseSensitive(pair, "name")->valuestring, name);
    const size_t pixels = mcvd_tensor_numel(&expected);
    uint8_t gray[MAX_PIXELS];

    mcvd_gray_u8(gray, frame, pixels, (size_t)number(pair, "channels"), rounded);
    for (size_t i = 0; i < pixels; i++)
        CHECK_EQ(gray[i], ((const uint8_t *)expected.data)[i]);
}

static void check_pair(const mcvd_safetensors *file, const cJSON *pair)
{
    const char *name = cJSON_GetObjectItemCaseSensitive(pair, "name")->valuestring;
    const bool rounded = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(pair, "rounded"));
    const mcvd_tensor a = tensor(file, name, "a");
    const mcvd_tensor b = tensor(file, name, "b");
    const mcvd_tensor gray_a = tensor(file, name, "gray_a");
    const mcvd_tensor gray_b = tensor(file, name, "gray_b");
    const mcvd_scorer_config config = { a.shape[1],         a.shape[2], a.shape[0],
                                        MCVD_METRIC_PIXELS, rounded,    NULL };
    static float truth[MAX_PIXELS];
    static float prediction[MAX_PIXELS];
    mcvd_scorer *scorer;
    mcvd_scores s;
    double ssim;

    to_hwc(truth, &a);
    to_hwc(prediction, &b);
    check_gray(file, pair, truth, "gray_a");
    check_gray(file, pair, prediction, "gray_b");
    CHECK_OK(mcvd_ssim_u8(&ssim, gray_a.data, gray_b.data, a.shape[1], a.shape[2]));
    CHECK_CLOSE(ssim, number(pair, "ssim"), 1e-9);

    CHECK_OK(mcvd_scorer_create(&scorer, &config));
    CHECK_OK(mcvd_scorer_frame(scorer, truth, prediction, &s));
    CHECK_CLOSE(s.value[MCVD_METRIC_MSE], number(pair, "mse"), 1e-5 * number(pair, "mse"));
    CHECK_CLOSE(s.value[MCVD_METRIC_PSNR], number(pair, "psnr"), 1e-5);
    CHECK_CLOSE(s.value[MCVD_METRIC_SSIM], number(pair, "ssim"), 1e-9);
    mcvd_scorer_free(&scorer);
}

static void test_image_pairs(void **state)
{
    (void)state;
    cJSON *json = NULL;
    const cJSON *pair;
    mcvd_safetensors *file = NULL;
    int count = 0;

    CHECK_OK(mcvdi_json_read(&json, PAIRS ".json"));
    CHECK_OK(mcvd_safetensors_open(&file, PAIRS ".safetensors"));
    cJSON_ArrayForEach(pair, json)
    {
        check_pair(file, pair);
        count++;
    }
    CHECK_EQ(count, 5);
    mcvd_safetensors_close(&file);
    cJSON_Delete(json);
}

static size_t read_values(const cJSON *json, const char *key, double *values)
{
    const cJSON *array = cJSON_GetObjectItemCaseSensitive(json, key);
    const cJSON *item;
    size_t n = 0;

    cJSON_ArrayForEach(item, array)
    {
        CHECK_TRUE(n < MAX_VALUES);
        values[n++] = item->valuedouble;
    }
    return n;
}

static void check_best_of_k(const cJSON *json, const double *values, const char *key,
                            mcvd_metric metric)
{
    const cJSON *expected = cJSON_GetObjectItemCaseSensitive(json, key);
    const size_t clips = (size_t)number(json, "clips");
    double per_clip[MAX_VALUES];

    mcvd_reduce_k(per_clip, values, clips, (size_t)number(json, "preds_per_test"), metric,
                  MCVD_BEST_OF_K);
    const mcvd_summary s = mcvd_summarize(per_clip, clips);
    CHECK_EQ(s.count, clips);
    CHECK_CLOSE(s.mean, number(expected, "mean"), 1e-6 * fabs(s.mean));
    CHECK_CLOSE(s.std, number(expected, "std"), 1e-6 * fabs(s.mean));
    CHECK_CLOSE(s.conf95, number(expected, "conf95"), 1e-6 * fabs(s.mean));
}

static void test_aggregate(void **state)
{
    (void)state;
    cJSON *json = NULL;
    double values[MAX_VALUES];

    CHECK_OK(mcvdi_json_read(&json, AGGREGATE));
    CHECK_EQ(read_values(json, "vid_mse", values), 35);
    check_best_of_k(json, values, "mse", MCVD_METRIC_MSE);
    for (size_t i = 0; i < 35; i++)
        values[i] = mcvd_psnr_of_mse(values[i]);
    check_best_of_k(json, values, "psnr", MCVD_METRIC_PSNR);
    CHECK_EQ(read_values(json, "vid_ssim", values), 35);
    check_best_of_k(json, values, "ssim", MCVD_METRIC_SSIM);
    CHECK_EQ(read_values(json, "vid_lpips", values), 35);
    check_best_of_k(json, values, "lpips", MCVD_METRIC_LPIPS);
    cJSON_Delete(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_image_pairs),
        cmocka_unit_test(test_aggregate),
    };

    return cmocka_run_group_tests_name("golden metrics", tests, NULL, NULL);
}
