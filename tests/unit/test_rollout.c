/* Rollouts against one block of the sampler with condition frames that the test puts together. */
#include <stdlib.h>

#include <mcvd/rollout.h>
#include <mcvd/sampler.h>

#include "core/alloc.h"
#include "rollout/known.h"
#include "support/failing.h"
#include "support/folder.h"
#include "support/random_model.h"

enum { SIZE = 16, PIXELS = SIZE * SIZE, MAX_CHANNELS = 3, MAX_WINDOW = 8 };
enum { MAX_FLOATS = MAX_WINDOW * PIXELS * MAX_CHANNELS, MAX_SAMPLES = 5 };

/* Two networks of other batch sizes round their sums in another order: float32 through some 40
 * layers, repeated in 5 calls on values of about 1; 2e-6 is the largest difference seen. */
static const double batch_tolerance = 2e-5;

static char folder[TEST_PATH_BYTES];

typedef struct world {
    mcvd_model *model;
    mcvd_config config;
    size_t num_past, num_frames, num_future;
    size_t frame; /* floats */
} world;

static world open_world(window_shape shape)
{
    char path[TEST_PATH_BYTES];
    const mcvd_config config = window_config(shape);
    world w = { .config = config,
                .num_past = (size_t)shape.num_past,
                .num_frames = (size_t)shape.num_frames,
                .num_future = (size_t)shape.num_future,
                .frame = (size_t)(PIXELS * shape.channels) };

    write_random_model(&config, test_path(path, folder, "model.safetensors"));
    CHECK_OK(mcvd_model_load(&w.model, path, NULL));
    return w;
}

