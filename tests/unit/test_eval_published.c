/*
 * Published rows as they are printed, our own row beside them, and the names of the reference's
 * result file. Scores and distances are set here; how they are computed is tested elsewhere.
 */
#include <mcvd/metrics.h>

#include "core/json.h"
#include "eval/report.h"
#include "support/check.h"

/* What the published tables hold: rows, and a few of them figure by figure. */
typedef struct expected_table {
    const char *benchmark;
    const char *task;
    int64_t past, frames;
    size_t count;
    size_t row;
    const char *method, *fvd, *psnr, *ssim, *lpips;
} expected_table;

static const expected_table expected[] = {
    { "cityscapes", "predict", 2, 28, 6, 3, "GHVAE", "418.00", NULL, NULL, "0.193 +- 0.014" },
    { "bair", "predict", 1, 15, 12, 5, "Video Transformer", "94-96", NULL, NULL, NULL },
    { "bair-15", "predict", 1, 15, 12, 11, "MCVD concat past-future-mask", "89.5", "16.9", "0.780",
      NULL },
    { "bair-14", "predict", 2, 14, 6, 0, "SAVP", "116.4", NULL, NULL, NULL },
    { "bair", "predict", 2, 28, 9, 7, "MCVD concat past-mask", "119.0", "17.7", "0.797", NULL },
    { "kth", "predict", 10, 30, 1, 0, "MCVD", "323", "27.5", "0.835", NULL },
    { "ucf101", "generate", 0, 20, 1, 0, "MCVD", "1143", NULL, NULL, NULL },
    { "ucf101", "predict", 4, 16, 0, 0, NULL, NULL, NULL, NULL, NULL },
    { "bair", "predict", 2, 5, 0, 0, NULL, NULL, NULL, NULL, NULL },
    { "bair", "generate", 2, 28, 0, 0, NULL, NULL, NULL, NULL, NULL },
    { "kth-40", "predict", 10, 40, 0, 0, NULL, NULL, NULL, NULL, NULL },
};

static mcvd_eval_protocol protocol_of(const char *benchmark, const char *task, int64_t past,
                                      int64_t frames)
{
    mcvd_eval_protocol p;

    CHECK_OK(mcvd_eval_protocol_find(&p, benchmark));
    snprintf(p.task, sizeof p.task, "%s", task);
    p.past = past;
    p.frames = frames;
    return p;
}

static void check_same(const char *found, const char *wanted)
{
    CHECK_EQ(found == NULL, wanted == NULL);
    if (found)
        assert_string_equal(found, wanted);
}

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        const expected_table *e = &expected[i];
        const mcvd_eval_protocol p = protocol_of(e->benchmark, e->task, e->past, e->frames);
        const mcvd_eval_published *rows = NULL;
        CHECK_EQ(mcvd_eval_published_rows(&rows, &p), e->count);
        CHECK_EQ(rows == NULL, e->count == 0);
        if (!rows)
            continue;
        assert_string_equal(rows[e->row].method, e->method);
        check_same(rows[e->row].fvd, e->fvd);
        check_same(rows[e->row].psnr, e->psnr);
        check_same(rows[e->row].ssim, e->ssim);
        check_same(rows[e->row].lpips, e->lpips);
        for (size_t r = 1; r < e->count; r++)
            assert_string_equal(rows[r].source, rows[0].source);
    }
}

/* ---- in a report ----------------------------------------------------------------------------- */

/* Two clips, every frame with the same scores, and a distance; published rows where there are. */
static mcvd_eval_report *make_report(mcvd_eval_protocol p, const char *distance)
{
    const mcvd_eval_published *rows = NULL;
    mcvd_eval_report *report = NULL;

    p.clips = 2;
    CHECK_OK(mcvdi_eval_report_create(&report, &p));
    report->clips = 2;
    for (size_t r = 0; r < report->num_rows; r++)
        for (size_t f = 0; f < 2 * report->rows[r].trajectories * (size_t)p.frames; f++)
            for (int m = 0; m < MCVD_NUM_METRICS; m++)
                report->rows[r].frames[f].value[m] = m == MCVD_METRIC_MSE ? 0.01 : 0.75;
    report->distance = (mcvd_eval_distance) { .name = distance,
                                              .clips = 2,
                                              .frames = 30,
                                              .dim = 400,
                                              .all = 101.25,
                                              .traj_mean = 123.456,
                                              .traj_std = 4.5,
                                              .traj_conf95 = 2.25,
                                              .precision = 0.5,
                                              .recall = 0.25 };
    report->distance_name = distance;
    report->feature_dim = 400;
    const size_t count = mcvd_eval_published_rows(&rows, &p);
    mcvd_eval_report_compare(report, rows, count, 7);
    return report;
}

static cJSON *json_of(const mcvd_eval_report *report)
{
    char *text = NULL;
    cJSON *json = NULL;

    CHECK_OK(mcvd_eval_report_text(report, MCVD_REPORT_JSON, &text));
    CHECK_OK(mcvdi_json_parse(&json, text, strlen(text), "report"));
    mcvd_text_free(text);
    return json;
}

static double number(const cJSON *object, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);

    if (!cJSON_IsNumber(item))
        fail_msg("%s is no number", name);
    return item->valuedouble;
}

