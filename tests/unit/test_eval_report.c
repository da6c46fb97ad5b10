/* Protocols, the runner with closed-form predictors, and every form of the report. */
#include <mcvd/metrics.h>

#include <stdlib.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/json.h"
#include "support/check.h"

enum { SIDE = 12, NUMEL = SIDE * SIDE, PAST = 2, FRAMES = 3, FUTURE = 2 };

static mcvd_eval_protocol small_protocol(const char *task)
{
    mcvd_eval_protocol p;
    char assignment[64];

    CHECK_OK(mcvd_eval_protocol_find(&p, "smmnist"));
    snprintf(assignment, sizeof assignment, "protocol.task=%s", task);
    CHECK_OK(mcvd_eval_protocol_set(&p, assignment));
    p.past = PAST;
    p.frames = FRAMES;
    p.future = FUTURE;
    p.clips = 4;
    p.trajectories = 2;
    p.image_size = SIDE;
    p.binarise = false;
    p.seed = 7;
    return p;
}

/* Frame f of clip c is constant: brightness (2 f + c) / 20 in [0, 1]. */
static float level(size_t clip, size_t frame)
{
    return (float)(2 * frame + clip) / 20.0f;
}

typedef struct clip_source {
    size_t clips;
    size_t asked;
} clip_source;

static mcvd_status get_clip(void *user, size_t clip, float *frames)
{
    clip_source *source = user;

    source->asked++;
    if (clip >= source->clips)
        return MCVD_EOF;
    for (size_t f = 0; f < PAST + FRAMES + FUTURE; f++)
        for (size_t i = 0; i < NUMEL; i++)
            frames[f * NUMEL + i] = 2.0f * level(clip, f) - 1.0f;
    return MCVD_OK;
}

typedef struct predictor {
    mcvd_status status;
    float value;
    bool past_given;
    bool future_given;
    size_t calls;
} predictor;

/* Trajectory k is off by 0.1 (k + 1) in [0, 1]: MSE 0.01 and 0.04. */
static mcvd_status predict(void *user, const mcvd_eval_case *c, float *out)
{
    predictor *p = user;

    p->calls++;
    p->past_given = c->past != NULL;
    p->future_given = c->future != NULL;
    if (p->status < 0)
        return p->status;
    CHECK_EQ(c->seed, 7);
    for (size_t k = 0; k < c->trajectories; k++)
        for (size_t f = 0; f < FRAMES; f++)
            for (size_t i = 0; i < NUMEL; i++)
                out[(k * FRAMES + f) * NUMEL + i] =
                    2.0f * (level(c->clip, PAST + f) + 0.1f * (float)(k + 1)) - 1.0f + p->value;
    return MCVD_OK;
}

static mcvd_eval_report *run(const mcvd_eval_protocol *protocol, size_t clips, predictor *p)
{
    clip_source source = { clips, 0 };
    mcvd_eval_report *report = NULL;

    CHECK_OK(mcvd_eval_run(protocol, get_clip, &source, predict, p, &report));
    return report;
}

static double mean_score(const mcvd_eval_report *report, const char *row, mcvd_metric metric,
                         mcvd_over_k over)
{
    mcvd_summary s;

    CHECK_OK(mcvd_eval_report_score(report, row, metric, over, &s));
    return s.mean;
}