static int set_up(void **state)
{
    (void)state;
    make_test_folder(folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    remove_test_folder(folder);
    return 0;
}

static void fill_frames(float *frames, size_t n, const char *key)
{
    for (size_t i = 0; i < n; i++)
        frames[i] = hashed_uniform(key, (uint32_t)i, -1.0, 1.0);
}

static mcvd_rollout *open_rollout(const world *w, mcvd_rollout_config config)
{
    mcvd_rollout *rollout = NULL;

    CHECK_OK(mcvd_rollout_create(&rollout, w->model, &config));
    return rollout;
}

static mcvd_rollout_config config_of(const world *w, mcvd_task task, size_t samples)
{
    mcvd_rollout_config config = mcvd_rollout_config_default(&w->config);

    config.task = task;
    config.samples = samples;
    config.seed = 77;
    return config;
}

/* --- what one block has to be --- */

typedef struct block_request {
    const mcvd_rollout_config *config;
    uint64_t trajectory;
    uint64_t block;
    const float *known; /* [P + U] frames */
    float mask;
    const float *start; /* [F] frames instead of noise, or NULL */
} block_request;

typedef struct reference_net {
    mcvd_network *network;
    const float *cond;
    float mask;
} reference_net;

static mcvd_status reference_denoise(void *user, const float *x, const double *t, size_t batch,
                                     float *out)
{
    const reference_net *net = user;
    const mcvd_network_input in = { .x = x, .t = t, .cond = net->cond, .cond_mask = &net->mask };

    CHECK_EQ(batch, 1);
    return mcvd_network_forward(net->network, &in, out);
}

/* [n, pixels, c] -> [pixels, n * c], or back. */
static void restack(float *to, const float *from, size_t n, size_t c, bool back)
{
    for (size_t f = 0; f < n; f++)
        for (size_t p = 0; p < PIXELS; p++)
            for (size_t i = 0; i < c; i++) {
                const size_t frames = (f * PIXELS + p) * c + i;
                const size_t stack = p * n * c + f * c + i;
                to[back ? frames : stack] = from[back ? stack : frames];
            }
}

static mcvd_sampler *reference_sampler(const world *w, const mcvd_sampling_config *s)
{
    mcvd_schedule_config schedule = mcvd_schedule_config_default();
    mcvd_sampler_config config = mcvd_sampler_config_default();
    mcvd_schedule *sched = NULL;
    mcvd_sampler *sampler = NULL;

    schedule.num_timesteps = 100; /* tiny.json */
    CHECK_OK(mcvd_schedule_create(&sched, &schedule));
    config.name = s->sampler[0] ? s->sampler : "ddpm";
    config.max_batch = 1;
    config.numel = w->num_frames * w->frame;
    config.num_steps = (int)s->subsample;
    config.t_min = s->init_prev_t;
    CHECK_OK(mcvd_sampler_create(&sampler, &config, sched));
    mcvd_schedule_free(&sched);
    return sampler;
}

static void reference_block(const world *w, const block_request *q, float *frames)
{
    static float cond[MAX_FLOATS];
    static float x[MAX_FLOATS];
    const mcvd_network_config nc = { .batch = 1 };
    const size_t c = w->frame / PIXELS;
    mcvd_noise_philox noise = { q->config->seed, q->trajectory, q->block, 0.0 };
    reference_net net = { .cond = w->num_past + w->num_future ? cond : NULL, .mask = q->mask };
    mcvd_sampler *sampler = reference_sampler(w, &q->config->sampling);
    const mcvd_sampler_job job = { .batch = 1,
                                   .denoiser = reference_denoise,
                                   .denoiser_user = &net,
                                   .noise = mcvd_noise_philox_draw,
                                   .noise_user = &noise };

    CHECK_OK(mcvd_network_create(&net.network, w->model, &nc));
    restack(cond, q->known, w->num_past + w->num_future, c, false);
    if (q->start)
        restack(x, q->start, w->num_frames, c, false);
    else
        mcvd_noise_philox_start(&noise, x, 1, w->num_frames * w->frame);
    CHECK_OK(mcvd_sampler_run(sampler, &job, x));
    restack(frames, x, w->num_frames, c, true);
    mcvd_sampler_free(&sampler);
    mcvd_network_free(&net.network);
}

/* --- sliding --- */

/* One number per frame: past and future counted, block from 50 on. */
static void check_slide(mcvd_task task, window_shape s, const char *expected)
{
    float frames[MAX_WINDOW];
    float block[MAX_WINDOW] = { 0.0f };
    char text[128] = "";
    const mcvdi_known known = { frames, (size_t)s.num_past, (size_t)s.num_future, 1 };

    for (int i = 0; i < s.num_past + s.num_future; i++)
        frames[i] = (float)(i < s.num_past ? 1 + i : 91 + i - s.num_past);
    for (int i = 0; i < s.num_frames; i++)
        block[i] = (float)(50 + i);
    mcvdi_known_slide(&known, task, block, (size_t)s.num_frames);
    for (int i = 0; i < s.num_past + s.num_future; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%d", i ? " " : "",
                 (int)frames[i]);
    if (strcmp(text, expected) != 0)
        fail_msg("%s with past|block|future %d|%d|%d: known \"%s\", expected \"%s\"",
                 mcvd_task_word(task), s.num_past, s.num_frames, s.num_future, text, expected);
}

static void the_window_slides_over_the_block(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        const mcvd_task task = i ? MCVD_TASK_GENERATE : MCVD_TASK_PREDICT;
        check_slide(task, (window_shape) { 2, 5, 2, 1, false }, "53 54 91 92");
        check_slide(task, (window_shape) { 3, 3, 1, 1, false }, "50 51 52 91");
        check_slide(task, (window_shape) { 5, 2, 0, 1, false }, "3 4 5 50 51");
        check_slide(task, (window_shape) { 1, 1, 0, 1, false }, "50");
        check_slide(task, (window_shape) { 0, 2, 1, 1, false }, "91");
    }
    check_slide(MCVD_TASK_PREDICT_PAST, (window_shape) { 2, 5, 2, 1, false }, "1 2 50 51");
    check_slide(MCVD_TASK_PREDICT_PAST, (window_shape) { 1, 3, 3, 1, false }, "1 50 51 52");
    check_slide(MCVD_TASK_PREDICT_PAST, (window_shape) { 0, 2, 5, 1, false }, "50 51 91 92 93");
    check_slide(MCVD_TASK_INTERP, (window_shape) { 2, 2, 2, 1, false }, "1 2 91 92");
}

