/*
 * Whole evaluation runs of the reference with the toy network: conditioning, chained blocks, DDPM
 * and DDIM sampling with the reference's noise, frame metrics, best of K, confidence intervals, and
 * the distance between the videos on the three numbers that stand for I3D there. LPIPS is not part
 * of this.
 */
#include <mcvd/metrics.h>
#include <mcvd/sampler.h>

#include "core/alloc.h"
#include "eval/report.h"
#include "rollout/known.h"
#include "support/hashed.h"
#include "support/pipeline.h"

enum { HW = 16 * 16, MAX_FRAMES = 16, MAX_COND = 8, TOY_FEATURES = 3 };

static const double toy_theta[3] = { 0.6, 0.25, 0.15 };

/* One evaluation run of a case: prediction, interpolation or generation. */
typedef struct e2e_run {
    const cJSON *item; /* the case */
    const mcvd_safetensors *file;
    const char *group; /* "videos_pred", "videos_interp", "videos_gen" */
    const char *video; /* "pred" or "gen" */
    size_t num_past;
    size_t num_current;
    size_t num_future;
    size_t num_frames; /* of the rollout */
    size_t clip_frames;
    size_t batch_clips;      /* clips per mini-batch */
    size_t first_block;      /* of this run inside a mini-batch */
    size_t blocks_per_batch; /* of all runs */
    const float *clips;      /* [clips, clip_frames, HW] in [0, 1] */
    size_t num_clips;
    mcvd_schedule *sched;
    mcvd_sampler *sampler;
    size_t draws_per_block;
    /* the block that is being sampled */
    const float *cond; /* [past + future, HW] */
    size_t block;      /* in order of execution over the whole case */
    size_t row;        /* of the mini-batch */
    size_t checked_conditions;
    size_t checked_videos;
    double *real_features; /* [clips, TOY_FEATURES] */
    double *fake_features; /* [clips, trajectories, TOY_FEATURES] */
} e2e_run;

static double case_number(const cJSON *item, const char *key)
{
    const double value = json_number(item, key, NAN);

    CHECK_TRUE(!isnan(value));
    return value;
}

static const cJSON *sampling(const e2e_run *r)
{
    return cJSON_GetObjectItemCaseSensitive(r->item, "sampling");
}

/* The current row of draw number `draw`. */
static void draw_row(const e2e_run *r, size_t draw, float *out)
{
    const char *pattern = json_text(r->item, "noise_key");
    const char *number = strstr(pattern, "<n>");
    const size_t numel = r->num_current * HW;
    char key[128];

    CHECK_TRUE(number != NULL);
    snprintf(key, sizeof key, "%.*s%zu%s", (int)(number - pattern), pattern, draw, number + 3);
    for (size_t i = 0; i < numel; i++)
        out[i] = hashed_gauss(key, (uint32_t)(r->row * numel + i));
}

static mcvd_status toy_denoiser(void *user, const float *x_t, const double *t, size_t batch,
                                float *out)
{
    const e2e_run *r = user;
    const double s = toy_condition(r->cond, r->num_past + r->num_future, HW);

    CHECK_EQ(batch, 1);
    toy_network(toy_theta, s, mcvd_schedule_label(r->sched, t[0]), x_t, out, r->num_current * HW);
    return MCVD_OK;
}

static mcvd_status toy_noise(void *user, size_t draw_index, float *out, size_t batch, size_t numel)
{
    const e2e_run *r = user;

    (void)numel;
    CHECK_EQ(batch, 1);
    CHECK_TRUE(draw_index + 1 < r->draws_per_block);
    draw_row(r, r->block * r->draws_per_block + 1 + draw_index, out);
    return MCVD_OK;
}

/* Row 0 of each mini-batch has its condition on record. */
static void check_condition(e2e_run *r)
{
    const mcvd_tensor all = pipeline_tensor(r->file, NULL, "cond_per_block", MCVD_F32);
    const size_t numel = (r->num_past + r->num_future) * HW;

    if (r->row != 0)
        return;
    CHECK_TRUE(r->block < all.shape[0]);
    CHECK_EQ(all.shape[1], r->num_past + r->num_future);
    CHECK_ALL_CLOSE(r->cond, (const float *)all.data + r->block * numel, numel, 2e-4);
    r->checked_conditions++;
}

static void sample_block(e2e_run *r, float *x)
{
    const mcvd_sampler_job job = { .batch = 1,
                                   .denoiser = toy_denoiser,
                                   .denoiser_user = r,
                                   .noise = toy_noise,
                                   .noise_user = r };

    check_condition(r);
    draw_row(r, r->block * r->draws_per_block, x);
    CHECK_OK(mcvd_sampler_run(r->sampler, &job, x));
}

