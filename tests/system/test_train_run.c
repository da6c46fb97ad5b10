/* Whole runs in a folder: resume, data sources, tasks, and what stops a run. */
#include <stdlib.h>
#include <sys/resource.h>

#include <mcvd/threads.h>
#include <mcvd/trainer.h>
#include <mcvd/video.h>

#include "support/tiny_unet.h"
#include "support/train_compare.h"

static char root[TEST_PATH_BYTES];

static int set_up(void **state)
{
    (void)state;
    make_test_folder(root);
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
    uint64_t first_step;
    uint64_t last_step;
    uint64_t stop_at; /* 0: never */
    int checkpoints;
    int validations;
    int samples;
    char data[512];
} observer;

static int on_step(void *user, const mcvd_step_report *report, double samples_per_s)
{
    observer *o = user;

    CHECK_TRUE(samples_per_s >= 0.0);
    o->last_step = report->step;
    return o->stop_at && report->step == o->stop_at;
}

static void on_start(void *user, uint64_t first_step, const char *data)
{
    observer *o = user;

    o->first_step = first_step;
    snprintf(o->data, sizeof o->data, "%s", data);
}

static void on_checkpoint(void *user, uint64_t step, const char *path)
{
    (void)step;
    CHECK_TRUE(mcvdi_path_exists(path));
    ((observer *)user)->checkpoints++;
}

static void on_validate(void *user, uint64_t step, double loss)
{
    (void)step;
    CHECK_TRUE(loss > 0.0 && isfinite(loss));
    ((observer *)user)->validations++;
}

static mcvd_status on_sample(void *user, uint64_t step, mcvd_network *network,
                             const mcvd_batch *batch)
{
    (void)step;
    CHECK_TRUE(network && batch->batch_size == 16);
    ((observer *)user)->samples++;
    return MCVD_OK;
}

static mcvd_train_run_config run_config(const char *folder, observer *o)
{
    mcvd_train_run_config rc = mcvd_train_run_config_default();

    memset(o, 0, sizeof *o);
    rc.config = tiny_config();
    rc.folder = folder;
    rc.user = o;
    rc.on_step = on_step;
    rc.on_start = on_start;
    rc.on_checkpoint = on_checkpoint;
    rc.on_validate = on_validate;
    return rc;
}

static bool folder_has(const char *folder, const char *name)
{
    char path[TEST_PATH_BYTES];
    return mcvdi_path_exists(test_path(path, folder, name));
}

static void check_same_runs(const char *a, const char *b, const char *checkpoint)
{
    static const char *const files[] = { "model.safetensors", "latest" };
    char path_a[TEST_PATH_BYTES];
    char path_b[TEST_PATH_BYTES];

    CHECK_SAME_TENSORS(test_path(path_a, a, checkpoint), test_path(path_b, b, checkpoint));
    CHECK_SAME_TENSORS(test_path(path_a, a, files[0]), test_path(path_b, b, files[0]));
    check_same_journals(a, b);
}

static const char last_checkpoint[] = "checkpoints/step-00000020.safetensors";

/* --- resume --- */

static mcvd_train_run_config full_config(const char *folder, observer *o)
{
    mcvd_train_run_config rc = run_config(folder, o);

    rc.config.model.dropout = 0.1;
    rc.config.training.val_freq = 5;
    rc.config.training.sample_freq = 10;
    rc.on_sample = on_sample;
    return rc;
}

