/*
 * The runner with options: which videos the distance compares, records of clips that a stopped run
 * or another process left, and what is done with those that do not fit.
 */
#include <mcvd/features.h>
#include <mcvd/metrics.h>

#include <unistd.h>

#include "core/alloc.h"
#include "support/check.h"
#include "support/folder.h"

enum { SIDE = 12, NUMEL = SIDE * SIDE, PAST = 3, FRAMES = 6, FUTURE = 2, CLIPS = 5, K = 2 };
enum { WINDOW = PAST + FRAMES + FUTURE, DIM = 64 };

static mcvd_video_features *features;

/* Pixel i of frame f of clip c in [0, 1]: something that moves. */
static float true_pixel(size_t clip, size_t frame, size_t i)
{
    return (float)((i * (clip + 2) + 7 * frame + 13 * clip) % 97) / 96.0f;
}

/* The same of trajectory k, of which f counts predicted frames. */
static float predicted_pixel(size_t clip, size_t k, size_t frame, size_t i)
{
    return (float)((i * (k + 3) + 5 * frame + 11 * clip) % 89) / 88.0f;
}

typedef struct benchmark {
    mcvd_eval_protocol protocol;
    size_t predicted; /* calls */
    size_t found;
    size_t stop_after; /* clips; 0: never */
    size_t clips_done;
} benchmark;

static mcvd_status get_clip(void *user, size_t clip, float *frames)
{
    const benchmark *b = user;
    const size_t count = (size_t)(b->protocol.past + b->protocol.frames + b->protocol.future);

    if (clip >= CLIPS)
        return MCVD_EOF;
    for (size_t f = 0; f < count; f++)
        for (size_t i = 0; i < NUMEL; i++)
            frames[f * NUMEL + i] = 2.0f * true_pixel(clip, f, i) - 1.0f;
    return MCVD_OK;
}

static mcvd_status predict(void *user, const mcvd_eval_case *c, float *out)
{
    benchmark *b = user;
    const size_t frames = (size_t)b->protocol.frames;

    b->predicted++;
    for (size_t k = 0; k < c->trajectories; k++)
        for (size_t f = 0; f < frames; f++)
            for (size_t i = 0; i < NUMEL; i++)
                out[(k * frames + f) * NUMEL + i] = 2.0f * predicted_pixel(c->clip, k, f, i) - 1.0f;
    return MCVD_OK;
}

static int on_clip(void *user, size_t clip, bool found)
{
    benchmark *b = user;

    (void)clip;
    b->found += found;
    return ++b->clips_done == b->stop_after;
}

static benchmark make_benchmark(const char *task, size_t past, size_t frames, size_t future)
{
    benchmark b = { .found = 0 };

    CHECK_OK(mcvd_eval_protocol_find(&b.protocol, "bair"));
    snprintf(b.protocol.task, sizeof b.protocol.task, "%s", task);
    b.protocol.past = (int64_t)past;
    b.protocol.frames = (int64_t)frames;
    b.protocol.future = (int64_t)future;
    b.protocol.clips = CLIPS;
    b.protocol.trajectories = K;
    b.protocol.image_size = SIDE;
    b.protocol.channels = 1;
    return b;
}

static mcvd_status run(benchmark *b, mcvd_eval_options options, mcvd_eval_report **report)
{
    const mcvd_eval_callbacks callbacks = { get_clip, b, predict, b };

    b->predicted = b->found = b->clips_done = 0;
    options.on_clip = on_clip;
    options.user = b;
    return mcvd_eval_run_with(&b->protocol, &callbacks, &options, report);
}

/* ---- the distance ---------------------------------------------------------------------------- */

/* Features of known past, predicted frames of trajectory k (K: the true ones), known future. */
static void extract(size_t clip, size_t k, size_t past, size_t frames, size_t future, double *out)
{
    const mcvd_video_shape shape = { past + frames + future, SIDE, SIDE, 1 };
    float video[WINDOW * NUMEL];

    for (size_t f = 0; f < shape.frames; f++)
        for (size_t i = 0; i < NUMEL; i++)
            video[f * NUMEL + i] = k < K && f >= past && f < past + frames
                                       ? predicted_pixel(clip, k, f - past, i)
                                       : true_pixel(clip, f, i);
    CHECK_OK(mcvd_video_features_extract(features, video, &shape, out));
}

static double distance_between(const double *fake, size_t fakes, const double *real)
{
    const mcvd_feature_set a = { fake, fakes, DIM };
    const mcvd_feature_set b = { real, CLIPS, DIM };
    double distance = NAN;

    CHECK_OK(mcvd_frechet_distance(&distance, &a, &b));
    return distance;
}

