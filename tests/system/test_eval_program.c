/*
 * `mcvd eval` and the pictures of `mcvd train`, end to end: baselines beside values that are
 * computed here from the clips, the model's row beside a rollout of one clip at a time, a video
 * whose scores follow from its levels, every field of the JSON report.
 */
#include <stdlib.h>
#include <sys/wait.h>

#include <mcvd/data.h>
#include <mcvd/metrics.h>
#include <mcvd/rollout.h>
#include <mcvd/video.h>

#include "core/json.h"
#include "support/check.h"
#include "support/folder.h"

/* configs/tiny.json */
enum {
    SIDE = 16,
    PIXELS = SIDE * SIDE,
    PAST = 2,
    FRAMES = 2,
    FUTURE = 1,
    WINDOW = PAST + FRAMES + FUTURE,
    COMMAND_BYTES = 6 * TEST_PATH_BYTES
};

static const char digits[] = MCVD_TEST_SOURCE "/datasets/smmnist";
static const char tiny[] = MCVD_TEST_SOURCE "/configs/tiny.json";

static char folder[TEST_PATH_BYTES];

static void run_program(const char *arguments, int expected)
{
    char command[COMMAND_BYTES];

    snprintf(command, sizeof command, "cd '%s' && '%s' %s 2>stderr.txt", folder, MCVD_TEST_PROGRAM,
             arguments);
    const int status = system(command);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != expected)
        fail_msg("status %d, expected exit %d: %s", status, expected, command);
}