static void twenty_steps_equal_ten_and_ten(void **state)
{
    char whole[TEST_PATH_BYTES];
    char parts[TEST_PATH_BYTES];
    char shorter[TEST_PATH_BYTES];
    observer o;

    (void)state;
    mcvd_train_run_config rc = full_config(test_path(whole, root, "whole"), &o);
    CHECK_OK(mcvd_train_run(&rc));
    CHECK_EQ(o.first_step, 0);
    CHECK_EQ(o.last_step, 20);
    CHECK_EQ(o.checkpoints, 2);
    CHECK_EQ(o.validations, 4);
    CHECK_EQ(o.samples, 2);

    /* Stopped on request at a step without a checkpoint of its own. */
    rc = full_config(test_path(parts, root, "parts"), &o);
    o.stop_at = 7;
    CHECK_STATUS(mcvd_train_run(&rc), MCVD_E_INTERRUPTED);
    CHECK_TRUE(folder_has(parts, "checkpoints/step-00000007.safetensors"));
    rc = full_config(parts, &o);
    rc.resume = true;
    CHECK_OK(mcvd_train_run(&rc));
    CHECK_EQ(o.first_step, 7);
    check_same_runs(whole, parts, last_checkpoint);

    /* A finished run of 10 steps that gets 10 more. */
    rc = full_config(test_path(shorter, root, "shorter"), &o);
    rc.config.training.n_iters = 10;
    CHECK_OK(mcvd_train_run(&rc));
    rc = full_config(shorter, &o);
    rc.resume = true;
    CHECK_OK(mcvd_train_run(&rc));
    CHECK_EQ(o.first_step, 10);
    check_same_runs(whole, shorter, last_checkpoint);

    /* Nothing left to do. */
    rc = full_config(shorter, &o);
    rc.resume = true;
    CHECK_OK(mcvd_train_run(&rc));
    CHECK_EQ(o.last_step, 0);
    check_same_runs(whole, shorter, last_checkpoint);
}

/* What a killed process leaves: half-written files, a journal ahead of the checkpoint, a torn line.
 */
static void a_killed_run_is_cleaned_up(void **state)
{
    char whole[TEST_PATH_BYTES];
    char killed[TEST_PATH_BYTES];
    char path[TEST_PATH_BYTES];
    char *journal = NULL;
    size_t bytes = 0;
    observer o;

    (void)state;
    mcvd_train_run_config rc = run_config(test_path(whole, root, "whole"), &o);
    rc.force = true;
    CHECK_OK(mcvd_train_run(&rc));
    rc = run_config(test_path(killed, root, "killed"), &o);
    CHECK_OK(mcvd_train_run(&rc));

    CHECK_EQ(unlink(test_path(path, killed, last_checkpoint)), 0);
    CHECK_OK(mcvdi_file_read(&journal, &bytes, test_path(path, killed, "journal.jsonl"), 1 << 20));
    CHECK_OK(mcvdi_file_write(path, journal, bytes - 30, true));
    mcvdi_free(journal);
    CHECK_OK(mcvdi_file_write(test_path(path, killed, ".tmp-1-2-latest"), "x", 1, false));
    CHECK_OK(mcvdi_file_write(test_path(path, killed, "checkpoints/.tmp-1-2-step"), "x", 1, false));

    rc = run_config(killed, &o);
    rc.resume = true;
    CHECK_OK(mcvd_train_run(&rc));
    CHECK_EQ(o.first_step, 10);
    CHECK_TRUE(!folder_has(killed, ".tmp-1-2-latest"));
    CHECK_TRUE(!folder_has(killed, "checkpoints/.tmp-1-2-step"));
    check_same_runs(whole, killed, last_checkpoint);
}

/* Killed before the first checkpoint: resume starts at step 0 and the journal with it. */
static void resume_without_a_checkpoint_starts_at_0(void **state)
{
    char folder[TEST_PATH_BYTES];
    char path[TEST_PATH_BYTES];
    observer o;

    (void)state;
    CHECK_OK(mcvdi_make_folders(test_path(folder, root, "early")));
    CHECK_OK(mcvdi_file_write(test_path(path, folder, "config.json"), "{}", 2, false));
    CHECK_OK(mcvdi_file_write(test_path(path, folder, "journal.jsonl"), "{\"step\":1,\"loss\":9}\n",
                              20, false));
    mcvd_train_run_config rc = run_config(folder, &o);
    rc.resume = true;
    CHECK_OK(mcvd_train_run(&rc));
    CHECK_EQ(o.first_step, 0);
    char *text = journal_text(folder);
    CHECK_TRUE(strstr(text, "\"loss\":9}") == NULL);
    mcvdi_free(text);
}