static void check_videos(const char *task, size_t past, size_t frames, size_t future)
{
    double real[CLIPS * DIM];
    double fake[K][CLIPS * DIM];
    double all[CLIPS * K * DIM];
    double each[K];
    benchmark b = make_benchmark(task, past, frames, future);
    mcvd_eval_options options = mcvd_eval_options_default();
    mcvd_eval_report *report = NULL;

    options.features = features;
    CHECK_OK(run(&b, options, &report));
    const mcvd_eval_distance d = mcvd_eval_report_distance(report);
    for (size_t c = 0; c < CLIPS; c++) {
        extract(c, K, past, frames, future, real + c * DIM);
        for (size_t k = 0; k < K; k++) {
            extract(c, k, past, frames, future, fake[k] + c * DIM);
            memcpy(all + (c * K + k) * DIM, fake[k] + c * DIM, DIM * sizeof *all);
        }
    }
    for (size_t k = 0; k < K; k++)
        each[k] = distance_between(fake[k], CLIPS, real);
    /* [0, 1] -> [-1, 1] -> [0, 1] in single precision: features move by some 1e-8 */
    const double single = 1e-7;
    const double mean = (each[0] + each[1]) / 2.0;
    const double half = fabs(each[0] - each[1]) / 2.0;
    assert_string_equal(d.name, "fvd-proxy");
    CHECK_EQ(d.frames, past + frames + future);
    CHECK_EQ(d.clips, CLIPS);
    CHECK_CLOSE(d.all, distance_between(all, CLIPS * K, real), single);
    CHECK_CLOSE(d.traj_mean, mean, single);
    CHECK_CLOSE(d.traj_std, half, single);
    /* two values: s = sqrt(2) half, s / sqrt(2) = half */
    CHECK_CLOSE(d.traj_conf95, 1.959964 * half, single);
    CHECK_TRUE(d.precision >= 0.0 && d.precision <= 1.0 && d.recall >= 0.0 && d.recall <= 1.0);
    mcvd_eval_report_free(&report);
}

/* Known frames are in; generated videos stand alone, against as many real frames. */
static void test_videos_of_the_distance(void **state)
{
    (void)state;
    check_videos("predict", PAST, FRAMES, 0);
    check_videos("predict-past", 0, FRAMES, FUTURE);
    check_videos("interp", PAST, FRAMES, FUTURE);
    check_videos("generate", 0, PAST + FRAMES, 0);
}

/* ---- records --------------------------------------------------------------------------------- */

static char *json_of(const mcvd_eval_report *report)
{
    char *text = NULL;

    CHECK_OK(mcvd_eval_report_text(report, MCVD_REPORT_JSON, &text));
    return text;
}

static void check_same_report(mcvd_eval_report *report, const char *expected)
{
    char *text = json_of(report);

    assert_string_equal(text, expected);
    mcvd_text_free(text);
    mcvd_eval_report_free(&report);
}

/* The report of a run that nothing disturbs. */
static char *undisturbed(benchmark *b, mcvd_eval_options options)
{
    mcvd_eval_report *report = NULL;

    options.work = NULL;
    CHECK_OK(run(b, options, &report));
    CHECK_EQ(b->predicted, CLIPS);
    char *text = json_of(report);
    mcvd_eval_report_free(&report);
    return text;
}

/* Stopped after two clips, the next run predicts the other three only. */
static void check_resumed(benchmark *b, const mcvd_eval_options *options, const char *expected)
{
    mcvd_eval_report *report = NULL;

    b->stop_after = 2;
    CHECK_STATUS(run(b, *options, &report), MCVD_E_INTERRUPTED);
    CHECK_TRUE(report == NULL);
    b->stop_after = 0;
    CHECK_OK(run(b, *options, &report));
    CHECK_EQ(b->found, 2);
    CHECK_EQ(b->predicted, CLIPS - 2);
    check_same_report(report, expected);
}

static void test_resume(void **state)
{
    (void)state;
    static const char *const tasks[] = { "predict", "generate" };
    char folder[TEST_PATH_BYTES];
    char path[TEST_PATH_BYTES];

    for (size_t t = 0; t < 2; t++) {
        benchmark b = make_benchmark(tasks[t], t ? 0 : PAST, FRAMES, 0);
        mcvd_eval_options options = mcvd_eval_options_default();
        make_test_folder(folder);
        options.features = features;
        options.work = test_path(path, folder, "clips");
        char *expected = undisturbed(&b, options);
        check_resumed(&b, &options, expected);
        mcvd_text_free(expected);
        remove_test_folder(folder);
    }
}

/* Groups of two clips go round: 0 1 | 2 3 | 4. */
static void test_shards(void **state)
{
    (void)state;
    char folder[TEST_PATH_BYTES];
    char path[TEST_PATH_BYTES];
    benchmark b = make_benchmark("predict", PAST, FRAMES, 0);
    mcvd_eval_options options = mcvd_eval_options_default();
    mcvd_eval_report *report = NULL;

    make_test_folder(folder);
    options.features = features;
    options.group = 2;
    char *expected = undisturbed(&b, options);
    options.work = test_path(path, folder, "clips");
    options.num_shards = 2;
    options.shard = 1;
    CHECK_OK(run(&b, options, &report));
    CHECK_TRUE(report == NULL);
    CHECK_EQ(b.predicted, 2);
    options.shard = 0;
    CHECK_OK(run(&b, options, &report));
    CHECK_EQ(b.predicted, 3);
    options.num_shards = options.shard = 0;
    CHECK_OK(run(&b, options, &report));
    CHECK_EQ(b.found, CLIPS);
    CHECK_EQ(b.predicted, 0);
    check_same_report(report, expected);
    mcvd_text_free(expected);

    options.shard = options.num_shards = 2;
    CHECK_STATUS(run(&b, options, &report), MCVD_E_RANGE);
    options.shard = 0;
    options.work = NULL;
    CHECK_STATUS(run(&b, options, &report), MCVD_E_RANGE);
    remove_test_folder(folder);
}

