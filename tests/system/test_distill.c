/* Distillation of a small network in a folder: what it leaves, resuming, what it refuses. */
#include <stdlib.h>

#include <mcvd/distill.h>

#include "support/tiny_unet.h"
#include "support/train_compare.h"

enum { ROUND_STEPS = 6, WINDOWS = 20 };

static char root[TEST_PATH_BYTES];
static char base[TEST_PATH_BYTES]; /* a model that predicts v */
static mcvd_config base_config;

/* Cosine ends in noise, where sampling begins; linear with 100 steps does not, and what is learned
 * at its noisiest step says nothing about pure noise. */
static void train_base(mcvd_config *config, const char *prediction, int steps, const char *folder)
{
    mcvd_train_run_config rc = mcvd_train_run_config_default();

    *config = tiny_config();
    snprintf(config->model.prediction, sizeof config->model.prediction, "%s", prediction);
    snprintf(config->model.sigma_dist, sizeof config->model.sigma_dist, "cosine");
    config->training.n_iters = steps;
    config->training.snapshot_freq = 1000;
    config->optim.lr = 2e-3;
    rc.config = *config;
    rc.folder = folder;
    CHECK_OK(mcvd_train_run(&rc));
}

static int set_up(void **state)
{
    (void)state;
    make_test_folder(root);
    train_base(&base_config, "v", 300, test_path(base, root, "base"));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    remove_test_folder(root);
    return 0;
}

/* --- a run and what its callbacks saw --- */

typedef struct observer {
    uint64_t last_step;
    uint64_t stop_at;  /* step; 0: never */
    int stop_at_stage; /* during its measurement; 0: never */
    int stages;
    int calls; /* network calls of the measurement at work */
    int calls_of_stage[MCVD_DISTILL_MAX_ROUNDS];
} observer;

static int on_step(void *user, const mcvd_step_report *report, double samples_per_s)
{
    observer *o = user;

    (void)samples_per_s;
    o->last_step = report->step;
    o->calls = 0;
    CHECK_EQ(report->round, (report->step - 1) / ROUND_STEPS + 1);
    return o->stop_at && report->step == o->stop_at;
}

static int on_call(void *user)
{
    observer *o = user;

    o->calls++;
    return o->stop_at_stage && o->stop_at_stage == o->stages + 1 && o->calls == 3;
}

static void on_stage(void *user, const mcvd_distill_stage *stage)
{
    observer *o = user;

    o->stages++;
    o->calls_of_stage[stage->round - 1] = o->calls;
    o->calls = 0;
}

static double psnr(const float *a, const float *b, size_t n)
{
    double sum = 0.0;

    for (size_t i = 0; i < n; i++) {
        const double diff = 0.5 * ((double)a[i] - (double)b[i]);
        sum += diff * diff;
    }
    return -10.0 * log10(sum / (double)n);
}

static mcvd_status score(void *user, const mcvd_distill_samples *s, mcvd_distill_quality *quality)
{
    const mcvd_batch *b = s->batch;
    const size_t n = b->batch_size * b->image_size * b->image_size * b->channels * b->num_frames;

    (void)user;
    CHECK_EQ(b->batch_size, WINDOWS);
    memset(quality, 0, sizeof *quality);
    quality->student.psnr = psnr(s->student, b->x0, n);
    quality->teacher.psnr = psnr(s->teacher, b->x0, n);
    quality->original.psnr = psnr(s->original, b->x0, n);
    quality->psnr_to_teacher = psnr(s->student, s->teacher, n);
    quality->psnr_to_original = psnr(s->student, s->original, n);
    return MCVD_OK;
}

static mcvd_status ignore(void *user, const mcvd_distill_samples *s, mcvd_distill_quality *quality)
{
    (void)user;
    CHECK_EQ(s->batch->batch_size, 64);
    memset(quality, 0, sizeof *quality);
    return MCVD_OK;
}

static mcvd_distill_config distill_config(const char *folder, observer *o)
{
    mcvd_distill_config dc = { .run = mcvd_train_run_config_default(),
                               .model = base,
                               .steps = 2,
                               .from = 8,
                               .windows = WINDOWS,
                               .score = score,
                               .on_stage = on_stage,
                               .on_call = on_call };

    memset(o, 0, sizeof *o);
    CHECK_OK(mcvd_distill_student(&dc.run.config, &base_config, ROUND_STEPS));
    dc.run.config.training.snapshot_freq = 4;
    dc.run.config.training.keep_checkpoints = 100;
    dc.run.config.model.dropout = 0.1;
    dc.run.folder = folder;
    dc.run.user = o;
    dc.run.on_step = on_step;
    return dc;
}