/* --- chained blocks --- */

/* The known frames of the next block, put together as the public header says. */
static void next_known(const world *w, mcvd_task task, float *known, const float *block)
{
    static float all[2 * MAX_FLOATS];
    const size_t n = w->frame;
    float *future = known + w->num_past * n;

    if (task == MCVD_TASK_PREDICT_PAST) { /* the first U of (block ++ future) */
        memcpy(all, block, w->num_frames * n * sizeof *all);
        memcpy(all + w->num_frames * n, future, w->num_future * n * sizeof *all);
        memcpy(future, all, w->num_future * n * sizeof *all);
    } else { /* the last P of (past ++ block) */
        memcpy(all, known, w->num_past * n * sizeof *all);
        memcpy(all + w->num_past * n, block, w->num_frames * n * sizeof *all);
        memcpy(known, all + w->num_frames * n, w->num_past * n * sizeof *all);
    }
}

static void check_chain(window_shape shape, mcvd_task task, double init_prev_t)
{
    static float past[MAX_FLOATS], future[MAX_FLOATS], known[MAX_FLOATS];
    static float made[2 * MAX_FLOATS], expected[MAX_FLOATS], before[MAX_FLOATS];
    world w = open_world(shape);
    mcvd_rollout_config config = config_of(&w, task, 2);
    const size_t numel = w.num_frames * w.frame;
    const bool has_past = task == MCVD_TASK_PREDICT || task == MCVD_TASK_INTERP;
    const bool has_future = task == MCVD_TASK_PREDICT_PAST || task == MCVD_TASK_INTERP;

    config.sampling.init_prev_t = init_prev_t;
    mcvd_rollout *rollout = open_rollout(&w, config);
    fill_frames(past, w.num_past * w.frame, "past");
    fill_frames(future, w.num_future * w.frame, "future");
    memset(known, 0, sizeof known);
    if (has_past)
        memcpy(known, past, w.num_past * w.frame * sizeof *known);
    if (has_future)
        memcpy(known + w.num_past * w.frame, future, w.num_future * w.frame * sizeof *known);
    CHECK_OK(mcvd_rollout_begin(rollout, past, future));
    for (uint64_t block = 0; block < (task == MCVD_TASK_INTERP ? 1 : 3); block++) {
        const bool mask = has_past || (task == MCVD_TASK_GENERATE && block);
        const block_request q = { &config, 1,    block,
                                  known,   mask, init_prev_t > 0.0 && block ? before : NULL };
        reference_block(&w, &q, expected);
        CHECK_OK(mcvd_rollout_next(rollout, made));
        CHECK_ALL_CLOSE(made + numel, expected, numel, batch_tolerance);
        memcpy(before, made + numel, numel * sizeof *before);
        next_known(&w, task, known, before);
    }
    mcvd_rollout_free(&rollout);
    mcvd_model_free(&w.model);
}

static void every_task_chains_its_blocks(void **state)
{
    static const window_shape shapes[] = {
        { 2, 3, 1, 1, false }, { 2, 2, 2, 3, false }, { 3, 2, 3, 1, false }, { 2, 2, 1, 1, true }
    };

    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (int task = 0; task < MCVD_NUM_TASKS; task++)
            check_chain(shapes[i], (mcvd_task)task, -1.0);
    check_chain((window_shape) { 2, 2, 0, 1, false }, MCVD_TASK_PREDICT, -1.0);
    check_chain((window_shape) { 0, 2, 0, 1, false }, MCVD_TASK_GENERATE, -1.0);
    check_chain((window_shape) { 0, 2, 3, 1, false }, MCVD_TASK_PREDICT_PAST, -1.0);
}

static void blocks_may_start_from_the_one_before(void **state)
{
    (void)state;
    check_chain((window_shape) { 2, 2, 1, 1, false }, MCVD_TASK_PREDICT, 0.5);
    check_chain((window_shape) { 2, 2, 1, 1, false }, MCVD_TASK_PREDICT_PAST, 0.5);
}

/* --- trajectories --- */