static void test_model_scores(void **state)
{
    (void)state;
    const mcvd_eval_protocol protocol = small_protocol("predict");
    predictor p = { 0 };
    mcvd_eval_report *report = run(&protocol, 4, &p);
    mcvd_summary s;
    double curve[FRAMES];

    CHECK_EQ(mcvd_eval_report_clips(report), 4);
    CHECK_EQ(p.calls, 4);
    CHECK_TRUE(p.past_given && !p.future_given);
    CHECK_CLOSE(mean_score(report, "model", MCVD_METRIC_MSE, MCVD_BEST_OF_K), 0.01, 1e-6);
    CHECK_CLOSE(mean_score(report, "model", MCVD_METRIC_MSE, MCVD_MEAN_OF_K), 0.025, 1e-6);
    CHECK_CLOSE(mean_score(report, "model", MCVD_METRIC_PSNR, MCVD_BEST_OF_K), 20.0, 1e-4);
    CHECK_CLOSE(mean_score(report, "model", MCVD_METRIC_PSNR, MCVD_MEAN_OF_K),
                (20.0 + 13.979400086720377) / 2.0, 1e-4);
    CHECK_OK(mcvd_eval_report_score(report, "model", MCVD_METRIC_PSNR, MCVD_BEST_OF_K, &s));
    CHECK_CLOSE(s.conf95, 0.0, 1e-4);
    CHECK_OK(mcvd_eval_report_curve(report, "model", MCVD_METRIC_PSNR, MCVD_BEST_OF_K, curve));
    for (int f = 0; f < FRAMES; f++)
        CHECK_CLOSE(curve[f], 20.0, 1e-4);
    mcvd_eval_report_free(&report);
    CHECK_TRUE(report == NULL);
}

/* The last past frame is 0.1 j darker than target j: MSEs 0.01, 0.04, 0.09. */
static void test_baseline_scores(void **state)
{
    (void)state;
    const mcvd_eval_protocol protocol = small_protocol("predict");
    predictor p = { 0 };
    mcvd_eval_report *report = run(&protocol, 4, &p);
    mcvd_summary linear;
    double curve[FRAMES];
    const double frame_mean = (20.0 - 10.0 * log10(0.04) - 10.0 * log10(0.09)) / 3.0;

    CHECK_CLOSE(mean_score(report, "copy", MCVD_METRIC_MSE, MCVD_BEST_OF_K), 0.14 / 3.0, 1e-6);
    CHECK_CLOSE(mean_score(report, "copy", MCVD_METRIC_PSNR, MCVD_MEAN_OF_K),
                -10.0 * log10(0.14 / 3.0), 1e-4);
    CHECK_CLOSE(mean_score(report, "copy", MCVD_METRIC_PSNR_FRAME, MCVD_MEAN_OF_K), frame_mean,
                1e-4);
    CHECK_OK(mcvd_eval_report_curve(report, "copy", MCVD_METRIC_MSE, MCVD_MEAN_OF_K, curve));
    CHECK_CLOSE(curve[0], 0.01, 1e-6);
    CHECK_CLOSE(curve[1], 0.04, 1e-6);
    CHECK_CLOSE(curve[2], 0.09, 1e-6);
    /* the motion is linear, so extrapolation is right up to rounding: identical or nearly */
    CHECK_OK(mcvd_eval_report_score(report, "linear", MCVD_METRIC_MSE, MCVD_BEST_OF_K, &linear));
    CHECK_CLOSE(linear.mean, 0.0, 1e-12);
    /* black: mean over targets of level^2; clip 0: 0.2, 0.4, 0.6 hundredths ... computed below */
    double black = 0.0;
    for (size_t c = 0; c < 4; c++)
        for (size_t f = PAST; f < PAST + FRAMES; f++)
            black += (double)level(c, f) * (double)level(c, f) / 12.0;
    CHECK_CLOSE(mean_score(report, "black", MCVD_METRIC_MSE, MCVD_BEST_OF_K), black, 1e-6);
    /* mean of the past is 0.05 below the last frame */
    CHECK_CLOSE(mean_score(report, "mean", MCVD_METRIC_MSE, MCVD_BEST_OF_K),
                (0.0225 + 0.0625 + 0.1225) / 3.0, 1e-6);
    mcvd_eval_report_free(&report);
}

