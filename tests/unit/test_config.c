/* The real table, the rules between keys, tasks as masks, and the files in configs/. */
#include <mcvd/config.h>
#include <mcvd/log.h>

#include <math.h>
#include <stdlib.h>

#include "core/alloc.h"
#include "support/check.h"

static int notes;
static int warnings;
static char last_line[1024];

static void receive(void *user, mcvd_log_level level, const char *line)
{
    (void)user;
    snprintf(last_line, sizeof last_line, "%s", line);
    notes += level == MCVD_LOG_INFO;
    warnings += level == MCVD_LOG_WARNING;
}

static int setup(void **state)
{
    static mcvd_config config;
    mcvd_config_default(&config);
    mcvd_log_set(receive, NULL);
    notes = 0;
    warnings = 0;
    *state = &config;
    return 0;
}

static void defaults_are_sound(void **state)
{
    const mcvd_config *c = *state;
    CHECK_OK(mcvd_config_check(c));
    CHECK_EQ(c->model.num_classes, 1000);
    CHECK_CLOSE(c->model.sigma_begin, 0.02, 0.0);
    CHECK_CLOSE(c->model.sigma_end, 0.0001, 0.0);
    CHECK_CLOSE(c->optim.eps, 1e-8, 0.0);
    CHECK_CLOSE(c->optim.beta2, 0.999, 0.0);
    CHECK_EQ(c->optim.warmup, 1000);
    CHECK_TRUE(c->model.ema);
    CHECK_TRUE(c->model.time_conditional);
}

/* Each row of the table: its fallback lies in its own range and reads back through --set. */
static void set_fallback(void *user, const char *key, const char *fallback, const char *range,
                         const char *help)
{
    mcvd_config before = *(mcvd_config *)user;
    char assignment[512];
    CHECK_TRUE(help[0] && range[0]);
    if (strcmp(range, "no effect here") == 0)
        return;
    snprintf(assignment, sizeof assignment, "%s=%s", key, fallback);
    CHECK_OK(mcvd_config_set(user, assignment));
    if (memcmp(&before, user, sizeof before) != 0)
        fail_msg("%s changed a default configuration", assignment);
}

static void every_fallback_is_valid(void **state)
{
    mcvd_config_help(set_fallback, *state);
}

static void read_files(void **state)
{
    static const char *const names[] = { "smmnist_DDPM_big5", "bair_big", "tiny", "mnist_general" };
    mcvd_config *c = *state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[1024];
        snprintf(path, sizeof path, "%s/%s.json", MCVD_TEST_CONFIGS, names[i]);
        mcvd_config_default(c);
        CHECK_OK(mcvd_config_read(c, path));
        CHECK_OK(mcvd_config_check(c));
    }
    CHECK_EQ(notes + warnings, 0);
}

static void authors_values(void **state)
{
    mcvd_config *c = *state;
    CHECK_OK(mcvd_config_read(c, MCVD_TEST_CONFIGS "/bair_big.json"));
    assert_string_equal(c->data.dataset, "BAIR");
    CHECK_EQ(c->data.channels, 3);
    CHECK_EQ(c->data.num_frames, 5);
    CHECK_EQ(c->data.num_frames_cond, 2);
    CHECK_EQ(c->model.ngf, 96);
    CHECK_EQ(c->model.ch_mult.count, 4);
    CHECK_EQ(c->model.ch_mult.values[3], 4);
    CHECK_EQ(c->model.n_head_channels, 96);
    CHECK_EQ(c->training.batch_size, 64);
    CHECK_CLOSE(c->optim.lr, 1e-4, 0.0);
    CHECK_EQ(c->optim.warmup, 5000);
    CHECK_EQ(c->sampling.subsample, 100);
    CHECK_EQ(c->sampling.num_frames_pred, 28);
    assert_string_equal(c->sampling.denoise_label, "count");

    mcvd_config_default(c);
    CHECK_OK(mcvd_config_read(c, MCVD_TEST_CONFIGS "/bair.json"));
    CHECK_CLOSE(c->data.color_jitter, 0.2, 0.0);

    mcvd_config_default(c);
    CHECK_OK(mcvd_config_read(c, MCVD_TEST_CONFIGS "/smmnist_DDPM_big5.json"));
    CHECK_EQ(c->data.num_frames_cond, 5);
    CHECK_EQ(c->model.ngf, 64);
    CHECK_CLOSE(c->model.dropout, 0.1, 0.0);
    CHECK_CLOSE(c->optim.lr, 2e-4, 0.0);
    CHECK_EQ(c->sampling.subsample, 1000);
}