static int setup(void **state)
{
    char arguments[COMMAND_BYTES];

    (void)state;
    make_test_folder(folder);
    snprintf(arguments, sizeof arguments,
             "train --config '%s' --data '%s' --steps 2 --threads 1 --out run "
             "--set training.sample_freq=1 >/dev/null",
             tiny, digits);
    run_program(arguments, 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    remove_test_folder(folder);
    return 0;
}

/* ---- the report ------------------------------------------------------------------------------ */

static cJSON *eval(const char *arguments)
{
    char command[COMMAND_BYTES];
    char path[TEST_PATH_BYTES];
    cJSON *json = NULL;

    snprintf(command, sizeof command, "eval %s --threads 1 --json >report.json", arguments);
    run_program(command, 0);
    CHECK_OK(mcvdi_json_read(&json, test_path(path, folder, "report.json")));
    return json;
}

static cJSON *eval_digits(const char *arguments)
{
    char command[COMMAND_BYTES];

    snprintf(command, sizeof command, "smmnist --model run --data '%s' %s", digits, arguments);
    return eval(command);
}

/* "results/copy/mean_of_k/psnr/mean"; a number is the index of an array. */
static const cJSON *find(const cJSON *json, const char *path)
{
    char copy[256];
    char *rest = NULL;

    snprintf(copy, sizeof copy, "%s", path);
    for (char *part = strtok_r(copy, "/", &rest); part && json; part = strtok_r(NULL, "/", &rest))
        json = cJSON_IsArray(json) ? cJSON_GetArrayItem(json, atoi(part))
                                   : cJSON_GetObjectItemCaseSensitive(json, part);
    return json;
}

static double number(const cJSON *json, const char *path)
{
    const cJSON *item = find(json, path);

    if (!cJSON_IsNumber(item))
        fail_msg("%s is not a number", path);
    return item->valuedouble;
}

static const char *text(const cJSON *json, const char *path)
{
    const cJSON *item = find(json, path);

    if (!cJSON_IsString(item))
        fail_msg("%s is not a text", path);
    return item->valuestring;
}

/* ---- scores computed here -------------------------------------------------------------------- */

static mcvd_dataset *open_digits(size_t num_frames, size_t clips)
{
    mcvd_config config;
    mcvd_dataset *dataset = NULL;

    mcvd_config_default(&config);
    CHECK_OK(mcvd_config_read(&config, tiny));
    config.data.num_digits = 2;
    mcvd_dataset_config dc = mcvd_dataset_config_default(&config.data);
    dc.path = digits;
    dc.split = MCVD_SPLIT_TEST;
    dc.num_frames = num_frames;
    dc.num_test_clips = clips;
    CHECK_OK(mcvd_dataset_open(&dataset, &dc));
    return dataset;
}

static double unit(double x)
{
    return x < 0.0 ? 0.0 : x > 1.0 ? 1.0 : x;
}

/* Pixel i of predicted frame f = 0, 1, ... by a baseline that knows the past only, in [0, 1]. */
static double baseline_pixel(const char *name, const uint8_t *window, size_t f, size_t i)
{
    const double last = window[(PAST - 1) * PIXELS + i] / 255.0;
    const double before = window[(PAST - 2) * PIXELS + i] / 255.0;
    double sum = 0.0;

    if (strcmp(name, "copy") == 0)
        return last;
    if (strcmp(name, "black") == 0)
        return 0.0;
    if (strcmp(name, "linear") == 0)
        return unit(last + (double)(f + 1) * (last - before));
    for (size_t p = 0; p < PAST; p++)
        sum += window[p * PIXELS + i] / 255.0;
    return sum / PAST;
}

static double baseline_mse(const char *name, const uint8_t *window, size_t f)
{
    double sum = 0.0;

    for (size_t i = 0; i < PIXELS; i++) {
        const double d =
            baseline_pixel(name, window, f, i) - window[(PAST + f) * PIXELS + i] / 255.0;
        sum += d * d;
    }
    return sum / PIXELS;
}

/* Mean and half-width of the PSNR of clips whose MSE is not 0. */
typedef struct expected_psnr {
    size_t count;
    double sum;
    double squares;
} expected_psnr;

static void add_psnr(expected_psnr *e, double mse)
{
    if (mse <= 0.0)
        return;
    const double psnr = -10.0 * log10(mse);
    e->count++;
    e->sum += psnr;
    e->squares += psnr * psnr;
}

static void check_psnr(const expected_psnr *e, const cJSON *json, const char *row)
{
    const double n = (double)e->count;
    const double mean = e->sum / n;
    const double variance = (e->squares - n * mean * mean) / (n - 1.0);
    char path[128];

    snprintf(path, sizeof path, "results/%s/mean_of_k/psnr/mean", row);
    CHECK_CLOSE(number(json, path), mean, 1e-4);
    snprintf(path, sizeof path, "results/%s/best_of_k/psnr/conf95", row);
    CHECK_CLOSE(number(json, path), 1.959964 * sqrt(variance / n), 1e-4);
    snprintf(path, sizeof path, "results/%s/best_of_k/psnr/count", row);
    CHECK_EQ(number(json, path), e->count);
}

static void test_baselines(void **state)
{
    (void)state;
    enum { CLIPS = 12, SCORED = 3 };
    static const char *const names[] = { "copy", "mean", "black", "linear" };
    cJSON *json = eval_digits("--clips 12 -K 2 --frames 3");
    mcvd_dataset *dataset = open_digits(PAST + SCORED, CLIPS);
    uint8_t window[(PAST + SCORED) * PIXELS];

    for (size_t b = 0; b < sizeof names / sizeof *names; b++) {
        expected_psnr all = { 0 };
        expected_psnr frame[SCORED] = { { 0 } };
        char path[128];
        for (size_t c = 0; c < CLIPS; c++) {
            double mse = 0.0;
            CHECK_OK(mcvd_dataset_window(dataset, c, window));
            for (size_t f = 0; f < SCORED; f++) {
                const double one = baseline_mse(names[b], window, f);
                add_psnr(&frame[f], one);
                mse += one / SCORED;
            }
            add_psnr(&all, mse);
        }
        check_psnr(&all, json, names[b]);
        for (size_t f = 0; f < SCORED; f++) {
            snprintf(path, sizeof path, "results/%s/best_of_k/per_frame/psnr/%zu", names[b], f);
            CHECK_CLOSE(number(json, path), frame[f].sum / (double)frame[f].count, 1e-4);
        }
    }
    mcvd_dataset_free(&dataset);
    cJSON_Delete(json);
}

/* PSNR of trajectory k of a prediction [K, FRAMES]. */
static double trajectory_psnr(const float *made, size_t k, const uint8_t *window)
{
    double sum = 0.0;

    for (size_t i = 0; i < FRAMES * PIXELS; i++) {
        const double p = unit(((double)made[k * FRAMES * PIXELS + i] + 1.0) / 2.0);
        const double d = p - window[PAST * PIXELS + i] / 255.0;
        sum += d * d;
    }
    return -10.0 * log10(sum / (FRAMES * PIXELS));
}

/* The program predicts clips two at a time, the last alone; here each one has its own rollout. */
static void test_model_row(void **state)
{
    (void)state;
    enum { CLIPS = 5, K = 2 };
    cJSON *json = eval_digits("--clips 5 -K 2 --frames 2 --seed 9");
    mcvd_dataset *dataset = open_digits(PAST + FRAMES, CLIPS);
    mcvd_model *model = NULL;
    mcvd_rollout *rollout = NULL;
    char path[TEST_PATH_BYTES];
    uint8_t window[(PAST + FRAMES) * PIXELS];
    float known[PAST * PIXELS];
    float made[K * FRAMES * PIXELS];
    double best = 0.0;
    double mean = 0.0;

    CHECK_OK(mcvd_model_load(&model, test_path(path, folder, "run/model.safetensors"), NULL));
    mcvd_rollout_config rc = mcvd_rollout_config_default(mcvd_model_get_config(model));
    rc.samples = K;
    rc.seed = 9;
    CHECK_OK(mcvd_rollout_create(&rollout, model, &rc));
    for (size_t c = 0; c < CLIPS; c++) {
        const float *const past[K] = { known, known };
        CHECK_OK(mcvd_dataset_window(dataset, c, window));
        mcvd_pixels_to_float(known, window, PAST * PIXELS);
        CHECK_OK(mcvd_rollout_begin_each(rollout, c * K, past, NULL));
        CHECK_OK(mcvd_rollout_next(rollout, made));
        const double a = trajectory_psnr(made, 0, window);
        const double b = trajectory_psnr(made, 1, window);
        CHECK_TRUE(fabs(a - b) > 1e-3);
        best += fmax(a, b) / CLIPS;
        mean += (a + b) / (2 * CLIPS);
    }
    CHECK_CLOSE(number(json, "results/model/best_of_k/psnr/mean"), best, 1e-4);
    CHECK_CLOSE(number(json, "results/model/mean_of_k/psnr/mean"), mean, 1e-4);
    CHECK_EQ(number(json, "results/model/trajectories"), K);
    mcvd_rollout_free(&rollout);
    mcvd_model_free(&model);
    mcvd_dataset_free(&dataset);
    cJSON_Delete(json);
}

/* Three frames from two chained blocks of two, in the order of time. */
static void check_chained(mcvd_task task, const size_t order[3])
{
    enum { CLIPS = 3, SCORED = 3 };
    const bool backwards = task == MCVD_TASK_PREDICT_PAST;
    const size_t first = backwards ? 0 : PAST; /* of the scored frames */
    const size_t frames = SCORED + (backwards ? FUTURE : PAST);
    char arguments[128];
    char path[TEST_PATH_BYTES];
    uint8_t window[(SCORED + PAST) * PIXELS];
    float known[(SCORED + PAST) * PIXELS];
    float made[2 * FRAMES * PIXELS];
    double psnr = 0.0;

    snprintf(arguments, sizeof arguments, "--clips %d -K 1 --frames 3 --task %s", CLIPS,
             mcvd_task_word(task));
    cJSON *json = eval_digits(arguments);
    mcvd_dataset *dataset = open_digits(frames, CLIPS);
    mcvd_model *model = NULL;
    mcvd_rollout *rollout = NULL;
    CHECK_OK(mcvd_model_load(&model, test_path(path, folder, "run/model.safetensors"), NULL));
    mcvd_rollout_config rc = mcvd_rollout_config_default(mcvd_model_get_config(model));
    rc.task = task;
    CHECK_OK(mcvd_rollout_create(&rollout, model, &rc));
    for (size_t c = 0; c < CLIPS; c++) {
        const float *const future = known + SCORED * PIXELS;
        const float *const past = known;
        double sum = 0.0;
        CHECK_OK(mcvd_dataset_window(dataset, c, window));
        mcvd_pixels_to_float(known, window, frames * PIXELS);
        CHECK_OK(mcvd_rollout_begin_each(rollout, c, &past, &future));
        CHECK_OK(mcvd_rollout_next(rollout, made));
        CHECK_OK(mcvd_rollout_next(rollout, made + FRAMES * PIXELS));
        for (size_t i = 0; i < SCORED * PIXELS; i++) {
            const float x = made[order[i / PIXELS] * PIXELS + i % PIXELS];
            const double d = unit(((double)x + 1.0) / 2.0) - window[first * PIXELS + i] / 255.0;
            sum += d * d;
        }
        psnr += -10.0 * log10(sum / (SCORED * PIXELS)) / CLIPS;
    }
    CHECK_CLOSE(number(json, "results/model/mean_of_k/psnr/mean"), psnr, 1e-4);
    mcvd_rollout_free(&rollout);
    mcvd_model_free(&model);
    mcvd_dataset_free(&dataset);
    cJSON_Delete(json);
}

/* Backwards, the second block lies before the first, and its last frame is next to it. */
static void test_chained_blocks(void **state)
{
    (void)state;
    check_chained(MCVD_TASK_PREDICT, (const size_t[3]) { 0, 1, 2 });
    check_chained(MCVD_TASK_PREDICT_PAST, (const size_t[3]) { 3, 0, 1 });
}

/* How trajectories share the calls of the network does not change a score. */
static void test_any_batch(void **state)
{
    (void)state;
    static const int batches[] = { 1, 4, 7 };
    double best[3];
    double mean[3];

    for (size_t i = 0; i < 3; i++) {
        char arguments[128];
        snprintf(arguments, sizeof arguments, "--clips 4 -K 3 --set sampling.batch_size=%d",
                 batches[i]);
        cJSON *json = eval_digits(arguments);
        best[i] = number(json, "results/model/best_of_k/psnr/mean");
        mean[i] = number(json, "results/model/mean_of_k/psnr/mean");
        cJSON_Delete(json);
        CHECK_CLOSE(best[i], best[0], 1e-4);
        CHECK_CLOSE(mean[i], mean[0], 1e-4);
    }
}

/* ---- fields ---------------------------------------------------------------------------------- */

static void test_fields(void **state)
{
    (void)state;
    static const char *const rows[] = { "model", "copy", "mean", "black", "linear" };
    static const char *const overs[] = { "best_of_k", "mean_of_k" };
    static const char *const metrics[] = { "psnr", "psnr_frame_mean", "ssim", "mse" };
    static const char *const values[] = { "mean", "std", "conf95", "count", "infinite" };
    cJSON *json = eval_digits("--clips 6 -K 2 --frames 2");
    char path[128];

    assert_string_equal(text(json, "benchmark"), "smmnist");
    assert_string_equal(text(json, "protocol/task"), "predict");
    assert_string_equal(text(json, "run/model"), "run");
    assert_string_equal(text(json, "run/sampler"), "ddpm, 10 steps per block of 2 frames");
    CHECK_TRUE(strstr(text(json, "run/training"), "\"steps\":2") != NULL);
    CHECK_TRUE(strstr(text(json, "run/data"), "2 moving digits") != NULL);
    CHECK_EQ(strlen(text(json, "run/model_sha256")), 64);
    CHECK_TRUE(strlen(text(json, "run/data_sha256")) > 64);
    CHECK_EQ(number(json, "clips_used"), 6);
    CHECK_EQ(number(json, "protocol/past"), PAST);
    CHECK_EQ(number(json, "protocol/frames"), FRAMES);
    CHECK_EQ(number(json, "protocol/image_size"), SIDE);
    for (size_t r = 0; r < 5; r++)
        for (size_t o = 0; o < 2; o++)
            for (size_t m = 0; m < 4; m++) {
                for (size_t v = 0; v < 5; v++) {
                    snprintf(path, sizeof path, "results/%s/%s/%s/%s", rows[r], overs[o],
                             metrics[m], values[v]);
                    (void)number(json, path);
                }
                snprintf(path, sizeof path, "results/%s/%s/per_frame/%s", rows[r], overs[o],
                         metrics[m]);
                CHECK_EQ(cJSON_GetArraySize(find(json, path)), FRAMES);
            }
    CHECK_TRUE(number(json, "results/model/best_of_k/psnr/mean") >
               number(json, "results/model/mean_of_k/psnr/mean"));
    cJSON_Delete(json);
}

static void test_generation(void **state)
{
    (void)state;
    cJSON *json = eval_digits("--clips 5 -K 2 --task generate");

    /* as long as the published 10 frames with the past that they start from */
    CHECK_EQ(number(json, "protocol/frames"), PAST + 10);
    CHECK_EQ(number(json, "protocol/past"), 0);
    CHECK_TRUE(find(json, "results") == NULL);
    CHECK_TRUE(number(json, "statistics/motion/generated/mean") > 0.0);
    CHECK_EQ(number(json, "statistics/motion/real/count"), 5);
    CHECK_EQ(number(json, "fvd-proxy/frames"), PAST + 10);
    CHECK_TRUE(number(json, "fvd-proxy/all_trajectories") > 0.0);
    CHECK_TRUE(number(json, "fvd-proxy/traj_mean") > 0.0);
    CHECK_TRUE(number(json, "fvd-proxy/traj_conf95") >= 0.0);
    CHECK_TRUE(number(json, "fvd-proxy/precision") >= 0.0);
    CHECK_TRUE(number(json, "fvd-proxy/recall") >= 0.0);
    CHECK_TRUE(find(json, "fvd") == NULL && find(json, "reference_names/fvd") == NULL);
    CHECK_TRUE(strstr(text(json, "card/fvd-proxy"),
                      "12 frames per video, generated frames alone") != NULL);
    CHECK_TRUE(strstr(text(json, "run/warning"), "not trained for generate") != NULL);
    cJSON_Delete(json);
}

/* ---- a video --------------------------------------------------------------------------------- */

/* 40 gray frames of one level each: 10, 13, 16, ... The last 8 are held out: 5 windows of 4. */
static void write_video(void)
{
    mcvd_video_writer_config config = mcvd_video_writer_config_default();
    mcvd_video_writer *writer = NULL;
    uint8_t frame[24 * 20];
    char path[TEST_PATH_BYTES];

    config.width = 24;
    config.height = 20;
    config.channels = 1;
    config.force = true;
    CHECK_OK(mcvd_video_writer_open(&writer, test_path(path, folder, "ramp.mkv"), &config));
    for (int f = 0; f < 40; f++) {
        memset(frame, 10 + 3 * f, sizeof frame);
        CHECK_OK(mcvd_video_writer_write(writer, frame));
    }
    CHECK_OK(mcvd_video_writer_finish(writer));
    mcvd_video_writer_free(&writer);
}

static double psnr_of_levels(double a, double b)
{
    return -10.0 * log10((a * a + b * b) / 2.0 / (255.0 * 255.0));
}

static void test_video(void **state)
{
    (void)state;
    write_video();
    cJSON *json = eval("videos --model run --data ramp.mkv -K 1");
    double black = 0.0;

    for (int start = 32; start <= 36; start++)
        black += psnr_of_levels(10.0 + 3.0 * (start + 2), 10.0 + 3.0 * (start + 3)) / 5.0;
    CHECK_EQ(number(json, "clips_used"), 5);
    CHECK_CLOSE(number(json, "results/copy/mean_of_k/psnr/mean"), psnr_of_levels(3, 6), 1e-4);
    CHECK_CLOSE(number(json, "results/mean/mean_of_k/psnr/mean"), psnr_of_levels(4.5, 7.5), 1e-4);
    CHECK_CLOSE(number(json, "results/black/mean_of_k/psnr/mean"), black, 1e-4);
    CHECK_TRUE(number(json, "results/linear/mean_of_k/psnr_frame_mean/infinite") > 0 ||
               number(json, "results/linear/mean_of_k/psnr/mean") > 100.0);
    /* training left nothing out */
    CHECK_TRUE(strstr(text(json, "run/data"),
                      "the last 0.2 of every video; the model may have trained on these frames") !=
               NULL);
    CHECK_TRUE(strstr(text(json, "run/data"), "held out") == NULL);
    cJSON_Delete(json);
}

/* Interpolation of a ramp: the blend of the two neighbours is exact, copying is one step off. */
static void test_video_interpolation(void **state)
{
    (void)state;
    write_video();
    cJSON *json = eval("videos --model run --data ramp.mkv -K 1 --task interp");

    CHECK_EQ(number(json, "clips_used"), 4);
    CHECK_EQ(number(json, "protocol/future"), FUTURE);
    CHECK_CLOSE(number(json, "results/copy/mean_of_k/psnr/mean"), psnr_of_levels(3, 3), 1e-4);
    /* known 0, 3 and 12: mean 5; truth 6 and 9 */
    CHECK_CLOSE(number(json, "results/mean/mean_of_k/psnr/mean"), psnr_of_levels(1, 4), 1e-4);
    cJSON_Delete(json);
}

/* ---- pictures of a training ------------------------------------------------------------------ */

enum { ZOOM = 6, TILE = SIDE * ZOOM, GAP = 2, WIDE = 10, ROWS = 8 };

static size_t tile_left(size_t col)
{
    return col * (TILE + GAP) + (col >= PAST ? WIDE - GAP : 0) +
           (col >= PAST + FRAMES ? WIDE - GAP : 0);
}

/* Pixels of tile (row, col) that differ from a frame; NULL: from mid-grey. */
static size_t tile_differences(const mcvd_video_clip *picture, size_t row, size_t col,
                               const uint8_t *frame)
{
    const size_t top = row * (TILE + GAP) + row / 2 * (WIDE - GAP);
    size_t differences = 0;

    for (size_t y = 0; y < TILE; y++)
        for (size_t x = 0; x < TILE; x++) {
            const uint8_t seen =
                picture->data[(top + y) * (size_t)picture->width + tile_left(col) + x];
            differences += seen != (frame ? frame[y / ZOOM * SIDE + x / ZOOM] : 128);
        }
    return differences;
}

/* Rows in pairs: the true window, then the same with the model's frames; this model was trained for
 * predict and interp, so predict is shown and the future is grey. */
static void test_training_pictures(void **state)
{
    (void)state;
    mcvd_video_reader_config rc = mcvd_video_reader_config_default();
    mcvd_video_clip clip;
    mcvd_config config;
    mcvd_dataset *dataset = NULL;
    uint8_t window[WINDOW * PIXELS];
    char path[TEST_PATH_BYTES];

    mcvd_config_default(&config);
    CHECK_OK(mcvd_config_read(&config, tiny));
    mcvd_dataset_config dc = mcvd_dataset_config_default(&config.data);
    dc.path = digits;
    dc.split = MCVD_SPLIT_TEST;
    CHECK_OK(mcvd_dataset_open(&dataset, &dc));
    rc.channels = 1;
    CHECK_OK(mcvd_video_read_all(&clip, test_path(path, folder, "run/samples"), &rc));
    CHECK_EQ(clip.num_frames, 2);
    CHECK_EQ(clip.width, tile_left(WINDOW - 1) + TILE);
    CHECK_EQ(clip.height, ROWS * TILE + (ROWS - 1) * GAP + (ROWS / 2 - 1) * (WIDE - GAP));
    for (size_t w = 0; w < ROWS / 2; w++) {
        CHECK_OK(mcvd_dataset_window(dataset, w, window));
        for (size_t f = 0; f < WINDOW; f++) {
            const uint8_t *truth = window + f * PIXELS;
            CHECK_EQ(tile_differences(&clip, 2 * w, f, truth), 0);
            if (f < PAST)
                CHECK_EQ(tile_differences(&clip, 2 * w + 1, f, truth), 0);
            else if (f < PAST + FRAMES)
                CHECK_TRUE(tile_differences(&clip, 2 * w + 1, f, truth) > TILE);
            else
                CHECK_EQ(tile_differences(&clip, 2 * w + 1, f, NULL), 0);
        }
    }
    mcvd_video_clip_free(&clip);
    mcvd_dataset_free(&dataset);
}

/* The same run again leaves the same pictures; a run without sample_freq leaves none. */
static void test_pictures_repeat(void **state)
{
    (void)state;
    char arguments[COMMAND_BYTES];
    char command[COMMAND_BYTES];
    char path[TEST_PATH_BYTES];

    snprintf(arguments, sizeof arguments,
             "train --config '%s' --data '%s' --steps 2 --threads 1 --out again --force "
             "--set training.sample_freq=2 >/dev/null",
             tiny, digits);
    run_program(arguments, 0);
    CHECK_EQ(count_entries(test_path(path, folder, "again/samples")), 1);
    snprintf(command, sizeof command,
             "cmp '%s/run/samples/step-00000002.png' '%s/again/samples/step-00000002.png'", folder,
             folder);
    CHECK_EQ(system(command), 0);
    snprintf(command, sizeof command,
             "cmp -s '%s/run/samples/step-00000001.png' '%s/run/samples/step-00000002.png'", folder,
             folder);
    CHECK_TRUE(system(command) != 0);
    snprintf(arguments, sizeof arguments,
             "train --config '%s' --data '%s' --steps 2 --threads 1 --out none >/dev/null", tiny,
             digits);
    run_program(arguments, 0);
    CHECK_EQ(count_entries(test_path(path, folder, "none/samples")), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_baselines),
        cmocka_unit_test(test_model_row),
        cmocka_unit_test(test_chained_blocks),
        cmocka_unit_test(test_any_batch),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_generation),
        cmocka_unit_test(test_video),
        cmocka_unit_test(test_video_interpolation),
        cmocka_unit_test(test_training_pictures),
        cmocka_unit_test(test_pictures_repeat),
    };

    return cmocka_run_group_tests_name("eval program", tests, setup, teardown);
}
