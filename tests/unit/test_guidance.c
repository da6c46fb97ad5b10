/* Guidance by masks and by known pixels, in rollouts of small models with random weights. */
#include <stdlib.h>

#include <mcvd/rollout.h>
#include <mcvd/sampler.h>

#include "core/alloc.h"
#include "rollout/guidance.h"
#include "rollout/region.h"
#include "support/failing.h"
#include "support/folder_fixture.h"
#include "support/random_model.h"

enum { SIZE = 8, PIXELS = SIZE * SIZE, PAST = 2, FRAMES = 2, FUTURE = 1, KNOWN = PAST + FUTURE };
enum { BLOCK = FRAMES * PIXELS, MAX_SAMPLES = 5, NUM_STEPS = 3 };

/* As in test_rollout.c: two networks of other batch sizes round their sums in another order, 2e-6
 * seen there; guidance multiplies it by the weights, 7 in all at most. */
static const double batch_tolerance = 1e-4;

/* --- a model and its rollouts --- */

static mcvd_config world_config(void)
{
    mcvd_config config = window_config((window_shape) { PAST, FRAMES, FUTURE, 1, false });

    config.sampling.subsample = NUM_STEPS;
    config.data.image_size = SIZE;
    config.model.ngf = 4;
    config.model.n_head_channels = 4;
    config.model.attn_resolutions = (mcvd_int_list) { 1, { 4 } };
    return config;
}

static mcvd_model *open_model(const mcvd_config *config)
{
    char path[TEST_PATH_BYTES];
    mcvd_model *model = NULL;

    write_random_model(config, test_path(path, folder, "model.safetensors"));
    CHECK_OK(mcvd_model_load(&model, path, NULL));
    return model;
}

typedef struct known_frames {
    float past[PAST * PIXELS];
    float future[FUTURE * PIXELS];
} known_frames;

static known_frames fill_known(void)
{
    known_frames k;

    for (size_t i = 0; i < PAST * PIXELS; i++)
        k.past[i] = hashed_uniform("past", (uint32_t)i, -1.0, 1.0);
    for (size_t i = 0; i < FUTURE * PIXELS; i++)
        k.future[i] = hashed_uniform("future", (uint32_t)i, -1.0, 1.0);
    return k;
}

static mcvd_rollout_config config_of(const mcvd_model *model, mcvd_task task, double w_p,
                                     double w_f)
{
    mcvd_rollout_config config = mcvd_rollout_config_default(mcvd_model_get_config(model));

    config.task = task;
    config.seed = 77;
    config.sampling.guidance_past = w_p;
    config.sampling.guidance_future = w_f;
    return config;
}

static void make_blocks(const mcvd_model *model, const mcvd_rollout_config *config, size_t blocks,
                        float *frames)
{
    const known_frames known = fill_known();
    mcvd_rollout *rollout = NULL;

    CHECK_OK(mcvd_rollout_create(&rollout, model, config));
    CHECK_OK(mcvd_rollout_begin(rollout, known.past, known.future));
    const uint64_t before = mcvdi_alloc_stats_get().calls;
    for (size_t b = 0; b < blocks; b++)
        CHECK_OK(mcvd_rollout_next(rollout, frames + b * config->samples * BLOCK));
    CHECK_EQ(mcvdi_alloc_stats_get().calls, before);
    mcvd_rollout_free(&rollout);
}

/* --- the sum by hand --- */

typedef struct by_hand {
    mcvd_network *network;
    known_frames known;
    bool past, future; /* that the task is given */
    double w_p, w_f;
    bool noisy_cond;
    mcvd_noise_philox noise;
    size_t call;
} by_hand;

/* One call for a trajectory, masked as told. */
static void answer(by_hand *h, const float *x, const double *t, bool past, bool future, float *out)
{
    const float mask = past ? 1.0f : 0.0f;
    float cond[PIXELS * KNOWN] = { 0.0f };
    float noise[PIXELS * KNOWN];
    mcvd_network_input in = { .x = x, .t = t, .cond = cond, .cond_mask = &mask };

    for (size_t p = 0; p < PIXELS; p++) {
        for (size_t f = 0; past && f < PAST; f++)
            cond[p * KNOWN + f] = h->known.past[f * PIXELS + p];
        for (size_t f = 0; future && f < FUTURE; f++)
            cond[p * KNOWN + PAST + f] = h->known.future[f * PIXELS + p];
    }
    if (h->noisy_cond) {
        CHECK_OK(mcvd_noise_philox_cond(&h->noise, h->call, noise, 1, PIXELS * KNOWN));
        in.cond_noise = noise;
    }
    CHECK_OK(mcvd_network_forward(h->network, &in, out));
}

