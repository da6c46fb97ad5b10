/*
 * Actions as a condition: which rows a block of a rollout sees, and that a network learns from them
 * what it cannot know otherwise.
 */
#include <stdlib.h>

#include <mcvd/rollout.h>
#include <mcvd/trainer.h>

#include "support/failing.h"
#include "support/folder_fixture.h"
#include "support/random_model.h"

enum { PAST = 2, FRAMES = 3, DIM = 2, BLOCKS = 2, ROWS = PAST + FRAMES * BLOCKS + 2, SIDE = 16 };
enum { FRAME = SIDE * SIDE, BLOCK = FRAMES * FRAME };

static mcvd_model *open_model(mcvd_config *config, window_shape shape)
{
    char path[TEST_PATH_BYTES];
    mcvd_model *model = NULL;

    *config = window_config(shape);
    config->model.action_dim = DIM;
    write_random_model(config, test_path(path, folder, "model.safetensors"));
    CHECK_OK(mcvd_model_load(&model, path, NULL));
    return model;
}

/* Both blocks of one trajectory. */
static void roll(const mcvd_model *model, mcvd_task task, const float *actions, size_t rows,
                 float *blocks)
{
    static float known[3 * FRAME];
    mcvd_rollout_config rc = mcvd_rollout_config_default(mcvd_model_get_config(model));
    mcvd_rollout *rollout = NULL;

    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        known[i] = hashed_uniform("known", (uint32_t)i, -1.0, 1.0);
    rc.task = task;
    rc.seed = 3;
    CHECK_OK(mcvd_rollout_create(&rollout, model, &rc));
    CHECK_OK(mcvd_rollout_begin(rollout, known, known));
    CHECK_OK(mcvd_rollout_set_actions(rollout, actions, rows));
    for (size_t b = 0; b < BLOCKS; b++)
        CHECK_OK(mcvd_rollout_next(rollout, blocks + b * BLOCK));
    mcvd_rollout_free(&rollout);
}

static void fill_actions(float *actions, size_t rows)
{
    for (size_t i = 0; i < rows * DIM; i++)
        actions[i] = hashed_gauss("actions", (uint32_t)i);
}

static bool same(const float *a, const float *b)
{
    return memcmp(a, b, BLOCK * sizeof *a) == 0;
}

/* Block b sees rows b F ... b F + P + F - 1; what block 0 became goes on into block 1. */
static void a_block_sees_the_rows_of_its_window(void **state)
{
    static float plain[BLOCKS * BLOCK];
    static float moved[BLOCKS * BLOCK];
    float actions[ROWS * DIM];
    mcvd_config config;
    mcvd_model *model = open_model(&config, (window_shape) { PAST, FRAMES, 0, 1, false });

    (void)state;
    fill_actions(actions, ROWS);
    roll(model, MCVD_TASK_PREDICT, actions, ROWS, plain);
    for (size_t row = 0; row < ROWS; row++) {
        actions[row * DIM] += 1.0f;
        roll(model, MCVD_TASK_PREDICT, actions, ROWS, moved);
        actions[row * DIM] -= 1.0f;
        fill_actions(actions, ROWS);
        assert_int_equal(same(plain, moved), row >= PAST + FRAMES);
        assert_int_equal(same(plain + BLOCK, moved + BLOCK), row >= PAST + 2 * FRAMES);
    }
    mcvd_model_free(&model);
}

/* The last row belongs to the last future frame; block 1 lies before block 0. */
static void backwards_the_rows_count_from_the_end(void **state)
{
    static float plain[BLOCKS * BLOCK];
    static float moved[BLOCKS * BLOCK];
    enum { FUTURE = 1 };
    float actions[ROWS * DIM];
    mcvd_config config;
    mcvd_model *model = open_model(&config, (window_shape) { 0, FRAMES, FUTURE, 1, false });

    (void)state;
    fill_actions(actions, ROWS);
    roll(model, MCVD_TASK_PREDICT_PAST, actions, ROWS, plain);
    for (size_t row = 0; row < ROWS; row++) {
        const size_t from_end = ROWS - 1 - row;
        actions[row * DIM] += 1.0f;
        roll(model, MCVD_TASK_PREDICT_PAST, actions, ROWS, moved);
        fill_actions(actions, ROWS);
        assert_int_equal(same(plain, moved), from_end >= FUTURE + FRAMES);
        assert_int_equal(same(plain + BLOCK, moved + BLOCK), from_end >= FUTURE + 2 * FRAMES);
    }
    mcvd_model_free(&model);
}