/* A file as the authors write it, with every section and the keys that do nothing here. */
static const char authors_file[] =
    "{\"training\": {\"L1\": false, \"batch_size\": 64, \"n_epochs\": 1000000, \"n_iters\": "
    "3000001, \"snapshot_freq\": 50000, \"snapshot_sampling\": true, \"sample_freq\": 50000, "
    "\"val_freq\": 100, \"log_freq\": 50, \"log_all_sigmas\": false, \"anneal_power\": 2}, "
    "\"sampling\": {\"batch_size\": 100, \"data_init\": false, \"ckpt_id\": 0, \"final_only\": "
    "true, \"fid\": false, \"ssim\": true, \"fvd\": true, \"denoise\": true, \"subsample\": 1000, "
    "\"num_samples4fid\": 10000, \"num_samples4fvd\": 10000, \"inpainting\": false, "
    "\"interpolation\": false, \"n_interpolations\": 15, \"consistent\": true, \"step_lr\": 0.0, "
    "\"n_steps_each\": 0, \"train\": false, \"num_frames_pred\": 20, \"clip_before\": true, "
    "\"max_data_iter\": 100000, \"init_prev_t\": -1.0, \"one_frame_at_a_time\": false, "
    "\"preds_per_test\": 1}, "
    "\"fast_fid\": {\"batch_size\": 1000, \"num_samples\": 1000, \"begin_ckpt\": 5000, "
    "\"freq\": 5000, \"end_ckpt\": 300000, \"pr_nn_k\": 3, \"verbose\": false, \"ensemble\": "
    "false, \"step_lr\": 0.0, \"n_steps_each\": 0}, "
    "\"test\": {\"begin_ckpt\": 5000, \"end_ckpt\": 300000, \"batch_size\": 100}, "
    "\"data\": {\"dataset\": \"BAIR\", \"image_size\": 64, \"channels\": 3, \"logit_transform\": "
    "false, \"uniform_dequantization\": false, \"gaussian_dequantization\": false, "
    "\"random_flip\": true, \"rescaled\": true, \"color_jitter\": 0.0, \"num_workers\": 0, "
    "\"num_digits\": 2, \"step_length\": 0.1, \"test_subset\": -1, \"num_frames\": 5, "
    "\"num_frames_cond\": 5, \"num_frames_future\": 0, \"prob_mask_cond\": 0.0, "
    "\"prob_mask_future\": 0.0, \"prob_mask_sync\": false}, "
    "\"model\": {\"depth\": \"deep\", \"version\": \"DDPM\", \"gamma\": false, \"arch\": "
    "\"unetmore\", \"type\": \"v1\", \"time_conditional\": true, \"dropout\": 0.1, \"sigma_dist\": "
    "\"linear\", \"sigma_begin\": 0.02, \"sigma_end\": 0.0001, \"num_classes\": 1000, \"ema\": "
    "true, \"ema_rate\": 0.999, \"spec_norm\": false, \"normalization\": \"InstanceNorm++\", "
    "\"nonlinearity\": \"swish\", \"ngf\": 64, \"ch_mult\": [1, 2, 3, 4], \"num_res_blocks\": 2, "
    "\"attn_resolutions\": [8, 16, 32], \"n_head_channels\": 64, \"conditional\": true, "
    "\"noise_in_cond\": false, \"output_all_frames\": false, \"cond_emb\": false, \"spade\": "
    "false, \"spade_dim\": 128, \"gff\": 1}, "
    "\"optim\": {\"weight_decay\": 0.0, \"optimizer\": \"Adam\", \"lr\": 0.0002, \"warmup\": 1000, "
    "\"beta1\": 0.9, \"amsgrad\": false, \"eps\": 1e-08, \"grad_clip\": 1.0}}";

static void authors_keys_are_known(void **state)
{
    mcvd_config *c = *state;
    CHECK_OK(mcvd_config_parse(c, authors_file, "authors.json"));
    CHECK_OK(mcvd_config_check(c));
    CHECK_EQ(warnings, 0);
    CHECK_EQ(notes, 1);
    /* All in one line: training 4, sampling 14, the two sections, data 4, model 7. */
    size_t keys = 1;
    for (const char *at = strstr(last_line, ", "); at; at = strstr(at + 1, ", "))
        keys++;
    CHECK_EQ(keys, 4 + 14 + 2 + 4 + 7);
    CHECK_TRUE(strstr(last_line, "training.anneal_power") && strstr(last_line, "model.gff"));
}