/* The equation of rollout.h, in double. */
static mcvd_status guided_by_hand(void *user, const float *x, const double *t, size_t batch,
                                  float *out)
{
    by_hand *h = user;
    static float none[BLOCK], past[BLOCK], all[BLOCK];

    CHECK_EQ(batch, 1);
    answer(h, x, t, false, false, none);
    answer(h, x, t, h->past, false, past);
    answer(h, x, t, h->past, h->future, all);
    h->call++;
    for (size_t i = 0; i < BLOCK; i++) {
        const double e0 = (double)none[i];
        const double ep = (double)past[i];
        const double ef = (double)all[i];
        out[i] = (float)(e0 + (h->past ? h->w_p * (ep - e0) : 0.0) +
                         (h->future ? h->w_f * (ef - ep) : 0.0));
    }
    return MCVD_OK;
}

static void block_by_hand(by_hand *h, const mcvd_model *model, uint64_t trajectory, float *frames)
{
    const mcvd_config *config = mcvd_model_get_config(model);
    const mcvd_network_config nc = { .batch = 1 };
    mcvd_sampler_config sc = mcvd_sampler_config_of(config);
    mcvd_schedule *schedule = NULL;
    mcvd_sampler *sampler = NULL;
    float x[BLOCK];
    const mcvd_sampler_job job = { .batch = 1,
                                   .denoiser = guided_by_hand,
                                   .denoiser_user = h,
                                   .noise = mcvd_noise_philox_draw,
                                   .noise_user = &h->noise };

    sc.max_batch = 1;
    sc.numel = BLOCK;
    h->noise = (mcvd_noise_philox) { .seed = 77, .first_sample = trajectory };
    CHECK_OK(mcvd_schedule_of_config(&schedule, &config->model));
    CHECK_OK(mcvd_sampler_create(&sampler, &sc, schedule));
    CHECK_OK(mcvd_network_create(&h->network, model, &nc));
    mcvd_noise_philox_start(&h->noise, x, 1, BLOCK);
    CHECK_OK(mcvd_sampler_run(sampler, &job, x));
    for (size_t p = 0; p < PIXELS; p++)
        for (size_t f = 0; f < FRAMES; f++)
            frames[f * PIXELS + p] = x[p * FRAMES + f];
    mcvd_network_free(&h->network);
    mcvd_sampler_free(&sampler);
    mcvd_schedule_free(&schedule);
}

typedef struct guidance_case {
    mcvd_task task;
    double w_p, w_f;
} guidance_case;

static void check_by_hand(const mcvd_config *config, guidance_case c)
{
    static float made[2 * BLOCK], expected[BLOCK];
    mcvd_model *model = open_model(config);
    mcvd_rollout_config rc = config_of(model, c.task, c.w_p, c.w_f);
    by_hand h = { .known = fill_known(),
                  .past = mcvd_task_past_given(c.task),
                  .future = mcvd_task_future_given(c.task),
                  .w_p = c.w_p,
                  .w_f = c.w_f,
                  .noisy_cond = config->model.noise_in_cond };

    rc.samples = 2;
    make_blocks(model, &rc, 1, made);
    block_by_hand(&h, model, 1, expected);
    CHECK_ALL_CLOSE(made + BLOCK, expected, BLOCK, batch_tolerance);
    mcvd_model_free(&model);
}

static const guidance_case cases[] = {
    { MCVD_TASK_PREDICT, 1.5, 1.0 },  { MCVD_TASK_PREDICT, 3.0, 9.0 },
    { MCVD_TASK_PREDICT, 0.0, 1.0 },  { MCVD_TASK_PREDICT_PAST, 1.0, 2.0 },
    { MCVD_TASK_INTERP, 2.0, 2.0 },   { MCVD_TASK_INTERP, 1.0, 2.5 },
    { MCVD_TASK_INTERP, 2.0, 1.0 },   { MCVD_TASK_INTERP, 3.0, 0.5 },
    { MCVD_TASK_INTERP, 0.25, 0.75 },
};

static void rollouts_equal_the_sum_by_hand(void **state)
{
    const mcvd_config config = world_config();

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_by_hand(&config, cases[i]);
}