static mcvd_status resume(const char *folder, observer *o, mcvd_distill_report *report)
{
    mcvd_distill_config dc = distill_config(folder, o);

    dc.run.resume = true;
    dc.model = NULL;
    dc.steps = dc.from = 0;
    dc.windows = 0;
    return mcvd_distill_run(&dc, report);
}

/* --- what a run leaves --- */

static void check_stage_file(const char *folder, const char *file, int steps)
{
    char path[TEST_PATH_BYTES];
    mcvd_model *model = NULL;

    CHECK_OK(mcvd_model_load(&model, test_path(path, folder, file), NULL));
    const mcvd_config *c = mcvd_model_get_config(model);
    CHECK_EQ(c->sampling.subsample, steps);
    assert_string_equal(c->sampling.sampler, "ddim");
    assert_string_equal(c->sampling.spacing, "even");
    assert_string_equal(c->model.prediction, "v");
    CHECK_TRUE(!c->sampling.denoise);
    mcvd_model_free(&model);
}

static void test_a_run_leaves_every_stage(void **state)
{
    char folder[TEST_PATH_BYTES];
    char path[TEST_PATH_BYTES];
    char path_b[TEST_PATH_BYTES];
    static mcvd_distill_report report;
    observer o;

    (void)state;
    mcvd_distill_config dc = distill_config(test_path(folder, root, "run"), &o);
    CHECK_OK(mcvd_distill_run(&dc, &report));
    CHECK_EQ(report.rounds, 2);
    CHECK_EQ(report.done, 2);
    CHECK_EQ(report.stages[0].steps, 4);
    CHECK_EQ(report.stages[0].teacher_steps, 8);
    CHECK_EQ(report.stages[1].steps, 2);
    CHECK_EQ(report.stages[1].teacher_steps, 4);
    CHECK_EQ(o.last_step, 2 * ROUND_STEPS);
    /* Two groups of windows: original and student; then the student alone. */
    CHECK_EQ(o.calls_of_stage[0], 2 * (8 + 4));
    CHECK_EQ(o.calls_of_stage[1], 2 * 2);
    check_stage_file(folder, "stage-4-steps.safetensors", 4);
    check_stage_file(folder, "stage-2-steps.safetensors", 2);
    check_stage_file(folder, "model.safetensors", 2);
    CHECK_SAME_TENSORS(test_path(path, folder, "model.safetensors"),
                       test_path(path_b, folder, "stage-2-steps.safetensors"));
    CHECK_SAME_TENSORS(test_path(path, folder, "teacher.safetensors"),
                       test_path(path_b, base, "model.safetensors"));
    CHECK_TRUE(differing_tensors(test_path(path, folder, "stage-4-steps.safetensors"),
                                 test_path(path_b, folder, "stage-2-steps.safetensors")) > 0);
    /* The student of round 1 is the teacher of round 2. */
    CHECK_CLOSE(report.stages[1].quality.teacher.psnr, report.stages[0].quality.student.psnr, 0.0);
    char *journal = journal_text(folder);
    CHECK_TRUE(strstr(journal, "{\"step\":6,\"round\":1,"));
    CHECK_TRUE(strstr(journal, "{\"step\":7,\"round\":2,"));
    mcvdi_free(journal);

    CHECK_STATUS(mcvd_distill_run(&dc, &report), MCVD_E_EXISTS);
    mcvd_train_run_config rc = dc.run;
    rc.resume = true;
    CHECK_STATUS(mcvd_train_run(&rc), MCVD_E_INPUT);
    CHECK_MESSAGE("mcvd distill");
    dc.run.force = true;
    dc.from = 4;
    memset(&o, 0, sizeof o);
    CHECK_OK(mcvd_distill_run(&dc, &report));
    CHECK_TRUE(!mcvdi_path_exists(test_path(path, folder, "stage-4-steps.safetensors")));
}

/* --- resuming --- */

static void check_same_runs(const char *a, const char *b)
{
    static const char *const tensors[] = {
        "checkpoints/step-00000006.safetensors",
        "checkpoints/step-00000012.safetensors",
        "stage-4-steps.safetensors",
        "stage-2-steps.safetensors",
        "model.safetensors",
        "teacher.safetensors",
    };
    char path_a[TEST_PATH_BYTES];
    char path_b[TEST_PATH_BYTES];
    char *text_a = NULL;
    char *text_b = NULL;
    size_t bytes_a;
    size_t bytes_b;

    for (size_t i = 0; i < sizeof tensors / sizeof *tensors; i++)
        CHECK_SAME_TENSORS(test_path(path_a, a, tensors[i]), test_path(path_b, b, tensors[i]));
    CHECK_OK(mcvdi_file_read(&text_a, &bytes_a, test_path(path_a, a, "distill.json"), 1 << 20));
    CHECK_OK(mcvdi_file_read(&text_b, &bytes_b, test_path(path_b, b, "distill.json"), 1 << 20));
    assert_string_equal(text_a, text_b);
    mcvdi_free(text_a);
    mcvdi_free(text_b);
    check_same_journals(a, b);
}