static void a_failure_changes_nothing(void **state)
{
    mcvd_config *c = *state;
    const mcvd_config before = *c;
    CHECK_STATUS(mcvd_config_parse(c, "{\"model\": {\"ngf\": 48, \"ngg\": 1}}", "f.json"),
                 MCVD_E_CONFIG);
    CHECK_MESSAGE("f.json: unknown key 'model.ngg', the nearest known key is 'model.ngf'");
    CHECK_TRUE(memcmp(c, &before, sizeof before) == 0);
    CHECK_STATUS(mcvd_config_parse(c, "{\"model\": {\"ngf\": 48", "f.json"), MCVD_E_FORMAT);
    CHECK_STATUS(mcvd_config_read(c, "/nonexistent.json"), MCVD_E_INPUT);
    CHECK_TRUE(memcmp(c, &before, sizeof before) == 0);
}

static void file_then_command_line(void **state)
{
    mcvd_config *c = *state;
    CHECK_OK(mcvd_config_parse(c, "{\"optim\": {\"lr\": 0.5, \"warmup\": 7}}", "f"));
    CHECK_OK(mcvd_config_set(c, "optim.lr=0.25"));
    CHECK_CLOSE(c->optim.lr, 0.25, 0.0);
    CHECK_EQ(c->optim.warmup, 7);
    CHECK_CLOSE(c->optim.beta1, 0.9, 0.0);
}

static void dump_round_trips(void **state)
{
    mcvd_config *c = *state;
    mcvd_config back;
    CHECK_OK(mcvd_config_parse(c, authors_file, "authors.json"));
    c->optim.lr = nextafter(2e-4, 1.0);
    c->model.sigma_end = 1.0 / 3.0;
    c->training.seed = 9007199254740991;
    char *text = mcvd_config_dump(c);
    CHECK_TRUE(text != NULL);
    mcvd_config_default(&back);
    CHECK_OK(mcvd_config_parse(&back, text, "dump"));
    CHECK_TRUE(memcmp(&back, c, sizeof back) == 0);
    char *again = mcvd_config_dump(&back);
    assert_string_equal(text, again);
    mcvd_text_free(text);
    mcvd_text_free(again);
}

static void dump_survives_failing_allocations(void **state)
{
    for (long n = 0; n < 100; n++) {
        mcvdi_alloc_fail_after(n);
        char *text = mcvd_config_dump(*state);
        mcvdi_alloc_fail_after(-1);
        if (text) {
            CHECK_TRUE(n > 0);
            mcvd_text_free(text);
            return;
        }
    }
    fail_msg("the dump never succeeded");
}