/* The masked terms are told so, see the same noise, and any output may be summed. */
static void also_on_other_networks(void **state)
{
    static const char *const predictions[] = { "v", "x0", "flow" };
    const guidance_case both = { MCVD_TASK_INTERP, 2.0, 1.5 };
    const guidance_case past = { MCVD_TASK_PREDICT, 2.0, 1.0 };

    (void)state;
    for (int emb = 0; emb < 2; emb++)
        for (int noisy = 0; noisy < 2; noisy++) {
            mcvd_config config = world_config();
            config.model.cond_emb = emb;
            config.model.noise_in_cond = noisy;
            check_by_hand(&config, both);
            check_by_hand(&config, past);
        }
    for (size_t i = 0; i < 3; i++) {
        mcvd_config config = world_config();
        snprintf(config.model.prediction, sizeof config.model.prediction, "%s", predictions[i]);
        if (strcmp(predictions[i], "flow") == 0)
            snprintf(config.model.sigma_dist, sizeof config.model.sigma_dist, "flow");
        check_by_hand(&config, past);
    }
}

/* --- what makes no difference --- */

static void a_weight_of_one_is_no_guidance(void **state)
{
    static float plain[2 * BLOCK], one[2 * BLOCK], two[2 * BLOCK];
    const mcvd_config config = world_config();
    mcvd_model *model = open_model(&config);

    (void)state;
    for (int task = 0; task < MCVD_NUM_TASKS; task++) {
        mcvd_rollout_config rc = mcvd_rollout_config_default(&config);
        rc.task = (mcvd_task)task;
        rc.seed = 77;
        make_blocks(model, &rc, 2, plain);
        rc = config_of(model, (mcvd_task)task, 1.0, 1.0);
        make_blocks(model, &rc, 2, one);
        CHECK_EQ(memcmp(plain, one, sizeof plain), 0);
        rc = config_of(model, (mcvd_task)task, 2.0, 2.0);
        make_blocks(model, &rc, 2, two);
        CHECK_TRUE(memcmp(plain, two, sizeof plain) != 0);
    }
    /* A weight for frames that the task is not given is not read. */
    mcvd_rollout_config rc = config_of(model, MCVD_TASK_PREDICT, 1.0, 5.0);
    make_blocks(model, &rc, 2, one);
    rc = config_of(model, MCVD_TASK_PREDICT, 1.0, 1.0);
    make_blocks(model, &rc, 2, plain);
    CHECK_EQ(memcmp(plain, one, sizeof plain), 0);
    mcvd_model_free(&model);
}

/* Nothing of the past counts: the first block of generate, and one row in the network. */
static void a_weight_of_zero_masks(void **state)
{
    static float masked[BLOCK], generated[BLOCK];
    const mcvd_config config = world_config();
    mcvd_model *model = open_model(&config);
    mcvd_rollout_config rc = config_of(model, MCVD_TASK_PREDICT, 0.0, 1.0);

    (void)state;
    make_blocks(model, &rc, 1, masked);
    rc = config_of(model, MCVD_TASK_GENERATE, 1.0, 1.0);
    make_blocks(model, &rc, 1, generated);
    CHECK_EQ(memcmp(masked, generated, sizeof masked), 0);
    mcvd_model_free(&model);
}

static void trajectories_do_not_depend_on_the_batch(void **state)
{
    static float all[2 * MAX_SAMPLES * BLOCK], split[2 * MAX_SAMPLES * BLOCK];
    const mcvd_config config = world_config();
    mcvd_model *model = open_model(&config);
    mcvd_rollout_config rc = config_of(model, MCVD_TASK_PREDICT, 2.0, 1.0);

    (void)state;
    rc.samples = MAX_SAMPLES;
    rc.batch = MAX_SAMPLES;
    make_blocks(model, &rc, 2, all);
    for (rc.batch = 1; rc.batch < 4; rc.batch++) {
        make_blocks(model, &rc, 2, split);
        CHECK_ALL_CLOSE(split, all, 2 * MAX_SAMPLES * BLOCK, batch_tolerance);
    }
    mcvd_model_free(&model);
}

/* --- the terms --- */