static void rows_that_end_early_are_repeated(void **state)
{
    static float a[BLOCKS * BLOCK];
    static float b[BLOCKS * BLOCK];
    float actions[ROWS * DIM];
    mcvd_config config;
    mcvd_model *model = open_model(&config, (window_shape) { PAST, FRAMES, 0, 1, false });

    (void)state;
    fill_actions(actions, ROWS);
    for (size_t row = 4; row < ROWS; row++)
        memcpy(actions + row * DIM, actions + 3 * DIM, DIM * sizeof *actions);
    roll(model, MCVD_TASK_PREDICT, actions, ROWS, a);
    roll(model, MCVD_TASK_PREDICT, actions, 4, b);
    CHECK_TRUE(memcmp(a, b, sizeof a) == 0);
    mcvd_model_free(&model);
}

static void missing_or_unexpected_actions_are_refused(void **state)
{
    static float frames[BLOCK];
    const float known[PAST * FRAME] = { 0.0f };
    const float row[DIM] = { 0.0f };
    mcvd_config config;
    mcvd_model *model = open_model(&config, (window_shape) { PAST, FRAMES, 0, 1, false });
    mcvd_rollout_config rc = mcvd_rollout_config_default(&config);
    mcvd_rollout *rollout = NULL;

    (void)state;
    CHECK_OK(mcvd_rollout_create(&rollout, model, &rc));
    CHECK_STATUS(mcvd_rollout_set_actions(rollout, row, 1), MCVD_E_STATE);
    CHECK_TRUE(strstr(mcvd_last_error(), "known frames") != NULL);
    CHECK_OK(mcvd_rollout_begin(rollout, known, NULL));
    CHECK_STATUS(mcvd_rollout_next(rollout, frames), MCVD_E_STATE);
    CHECK_TRUE(strstr(mcvd_last_error(), "action_dim = 2") != NULL);
    CHECK_STATUS(mcvd_rollout_set_actions(rollout, row, 0), MCVD_E_RANGE);
    CHECK_TRUE(strstr(mcvd_last_error(), "no frame") != NULL);
    mcvd_rollout_free(&rollout);
    mcvd_model_free(&model);

    config.data.random_flip = true;
    CHECK_STATUS(mcvd_config_check(&config), MCVD_E_CONFIG);
    CHECK_TRUE(strstr(mcvd_last_error(), "random_flip") != NULL);
    config.data.random_flip = false;
    config.model.time_conditional = false;
    CHECK_STATUS(mcvd_config_check_network(&config), MCVD_E_CONFIG);
    CHECK_TRUE(strstr(mcvd_last_error(), "time_conditional") != NULL);
}

/* --- learning --- */

enum { BATCH = 8, STEPS = 300, SMALL = 8, PIXELS = SMALL * SMALL };

/* Frames that nobody can foresee: their gray value is the first number of their action. */
static void make_batch(const mcvd_config *config, uint64_t step, float *x0, float *cond,
                       float *actions)
{
    const size_t past = (size_t)config->data.num_frames_cond;
    const size_t frames = (size_t)config->data.num_frames;
    const size_t window = past + frames;

    for (size_t b = 0; b < BATCH; b++)
        for (size_t f = 0; f < window; f++) {
            const uint32_t draw = (uint32_t)((step * BATCH + b) * window + f);
            const float gray = hashed_uniform("gray", draw, -1.0, 1.0);
            actions[(b * window + f) * DIM] = gray;
            actions[(b * window + f) * DIM + 1] = 0.0f;
            for (size_t p = 0; p < PIXELS; p++)
                if (f < past)
                    cond[(b * PIXELS + p) * past + f] = gray;
                else
                    x0[(b * PIXELS + p) * frames + f - past] = gray;
        }
}