/* Stopped in a round, at its last step, and while a stage is measured. */
static void test_resumed_runs_equal_whole_ones(void **state)
{
    static const struct {
        uint64_t step;
        int stage;
    } stops[] = { { 1, 0 }, { 5, 0 }, { 6, 0 }, { 9, 0 }, { 12, 0 }, { 0, 1 }, { 0, 2 } };
    char whole[TEST_PATH_BYTES];
    static mcvd_distill_report report;
    observer o;

    (void)state;
    mcvd_distill_config dc = distill_config(test_path(whole, root, "whole"), &o);
    CHECK_OK(mcvd_distill_run(&dc, &report));
    for (size_t i = 0; i < sizeof stops / sizeof *stops; i++) {
        char parts[TEST_PATH_BYTES];
        char name[32];
        snprintf(name, sizeof name, "parts-%zu", i);
        dc = distill_config(test_path(parts, root, name), &o);
        o.stop_at = stops[i].step;
        o.stop_at_stage = stops[i].stage;
        CHECK_STATUS(mcvd_distill_run(&dc, &report), MCVD_E_INTERRUPTED);
        CHECK_OK(resume(parts, &o, &report));
        CHECK_EQ(report.done, 2);
        check_same_runs(whole, parts);
        CHECK_OK(resume(parts, &o, &report)); /* done: nothing changes */
        CHECK_EQ(report.done, 2);
        CHECK_EQ(o.stages, 0);
        check_same_runs(whole, parts);
    }
}

static void test_resuming_keeps_the_plan(void **state)
{
    char folder[TEST_PATH_BYTES];
    static mcvd_distill_report report;
    observer o;

    (void)state;
    mcvd_distill_config dc = distill_config(test_path(folder, root, "plan"), &o);
    o.stop_at = 2;
    CHECK_STATUS(mcvd_distill_run(&dc, &report), MCVD_E_INTERRUPTED);
    dc = distill_config(folder, &o);
    dc.run.resume = true;
    dc.steps = 1;
    CHECK_STATUS(mcvd_distill_run(&dc, &report), MCVD_E_CONFIG);
    CHECK_MESSAGE("began with 2");
    dc.steps = 2;
    dc.from = 4;
    CHECK_STATUS(mcvd_distill_run(&dc, &report), MCVD_E_CONFIG);
    CHECK_MESSAGE("--from 4");
    dc.from = 8;
    dc.windows = 5;
    CHECK_STATUS(mcvd_distill_run(&dc, &report), MCVD_E_CONFIG);
    dc.windows = WINDOWS;
    dc.run.config.training.n_iters = 7;
    CHECK_STATUS(mcvd_distill_run(&dc, &report), MCVD_E_CONFIG);
    CHECK_MESSAGE("training.n_iters 7");
    dc.run.config.training.n_iters = ROUND_STEPS;
    dc.run.config.optim.lr *= 2.0;
    CHECK_STATUS(mcvd_distill_run(&dc, &report), MCVD_E_CONFIG);
    CHECK_MESSAGE("optim.lr");
    CHECK_STATUS(resume(base, &o, &report), MCVD_E_INPUT);
    CHECK_MESSAGE("distill.json");
}

/* --- it helps --- */

static double distance_after(double lr, const char *name)
{
    char folder[TEST_PATH_BYTES];
    static mcvd_distill_report report;
    observer o;
    mcvd_distill_config dc = distill_config(test_path(folder, root, name), &o);

    dc.run.on_step = NULL;
    dc.run.config.model.dropout = 0.0;
    dc.run.config.training.n_iters = 400;
    dc.run.config.optim.warmup = 30;
    dc.run.config.training.snapshot_freq = 1000;
    dc.run.config.optim.lr = lr;
    dc.from = 4;
    CHECK_OK(mcvd_distill_run(&dc, &report));
    return report.stages[0].quality.psnr_to_teacher;
}

/* Two steps of the taught student are nearer to the teacher's four than two of the teacher. */
static void test_students_come_nearer_to_their_teacher(void **state)
{
    const double untaught = distance_after(1e-12, "untaught");
    const double taught = distance_after(2e-3, "taught");

    (void)state;
    print_message("PSNR to the teacher: untaught %.2f, taught %.2f\n", untaught, taught);
    CHECK_TRUE(taught > untaught + 1.0);
}