/* What mcvd_rollout does with its known frames: the conditions on record prove it. */
static void refresh_past(const e2e_run *r, float *cond, const float *g)
{
    const mcvdi_known known = { cond, r->num_past, r->num_future, HW };

    mcvdi_known_slide(&known, MCVD_TASK_PREDICT, g, r->num_current);
}

/* One trajectory: [frames, HW] in [-1, 1]. */
static void roll_out(e2e_run *r, const mcvd_eval_case *c, size_t batch_number, float *out)
{
    float cond[MAX_COND * HW] = { 0.0f };
    float block[MAX_FRAMES * HW];
    const size_t blocks = (r->num_frames + r->num_current - 1) / r->num_current;

    if (c->past)
        memcpy(cond, c->past, r->num_past * HW * sizeof *cond);
    if (c->future)
        memcpy(cond + r->num_past * HW, c->future, r->num_future * HW * sizeof *cond);
    r->cond = cond;
    for (size_t b = 0; b < blocks; b++) {
        const size_t done = b * r->num_current;
        const size_t left = r->num_frames - done;

        r->block = batch_number * r->blocks_per_batch + r->first_block + b;
        sample_block(r, block);
        memcpy(out + done * HW, block,
               (left < r->num_current ? left : r->num_current) * HW * sizeof *out);
        refresh_past(r, cond, block);
    }
    r->cond = NULL;
}

/* The first mini-batch's videos are on record, as pictures in [0, 1]. */
static void check_video(e2e_run *r, const float *video)
{
    const mcvd_tensor stored = pipeline_tensor(r->file, r->group, r->video, MCVD_F32);
    float unit[MAX_FRAMES * HW];

    CHECK_EQ(stored.shape[1], r->num_frames);
    if (r->row >= stored.shape[0])
        return;
    for (size_t i = 0; i < r->num_frames * HW; i++)
        unit[i] = fminf(fmaxf((video[i] + 1.0f) / 2.0f, 0.0f), 1.0f);
    CHECK_ALL_CLOSE(unit, (const float *)stored.data + r->row * r->num_frames * HW,
                    r->num_frames * HW, 2e-4);
    r->checked_videos++;
}

/* The mean, the mean of the frames' means times their place in time, the mean square. */
static void toy_features(const float *video, size_t frames, double out[TOY_FEATURES])
{
    memset(out, 0, TOY_FEATURES * sizeof *out);
    for (size_t i = 0; i < frames * HW; i++) {
        const double share = 1.0 / (double)(frames * HW);
        const double x = (double)video[i];
        out[0] += share * x;
        out[1] += share * x * (double)(i / HW + 1) / (double)frames;
        out[2] += share * x * x;
    }
}

/* What is compared: known past, predicted frames (NULL: the true ones), known future, in [0, 1]. */
static void describe_video(const e2e_run *r, const mcvd_eval_case *c, const float *predicted,
                           double out[TOY_FEATURES])
{
    const size_t past = c->past ? r->num_past : 0;
    const size_t frames = past + r->num_frames + (c->future ? r->num_future : 0);
    float video[(MAX_FRAMES + MAX_COND) * HW];

    memcpy(video, r->clips + c->clip * r->clip_frames * HW, frames * HW * sizeof *video);
    for (size_t i = 0; predicted && i < r->num_frames * HW; i++)
        video[past * HW + i] = fminf(fmaxf((predicted[i] + 1.0f) / 2.0f, 0.0f), 1.0f);
    toy_features(video, frames, out);
}

static mcvd_status predict(void *user, const mcvd_eval_case *c, float *out)
{
    e2e_run *r = user;
    const size_t batch_number = c->clip / r->batch_clips;

    describe_video(r, c, NULL, r->real_features + c->clip * TOY_FEATURES);
    for (size_t k = 0; k < c->trajectories; k++) {
        float *video = out + k * r->num_frames * HW;
        r->row = c->clip % r->batch_clips * c->trajectories + k;
        roll_out(r, c, batch_number, video);
        if (batch_number == 0)
            check_video(r, video);
        describe_video(r, c, video,
                       r->fake_features + (c->clip * c->trajectories + k) * TOY_FEATURES);
    }
    return MCVD_OK;
}

static mcvd_status get_clip(void *user, size_t clip, float *frames)
{
    const e2e_run *r = user;
    const bool given = strcmp(r->video, "gen") != 0;
    const size_t count = given ? r->num_past + r->num_frames : r->num_frames;

    CHECK_TRUE(clip < r->num_clips);
    const float *x = r->clips + clip * r->clip_frames * HW;
    const bool interp = strcmp(r->group, "videos_interp") == 0;
    const size_t numel = (interp ? count + r->num_future : count) * HW;
    CHECK_TRUE(numel <= r->clip_frames * HW);
    for (size_t i = 0; i < numel; i++)
        frames[i] = 2.0f * x[i] - 1.0f;
    return MCVD_OK;
}