static void check_plan(guidance_case c, const char *expected)
{
    const mcvd_config config = world_config();
    mcvd_rollout_config rc = mcvd_rollout_config_default(&config);
    mcvdi_guidance g;
    char text[128] = "";

    rc.task = c.task;
    rc.sampling.guidance_past = c.w_p;
    rc.sampling.guidance_future = c.w_f;
    CHECK_OK(mcvdi_guidance_plan(&g, &config, &rc));
    for (size_t i = 0; i < g.num_terms; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%g(%c,%c)", i ? " " : "",
                 g.terms[i].weight, g.terms[i].past ? 'p' : '0', g.terms[i].future ? 'f' : '0');
    if (strcmp(text, expected) != 0)
        fail_msg("%s %g %g: %s, expected %s", mcvd_task_word(c.task), c.w_p, c.w_f, text, expected);
}

static void terms_of_weight_zero_are_not_computed(void **state)
{
    (void)state;
    check_plan((guidance_case) { MCVD_TASK_PREDICT, 1.0, 1.0 }, "1(p,0)");
    check_plan((guidance_case) { MCVD_TASK_PREDICT, 1.5, 1.0 }, "-0.5(0,0) 1.5(p,0)");
    check_plan((guidance_case) { MCVD_TASK_GENERATE, 2.0, 7.0 }, "-1(0,0) 2(p,0)");
    check_plan((guidance_case) { MCVD_TASK_PREDICT_PAST, 7.0, 2.0 }, "-1(0,0) 2(0,f)");
    check_plan((guidance_case) { MCVD_TASK_PREDICT_PAST, 7.0, 1.0 }, "1(0,f)");
    check_plan((guidance_case) { MCVD_TASK_INTERP, 1.0, 1.0 }, "1(p,f)");
    check_plan((guidance_case) { MCVD_TASK_INTERP, 2.0, 2.0 }, "-1(0,0) 2(p,f)");
    check_plan((guidance_case) { MCVD_TASK_INTERP, 1.0, 3.0 }, "-2(p,0) 3(p,f)");
    check_plan((guidance_case) { MCVD_TASK_INTERP, 1.5, 2.0 }, "-0.5(0,0) -0.5(p,0) 2(p,f)");
    check_plan((guidance_case) { MCVD_TASK_INTERP, 0.0, 0.0 }, "1(0,0)");
}

static void answers_are_summed(void **state)
{
    const mcvdi_guidance g = {
        3, { { false, false, -0.5 }, { true, false, -0.5 }, { true, true, 2.0 } }
    };
    const float answers[] = { 1.0f, 0.3f, 3.0f, 0.3f, -2.0f, 0.3f };
    float out[2];

    (void)state;
    mcvdi_guidance_combine(&g, answers, 2, out);
    CHECK_EQ(out[0], -0.5f * 1.0f - 0.5f * 3.0f + 2.0f * -2.0f);
    CHECK_EQ(out[1], 0.3f); /* where all agree, to the bit */
}

/* --- what is refused --- */

typedef struct refused_case {
    double mask_past, mask_future;
    bool sync;
    guidance_case guidance;
    const char *message; /* NULL: allowed */
} refused_case;

static const refused_case refused[] = {
    { 0.0, 0.5, false, { MCVD_TASK_PREDICT, 1.5, 1.0 }, "the past always given" },
    { 0.0, 0.5, false, { MCVD_TASK_PREDICT, 1.0, 1.0 }, NULL },
    { 0.0, 0.5, false, { MCVD_TASK_INTERP, 1.0, 2.0 }, NULL }, /* (p, 0) and (p, f) */
    { 0.0, 0.5, false, { MCVD_TASK_INTERP, 2.0, 2.0 }, "the past always given" },
    { 0.5, 0.0, false, { MCVD_TASK_INTERP, 2.0, 2.0 }, "the future always given" },
    { 0.5, 0.0, false, { MCVD_TASK_PREDICT_PAST, 1.0, 2.0 }, "the future always given" },
    { 0.5, 0.5, true, { MCVD_TASK_INTERP, 2.0, 2.0 }, NULL },
    { 0.5, 0.5, true, { MCVD_TASK_INTERP, 1.0, 2.0 }, "masked together only" },
    { 0.5, 1.0, false, { MCVD_TASK_PREDICT, 2.0, 1.0 }, NULL },
    { 1.0, 0.5, false, { MCVD_TASK_PREDICT, 2.0, 1.0 }, "the past always masked" },
};