/* Two blocks of a prediction: [samples, F] of the second one. */
static void two_blocks(const world *w, mcvd_rollout_config config, float *frames)
{
    static float past[MAX_FLOATS];
    mcvd_rollout *rollout = open_rollout(w, config);

    fill_frames(past, w->num_past * w->frame, "past");
    CHECK_OK(mcvd_rollout_begin(rollout, past, NULL));
    CHECK_OK(mcvd_rollout_next(rollout, frames));
    CHECK_OK(mcvd_rollout_next(rollout, frames));
    mcvd_rollout_free(&rollout);
}

static void trajectories_do_not_depend_on_their_company(void **state)
{
    static float five[MAX_SAMPLES * MAX_FLOATS], other[MAX_SAMPLES * MAX_FLOATS];
    world w = open_world((window_shape) { 2, 2, 1, 1, false });
    const size_t numel = w.num_frames * w.frame;
    mcvd_rollout_config config = config_of(&w, MCVD_TASK_PREDICT, 5);

    (void)state;
    config.batch = 2; /* groups of 2, 2 and 1 */
    two_blocks(&w, config, five);
    for (size_t k = 1; k < 5; k++) { /* really different ones */
        double diff = 0.0;
        for (size_t i = 0; i < numel; i++)
            diff = fmax(diff, fabs((double)five[i] - (double)five[k * numel + i]));
        CHECK_TRUE(diff > 0.05);
    }
    config.samples = 3;
    two_blocks(&w, config, other);
    CHECK_EQ(memcmp(five, other, 3 * numel * sizeof *five), 0);
    config.samples = 5;
    for (size_t batch = 1; batch <= 5; batch += 2) {
        config.batch = batch;
        two_blocks(&w, config, other);
        CHECK_ALL_CLOSE(other, five, 5 * numel, batch_tolerance);
    }
    mcvd_model_free(&w.model);
}

static void the_seed_decides(void **state)
{
    static float a[MAX_FLOATS], b[MAX_FLOATS];
    world w = open_world((window_shape) { 2, 2, 1, 1, false });
    const size_t bytes = w.num_frames * w.frame * sizeof *a;
    mcvd_rollout_config config = config_of(&w, MCVD_TASK_PREDICT, 1);

    (void)state;
    two_blocks(&w, config, a);
    two_blocks(&w, config, b);
    CHECK_EQ(memcmp(a, b, bytes), 0);
    config.seed++;
    two_blocks(&w, config, b);
    CHECK_TRUE(memcmp(a, b, bytes) != 0);
    config.seed += UINT64_C(1) << 40; /* the high half counts */
    two_blocks(&w, config, a);
    CHECK_TRUE(memcmp(a, b, bytes) != 0);
    mcvd_model_free(&w.model);
}

static void begin_starts_over(void **state)
{
    static float past[MAX_FLOATS], a[MAX_FLOATS], b[MAX_FLOATS];
    world w = open_world((window_shape) { 3, 2, 1, 1, false });
    const size_t bytes = w.num_frames * w.frame * sizeof *a;
    mcvd_rollout_config config = config_of(&w, MCVD_TASK_PREDICT, 1);

    (void)state;
    config.sampling.init_prev_t = 0.5;
    mcvd_rollout *rollout = open_rollout(&w, config);
    fill_frames(past, w.num_past * w.frame, "past");
    CHECK_OK(mcvd_rollout_begin(rollout, past, NULL));
    CHECK_OK(mcvd_rollout_next(rollout, a));
    CHECK_OK(mcvd_rollout_next(rollout, b));
    CHECK_TRUE(memcmp(a, b, bytes) != 0);
    CHECK_OK(mcvd_rollout_begin(rollout, past, NULL));
    CHECK_OK(mcvd_rollout_next(rollout, b));
    CHECK_EQ(memcmp(a, b, bytes), 0);
    mcvd_rollout_free(&rollout);
    mcvd_model_free(&w.model);
}

/* --- what a model can do --- */