/* A model of eps: a round of its own with the same number of steps, answers in v from there on. */
static void test_noise_models_are_converted(void **state)
{
    char eps[TEST_PATH_BYTES];
    char folder[TEST_PATH_BYTES];
    mcvd_config config;
    static mcvd_distill_report report;
    observer o;

    (void)state;
    train_base(&config, "eps", 20, test_path(eps, root, "eps"));
    mcvd_distill_config dc = distill_config(test_path(folder, root, "converted"), &o);
    CHECK_OK(mcvd_distill_student(&dc.run.config, &config, ROUND_STEPS));
    assert_string_equal(dc.run.config.model.prediction, "v");
    dc.model = eps;
    dc.from = 4;
    CHECK_OK(mcvd_distill_run(&dc, &report));
    CHECK_EQ(report.rounds, 2);
    CHECK_EQ(report.stages[0].steps, 4);
    CHECK_EQ(report.stages[0].teacher_steps, 4);
    CHECK_EQ(report.stages[1].steps, 2);
    check_stage_file(folder, "stage-4-steps.safetensors", 4);
    check_stage_file(folder, "stage-2-steps.safetensors", 2);
}

/* --- refused --- */

static void refuse_student(const char *set, const char *word)
{
    mcvd_config config = base_config;
    mcvd_config student;

    CHECK_OK(mcvd_config_set(&config, set));
    if (strstr(set, "geometric"))
        CHECK_OK(mcvd_config_set(&config, "model.sigma_begin=50"));
    CHECK_STATUS(mcvd_distill_student(&student, &config, 0), MCVD_E_CONFIG);
    CHECK_MESSAGE(word);
}

static void test_what_cannot_be_distilled(void **state)
{
    char folder[TEST_PATH_BYTES];
    static mcvd_distill_report report;
    observer o;

    (void)state;
    refuse_student("model.sigma_dist=geometric", "not ve");
    refuse_student("model.noise_in_cond=true", "noise_in_cond");
    refuse_student("model.gamma=true", "gamma");
    mcvd_distill_config dc = distill_config(test_path(folder, root, "refused"), &o);
    dc.steps = 3;
    CHECK_STATUS(mcvd_distill_run(&dc, &report), MCVD_E_CONFIG);
    CHECK_MESSAGE("power of two");
    dc.steps = 8;
    CHECK_STATUS(mcvd_distill_run(&dc, &report), MCVD_E_CONFIG);
    dc.steps = 0;
    CHECK_STATUS(mcvd_distill_run(&dc, &report), MCVD_E_CONFIG);
    dc.steps = 2;
    dc.from = 128;
    CHECK_STATUS(mcvd_distill_run(&dc, &report), MCVD_E_CONFIG);
    CHECK_MESSAGE("100 timesteps");
    dc.from = 0;
    dc.steps = 51;
    CHECK_STATUS(mcvd_distill_run(&dc, &report), MCVD_E_CONFIG);
    CHECK_MESSAGE("do not fit");
    dc.steps = 2;
    dc.model = "nowhere";
    CHECK_STATUS(mcvd_distill_run(&dc, &report), MCVD_E_MODEL);
    CHECK_TRUE(!mcvdi_path_exists(folder));
}

/* Every 23rd allocation of a run refused in turn: no memory is what it says, and none is lost.
 */
static void test_runs_without_memory(void **state)
{
    char folder[TEST_PATH_BYTES];
    static mcvd_distill_report report;
    mcvd_status st = MCVD_E_NOMEM;
    observer o;

    (void)state;
    mcvd_distill_config dc = distill_config(test_path(folder, root, "memory"), &o);
    dc.run.config.training.n_iters = 1;
    dc.run.config.data.num_workers = 0;
    dc.run.on_step = NULL;
    dc.run.force = true;
    dc.from = 4;
    dc.windows = 0; /* 64 */
    dc.score = ignore;
    for (long n = 0; st == MCVD_E_NOMEM; n += 23) {
        const uint64_t live = mcvdi_alloc_stats_get().live;
        mcvdi_alloc_fail_after(n);
        st = mcvd_distill_run(&dc, &report);
        mcvdi_alloc_fail_after(-1);
        CHECK_EQ(mcvdi_alloc_stats_get().live, live);
    }
    CHECK_OK(st);
    CHECK_EQ(report.done, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_run_leaves_every_stage),
        cmocka_unit_test(test_resumed_runs_equal_whole_ones),
        cmocka_unit_test(test_resuming_keeps_the_plan),
        cmocka_unit_test(test_students_come_nearer_to_their_teacher),
        cmocka_unit_test(test_noise_models_are_converted),
        cmocka_unit_test(test_what_cannot_be_distilled),
        cmocka_unit_test(test_runs_without_memory),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