static void what_training_did_not_teach_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        const refused_case *c = &refused[i];
        mcvd_config config = world_config();
        mcvd_rollout *rollout = NULL;
        config.data.prob_mask_cond = c->mask_past;
        config.data.prob_mask_future = c->mask_future;
        config.data.prob_mask_sync = c->sync;
        mcvd_model *model = open_model(&config);
        const mcvd_rollout_config rc =
            config_of(model, c->guidance.task, c->guidance.w_p, c->guidance.w_f);
        CHECK_STATUS(mcvd_rollout_create(&rollout, model, &rc),
                     c->message ? MCVD_E_USAGE : MCVD_OK);
        CHECK_EQ(rollout == NULL, c->message != NULL);
        if (c->message)
            CHECK_MESSAGE(c->message);
        mcvd_rollout_free(&rollout);
        mcvd_model_free(&model);
    }
}

static void wrong_numbers_are_refused(void **state)
{
    const mcvd_config config = world_config();
    const mcvd_network_config nc = { .batch = 3 };
    mcvd_model *model = open_model(&config);
    mcvd_network *network = NULL;
    mcvd_rollout *rollout = NULL;

    (void)state;
    for (int i = 0; i < 3; i++) {
        static const double wrong[] = { -0.5, 101.0, NAN };
        mcvd_rollout_config rc = config_of(model, MCVD_TASK_PREDICT, wrong[i], 1.0);
        CHECK_STATUS(mcvd_rollout_create(&rollout, model, &rc), MCVD_E_RANGE);
        CHECK_MESSAGE("guidance_past");
        rc = config_of(model, MCVD_TASK_PREDICT, 1.0, wrong[i]);
        CHECK_STATUS(mcvd_rollout_create(&rollout, model, &rc), MCVD_E_RANGE);
        CHECK_MESSAGE("guidance_future");
    }
    CHECK_OK(mcvd_network_create(&network, model, &nc));
    const mcvd_rollout_config two = config_of(model, MCVD_TASK_PREDICT, 2.0, 1.0);
    const mcvd_rollout_config three = config_of(model, MCVD_TASK_INTERP, 2.0, 3.0);
    CHECK_STATUS(mcvd_rollout_create_on(&rollout, network, &config, &two), MCVD_E_RANGE);
    CHECK_MESSAGE("2 terms");
    CHECK_TRUE(rollout == NULL);
    CHECK_OK(mcvd_rollout_create_on(&rollout, network, &config, &three));
    mcvd_rollout_free(&rollout);
    mcvd_network_free(&network);
    mcvd_model_free(&model);
}

static mcvd_status try_create(void **object, const void *argument)
{
    const mcvd_model *model = argument;
    mcvd_rollout_config rc = config_of(model, MCVD_TASK_INTERP, 2.0, 3.0);
    mcvd_rollout *rollout = (mcvd_rollout *)&rollout;

    rc.inpaint = true;
    const mcvd_status st = mcvd_rollout_create(&rollout, model, &rc);
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
    const mcvd_config config = world_config();
    mcvd_model *model = open_model(&config);

    (void)state;
    CHECK_TRUE(check_failing_allocations(try_create, free_rollout, model) > 10);
    mcvd_model_free(&model);
}

/* --- known pixels --- */

static void fill_truth(float *truth, uint8_t *unknown)
{
    for (size_t i = 0; i < BLOCK; i++) {
        truth[i] = hashed_uniform("truth", (uint32_t)i, -1.0, 1.0);
        unknown[i] = hashed_uniform("mask", (uint32_t)i, -1.0, 1.0) > 0.0f ? 255 : 0;
    }
}

static void make_inpainted(const mcvd_model *model, const mcvd_rollout_config *config,
                           const mcvd_rollout_region *region, float *frames)
{
    const known_frames known = fill_known();
    mcvd_rollout *rollout = NULL;

    CHECK_OK(mcvd_rollout_create(&rollout, model, config));
    CHECK_OK(mcvd_rollout_begin(rollout, known.past, known.future));
    const uint64_t before = mcvdi_alloc_stats_get().calls;
    CHECK_OK(mcvd_rollout_next_inpainted(rollout, region, frames));
    CHECK_EQ(mcvdi_alloc_stats_get().calls, before);
    mcvd_rollout_free(&rollout);
}

/* What the guide makes of an estimate: x0 + (s^2 / a) grad is the truth at known pixels, to
 * rounding of the three products, and x0 itself at the others. */