static void test_known_frames_by_task(void **state)
{
    (void)state;
    const struct {
        const char *task;
        bool past;
        bool future;
    } cases[] = {
        { "predict", true, false },
        { "interp", true, true },
        { "predict-past", false, true },
        { "generate", false, false },
    };

    for (size_t i = 0; i < 4; i++) {
        const mcvd_eval_protocol protocol = small_protocol(cases[i].task);
        predictor p = { 0 };
        mcvd_eval_report *report = run(&protocol, 1, &p);
        CHECK_EQ(p.past_given, cases[i].past);
        CHECK_EQ(p.future_given, cases[i].future);
        mcvd_eval_report_free(&report);
    }
}

/* predict-past copies the first future frame; interpolation blends linearly. */
static void test_other_tasks(void **state)
{
    (void)state;
    const mcvd_eval_protocol past = small_protocol("predict-past");
    const mcvd_eval_protocol interp = small_protocol("interp");
    predictor p = { 0 };
    double curve[FRAMES];

    mcvd_eval_report *report = run(&past, 2, &p);
    CHECK_OK(mcvd_eval_report_curve(report, "copy", MCVD_METRIC_MSE, MCVD_BEST_OF_K, curve));
    CHECK_CLOSE(curve[0], 0.09, 1e-6);
    CHECK_CLOSE(curve[2], 0.01, 1e-6);
    mcvd_eval_report_free(&report);

    report = run(&interp, 2, &p);
    CHECK_OK(mcvd_eval_report_curve(report, "copy", MCVD_METRIC_MSE, MCVD_BEST_OF_K, curve));
    CHECK_CLOSE(curve[0], 0.01, 1e-6);
    CHECK_CLOSE(curve[1], 0.04, 1e-6);
    CHECK_CLOSE(curve[2], 0.01, 1e-6);
    CHECK_CLOSE(mean_score(report, "linear", MCVD_METRIC_MSE, MCVD_BEST_OF_K), 0.0, 1e-12);
    mcvd_eval_report_free(&report);
}

/* A predictor that is exactly right: infinite PSNR, null in JSON, "inf" in the table. */
static mcvd_status predict_truth(void *user, const mcvd_eval_case *c, float *out)
{
    (void)user;
    for (size_t k = 0; k < c->trajectories; k++)
        for (size_t f = 0; f < FRAMES; f++)
            for (size_t i = 0; i < NUMEL; i++)
                out[(k * FRAMES + f) * NUMEL + i] = 2.0f * level(c->clip, PAST + f) - 1.0f;
    return MCVD_OK;
}

static void test_perfect_prediction(void **state)
{
    (void)state;
    const mcvd_eval_protocol protocol = small_protocol("predict");
    clip_source source = { 4, 0 };
    mcvd_eval_report *report = NULL;
    mcvd_summary s;
    char *text = NULL;
    cJSON *json = NULL;

    CHECK_OK(mcvd_eval_run(&protocol, get_clip, &source, predict_truth, NULL, &report));
    CHECK_OK(mcvd_eval_report_score(report, "model", MCVD_METRIC_PSNR, MCVD_BEST_OF_K, &s));
    CHECK_EQ(s.infinite, 4);
    CHECK_TRUE(isinf(s.mean));
    CHECK_CLOSE(mean_score(report, "model", MCVD_METRIC_SSIM, MCVD_MEAN_OF_K), 1.0, 1e-9);
    CHECK_OK(mcvd_eval_report_text(report, MCVD_REPORT_TABLE, &text));
    CHECK_TRUE(strstr(text, "inf") != NULL);
    mcvd_text_free(text);
    CHECK_OK(mcvd_eval_report_text(report, MCVD_REPORT_JSON, &text));
    CHECK_OK(mcvdi_json_parse(&json, text, strlen(text), "report"));
    const cJSON *item = cJSON_GetObjectItem(json, "results");
    item = cJSON_GetObjectItem(item, "model");
    item = cJSON_GetObjectItem(item, "best_of_k");
    item = cJSON_GetObjectItem(item, "psnr");
    CHECK_TRUE(cJSON_IsNull(cJSON_GetObjectItem(item, "mean")));
    CHECK_CLOSE(cJSON_GetObjectItem(item, "infinite")->valuedouble, 4.0, 0.0);
    cJSON_Delete(json);
    mcvd_text_free(text);
    mcvd_eval_report_free(&report);
}