static bool has(const cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name) != NULL;
}

static void check_line(const mcvd_eval_report *report, mcvd_report_format format, const char *line)
{
    char *text = NULL;

    CHECK_OK(mcvd_eval_report_text(report, format, &text));
    if (!strstr(text, line))
        fail_msg("no '%s' in\n%s", line, text);
    mcvd_text_free(text);
}

/* Ours has the mean over trajectories as its FVD, the stand-in none; theirs are theirs. */
static void test_beside_ours(void **state)
{
    (void)state;
    mcvd_eval_report *report = make_report(protocol_of("bair-15", "predict", 1, 15), "fvd");

    check_line(report, MCVD_REPORT_MARKDOWN,
               "| this run | 7 | 123.46 | 20.000 | 0.7500 | - | measured here |\n");
    check_line(report, MCVD_REPORT_MARKDOWN,
               "| Video Transformer | 15 | 94-96 | - | - | - | published, not measured here |\n");
    cJSON *json = json_of(report);
    const cJSON *rows = cJSON_GetObjectItem(json, "published");
    const cJSON *range = cJSON_GetArrayItem(rows, 5);
    CHECK_TRUE(cJSON_IsNull(cJSON_GetObjectItem(range, "fvd")));
    assert_string_equal(cJSON_GetObjectItem(range, "fvd_printed")->valuestring, "94-96");
    CHECK_CLOSE(number(cJSON_GetArrayItem(rows, 0), "fvd"), 125.8, 0.0);
    CHECK_TRUE(!has(cJSON_GetArrayItem(rows, 0), "fvd_printed"));
    cJSON_Delete(json);
    mcvd_eval_report_free(&report);

    report = make_report(protocol_of("cityscapes", "predict", 2, 28), "fvd-proxy");
    check_line(report, MCVD_REPORT_MARKDOWN, "| this run | 7 | - | 20.000 | 0.7500 | - |");
    json = json_of(report);
    const cJSON *first = cJSON_GetArrayItem(cJSON_GetObjectItem(json, "published"), 0);
    CHECK_CLOSE(number(first, "fvd"), 1300.26, 0.0);
    CHECK_CLOSE(number(first, "lpips"), 0.549, 0.0);
    assert_string_equal(cJSON_GetObjectItem(first, "lpips_printed")->valuestring, "0.549 +- 0.06");
    cJSON_Delete(json);
    mcvd_eval_report_free(&report);
}

static void test_reference_names(void **state)
{
    (void)state;
    mcvd_eval_report *report = make_report(protocol_of("bair", "predict", 2, 28), "fvd");
    cJSON *json = json_of(report);
    const cJSON *names = cJSON_GetObjectItem(json, "reference_names");

    CHECK_CLOSE(number(names, "psnr"), 20.0, 1e-9);
    CHECK_CLOSE(number(names, "pred_mse"), 0.01, 1e-12);
    CHECK_CLOSE(number(names, "ssim_std"), 0.0, 1e-12);
    CHECK_CLOSE(number(names, "pred_ssim_conf95"), 0.0, 1e-12);
    CHECK_CLOSE(number(names, "fvd"), 101.25, 0.0);
    CHECK_CLOSE(number(names, "fvd_traj_mean"), 123.456, 0.0);
    CHECK_CLOSE(number(names, "fvd_traj_std"), 4.5, 0.0);
    CHECK_CLOSE(number(names, "pred_fvd_traj_conf95"), 2.25, 0.0);
    CHECK_TRUE(!has(names, "psnr_frame_mean") && !has(names, "lpips"));
    cJSON_Delete(json);
    mcvd_eval_report_free(&report);
}

/* One trajectory has no mean over them; the stand-in never has the name. */
static void test_reference_names_without_numbers(void **state)
{
    (void)state;
    mcvd_eval_protocol p = protocol_of("ucf101", "generate", 0, 20);
    p.trajectories = 1;
    mcvd_eval_report *report = make_report(p, "fvd");
    cJSON *json = json_of(report);
    const cJSON *names = cJSON_GetObjectItem(json, "reference_names");

    CHECK_CLOSE(number(names, "gen_fvd"), 101.25, 0.0);
    CHECK_CLOSE(number(names, "fvd_traj_mean"), -1.0, 0.0);
    CHECK_CLOSE(number(names, "fvd_traj_std"), -1.0, 0.0);
    CHECK_CLOSE(number(names, "gen_fvd_traj_conf95"), -1.0, 0.0);
    CHECK_TRUE(!has(names, "psnr"));
    cJSON_Delete(json);
    mcvd_eval_report_free(&report);

    report = make_report(protocol_of("bair", "interp", 2, 5), "fvd-proxy");
    json = json_of(report);
    names = cJSON_GetObjectItem(json, "reference_names");
    CHECK_TRUE(has(names, "interp_psnr") && !has(names, "fvd") && !has(names, "fvd_traj_mean"));
    CHECK_CLOSE(number(cJSON_GetObjectItem(json, "fvd-proxy"), "all_trajectories"), 101.25, 0.0);
    cJSON_Delete(json);
    mcvd_eval_report_free(&report);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_beside_ours),
        cmocka_unit_test(test_reference_names),
        cmocka_unit_test(test_reference_names_without_numbers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