/* Assignments that break one rule each, and the reason that the user is told. */
static void rules(void **state)
{
    static const char *const cases[][4] = {
        { "data.channels=2", NULL, NULL, "expected 1 (gray) or 3 (RGB)" },
        { "data.image_size=60", NULL, NULL, "60 is not divisible by 8" },
        { "model.space_to_depth=16", NULL, NULL, "64 is not divisible by 128" },
        { "model.ch_mult=", NULL, NULL, "model.ch_mult: expected one number per level" },
        { "model.n_head_channels=0", NULL, NULL, "expected -1 for one head" },
        { "model.n_head_channels=48", NULL, NULL, "48 does not divide the 64 channels" },
        { "model.arch=unet", NULL, NULL, "successor is unetmore" },
        { "model.arch=ncsn", NULL, NULL,
          "expected unetmore, unetmore3d or unetmorepseudo3d, found 'ncsn'" },
        { "model.spade=true", "data.num_frames_cond=0", NULL, "spade = true needs given frames" },
        { "model.arch=unetmore3d", "model.spade=true", "model.spade_dim=4",
          "spade_dim = 4: model.arch = unetmore3d divides it by data.num_frames = 5" },
        { "model.arch=unetmore3d", "model.ngf=100", NULL,
          "64 does not divide the 200 channels per frame" },
        { "model.arch=unetmorepseudo3d", "model.space_to_depth=2", NULL,
          "is for model.arch = unetmore" },
        { "model.spade=true", "model.space_to_depth=2", NULL, "model.spade = false" },
        { "model.output_all_frames=true", NULL, NULL, "outputs data.num_frames frames only" },
        { "model.cond_emb=true", NULL, NULL, "needs data.prob_mask_cond > 0" },
        { "model.cond_emb=true", "data.prob_mask_cond=0.5", "model.time_conditional=false",
          "needs model.time_conditional" },
        { "model.gamma=true", "model.sigma_dist=geometric", NULL,
          "model.gamma = true belongs to model.sigma_dist = linear or cosine, found geometric" },
        { "model.zero_terminal_snr=true", "model.sigma_dist=flow", "model.prediction=x0",
          "model.zero_terminal_snr = true belongs to model.sigma_dist = linear or cosine" },
        { "model.version=SMLD", NULL, NULL,
          "score matching: expected model.sigma_dist = geometric with sigmas, found linear" },
        { "model.sigma_dist=geometric", "model.sigma_end=0", NULL, "sigmas of the geometric" },
        { "model.sigma_dist=geometric", "model.sigma_end=0.5", NULL, "fall from the first" },
        { "model.noise_in_cond=true", "model.sigma_dist=geometric", NULL,
          "model.noise_in_cond = true with model.sigma_dist = geometric" },
        { "model.noise_in_cond=true", "model.zero_terminal_snr=true", "model.prediction=v",
          "model.noise_in_cond = true with model.zero_terminal_snr = true" },
        { "model.prediction=v", "model.sigma_dist=flow", NULL, "x0 and flow suit every schedule" },
        { "model.prediction=v", "model.sigma_dist=geometric", NULL, "found geometric" },
        { "model.sigma_dist=flow", NULL, NULL,
          "model.prediction = eps says nothing about the frames" },
        { "model.sigma_dist=flow", "model.prediction=score", NULL, "model.prediction = score" },
        { "model.zero_terminal_snr=true", NULL, NULL, "expected x0, flow or v" },
        { "model.sigma_begin=1", NULL, NULL, "between 0 and 1" },
        { "model.sigma_end=0", NULL, NULL, "between 0 and 1" },
        { "data.rescaled=false", NULL, NULL, "data.rescaled = false" },
        { "data.logit_transform=true", NULL, NULL, "data.logit_transform = true" },
        { "data.prob_mask_sync=true", NULL, NULL, "equal masks above 0" },
        { "data.prob_mask_sync=true", "data.prob_mask_cond=0.5", NULL, "found prob_mask_cond 0.5" },
        { "optim.optimizer=SGD", NULL, NULL, "SGD is not in this version" },
        { "training.accumulate=3", NULL, NULL, "does not divide training.batch_size = 16" },
        { "training.task=predict+fly", NULL, NULL, "found 'fly'" },
        { "training.task=interp", NULL, NULL, "data.num_frames_future >= 1" },
        { "training.task=predict", "data.prob_mask_cond=0.5", NULL, "an empty task" },
    };
    mcvd_config *c = *state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        mcvd_config_default(c);
        for (int j = 0; j < 3 && cases[i][j]; j++)
            CHECK_OK(mcvd_config_set(c, cases[i][j]));
        CHECK_STATUS(mcvd_config_check(c), MCVD_E_CONFIG);
        CHECK_MESSAGE(cases[i][3]);
    }
}

static void what_the_rules_allow(void **state)
{
    static const char *const cases[][3] = {
        { "data.num_frames_cond=0", NULL, NULL },
        { "model.n_head_channels=-1", NULL, NULL },
        { "model.n_head_channels=48", "model.ch_mult=1,1,1,1", NULL }, /* 32 < 48: one head */
        { "model.n_head_channels=7", "model.ch_mult=2,7", "model.attn_resolutions=8" },
        { "model.version=FPNDM", NULL, NULL },
        { "model.version=SMLD", "model.sigma_dist=geometric", "model.prediction=score" },
        { "model.sigma_dist=geometric", "sampling.consistent=true", "model.version=SMLD" },
        { "model.sigma_dist=flow", "model.prediction=flow", NULL },
        { "model.zero_terminal_snr=true", "model.prediction=v", "model.gamma=true" },
        { "model.noise_in_cond=true", "model.gamma=true", NULL },
        { "model.sigma_dist=cosine", "model.sigma_begin=1", NULL },
        { "model.cond_emb=true", "data.prob_mask_cond=0.5", NULL },
        { "data.prob_mask_sync=true", "data.prob_mask_cond=0.5", "data.prob_mask_future=0.5" },
        { "model.space_to_depth=2", "data.image_size=32", NULL },
    };
    mcvd_config *c = *state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        mcvd_config_default(c);
        for (int j = 0; j < 3 && cases[i][j]; j++)
            CHECK_OK(mcvd_config_set(c, cases[i][j]));
        CHECK_OK(mcvd_config_check(c));
    }
    mcvd_config_default(c);
    c->model.gamma = true; /* changes noise, not the network */
    CHECK_OK(mcvd_config_check_network(c));
}