/* MB are 1e6 bytes; the system counts in units of 1024. */
static void the_journal_tells_the_memory(void **state)
{
    char folder[TEST_PATH_BYTES];
    char path[TEST_PATH_BYTES];
    char *text = NULL;
    size_t bytes = 0;
    struct rusage usage;
    observer o;

    (void)state;
    mcvd_train_run_config rc = run_config(test_path(folder, root, "memory"), &o);
    CHECK_OK(mcvd_train_run(&rc));
    CHECK_OK(mcvdi_file_read(&text, &bytes, test_path(path, folder, "journal.jsonl"), 1 << 20));
    const char *last = NULL;
    for (const char *at = strstr(text, "\"rss_mb\":"); at; at = strstr(at + 1, "\"rss_mb\":"))
        last = at;
    CHECK_TRUE(last != NULL);
    const double mb = strtod(last + strlen("\"rss_mb\":"), NULL);
    CHECK_EQ(getrusage(RUSAGE_SELF, &usage), 0);
    CHECK_CLOSE(mb, 1024e-6 * (double)usage.ru_maxrss, 0.02 * mb);
    mcvdi_free(text);
}

static void only_the_newest_checkpoints_stay(void **state)
{
    char folder[TEST_PATH_BYTES];
    char path[TEST_PATH_BYTES];
    observer o;

    (void)state;
    mcvd_train_run_config rc = run_config(test_path(folder, root, "keep"), &o);
    rc.config.training.snapshot_freq = 4;
    rc.config.training.keep_checkpoints = 2;
    CHECK_OK(mcvd_train_run(&rc));
    CHECK_EQ(o.checkpoints, 5);
    CHECK_EQ(count_entries(test_path(path, folder, "checkpoints")), 2);
    CHECK_TRUE(folder_has(folder, "checkpoints/step-00000016.safetensors"));
    CHECK_TRUE(folder_has(folder, last_checkpoint));
}

/* --- what stops a run before it starts --- */

static mcvd_status second_status;
static mcvd_train_run_config second_run;

static void start_second_run(void *user, uint64_t first_step, const char *data)
{
    (void)user;
    (void)first_step;
    (void)data;
    second_status = mcvd_train_run(&second_run);
    CHECK_MESSAGE("another process is training in this folder");
}

static void a_folder_has_one_writer_and_one_run(void **state)
{
    char folder[TEST_PATH_BYTES];
    observer o;
    observer other;

    (void)state;
    mcvd_train_run_config rc = run_config(test_path(folder, root, "one"), &o);
    second_run = run_config(folder, &other);
    second_run.force = true;
    rc.on_start = start_second_run;
    CHECK_OK(mcvd_train_run(&rc));
    CHECK_STATUS(second_status, MCVD_E_STATE);
    CHECK_TRUE(folder_has(folder, last_checkpoint)); /* force has deleted nothing */
    rc = run_config(folder, &o);
    CHECK_STATUS(mcvd_train_run(&rc), MCVD_E_EXISTS);
    CHECK_MESSAGE(folder);
    CHECK_MESSAGE("--resume");
    rc.force = true;
    rc.config.training.n_iters = 5;
    CHECK_OK(mcvd_train_run(&rc));
    CHECK_EQ(o.first_step, 0);
    CHECK_TRUE(!folder_has(folder, last_checkpoint));
    CHECK_TRUE(folder_has(folder, "checkpoints/step-00000005.safetensors"));
    char *text = journal_text(folder);
    CHECK_TRUE(strstr(text, "{\"step\":6,") == NULL);
    mcvdi_free(text);
    char nothing[TEST_PATH_BYTES];
    rc = run_config(test_path(nothing, root, "nothing"), &o);
    rc.resume = true;
    CHECK_STATUS(mcvd_train_run(&rc), MCVD_E_INPUT);
    CHECK_TRUE(!mcvdi_path_exists(nothing));
}

/* A folder that lost its config.json still holds a run: its checkpoints are not mixed up. */
static void a_run_without_its_configuration_is_still_a_run(void **state)
{
    char folder[TEST_PATH_BYTES];
    char path[TEST_PATH_BYTES];
    observer o;

    (void)state;
    mcvd_train_run_config rc = run_config(test_path(folder, root, "lost"), &o);
    CHECK_OK(mcvd_train_run(&rc));
    CHECK_EQ(unlink(test_path(path, folder, "config.json")), 0);
    CHECK_STATUS(mcvd_train_run(&rc), MCVD_E_EXISTS);
    CHECK_TRUE(folder_has(folder, last_checkpoint));
}