static void test_data_ends_early(void **state)
{
    (void)state;
    const mcvd_eval_protocol protocol = small_protocol("predict");
    predictor p = { 0 };
    clip_source nothing = { 0, 0 };
    mcvd_eval_report *report = run(&protocol, 3, &p);
    char *text = NULL;

    CHECK_EQ(mcvd_eval_report_clips(report), 3);
    CHECK_OK(mcvd_eval_report_text(report, MCVD_REPORT_TABLE, &text));
    CHECK_TRUE(strstr(text, "3 clips (of 4 asked for)") != NULL);
    mcvd_text_free(text);
    mcvd_eval_report_free(&report);
    CHECK_STATUS(mcvd_eval_run(&protocol, get_clip, &nothing, predict, &p, &report), MCVD_E_INPUT);
    CHECK_TRUE(report == NULL);
}

static void test_failures_travel_up(void **state)
{
    (void)state;
    mcvd_eval_protocol protocol = small_protocol("predict");
    clip_source source = { 4, 0 };
    predictor p = { .status = MCVD_E_MODEL };
    mcvd_eval_report *report = NULL;

    CHECK_STATUS(mcvd_eval_run(&protocol, get_clip, &source, predict, &p, &report), MCVD_E_MODEL);
    p = (predictor) { .value = NAN };
    CHECK_STATUS(mcvd_eval_run(&protocol, get_clip, &source, predict, &p, &report),
                 MCVD_E_NONFINITE);
    CHECK_MESSAGE("clip 0, trajectory 0");
    protocol.task[0] = 'x';
    CHECK_STATUS(mcvd_eval_run(&protocol, get_clip, &source, predict, &p, &report), MCVD_E_CONFIG);
    CHECK_TRUE(report == NULL);
}

static void test_allocation_failures(void **state)
{
    (void)state;
    const mcvd_eval_protocol protocol = small_protocol("predict");
    const uint64_t live = mcvdi_alloc_stats_get().live;

    for (long n = 0;; n++) {
        clip_source source = { 4, 0 };
        predictor p = { 0 };
        mcvd_eval_report *report = NULL;
        char *text = NULL;

        mcvdi_alloc_fail_after(n);
        mcvd_status st = mcvd_eval_run(&protocol, get_clip, &source, predict, &p, &report);
        if (st >= 0)
            st = mcvd_eval_report_text(report, MCVD_REPORT_MARKDOWN, &text);
        mcvdi_alloc_fail_after(-1);
        mcvd_text_free(text);
        mcvd_eval_report_free(&report);
        CHECK_EQ(mcvdi_alloc_stats_get().live, live);
        if (st >= 0) {
            CHECK_TRUE(n > 10);
            break;
        }
        CHECK_EQ(st, MCVD_E_NOMEM);
    }
}