static void make_sampler(e2e_run *r)
{
    const cJSON *schedule = cJSON_GetObjectItemCaseSensitive(r->item, "schedule");
    const bool ddim = strcmp(json_text(sampling(r), "version"), "DDIM") == 0;
    mcvd_sampler_config config = mcvd_sampler_config_default();

    r->sched = golden_schedule(json_text(schedule, "kind"), (int)case_number(schedule, "T"));
    config.name = ddim ? "ddim" : "ddpm";
    config.max_batch = 1;
    config.numel = r->num_current * HW;
    config.num_steps = (int)case_number(sampling(r), "subsample");
    config.clip = json_flag(sampling(r), "clip_before", true);
    config.denoise = json_flag(sampling(r), "denoise", true);
    config.denoise_label = MCVD_DENOISE_COUNT_LABEL;
    CHECK_OK(mcvd_sampler_create(&r->sampler, &config, r->sched));
    r->draws_per_block = ddim ? 1 : (size_t)mcvd_sampler_num_steps(r->sampler);
}

static mcvd_eval_protocol protocol_of(const e2e_run *r, const char *task)
{
    mcvd_eval_protocol p;
    char assignment[64];

    CHECK_OK(mcvd_eval_protocol_find(&p, "videos"));
    snprintf(assignment, sizeof assignment, "protocol.task=%s", task);
    CHECK_OK(mcvd_eval_protocol_set(&p, assignment));
    p.past = strcmp(task, "generate") == 0 ? 0 : (int64_t)r->num_past;
    p.frames = (int64_t)r->num_frames;
    p.future = strcmp(task, "interp") == 0 ? (int64_t)r->num_future : 0;
    p.clips = (int64_t)r->num_clips;
    p.trajectories = (int64_t)case_number(sampling(r), "preds_per_test");
    p.image_size = 16;
    p.channels = 1;
    p.binarise = strcmp(json_text(r->item, "dataset"), "StochasticMovingMNIST") == 0;
    return p;
}

/* "pred_psnr", "pred_psnr_std", "pred_psnr_conf95" of the reference's result file. */
static void check_metric(const e2e_run *r, const mcvd_eval_report *report, mcvd_metric metric,
                         double tolerance)
{
    const cJSON *expected = cJSON_GetObjectItemCaseSensitive(r->item, "metrics");
    const char *prefix = strcmp(r->group, "videos_interp") == 0 ? "interp" : "pred";
    char key[64];
    mcvd_summary s;

    CHECK_OK(mcvd_eval_report_score(report, "model", metric, MCVD_BEST_OF_K, &s));
    CHECK_EQ(s.count, r->num_clips);
    snprintf(key, sizeof key, "%s_%s", prefix, mcvd_metric_name(metric));
    CHECK_CLOSE(s.mean, case_number(expected, key), tolerance);
    snprintf(key, sizeof key, "%s_%s_std", prefix, mcvd_metric_name(metric));
    CHECK_CLOSE(s.std, case_number(expected, key), tolerance);
    snprintf(key, sizeof key, "%s_%s_conf95", prefix, mcvd_metric_name(metric));
    CHECK_CLOSE(s.conf95, case_number(expected, key), 2.0 * tolerance);
}

/* "pred_fvd", "gen_fvd_traj_mean", ...; the features go to the report as those of a network do.
 * Distances are 7e-4 to 1.4e-2 here; single precision of the clips moves them by 2e-9. */
static void check_distance(e2e_run *r, mcvd_eval_report *report)
{
    const cJSON *expected = cJSON_GetObjectItemCaseSensitive(r->item, "metrics");
    const char *prefix = strcmp(r->group, "videos_pred") == 0     ? "pred"
                         : strcmp(r->group, "videos_interp") == 0 ? "interp"
                                                                  : "gen";
    static const char *const endings[] = { "", "_traj_mean", "_traj_std", "_traj_conf95" };
    char key[64];

    report->distance_name = "fvd";
    report->feature_dim = TOY_FEATURES;
    report->real_features = r->real_features;
    report->fake_features = r->fake_features;
    CHECK_OK(mcvdi_eval_distance(report));
    const mcvd_eval_distance d = mcvd_eval_report_distance(report);
    const double found[] = { d.all, d.traj_mean, d.traj_std, d.traj_conf95 };
    for (size_t i = 0; i < 4; i++) {
        snprintf(key, sizeof key, "%s_fvd%s", prefix, endings[i]);
        CHECK_CLOSE(found[i], case_number(expected, key), 1e-7);
    }
}