static void cut_checkpoint(const char *folder, const char *name)
{
    char path[TEST_PATH_BYTES];
    char *text = NULL;
    size_t bytes = 0;

    CHECK_OK(mcvdi_file_read(&text, &bytes, test_path(path, folder, name), 1 << 26));
    CHECK_OK(mcvdi_file_write(path, text, bytes / 2, true));
    mcvdi_free(text);
}

static void damaged_checkpoints_are_passed_over(void **state)
{
    static const char first_checkpoint[] = "checkpoints/step-00000010.safetensors";
    char whole[TEST_PATH_BYTES];
    char folder[TEST_PATH_BYTES];
    char path[TEST_PATH_BYTES];
    observer o;

    (void)state;
    mcvd_train_run_config rc = run_config(test_path(whole, root, "undamaged"), &o);
    CHECK_OK(mcvd_train_run(&rc));
    rc = run_config(test_path(folder, root, "damaged"), &o);
    CHECK_OK(mcvd_train_run(&rc));
    cut_checkpoint(folder, last_checkpoint);
    rc.resume = true;
    rc.config.training.keep_checkpoints = 1; /* the damaged one is not among them */
    CHECK_OK(mcvd_train_run(&rc));
    CHECK_EQ(o.first_step, 10);
    CHECK_TRUE(folder_has(folder, "checkpoints/step-00000020.safetensors.damaged"));
    CHECK_TRUE(!folder_has(folder, first_checkpoint));
    check_same_runs(whole, folder, last_checkpoint);

    /* None is left: nothing happens. */
    cut_checkpoint(folder, last_checkpoint);
    char *before = journal_text(folder);
    CHECK_STATUS(mcvd_train_run(&rc), MCVD_E_MODEL);
    CHECK_MESSAGE(test_path(path, folder, last_checkpoint));
    char *after = journal_text(folder);
    CHECK_TRUE(strcmp(before, after) == 0);
    CHECK_TRUE(folder_has(folder, last_checkpoint));
    CHECK_TRUE(folder_has(folder, "model.safetensors"));
    mcvdi_free(before);
    mcvdi_free(after);
}

/* --force: what the new run lacks is found out while the old one still stands. */
static void a_start_that_fails_leaves_the_old_run(void **state)
{
    char folder[TEST_PATH_BYTES];
    char copy[TEST_PATH_BYTES];
    observer o;

    (void)state;
    mcvd_train_run_config rc = run_config(test_path(folder, root, "old"), &o);
    CHECK_OK(mcvd_train_run(&rc));
    rc = run_config(test_path(copy, root, "old copy"), &o);
    CHECK_OK(mcvd_train_run(&rc));
    rc = run_config(folder, &o);
    rc.force = true;
    rc.config.training.val_freq = 5; /* needs test digits, which this folder lacks */
    char digits[TEST_PATH_BYTES];
    char path[TEST_PATH_BYTES];
    char *text = NULL;
    size_t bytes = 0;
    CHECK_OK(mcvdi_make_folders(test_path(digits, root, "digits")));
    CHECK_OK(mcvdi_file_read(&text, &bytes,
                             MCVD_TEST_GOLDEN "/../../datasets/smmnist/train-images-idx3-ubyte",
                             1 << 26));
    CHECK_OK(
        mcvdi_file_write(test_path(path, digits, "train-images-idx3-ubyte"), text, bytes, true));
    mcvdi_free(text);
    rc.data_path = digits;
    CHECK_TRUE(mcvd_train_run(&rc) < 0);
    CHECK_MESSAGE("t10k-images-idx3-ubyte");
    check_same_runs(copy, folder, last_checkpoint);
}

/* --- tasks --- */

static void every_task_trains(void **state)
{
    static const char *const words[] = { "predict", "predict-past", "interp", "generate" };
    char folder[TEST_PATH_BYTES];
    char name[128];
    observer o;

    (void)state;
    test_path(folder, root, "tasks");
    for (unsigned set = 1; set < 16; set++) {
        mcvd_train_run_config rc = run_config(folder, &o);
        name[0] = '\0';
        for (unsigned w = 0; w < 4; w++)
            if (set >> w & 1u)
                snprintf(name + strlen(name), sizeof name - strlen(name), "%s%s",
                         name[0] ? "+" : "", words[w]);
        rc.config.training.n_iters = 3;
        rc.force = true;
        CHECK_OK(mcvd_config_apply_task(&rc.config, name));
        CHECK_OK(mcvd_train_run(&rc));
        CHECK_EQ(o.last_step, 3);
    }
}