static void test_generation(void **state)
{
    (void)state;
    const mcvd_eval_protocol protocol = small_protocol("generate");
    predictor p = { 0 };
    mcvd_eval_report *report = run(&protocol, 4, &p);
    mcvd_summary s;
    char *text = NULL;
    cJSON *json = NULL;

    CHECK_STATUS(mcvd_eval_report_score(report, "model", MCVD_METRIC_PSNR, MCVD_BEST_OF_K, &s),
                 MCVD_E_UNSUPPORTED);
    CHECK_OK(mcvd_eval_report_text(report, MCVD_REPORT_JSON, &text));
    CHECK_OK(mcvdi_json_parse(&json, text, strlen(text), "report"));
    CHECK_TRUE(cJSON_GetObjectItem(json, "results") == NULL);
    const cJSON *stats = cJSON_GetObjectItem(json, "statistics");
    const cJSON *motion = cJSON_GetObjectItem(stats, "motion");
    const cJSON *bright = cJSON_GetObjectItem(stats, "brightness");
    const cJSON *real = cJSON_GetObjectItem(motion, "real");
    CHECK_CLOSE(cJSON_GetObjectItem(real, "mean")->valuedouble, 0.1, 1e-6);
    /* targets are (4, 6, 8 + clip) / 20: 0.3 + 0.075; both trajectories 0.15 above on average */
    real = cJSON_GetObjectItem(bright, "real");
    CHECK_CLOSE(cJSON_GetObjectItem(real, "mean")->valuedouble, 0.375, 1e-6);
    real = cJSON_GetObjectItem(bright, "generated");
    CHECK_CLOSE(cJSON_GetObjectItem(real, "mean")->valuedouble, 0.525, 1e-6);
    cJSON_Delete(json);
    mcvd_text_free(text);
    CHECK_OK(mcvd_eval_report_text(report, MCVD_REPORT_TABLE, &text));
    CHECK_TRUE(strstr(text, "contrast") != NULL && strstr(text, "psnr") == NULL);
    CHECK_TRUE(strstr(text, " \n") == NULL);
    mcvd_text_free(text);
    mcvd_eval_report_free(&report);
}

static const char *const all_rows[] = { "model", "copy", "mean", "black", "linear" };

static void test_json_report(void **state)
{
    (void)state;
    const mcvd_eval_protocol protocol = small_protocol("predict");
    predictor p = { 0 };
    mcvd_eval_report *report = run(&protocol, 4, &p);
    char *text = NULL;
    cJSON *json = NULL;

    CHECK_OK(mcvd_eval_report_note(report, "model", "old"));
    CHECK_OK(mcvd_eval_report_note(report, "model", "a \"quoted\" file"));
    CHECK_OK(mcvd_eval_report_text(report, MCVD_REPORT_JSON, &text));
    CHECK_TRUE(strchr(text, '\n') == text + strlen(text) - 1);
    CHECK_OK(mcvdi_json_parse(&json, text, strlen(text), "report"));
    const cJSON *seed = cJSON_GetObjectItem(cJSON_GetObjectItem(json, "protocol"), "seed");
    CHECK_CLOSE(seed->valuedouble, 7.0, 0.0);
    assert_string_equal(cJSON_GetObjectItem(cJSON_GetObjectItem(json, "run"), "model")->valuestring,
                        "a \"quoted\" file");
    const cJSON *results = cJSON_GetObjectItem(json, "results");
    for (size_t i = 0; i < 5; i++) {
        const cJSON *row = cJSON_GetObjectItem(results, all_rows[i]);
        CHECK_TRUE(row != NULL);
        for (int over = 0; over < MCVD_NUM_OVER_K; over++) {
            const cJSON *scores = cJSON_GetObjectItem(row, mcvd_over_k_name((mcvd_over_k)over));
            const cJSON *curves = cJSON_GetObjectItem(scores, "per_frame");
            for (int m = 0; m < MCVD_NUM_METRICS; m++) {
                const char *name = mcvd_metric_name((mcvd_metric)m);
                const cJSON *mean = cJSON_GetObjectItem(cJSON_GetObjectItem(scores, name), "mean");
                CHECK_TRUE((mean != NULL) == (m != MCVD_METRIC_LPIPS)); /* has no weights here */
                CHECK_EQ(cJSON_GetArraySize(cJSON_GetObjectItem(curves, name)), mean ? FRAMES : 0);
            }
        }
    }
    CHECK_TRUE(cJSON_GetObjectItem(cJSON_GetObjectItem(json, "not_available"), "fvd") != NULL);
    cJSON_Delete(json);
    mcvd_text_free(text);
    mcvd_eval_report_free(&report);
}