static void estimates_hold_the_truth(void **state)
{
    static float truth[BLOCK], x0[2 * BLOCK], grad[2 * BLOCK];
    static const mcvd_level levels[] = { { 0.999, 0.04 }, { 0.6, 0.8 }, { 5e-8, 1.0 }, { 1, 50 } };
    uint8_t unknown[BLOCK];
    mcvdi_region region = { NULL };

    (void)state;
    fill_truth(truth, unknown);
    CHECK_OK(mcvdi_region_allocate(&region, BLOCK));
    for (size_t p = 0; p < PIXELS; p++) /* as the network has it: frames last */
        for (size_t f = 0; f < FRAMES; f++)
            region.truth[p * FRAMES + f] = truth[f * PIXELS + p];
    mcvdi_region_set_known(&region, unknown, FRAMES, 1);
    for (size_t i = 0; i < 2 * BLOCK; i++)
        x0[i] = hashed_gauss("x0", (uint32_t)i);
    for (size_t l = 0; l < sizeof levels / sizeof *levels; l++) {
        const mcvd_guide_point at = { x0, x0, 2, BLOCK, 3.0, levels[l] };
        CHECK_OK(mcvdi_region_guide(&region, &at, grad));
        for (size_t i = 0; i < 2 * BLOCK; i++) {
            const size_t p = i % BLOCK / FRAMES;
            const size_t f = i % FRAMES;
            const double of_x0 = levels[l].s * levels[l].s / levels[l].a;
            const double made = (double)x0[i] + of_x0 * (double)grad[i];
            if (unknown[f * PIXELS + p])
                CHECK_EQ(grad[i], 0.0f);
            else
                CHECK_CLOSE(made, (double)truth[f * PIXELS + p], 1e-6);
        }
    }
    mcvdi_region_free(&region);
}

/* Known pixels are the truth to the bit, the others are made, and made otherwise than without. */
static void check_inpainted(const mcvd_model *model, const mcvd_rollout_config *config)
{
    static float truth[BLOCK], made[2 * BLOCK], plain[2 * BLOCK];
    uint8_t unknown[BLOCK];
    const mcvd_rollout_region region = { truth, unknown };
    size_t changed = 0; /* not all: these weights send many pixels to the clip at -1 and 1 */

    fill_truth(truth, unknown);
    make_inpainted(model, config, &region, made);
    make_blocks(model, config, 1, plain);
    for (size_t i = 0; i < 2 * BLOCK; i++) {
        const size_t at = i % BLOCK;
        if (!unknown[at])
            CHECK_EQ(memcmp(&made[i], &truth[at], sizeof *made), 0);
        else
            changed += made[i] != plain[i];
        CHECK_TRUE(isfinite(made[i]));
    }
    if (!changed)
        fail_msg("%s: no pixel changed", config->sampling.sampler);
}

static void known_pixels_are_kept_by_every_sampler(void **state)
{
    size_t count = 0;

    (void)state;
    for (size_t i = 0; mcvd_sampler_name(i); i++)
        for (int ve = 0; ve < 2; ve++) {
            mcvd_config config = world_config();
            snprintf(config.sampling.sampler, sizeof config.sampling.sampler, "%s",
                     mcvd_sampler_name(i));
            config.sampling.subsample = 2;
            config.sampling.steps_per_level = 2;
            if (ve) {
                snprintf(config.model.sigma_dist, sizeof config.model.sigma_dist, "geometric");
                config.model.sigma_begin = 5.0;
                config.model.sigma_end = 0.01;
            }
            if (mcvd_sampler_check_config(&config) < 0)
                continue;
            mcvd_model *model = open_model(&config);
            mcvd_rollout_config rc = mcvd_rollout_config_default(&config);
            rc.inpaint = true;
            rc.samples = 2;
            rc.sampling.inpaint_repeats = mcvd_sampler_takes_repeats(mcvd_sampler_name(i)) ? 2 : 1;
            check_inpainted(model, &rc);
            mcvd_model_free(&model);
            count++;
        }
    CHECK_EQ(count, 11 + 13);
}

/* Where nothing is known a block is a block, and where all is known it is the truth. */
static void nothing_and_everything_known(void **state)
{
    static float truth[BLOCK], made[BLOCK], plain[BLOCK];
    uint8_t unknown[BLOCK];
    const mcvd_rollout_region region = { truth, unknown };
    const mcvd_config config = world_config();
    mcvd_model *model = open_model(&config);
    mcvd_rollout_config rc = mcvd_rollout_config_default(&config);

    (void)state;
    rc.inpaint = true;
    rc.seed = 5;
    fill_truth(truth, unknown);
    memset(unknown, 1, sizeof unknown);
    make_inpainted(model, &rc, &region, made);
    make_blocks(model, &rc, 1, plain);
    CHECK_EQ(memcmp(made, plain, sizeof made), 0);
    memset(unknown, 0, sizeof unknown);
    make_inpainted(model, &rc, &region, made);
    CHECK_EQ(memcmp(made, truth, sizeof made), 0);
    mcvd_model_free(&model);
}