static void evaluate(e2e_run *r, const char *task)
{
    const mcvd_eval_protocol protocol = protocol_of(r, task);
    const size_t batches = (r->num_clips + r->batch_clips - 1) / r->batch_clips;
    const size_t blocks = (r->num_frames + r->num_current - 1) / r->num_current;
    const size_t first_rows = r->batch_clips * (size_t)protocol.trajectories;
    mcvd_eval_report *report = NULL;

    make_sampler(r);
    r->real_features = mcvdi_calloc(r->num_clips * TOY_FEATURES, sizeof(double));
    r->fake_features =
        mcvdi_calloc(r->num_clips * (size_t)protocol.trajectories * TOY_FEATURES, sizeof(double));
    CHECK_TRUE(r->real_features && r->fake_features);
    CHECK_OK(mcvd_eval_run(&protocol, get_clip, r, predict, r, &report));
    CHECK_EQ(r->checked_conditions, batches * blocks);
    CHECK_EQ(r->checked_videos, first_rows);
    if (strcmp(task, "generate") != 0) {
        check_metric(r, report, MCVD_METRIC_MSE, 1e-6);
        check_metric(r, report, MCVD_METRIC_PSNR, 1e-5);
        check_metric(r, report, MCVD_METRIC_SSIM, 1e-3);
    }
    check_distance(r, report);
    mcvd_eval_report_free(&report); /* with the features */
    mcvd_sampler_free(&r->sampler);
    mcvd_schedule_free(&r->sched);
}

static size_t count_blocks(size_t frames, size_t per_block)
{
    return (frames + per_block - 1) / per_block;
}

/* A run of the case when its mode asks for one; blocks before it come from earlier runs. */
static size_t run_mode(const e2e_run *base, const char *mode, size_t first_block,
                       size_t blocks_per_batch)
{
    e2e_run r = *base;
    const char *task = strcmp(mode, "pred") == 0     ? "predict"
                       : strcmp(mode, "interp") == 0 ? "interp"
                                                     : "generate";

    r.first_block = first_block;
    r.blocks_per_batch = blocks_per_batch;
    r.group = strcmp(mode, "pred") == 0     ? "videos_pred"
              : strcmp(mode, "interp") == 0 ? "videos_interp"
                                            : "videos_gen";
    r.video = strcmp(mode, "gen") == 0 ? "gen" : "pred";
    const size_t wanted = (size_t)case_number(sampling(&r), "num_frames_pred");
    r.num_frames = strcmp(mode, "pred") == 0     ? wanted
                   : strcmp(mode, "interp") == 0 ? r.num_current
                                                 : r.num_past + wanted;
    if (blocks_per_batch > 0)
        evaluate(&r, task);
    return count_blocks(r.num_frames, r.num_current);
}

/* The order of runs inside a mini-batch: interpolation, prediction, generation. */
static void run_modes(const e2e_run *base)
{
    static const char *const modes[] = { "interp", "pred", "gen" };
    const cJSON *given = cJSON_GetObjectItemCaseSensitive(base->item, "mode");
    size_t total = 0;
    size_t before = 0;

    for (size_t i = 0; i < 3; i++)
        if (cJSON_IsString(cJSON_GetObjectItemCaseSensitive(given, modes[i])))
            total += run_mode(base, modes[i], 0, 0);
    CHECK_TRUE(total > 0);
    for (size_t i = 0; i < 3; i++)
        if (cJSON_IsString(cJSON_GetObjectItemCaseSensitive(given, modes[i])))
            before += run_mode(base, modes[i], before, total);
}

static void run_case(const cJSON *item)
{
    mcvd_safetensors *file = pipeline_open("e2e", json_text(item, "name"));
    const mcvd_tensor clips = pipeline_tensor(file, NULL, "clips", MCVD_F32);
    e2e_run r = { .item = item, .file = file, .clips = clips.data };

    print_message("%s\n", json_text(item, "name"));
    CHECK_EQ(clips.shape[2] * clips.shape[3] * clips.shape[4], HW);
    r.num_clips = clips.shape[0];
    r.clip_frames = clips.shape[1];
    r.num_past = (size_t)case_number(item, "num_frames_cond");
    r.num_current = (size_t)case_number(item, "num_frames");
    r.num_future = (size_t)case_number(item, "num_frames_future");
    CHECK_TRUE(r.num_past + r.num_future <= MAX_COND);
    r.batch_clips = (size_t)case_number(sampling(&r), "batch_size") /
                    (size_t)case_number(sampling(&r), "preds_per_test");
    run_modes(&r);
    mcvd_safetensors_close(&file);
}

static void test_cases(void **state)
{
    (void)state;
    cJSON *json = pipeline_json("e2e", "cases");
    const cJSON *item = NULL;
    int count = 0;

    cJSON_ArrayForEach(item, json)
    {
        run_case(item);
        count++;
    }
    CHECK_EQ(count, 5);
    cJSON_Delete(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_cases) };

    return cmocka_run_group_tests_name("evaluation end to end", tests, NULL, NULL);
}