static void impossible_tasks_are_told(void **state)
{
    /* past, future -> predict, predict-past, interp, generate */
    static const struct {
        int past, future;
        bool possible[MCVD_NUM_TASKS];
    } rows[] = {
        { 2, 1, { true, true, true, true } },
        { 2, 0, { true, false, false, true } },
        { 0, 2, { false, true, false, false } },
        { 0, 0, { false, false, false, true } },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const mcvd_config config =
            window_config((window_shape) { rows[i].past, 2, rows[i].future, 1, false });
        for (int task = 0; task < MCVD_NUM_TASKS; task++)
            if ((mcvd_task_impossible(&config, (mcvd_task)task) == NULL) != rows[i].possible[task])
                fail_msg("past %d, future %d: %s", rows[i].past, rows[i].future,
                         mcvd_task_word((mcvd_task)task));
    }
}

static void untrained_tasks_are_told(void **state)
{
    /* masks of past and future, one draw for both -> predict, predict-past, interp, generate */
    static const struct {
        double past, future;
        bool sync;
        bool trained[MCVD_NUM_TASKS];
    } rows[] = {
        { 0.0, 0.0, false, { false, false, true, false } },
        { 0.0, 0.5, false, { true, false, true, false } },
        { 0.0, 1.0, false, { true, false, false, false } },
        { 0.5, 0.0, false, { false, true, true, false } },
        { 1.0, 0.0, false, { false, true, false, false } },
        { 0.5, 0.5, false, { true, true, true, true } },
        { 0.5, 0.5, true, { false, false, true, true } },
        { 1.0, 1.0, false, { false, false, false, true } },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        mcvd_config config = window_config((window_shape) { 2, 2, 1, 1, false });
        config.data.prob_mask_cond = rows[i].past;
        config.data.prob_mask_future = rows[i].future;
        config.data.prob_mask_sync = rows[i].sync;
        for (int task = 0; task < MCVD_NUM_TASKS; task++)
            if ((mcvd_task_untrained(&config, (mcvd_task)task) == NULL) != rows[i].trained[task])
                fail_msg("masks %g and %g: %s", rows[i].past, rows[i].future,
                         mcvd_task_word((mcvd_task)task));
    }
}

/* Later blocks of generate are predictions after its own frames; the other tasks do not change. */
static void untrained_chains_are_told(void **state)
{
    static const struct {
        double past, future;
        bool sync, trained; /* to go on with generate */
    } rows[] = {
        { 1.0, 1.0, false, false }, { 0.5, 1.0, false, true }, { 0.5, 0.5, false, true },
        { 0.5, 0.5, true, false },  { 0.0, 0.5, false, true },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        mcvd_config config = window_config((window_shape) { 2, 2, 1, 1, false });
        config.data.prob_mask_cond = rows[i].past;
        config.data.prob_mask_future = rows[i].future;
        config.data.prob_mask_sync = rows[i].sync;
        CHECK_EQ(mcvd_task_untrained_chain(&config, MCVD_TASK_GENERATE) == NULL, rows[i].trained);
        for (int task = 0; task < MCVD_NUM_TASKS; task++)
            if (task != MCVD_TASK_GENERATE)
                CHECK_TRUE(mcvd_task_untrained_chain(&config, (mcvd_task)task) ==
                           mcvd_task_untrained(&config, (mcvd_task)task));
    }
}

static void words_name_tasks(void **state)
{
    mcvd_task task = MCVD_NUM_TASKS;

    (void)state;
    for (int i = 0; i < MCVD_NUM_TASKS; i++) {
        CHECK_OK(mcvd_task_parse(&task, mcvd_task_word((mcvd_task)i)));
        CHECK_EQ(task, i);
    }
    CHECK_STATUS(mcvd_task_parse(&task, "foretell"), MCVD_E_USAGE);
    CHECK_MESSAGE("foretell");
    CHECK_MESSAGE("predict-past");
    CHECK_TRUE(mcvd_task_word(MCVD_NUM_TASKS) != NULL);
}

/* --- statuses --- */