/* --- data --- */

static void write_video(const char *path, int size, int frames)
{
    mcvd_video_writer_config wc = mcvd_video_writer_config_default();
    mcvd_video_writer *writer = NULL;
    uint8_t *frame = malloc((size_t)size * (size_t)size * 3);

    CHECK_TRUE(frame != NULL);
    wc.width = wc.height = size;
    CHECK_OK(mcvd_video_writer_open(&writer, path, &wc));
    for (int f = 0; f < frames; f++) {
        for (int i = 0; i < size * size * 3; i++)
            frame[i] = (uint8_t)(7 * f + i);
        CHECK_OK(mcvd_video_writer_write(writer, frame));
    }
    CHECK_OK(mcvd_video_writer_finish(writer));
    mcvd_video_writer_free(&writer);
    free(frame);
}

static mcvd_status train_on(const char *data, int channels, observer *o)
{
    static int number;
    char folder[TEST_PATH_BYTES];
    char name[32];

    snprintf(name, sizeof name, "data%d", number++);
    mcvd_train_run_config rc = run_config(test_path(folder, root, name), o);
    rc.config.training.n_iters = 3;
    rc.config.training.val_freq = 3;
    rc.config.data.channels = channels;
    rc.data_path = data;
    const mcvd_status st = mcvd_train_run(&rc);
    CHECK_TRUE(st >= 0 || !mcvdi_path_exists(folder)); /* nothing half-made */
    return st;
}

static void every_source_of_frames_trains(void **state)
{
    char videos[TEST_PATH_BYTES];
    char path[TEST_PATH_BYTES];
    observer o;

    (void)state;
    CHECK_OK(train_on(MCVD_TEST_GOLDEN "/../../datasets/smmnist", 1, &o));
    CHECK_TRUE(strstr(o.data, "moving digits") != NULL);
    CHECK_OK(mcvdi_make_folders(test_path(videos, root, "videos")));
    write_video(test_path(path, videos, "a.mkv"), 24, 40);
    CHECK_OK(train_on(path, 1, &o));
    CHECK_EQ(o.last_step, 3);
    CHECK_EQ(o.validations, 1);
    CHECK_OK(train_on(path, 3, &o));
    write_video(test_path(path, videos, "b.mkv"), 32, 30);
    CHECK_OK(train_on(videos, 3, &o));
    CHECK_EQ(o.last_step, 3);
}

static void data_that_does_not_fit_is_named(void **state)
{
    char path[TEST_PATH_BYTES];
    observer o;

    (void)state;
    CHECK_STATUS(train_on(test_path(path, root, "missing.mp4"), 1, &o), MCVD_E_INPUT);
    CHECK_MESSAGE(path);
    write_video(test_path(path, root, "short.mkv"), 24, 4); /* a window has 5 frames */
    CHECK_STATUS(train_on(path, 1, &o), MCVD_E_INPUT);
    CHECK_MESSAGE("short.mkv");
    CHECK_STATUS(train_on(MCVD_TEST_GOLDEN "/../../datasets/smmnist", 3, &o), MCVD_E_CONFIG);
    CHECK_MESSAGE("data.channels");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(twenty_steps_equal_ten_and_ten),
        cmocka_unit_test(a_killed_run_is_cleaned_up),
        cmocka_unit_test(resume_without_a_checkpoint_starts_at_0),
        cmocka_unit_test(the_journal_tells_the_memory),
        cmocka_unit_test(only_the_newest_checkpoints_stay),
        cmocka_unit_test(a_folder_has_one_writer_and_one_run),
        cmocka_unit_test(a_run_without_its_configuration_is_still_a_run),
        cmocka_unit_test(damaged_checkpoints_are_passed_over),
        cmocka_unit_test(a_start_that_fails_leaves_the_old_run),
        cmocka_unit_test(every_task_trains),
        cmocka_unit_test(every_source_of_frames_trains),
        cmocka_unit_test(data_that_does_not_fit_is_named),
    };
    mcvd_set_threads(1);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