static void test_tables(void **state)
{
    (void)state;
    const mcvd_eval_protocol protocol = small_protocol("predict");
    predictor p = { 0 };
    mcvd_eval_report *report = run(&protocol, 4, &p);
    char *text = NULL;

    CHECK_OK(mcvd_eval_report_text(report, MCVD_REPORT_TABLE, &text));
    CHECK_TRUE(strstr(text, "best of 2") != NULL);
    CHECK_TRUE(strstr(text, "mean of 2") != NULL);
    CHECK_TRUE(strstr(text, "20.000 +-0.000") != NULL);
    CHECK_TRUE(strstr(text, "black frame") != NULL);
    CHECK_TRUE(strstr(text, "linear extrapolation") != NULL);
    CHECK_TRUE(strstr(text, " \n") == NULL);
    mcvd_text_free(text);

    CHECK_OK(mcvd_eval_report_text(report, MCVD_REPORT_MARKDOWN, &text));
    CHECK_TRUE(strstr(text, "| method | over | psnr | psnr_frame_mean | ssim | mse |") != NULL);
    CHECK_TRUE(strstr(text, "| --- | --- | ---: | ---: | ---: | ---: |") != NULL);
    mcvd_text_free(text);

    CHECK_OK(mcvd_eval_report_text(report, MCVD_REPORT_CSV, &text));
    size_t lines = 0;
    for (const char *c = text; *c; c++)
        lines += *c == '\n';
    CHECK_EQ(lines, 1 + 4 * 2 + 4 * 4);
    CHECK_TRUE(strncmp(text, "method,clip,trajectory,mse,psnr,psnr_frame_mean,ssim\n", 52) == 0);
    mcvd_text_free(text);
    mcvd_eval_report_free(&report);
}

static bool file_exists(const char *folder, const char *name)
{
    char path[300];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    return access(path, R_OK) == 0;
}

static void remove_file(const char *folder, const char *name)
{
    char path[300];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    CHECK_EQ(unlink(path), 0);
}

static void test_save(void **state)
{
    (void)state;
    const mcvd_eval_protocol protocol = small_protocol("predict");
    const char *const names[] = { "scores.json", "per_clip.csv", "table.md" };
    predictor p = { 0 };
    mcvd_eval_report *report = run(&protocol, 2, &p);
    char root[] = "/tmp/mcvd-eval-XXXXXX";
    char folder[64];

    CHECK_TRUE(mkdtemp(root) != NULL);
    snprintf(folder, sizeof folder, "%s/new", root);
    CHECK_OK(mcvd_eval_report_save(report, folder, false));
    for (size_t i = 0; i < 3; i++)
        CHECK_TRUE(file_exists(folder, names[i]));
    CHECK_STATUS(mcvd_eval_report_save(report, folder, false), MCVD_E_EXISTS);
    CHECK_MESSAGE("scores.json");
    remove_file(folder, "scores.json");
    CHECK_STATUS(mcvd_eval_report_save(report, folder, false), MCVD_E_EXISTS);
    CHECK_TRUE(!file_exists(folder, "scores.json"));
    CHECK_OK(mcvd_eval_report_save(report, folder, true));
    for (size_t i = 0; i < 3; i++)
        remove_file(folder, names[i]);
    CHECK_EQ(rmdir(folder), 0);
    CHECK_EQ(rmdir(root), 0);
    mcvd_eval_report_free(&report);
}