/* Where a block is known altogether, nothing before it matters to the block after it. */
static void the_window_slides_over_known_pixels(void **state)
{
    static float truth[BLOCK], block[BLOCK], after[3][BLOCK];
    uint8_t unknown[BLOCK];
    const mcvd_rollout_region region = { truth, unknown };
    const mcvd_config config = world_config();
    known_frames known = fill_known();
    mcvd_model *model = open_model(&config);
    mcvd_rollout_config rc = config_of(model, MCVD_TASK_PREDICT, 1.0, 1.0);
    mcvd_rollout *rollout = NULL;

    (void)state;
    rc.inpaint = true;
    fill_truth(truth, unknown);
    memset(unknown, 0, sizeof unknown);
    CHECK_OK(mcvd_rollout_create(&rollout, model, &rc));
    for (int i = 0; i < 3; i++) {
        CHECK_OK(mcvd_rollout_begin(rollout, known.past, NULL));
        if (i < 2)
            CHECK_OK(mcvd_rollout_next_inpainted(rollout, &region, block));
        else
            CHECK_OK(mcvd_rollout_next(rollout, block));
        CHECK_OK(mcvd_rollout_next(rollout, after[i]));
        known.past[0] = -known.past[0];
    }
    CHECK_EQ(memcmp(after[0], after[1], sizeof after[0]), 0);
    CHECK_TRUE(memcmp(after[0], after[2], sizeof after[0]) != 0);
    mcvd_rollout_free(&rollout);
    mcvd_model_free(&model);
}

static void inpainting_says_what_it_needs(void **state)
{
    static float truth[BLOCK], frames[BLOCK];
    uint8_t unknown[BLOCK] = { 0 };
    const mcvd_rollout_region region = { truth, unknown };
    const known_frames known = fill_known();
    const mcvd_config config = world_config();
    mcvd_model *model = open_model(&config);
    mcvd_rollout_config rc = config_of(model, MCVD_TASK_PREDICT, 1.0, 1.0);
    mcvd_rollout *rollout = NULL;

    (void)state;
    CHECK_OK(mcvd_rollout_create(&rollout, model, &rc));
    CHECK_OK(mcvd_rollout_begin(rollout, known.past, NULL));
    CHECK_STATUS(mcvd_rollout_next_inpainted(rollout, &region, frames), MCVD_E_STATE);
    CHECK_MESSAGE("inpaint");
    mcvd_rollout_free(&rollout);
    rc.inpaint = true;
    CHECK_OK(mcvd_rollout_create(&rollout, model, &rc));
    CHECK_STATUS(mcvd_rollout_next_inpainted(rollout, &region, frames), MCVD_E_STATE);
    CHECK_OK(mcvd_rollout_begin(rollout, known.past, NULL));
    truth[3] = NAN;
    CHECK_STATUS(mcvd_rollout_next_inpainted(rollout, &region, frames), MCVD_E_NONFINITE);
    mcvd_rollout_free(&rollout);
    mcvd_model_free(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rollouts_equal_the_sum_by_hand),
        cmocka_unit_test(also_on_other_networks),
        cmocka_unit_test(a_weight_of_one_is_no_guidance),
        cmocka_unit_test(a_weight_of_zero_masks),
        cmocka_unit_test(trajectories_do_not_depend_on_the_batch),
        cmocka_unit_test(terms_of_weight_zero_are_not_computed),
        cmocka_unit_test(answers_are_summed),
        cmocka_unit_test(what_training_did_not_teach_is_refused),
        cmocka_unit_test(wrong_numbers_are_refused),
        cmocka_unit_test(refused_allocations_leave_nothing),
        cmocka_unit_test(estimates_hold_the_truth),
        cmocka_unit_test(known_pixels_are_kept_by_every_sampler),
        cmocka_unit_test(nothing_and_everything_known),
        cmocka_unit_test(the_window_slides_over_known_pixels),
        cmocka_unit_test(inpainting_says_what_it_needs),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