static void tasks(void **state)
{
    static const struct {
        const char *task;
        double mask_cond;
        double mask_future;
        bool sync;
    } cases[] = {
        { "predict", 0.0, 1.0, false },
        { "predict-past", 1.0, 0.0, false },
        { "interp", 0.0, 0.0, false },
        { "generate", 1.0, 1.0, false },
        { "predict+interp", 0.0, 0.5, false },
        { "interp+predict", 0.0, 0.5, false },
        { "predict+generate", 0.5, 1.0, false },
        { "interp+generate", 0.5, 0.5, true },
        { "predict-past+interp", 0.5, 0.0, false },
        { "predict-past+generate", 1.0, 0.5, false },
        { "predict+predict-past", 0.5, 0.5, false },
        { "predict+interp+generate", 0.5, 0.5, false },
        { "generate+interp+predict+predict-past", 0.5, 0.5, false },
    };
    mcvd_config *c = *state;
    c->data.num_frames_future = 5;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        c->data.prob_mask_cond = 0.25;
        c->data.prob_mask_sync = true;
        CHECK_OK(mcvd_config_apply_task(c, cases[i].task));
        CHECK_CLOSE(c->data.prob_mask_cond, cases[i].mask_cond, 0.0);
        CHECK_CLOSE(c->data.prob_mask_future, cases[i].mask_future, 0.0);
        CHECK_EQ(c->data.prob_mask_sync, cases[i].sync);
        assert_string_equal(c->training.task, cases[i].task);
        CHECK_OK(mcvd_config_check(c));
    }
}

static void tasks_without_some_frames(void **state)
{
    mcvd_config *c = *state; /* past 5, future 0 */
    CHECK_OK(mcvd_config_apply_task(c, "predict+generate"));
    CHECK_CLOSE(c->data.prob_mask_cond, 0.5, 0.0);
    CHECK_CLOSE(c->data.prob_mask_future, 0.0, 0.0);
    CHECK_STATUS(mcvd_config_apply_task(c, "predict-past"), MCVD_E_CONFIG);
    CHECK_MESSAGE("data.num_frames_future >= 1");
    assert_string_equal(c->training.task, "predict+generate");
    c->data.num_frames_cond = 0;
    CHECK_STATUS(mcvd_config_apply_task(c, "predict"), MCVD_E_CONFIG);
    CHECK_MESSAGE("data.num_frames_cond >= 1");
    CHECK_OK(mcvd_config_apply_task(c, "generate"));
    CHECK_CLOSE(c->data.prob_mask_cond, 0.0, 0.0);
}

static void odd_task_texts(void **state)
{
    static const char *const texts[] = { "",        "+",        "predict+",      "+interp",
                                         "Predict", "predict ", "predict,interp" };
    mcvd_config *c = *state;
    const mcvd_config before = *c;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        CHECK_STATUS(mcvd_config_apply_task(c, texts[i]), MCVD_E_CONFIG);
        CHECK_MESSAGE("expected predict, predict-past, interp, generate");
    }
    CHECK_STATUS(mcvd_config_apply_task(c, "predict+predict"), MCVD_E_CONFIG);
    CHECK_MESSAGE("'predict' appears twice");
    CHECK_OK(mcvd_config_apply_task(c, NULL)); /* no task in the configuration */
    CHECK_TRUE(memcmp(c, &before, sizeof before) == 0);
    CHECK_OK(mcvd_config_set(c, "training.task=generate"));
    CHECK_OK(mcvd_config_apply_task(c, NULL));
    CHECK_CLOSE(c->data.prob_mask_cond, 1.0, 0.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(defaults_are_sound, setup),
        cmocka_unit_test_setup(every_fallback_is_valid, setup),
        cmocka_unit_test_setup(read_files, setup),
        cmocka_unit_test_setup(authors_values, setup),
        cmocka_unit_test_setup(authors_keys_are_known, setup),
        cmocka_unit_test_setup(a_failure_changes_nothing, setup),
        cmocka_unit_test_setup(file_then_command_line, setup),
        cmocka_unit_test_setup(dump_round_trips, setup),
        cmocka_unit_test_setup(dump_survives_failing_allocations, setup),
        cmocka_unit_test_setup(rules, setup),
        cmocka_unit_test_setup(what_the_rules_allow, setup),
        cmocka_unit_test_setup(tasks, setup),
        cmocka_unit_test_setup(tasks_without_some_frames, setup),
        cmocka_unit_test_setup(odd_task_texts, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