/* Mean square error of the frames that the network sees in pure noise, on clips of its own. */
static double error_from_noise(const mcvd_trainer *trainer, const mcvd_batch *batch)
{
    static float noise[BATCH * PIXELS * 4];
    static float out[BATCH * PIXELS * 4];
    const size_t numel = BATCH * PIXELS * batch->num_frames;
    double last[BATCH];
    mcvd_network *network = NULL;
    double sum = 0.0;

    for (size_t b = 0; b < BATCH; b++)
        last[b] = 99.0;
    for (size_t i = 0; i < numel; i++)
        noise[i] = hashed_gauss("noise", (uint32_t)i);
    const mcvd_network_input in = {
        .x = noise, .t = last, .cond = batch->cond, .actions = batch->actions
    };
    CHECK_OK(mcvd_trainer_network(&network, trainer, BATCH));
    CHECK_OK(mcvd_network_forward(network, &in, out));
    for (size_t i = 0; i < numel; i++)
        sum += pow((double)out[i] - (double)batch->x0[i], 2.0);
    mcvd_network_free(&network);
    return sum / (double)numel;
}

static double train(bool with_actions)
{
    mcvd_config config = tiny_variant("unetmore", false);
    static float x0[BATCH * PIXELS * 4];
    static float cond[BATCH * PIXELS * 4];
    static float actions[BATCH * 8 * DIM];
    static const int32_t ones[BATCH] = { 1, 1, 1, 1, 1, 1, 1, 1 };
    mcvd_trainer *trainer = NULL;
    mcvd_step_report report;

    snprintf(config.model.prediction, sizeof config.model.prediction, "x0");
    config.data.random_flip = false;
    config.training.task[0] = '\0';
    config.data.num_frames_future = 0;
    config.data.prob_mask_future = 0.0;
    config.model.action_dim = with_actions ? DIM : 0;
    config.model.ngf = 16;
    config.model.num_classes = 100;
    config.model.ema_rate = 0.9;
    config.training.batch_size = BATCH;
    config.training.accumulate = 1;
    config.optim.lr = 3e-3;
    config.optim.warmup = 0;
    CHECK_TRUE(config.data.num_frames <= 4 && config.data.num_frames_cond <= 4);
    CHECK_OK(mcvd_trainer_create(&trainer, &config));
    const mcvd_batch batch = { .batch_size = BATCH,
                               .image_size = SMALL,
                               .channels = 1,
                               .num_frames = (size_t)config.data.num_frames,
                               .num_frames_cond = (size_t)config.data.num_frames_cond,
                               .x0 = x0,
                               .cond = cond,
                               .cond_mask = ones,
                               .future_mask = ones,
                               .actions = with_actions ? actions : NULL };
    for (uint64_t step = 0; step < STEPS; step++) {
        make_batch(&config, step, x0, cond, actions);
        CHECK_OK(mcvd_trainer_step(trainer, &batch, &report));
    }
    make_batch(&config, STEPS, x0, cond, actions);
    const double error = error_from_noise(trainer, &batch);
    mcvd_trainer_free(&trainer);
    return error;
}

/* Without actions the best answer is 0, which is wrong by 1/3. */
static void a_network_learns_from_actions(void **state)
{
    const double without = train(false);
    const double with = train(true);

    (void)state;
    print_message("error: %.4f without actions, %.4f with them\n", without, with);
    CHECK_TRUE(without > 0.2);
    CHECK_TRUE(with < 0.1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_block_sees_the_rows_of_its_window),
        cmocka_unit_test(backwards_the_rows_count_from_the_end),
        cmocka_unit_test(rows_that_end_early_are_repeated),
        cmocka_unit_test(missing_or_unexpected_actions_are_refused),
        cmocka_unit_test(a_network_learns_from_actions),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