static void wrong_settings_are_refused(void **state)
{
    world w = open_world((window_shape) { 2, 2, 0, 1, false });
    mcvd_rollout *rollout = (mcvd_rollout *)&rollout;
    mcvd_rollout_config config = config_of(&w, MCVD_TASK_INTERP, 1);

    (void)state;
    CHECK_STATUS(mcvd_rollout_create(&rollout, w.model, &config), MCVD_E_USAGE);
    CHECK_MESSAGE("interp");
    CHECK_TRUE(rollout == NULL);
    config = config_of(&w, MCVD_TASK_PREDICT, 0);
    CHECK_STATUS(mcvd_rollout_create(&rollout, w.model, &config), MCVD_E_RANGE);
    CHECK_TRUE(rollout == NULL);
    config = config_of(&w, MCVD_TASK_PREDICT, SIZE_MAX / 2); /* bytes beyond size_t */
    config.batch = 1;
    CHECK_STATUS(mcvd_rollout_create(&rollout, w.model, &config), MCVD_E_NOMEM);
    CHECK_TRUE(rollout == NULL);
    config = config_of(&w, MCVD_TASK_PREDICT, 1);
    snprintf(config.sampling.sampler, sizeof config.sampling.sampler, "dice");
    CHECK_STATUS(mcvd_rollout_create(&rollout, w.model, &config), MCVD_E_CONFIG);
    CHECK_MESSAGE("dice");
    CHECK_TRUE(rollout == NULL);
    mcvd_rollout_free(&rollout);
    mcvd_model_free(&w.model);
}

static void blocks_need_known_frames(void **state)
{
    static float frames[MAX_FLOATS];
    world w = open_world((window_shape) { 2, 2, 1, 1, false });

    (void)state;
    for (int task = 0; task < MCVD_NUM_TASKS; task++) {
        mcvd_rollout *rollout = open_rollout(&w, config_of(&w, (mcvd_task)task, 1));
        const bool past = task == MCVD_TASK_PREDICT || task == MCVD_TASK_INTERP;
        const bool future = task == MCVD_TASK_PREDICT_PAST || task == MCVD_TASK_INTERP;
        CHECK_STATUS(mcvd_rollout_next(rollout, frames), MCVD_E_STATE);
        CHECK_STATUS(mcvd_rollout_begin(rollout, NULL, frames), past ? MCVD_E_STATE : MCVD_OK);
        CHECK_STATUS(mcvd_rollout_begin(rollout, frames, NULL), future ? MCVD_E_STATE : MCVD_OK);
        if (future) /* the last begin failed */
            CHECK_STATUS(mcvd_rollout_next(rollout, frames), MCVD_E_STATE);
        mcvd_rollout_free(&rollout);
    }
    mcvd_model_free(&w.model);
}

static void nan_in_known_frames_is_found(void **state)
{
    static float past[MAX_FLOATS], frames[MAX_FLOATS];
    world w = open_world((window_shape) { 2, 2, 1, 1, false });
    mcvd_rollout *rollout = open_rollout(&w, config_of(&w, MCVD_TASK_PREDICT, 1));

    (void)state;
    past[7] = NAN;
    CHECK_OK(mcvd_rollout_begin(rollout, past, NULL));
    CHECK_STATUS(mcvd_rollout_next(rollout, frames), MCVD_E_NONFINITE);
    mcvd_rollout_free(&rollout);
    mcvd_model_free(&w.model);
}

typedef struct call_count {
    size_t calls;
    size_t stop_at; /* 0: never */
    size_t total;
} call_count;

static int count_call(void *user, size_t call, size_t num_calls)
{
    call_count *count = user;

    count->calls++;
    CHECK_EQ(call, count->calls);
    count->total = num_calls;
    return count->stop_at && call == count->stop_at;
}