/* Another model's records are refused and left alone, until a new start is asked for. */
static void test_other_run(void **state)
{
    (void)state;
    char folder[TEST_PATH_BYTES];
    char path[TEST_PATH_BYTES];
    benchmark b = make_benchmark("predict", PAST, FRAMES, 0);
    mcvd_eval_options options = mcvd_eval_options_default();
    mcvd_eval_report *report = NULL;

    make_test_folder(folder);
    options.work = test_path(path, folder, "clips");
    options.fingerprint = "model one";
    CHECK_OK(run(&b, options, &report));
    mcvd_eval_report_free(&report);
    options.fingerprint = "model two";
    CHECK_STATUS(run(&b, options, &report), MCVD_E_EXISTS);
    CHECK_MESSAGE("there 'model one', here 'model two'");
    options.fingerprint = "model one";
    CHECK_OK(run(&b, options, &report));
    CHECK_EQ(b.found, CLIPS);
    mcvd_eval_report_free(&report);
    options.fingerprint = "model two";
    options.restart = true;
    CHECK_OK(run(&b, options, &report));
    CHECK_EQ(b.predicted, CLIPS);
    mcvd_eval_report_free(&report);
    options.restart = false;
    b.protocol.clips = CLIPS - 1;
    CHECK_STATUS(run(&b, options, &report), MCVD_E_EXISTS);
    CHECK_MESSAGE("\"clips\":4");
    remove_test_folder(folder);
}

/* Any byte of a record may be wrong: the clip is computed again, never scored by it. */
static void test_any_flipped_byte(void **state)
{
    (void)state;
    char folder[TEST_PATH_BYTES];
    char path[TEST_PATH_BYTES];
    char record[TEST_PATH_BYTES];
    benchmark b = make_benchmark("predict", PAST, FRAMES, 0);
    mcvd_eval_options options = mcvd_eval_options_default();
    mcvd_eval_report *report = NULL;

    make_test_folder(folder);
    options.work = test_path(path, folder, "clips");
    char *expected = undisturbed(&b, options);
    CHECK_OK(run(&b, options, &report));
    mcvd_eval_report_free(&report);
    test_path(record, folder, "clips/clip-000003.safetensors");
    for (long at = 0;; at += 29) {
        FILE *file = fopen(record, "r+b");
        CHECK_TRUE(file != NULL && fseek(file, at, SEEK_SET) == 0);
        const int byte = fgetc(file);
        if (byte == EOF) {
            fclose(file);
            break;
        }
        CHECK_EQ(fseek(file, at, SEEK_SET), 0);
        CHECK_TRUE(fputc(byte ^ 0x10, file) != EOF);
        CHECK_EQ(fclose(file), 0);
        CHECK_OK(run(&b, options, &report));
        CHECK_EQ(b.found + b.predicted, CLIPS);
        check_same_report(report, expected);
    }
    mcvd_text_free(expected);
    remove_test_folder(folder);
}

static void test_allocation_failures(void **state)
{
    (void)state;
    char folder[TEST_PATH_BYTES];
    char path[TEST_PATH_BYTES];

    make_test_folder(folder);
    const uint64_t live = mcvdi_alloc_stats_get().live;
    for (long n = 0;; n++) {
        benchmark b = make_benchmark("predict", PAST, FRAMES, 0);
        mcvd_eval_options options = mcvd_eval_options_default();
        mcvd_eval_report *report = NULL;
        b.protocol.clips = 1;
        options.work = test_path(path, folder, "clips");
        mcvdi_alloc_fail_after(n);
        const mcvd_status st = run(&b, options, &report);
        mcvdi_alloc_fail_after(-1);
        mcvd_eval_report_free(&report);
        CHECK_EQ(mcvdi_alloc_stats_get().live, live);
        if (st == MCVD_OK)
            break;
        CHECK_EQ(st, MCVD_E_NOMEM);
    }
    remove_test_folder(folder);
}

static int open_features(void **state)
{
    (void)state;
    CHECK_OK(mcvd_video_features_open(&features, MCVD_EXTRACTOR_PROXY, NULL));
    CHECK_EQ(mcvd_video_features_dim(features), DIM);
    return 0;
}

static int close_features(void **state)
{
    (void)state;
    mcvd_video_features_free(&features);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_videos_of_the_distance),
        cmocka_unit_test(test_resume),
        cmocka_unit_test(test_shards),
        cmocka_unit_test(test_other_run),
        cmocka_unit_test(test_any_flipped_byte),
        cmocka_unit_test(test_allocation_failures),
    };

    return cmocka_run_group_tests(tests, open_features, close_features);
}