/* eval/protocols/NAME.json is what is built in. */
static void test_protocol_files(void **state)
{
    (void)state;

    CHECK_TRUE(mcvd_eval_protocol_count() >= 2);
    for (size_t i = 0; i < mcvd_eval_protocol_count(); i++) {
        mcvd_eval_protocol builtin;
        mcvd_eval_protocol read;
        char path[400];

        memset(&builtin, 0, sizeof builtin);
        CHECK_OK(mcvd_eval_protocol_find(&builtin, mcvd_eval_protocol_name(i)));
        CHECK_OK(mcvd_eval_protocol_check(&builtin));
        read = builtin;
        read.past = 99;
        read.clips = 99;
        read.binarise = !builtin.binarise;
        read.name[0] = '\0';
        snprintf(path, sizeof path, MCVD_TEST_PROTOCOLS "/%s.json", builtin.name);
        CHECK_OK(mcvd_eval_protocol_read(&read, path));
        assert_string_equal(read.name, builtin.name);
        assert_string_equal(read.dataset, builtin.dataset);
        assert_string_equal(read.task, builtin.task);
        CHECK_EQ(read.past, builtin.past);
        CHECK_EQ(read.frames, builtin.frames);
        CHECK_EQ(read.future, builtin.future);
        CHECK_EQ(read.clips, builtin.clips);
        CHECK_EQ(read.trajectories, builtin.trajectories);
        CHECK_EQ(read.seed, builtin.seed);
        CHECK_EQ(read.image_size, builtin.image_size);
        CHECK_EQ(read.channels, builtin.channels);
        CHECK_EQ(read.binarise, builtin.binarise);
        CHECK_EQ(read.ssim, builtin.ssim);
        assert_string_equal(read.windows, builtin.windows);
        CHECK_EQ(read.trained, builtin.trained);
    }
    CHECK_TRUE(mcvd_eval_protocol_name(mcvd_eval_protocol_count()) == NULL);
}

static void test_protocol_refusals(void **state)
{
    (void)state;
    mcvd_eval_protocol p;

    CHECK_STATUS(mcvd_eval_protocol_find(&p, "imagenet"), MCVD_E_USAGE);
    CHECK_MESSAGE("imagenet");
    CHECK_MESSAGE("smmnist");
    CHECK_OK(mcvd_eval_protocol_find(&p, "videos"));
    CHECK_STATUS(mcvd_eval_protocol_set(&p, "protocol.clip=3"), MCVD_E_CONFIG);
    CHECK_MESSAGE("clips");
    CHECK_STATUS(mcvd_eval_protocol_set(&p, "protocol.clips=0"), MCVD_E_CONFIG);
    CHECK_STATUS(mcvd_eval_protocol_set(&p, "protocol.task=guess"), MCVD_E_CONFIG);
    CHECK_STATUS(mcvd_eval_protocol_read(&p, "/nowhere/x.json"), MCVD_E_INPUT);
    p.channels = 2;
    CHECK_STATUS(mcvd_eval_protocol_check(&p), MCVD_E_CONFIG);
    p.channels = 3;
    p.past = 0;
    CHECK_STATUS(mcvd_eval_protocol_check(&p), MCVD_E_CONFIG);
    CHECK_MESSAGE("past");
    p.past = 2;
    p.image_size = 8;
    CHECK_STATUS(mcvd_eval_protocol_check(&p), MCVD_E_CONFIG);
    CHECK_MESSAGE("SSIM");
    p.ssim = false;
    CHECK_OK(mcvd_eval_protocol_check(&p));
    CHECK_OK(mcvd_eval_protocol_set(&p, "protocol.task=interp"));
    CHECK_STATUS(mcvd_eval_protocol_check(&p), MCVD_E_CONFIG);
    CHECK_MESSAGE("future");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model_scores),
        cmocka_unit_test(test_baseline_scores),
        cmocka_unit_test(test_known_frames_by_task),
        cmocka_unit_test(test_other_tasks),
        cmocka_unit_test(test_perfect_prediction),
        cmocka_unit_test(test_data_ends_early),
        cmocka_unit_test(test_failures_travel_up),
        cmocka_unit_test(test_allocation_failures),
        cmocka_unit_test(test_generation),
        cmocka_unit_test(test_json_report),
        cmocka_unit_test(test_tables),
        cmocka_unit_test(test_save),
        cmocka_unit_test(test_protocol_files),
        cmocka_unit_test(test_protocol_refusals),
    };

    return cmocka_run_group_tests_name("eval report", tests, NULL, NULL);
}