static void progress_counts_and_stops(void **state)
{
    static float past[MAX_FLOATS], frames[3 * MAX_FLOATS], again[3 * MAX_FLOATS];
    world w = open_world((window_shape) { 2, 2, 1, 1, false });
    mcvd_rollout_config config = config_of(&w, MCVD_TASK_PREDICT, 3);
    call_count count = { 0 };

    (void)state;
    config.batch = 2;
    config.progress = count_call;
    config.progress_user = &count;
    mcvd_rollout *rollout = open_rollout(&w, config);
    CHECK_EQ(mcvd_rollout_num_steps(rollout), 4);
    CHECK_EQ(mcvd_rollout_num_calls(rollout), 5); /* and the denoise call */
    CHECK_TRUE(strcmp(mcvd_rollout_sampler_name(rollout), "ddpm") == 0);
    fill_frames(past, w.num_past * w.frame, "past");
    CHECK_OK(mcvd_rollout_begin(rollout, past, NULL));
    CHECK_OK(mcvd_rollout_next(rollout, frames));
    CHECK_EQ(count.calls, 2 * 5);
    CHECK_EQ(count.total, 2 * 5);
    for (count.stop_at = 1; count.stop_at <= 10; count.stop_at += 3) {
        count.calls = 0;
        CHECK_OK(mcvd_rollout_begin(rollout, past, NULL));
        CHECK_STATUS(mcvd_rollout_next(rollout, again), MCVD_E_INTERRUPTED);
        CHECK_EQ(count.calls, count.stop_at);
        CHECK_STATUS(mcvd_rollout_next(rollout, again), MCVD_E_STATE);
    }
    count = (call_count) { 0 };
    CHECK_OK(mcvd_rollout_begin(rollout, past, NULL));
    CHECK_OK(mcvd_rollout_next(rollout, again));
    CHECK_EQ(memcmp(frames, again, 3 * w.num_frames * w.frame * sizeof *frames), 0);
    mcvd_rollout_free(&rollout);
    mcvd_model_free(&w.model);
}

/* --- memory --- */

static void blocks_allocate_nothing(void **state)
{
    static float known[MAX_FLOATS], frames[3 * MAX_FLOATS];
    world w = open_world((window_shape) { 2, 2, 1, 1, false });

    (void)state;
    for (int task = 0; task < MCVD_NUM_TASKS; task++) {
        mcvd_rollout *rollout = open_rollout(&w, config_of(&w, (mcvd_task)task, 3));
        const uint64_t calls = mcvdi_alloc_stats_get().calls;
        CHECK_OK(mcvd_rollout_begin(rollout, known, known));
        for (int block = 0; block < 3; block++)
            CHECK_OK(mcvd_rollout_next(rollout, frames));
        CHECK_EQ(mcvdi_alloc_stats_get().calls, calls);
        mcvd_rollout_free(&rollout);
    }
    mcvd_model_free(&w.model);
}

static mcvd_status try_create(void **object, const void *argument)
{
    const world *w = argument;
    mcvd_rollout_config config = config_of(w, MCVD_TASK_PREDICT, 2);
    mcvd_rollout *rollout = (mcvd_rollout *)&rollout;

    config.sampling.init_prev_t = 0.5;
    const mcvd_status st = mcvd_rollout_create(&rollout, w->model, &config);
    *object = rollout;
    return st;
}

static void free_rollout(void **object)
{
    mcvd_rollout *rollout = *object;

    mcvd_rollout_free(&rollout);
    *object = rollout;
}

static void refused_allocations_leave_nothing(void **state)
{
    world w = open_world((window_shape) { 2, 2, 1, 1, false });

    (void)state;
    CHECK_TRUE(check_failing_allocations(try_create, free_rollout, &w) > 5);
    mcvd_model_free(&w.model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_window_slides_over_the_block),
        cmocka_unit_test(every_task_chains_its_blocks),
        cmocka_unit_test(blocks_may_start_from_the_one_before),
        cmocka_unit_test(trajectories_do_not_depend_on_their_company),
        cmocka_unit_test(the_seed_decides),
        cmocka_unit_test(begin_starts_over),
        cmocka_unit_test(impossible_tasks_are_told),
        cmocka_unit_test(untrained_tasks_are_told),
        cmocka_unit_test(untrained_chains_are_told),
        cmocka_unit_test(words_name_tasks),
        cmocka_unit_test(wrong_settings_are_refused),
        cmocka_unit_test(blocks_need_known_frames),
        cmocka_unit_test(nan_in_known_frames_is_found),
        cmocka_unit_test(progress_counts_and_stops),
        cmocka_unit_test(blocks_allocate_nothing),
        cmocka_unit_test(refused_allocations_leave_nothing),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
