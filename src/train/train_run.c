/* A whole run: data, steps, journal, checkpoints, validation, samples, resume. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <mcvd/prepare.h>
#include <mcvd/sampler.h>
#include <mcvd/trainer.h>

#include "core/alloc.h"
#include "core/fileio.h"
#include "core/log.h"
#include "train/course.h"
#include "train/journal.h"
#include "train/resume.h"
#include "train/run_folder.h"
#include "train/run_record.h"

enum { RATE_WINDOW = 32 }; /* steps that the shown rate averages over */

static const uint64_t validation_key = 1;

typedef struct train_run {
    const mcvd_train_run_config *rc;
    const mcvdi_course *course; /* or NULL */
    mcvd_config config;         /* data.dataset is what was opened */
    const char *data_path;      /* the caller's or the record's; NULL: moving digits */
    mcvdi_run_record before;    /* resuming: what the run was trained on so far */
    mcvdi_run_record now;
    mcvdi_run_folder *folder;
    mcvdi_journal *journal;
    mcvd_trainer *trainer;
    mcvd_dataset *data, *test_data;
    mcvd_loader *loader, *test_loader;
    mcvd_batch test_batch;
    mcvd_network *network; /* on the EMA weights, for validation and samples */
    double step_end_s[RATE_WINDOW];
    uint64_t steps_here; /* since the start of this process */
} train_run;

static double now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

mcvd_train_run_config mcvd_train_run_config_default(void)
{
    mcvd_train_run_config config;

    memset(&config, 0, sizeof config);
    mcvd_config_default(&config.config);
    return config;
}

static uint64_t total_steps(const train_run *r)
{
    return r->course ? r->course->rounds * r->course->round_steps
                     : (uint64_t)r->config.training.n_iters;
}

static bool ends_round(const train_run *r, uint64_t step)
{
    return r->course && step > 0 && step % r->course->round_steps == 0;
}

/* --- parts --- */

static mcvd_status open_split(const train_run *r, mcvd_split split, mcvd_dataset **data)
{
    mcvd_dataset_config dc = mcvd_dataset_config_default(&r->config.data);

    dc.path = r->data_path;
    dc.digit_folders = r->rc->digit_folders;
    dc.num_digit_folders = r->rc->num_digit_folders;
    dc.split = split;
    dc.seed = (uint64_t)r->config.training.seed;
    return mcvd_dataset_open(data, &dc);
}

static mcvd_status open_loader(const train_run *r, uint64_t first_step, mcvd_loader **loader)
{
    mcvd_loader_config lc = mcvd_loader_config_default(r->data);

    lc.batch_size = (size_t)r->config.training.batch_size;
    lc.seed = (uint64_t)r->config.training.seed;
    lc.first_step = first_step;
    lc.actions = r->config.model.action_dim > 0;
    return mcvd_loader_create(loader, r->data, &lc);
}

static bool needs_network(const train_run *r)
{
    return r->config.training.val_freq > 0 ||
           (r->config.training.sample_freq > 0 && r->rc->on_sample);
}

/* One fixed batch of test windows and a network for it. */
static mcvd_status open_validation(train_run *r)
{
    if (!needs_network(r) && !r->course)
        return MCVD_OK;
    mcvd_status st = open_split(r, MCVD_SPLIT_TEST, &r->test_data);
    if (st < 0)
        return st;
    mcvd_loader_config lc = mcvd_loader_config_default(r->test_data);
    lc.batch_size = r->course ? r->course->num_test : 16;
    lc.num_workers = 0;
    lc.actions = r->config.model.action_dim > 0;
    st = mcvd_loader_create(&r->test_loader, r->test_data, &lc);
    if (st >= 0)
        st = mcvd_loader_next(r->test_loader, &r->test_batch);
    if (st >= 0 && needs_network(r))
        st = mcvd_trainer_network(&r->network, r->trainer, lc.batch_size);
    return st;
}

static mcvd_status no_memory(void)
{
    return mcvdi_fail(MCVD_E_NOMEM, "run: out of memory");
}

/* What a resumed run was trained on, from its folder; the caller's path goes before. */
static mcvd_status recall_data(train_run *r)
{
    r->data_path = r->rc->data_path;
    if (!r->rc->resume)
        return MCVD_OK;
    if (!r->course && mcvdi_run_folder_is_distillation(r->rc->folder))
        return mcvdi_fail(MCVD_E_INPUT, "%s: a run of mcvd distill, which resumes it",
                          r->rc->folder);
    char *path = mcvdi_sprintf("%s/run.json", r->rc->folder);
    const mcvd_status st = path ? mcvdi_run_record_read(&r->before, path) : no_memory();
    mcvdi_free(path);
    if (st >= 0 && !r->data_path && r->before.data && r->before.data[0])
        r->data_path = r->before.data;
    return st;
}

/* What a store of videos holds out was decided when it was made; 0 for any other store. */
static double fraction_of_store(const char *folder)
{
    mcvd_config config;

    mcvd_config_default(&config);
    return mcvd_prepare_settings(folder, &config.data) >= 0 ? config.data.test_fraction : 0.0;
}

/* Another fraction than the store's is refused when it is opened, but for 0, which many
 * configurations say without meaning it: the run keeps what is true. */
static void take_fraction_of_store(train_run *r)
{
    double *fraction = &r->config.data.test_fraction;
    const bool chosen = !r->rc->default_test_fraction;

    if (chosen && *fraction > 0.0)
        return;
    *fraction = fraction_of_store(r->data_path);
    if (chosen && *fraction > 0.0)
        mcvdi_log(MCVD_LOG_INFO, "data.test_fraction = %g: %s was prepared so", *fraction,
                  r->data_path);
}

/* Videos hold out a part when nobody has said how much: scores on seen frames mean little. */
static void choose_test_fraction(train_run *r)
{
    const char *kind = r->data_path ? mcvd_dataset_kind_of(r->data_path) : NULL;
    const bool of_videos = kind && strcmp(kind, "VIDEOS") == 0;
    double *fraction = &r->config.data.test_fraction;

    if (kind && strcmp(kind, "STORE") == 0) {
        take_fraction_of_store(r);
        return;
    }
    if (!r->rc->default_test_fraction)
        return;
    *fraction = of_videos ? mcvd_prepare_data_default().test_fraction : 0.0;
    if (of_videos)
        mcvdi_log(MCVD_LOG_INFO,
                  "data.test_fraction = %g by default: the end of every video is held out for "
                  "testing; with 0 training sees all of it",
                  *fraction);
}

static mcvd_status check_actions(const train_run *r)
{
    const size_t wanted = (size_t)r->config.model.action_dim;
    const size_t there = mcvd_dataset_action_dim(r->data);

    if (!wanted || wanted == there)
        return MCVD_OK;
    return mcvdi_fail(MCVD_E_INPUT,
                      "model.action_dim = %zu, but %s: its frames have %zu numbers beside them",
                      wanted, mcvd_dataset_describe(r->data), there);
}

static mcvd_status open_data(train_run *r)
{
    choose_test_fraction(r);
    mcvd_status st = open_split(r, MCVD_SPLIT_TRAIN, &r->data);

    if (st == MCVD_E_INPUT && r->rc->resume && !r->rc->data_path)
        return mcvdi_fail_context(st, "%s: %s; name its data with --data", r->rc->folder,
                                  r->before.data ? "its data cannot be found"
                                                 : "no run.json says what it was trained on");
    if (st >= 0)
        st = check_actions(r);
    if (st < 0)
        return st;
    snprintf(r->config.data.dataset, sizeof r->config.data.dataset, "%s",
             mcvd_dataset_name(r->data));
    return mcvdi_run_record_make(&r->now, r->data, r->data_path);
}

/* A resumed run goes on with the data that it began with, unless the caller names other data. */
static mcvd_status check_data(const train_run *r)
{
    const mcvdi_run_record *was = &r->before;

    if (mcvd_trainer_steps(r->trainer) == 0 ||
        (was->data && strcmp(was->fingerprint, r->now.fingerprint) == 0))
        return MCVD_OK;
    if (!was->data && !r->rc->data_path)
        return mcvdi_fail(MCVD_E_INPUT,
                          "%s does not say what it was trained on (no run.json); name it with "
                          "--data",
                          r->rc->folder);
    if (!was->data)
        return MCVD_OK;
    if (!r->rc->data_path)
        return mcvdi_fail(MCVD_E_INPUT,
                          "%s was trained on %s; there is other data now: %s; --data goes on with "
                          "it nevertheless",
                          r->rc->folder, was->description, r->now.description);
    mcvdi_log(MCVD_LOG_WARNING, "%s was trained on %s; it goes on with other data: %s",
              r->rc->folder, was->description, r->now.description);
    return MCVD_OK;
}

static mcvd_status write_config(const train_run *r)
{
    char *path = mcvdi_run_folder_path(r->folder, "config.json");
    char *text = mcvd_config_dump(&r->config);
    const mcvd_status st =
        path && text ? mcvdi_file_write(path, text, strlen(text), true) : no_memory();

    mcvd_text_free(text);
    mcvdi_free(path);
    return st;
}

/* Kept as it is while nothing has changed: the description may name the same place otherwise. */
static mcvd_status write_record(const train_run *r)
{
    if (r->before.data && strcmp(r->before.data, r->now.data) == 0 &&
        strcmp(r->before.fingerprint, r->now.fingerprint) == 0)
        return MCVD_OK;
    char *path = mcvdi_run_folder_path(r->folder, "run.json");
    const mcvd_status st = path ? mcvdi_run_record_write(&r->now, path) : no_memory();

    mcvdi_free(path);
    return st;
}

static mcvd_status open_journal(train_run *r)
{
    char *path = mcvdi_run_folder_path(r->folder, "journal.jsonl");
    const mcvd_status st =
        path ? mcvdi_journal_open(&r->journal, path, mcvd_trainer_steps(r->trainer)) : no_memory();

    mcvdi_free(path);
    return st;
}

static mcvd_status export_model(const train_run *r)
{
    char summary[160];
    const uint64_t steps = mcvd_trainer_steps(r->trainer);
    char *path = mcvdi_run_folder_path(r->folder, "model.safetensors");

    if (!path)
        return no_memory();
    snprintf(summary, sizeof summary, "{\"steps\":%" PRIu64 ",\"samples\":%" PRIu64 "}", steps,
             steps * (uint64_t)r->config.training.batch_size);
    const bool half = strcmp(r->config.training.export_dtype, "F16") == 0;
    const mcvd_status st = mcvd_trainer_export(r->trainer, path, half, summary, true);
    mcvdi_free(path);
    return st;
}

/* --- continuing --- */

static mcvd_status load_step(train_run *r, uint64_t step)
{
    char *path = mcvdi_run_folder_checkpoint_path(r->folder, step);
    mcvd_status st = path ? mcvdi_resume_check_config(path, &r->config) : no_memory();

    if (st >= 0)
        st = mcvd_trainer_load(r->trainer, path);
    mcvdi_free(path);
    return st;
}

/* The newest checkpoint that can be read; *skipped are damaged. No checkpoint at all: step 0. */
static mcvd_status load_newest(train_run *r, const uint64_t *steps, size_t count, size_t *skipped)
{
    mcvd_status st = MCVD_OK;

    for (*skipped = 0; *skipped < count; ++*skipped) {
        st = load_step(r, steps[*skipped]);
        if (st != MCVD_E_MODEL || *skipped + 1 == count)
            return st;
        mcvdi_log(MCVD_LOG_WARNING, "%s; trying the checkpoint before it, of step %" PRIu64,
                  mcvd_last_error(), steps[*skipped + 1]);
    }
    return st;
}

/* What a kill between a checkpoint and its export left undone. */
static mcvd_status finish_checkpoint(const train_run *r)
{
    const uint64_t step = mcvd_trainer_steps(r->trainer);
    char *model = mcvdi_run_folder_path(r->folder, "model.safetensors");
    mcvd_status st = model ? MCVD_OK : no_memory();

    if (st >= 0)
        st = mcvdi_run_folder_commit(r->folder, step, (size_t)r->config.training.keep_checkpoints);
    if (st >= 0 && !mcvdi_resume_model_is_of(model, step))
        st = export_model(r);
    mcvdi_free(model);
    return st;
}

/* Everything is checked before anything in the folder changes. */
static mcvd_status continue_run(train_run *r)
{
    uint64_t *steps = NULL;
    size_t count = 0;
    size_t skipped = 0;
    mcvd_status st = mcvdi_run_folder_checkpoints(r->folder, &steps, &count);

    if (st >= 0)
        st = load_newest(r, steps, count, &skipped);
    const uint64_t done = mcvd_trainer_steps(r->trainer);
    if (st >= 0 && done > total_steps(r))
        st = mcvdi_fail(MCVD_E_CONFIG,
                        "--resume: training.n_iters = %" PRIu64 ", but %s has done %" PRIu64
                        " steps",
                        total_steps(r), r->rc->folder, done);
    if (st >= 0)
        st = check_data(r);
    for (size_t i = 0; st >= 0 && i < skipped; i++)
        st = mcvdi_run_folder_set_aside(r->folder, steps[i]);
    if (st >= 0 && r->course)
        st = r->course->begin(r->course->user, r->folder, r->trainer, &r->test_batch);
    if (st >= 0 && count)
        st = finish_checkpoint(r);
    if (st >= 0 && ends_round(r, done))
        st = r->course->end_round(r->course->user);
    mcvdi_free(steps);
    return st;
}

/* --- opening --- */

/* Data, memory, one batch for validation: what can be wanting is found out before the folder is
 * touched. */
static mcvd_status open_parts(train_run *r)
{
    mcvd_status st = recall_data(r);

    if (st >= 0)
        st = open_data(r);
    if (st >= 0)
        st = mcvd_trainer_create(&r->trainer, &r->config);
    if (st >= 0)
        st = open_validation(r);
    if (st >= 0 && !r->rc->resume)
        st = open_loader(r, 0, &r->loader);
    return st;
}

static mcvd_status open_run(train_run *r)
{
    mcvd_status st = open_parts(r);

    if (st >= 0)
        st = mcvdi_run_folder_open(&r->folder, r->rc->folder, r->rc->resume, r->rc->force);
    if (st >= 0 && r->rc->resume)
        st = continue_run(r);
    else if (st >= 0 && r->course)
        st = r->course->begin(r->course->user, r->folder, r->trainer, &r->test_batch);
    if (st >= 0)
        st = write_config(r);
    if (st >= 0)
        st = write_record(r);
    if (st >= 0)
        st = open_journal(r);
    if (st >= 0 && r->rc->resume)
        st = open_loader(r, mcvd_trainer_steps(r->trainer), &r->loader);
    return st;
}

static void close_run(train_run *r)
{
    mcvd_loader_free(&r->loader);
    mcvd_loader_free(&r->test_loader);
    mcvd_network_free(&r->network);
    mcvdi_journal_close(&r->journal);
    mcvd_trainer_free(&r->trainer);
    mcvd_dataset_free(&r->data);
    mcvd_dataset_free(&r->test_data);
    mcvdi_run_folder_close(&r->folder);
    mcvdi_run_record_release(&r->before);
    mcvdi_run_record_release(&r->now);
}

/* --- while running --- */

static mcvd_status checkpoint(const train_run *r)
{
    const uint64_t step = mcvd_trainer_steps(r->trainer);
    char *path = mcvdi_run_folder_checkpoint_path(r->folder, step);
    mcvd_status st = path ? mcvd_trainer_save(r->trainer, path) : no_memory();

    if (st >= 0)
        st = mcvdi_run_folder_commit(r->folder, step, (size_t)r->config.training.keep_checkpoints);
    if (st >= 0)
        st = export_model(r);
    if (st >= 0 && r->rc->on_checkpoint)
        r->rc->on_checkpoint(r->rc->user, step, path);
    mcvdi_free(path);
    return st;
}

static bool is_due(int64_t every, uint64_t step)
{
    return every > 0 && step % (uint64_t)every == 0;
}

static mcvd_status validate(const train_run *r, uint64_t step)
{
    double loss = 0.0;

    if (!is_due(r->config.training.val_freq, step))
        return MCVD_OK;
    mcvd_status st = mcvd_trainer_refresh(r->network, r->trainer);
    if (st >= 0)
        st = mcvd_trainer_validate(r->trainer, r->network, &r->test_batch, validation_key, &loss);
    if (st >= 0)
        st = mcvdi_journal_validation(r->journal, step, loss);
    if (st >= 0 && r->rc->on_validate)
        r->rc->on_validate(r->rc->user, step, loss);
    return st;
}

static mcvd_status make_samples(const train_run *r, uint64_t step)
{
    if (!r->rc->on_sample || !is_due(r->config.training.sample_freq, step))
        return MCVD_OK;
    const mcvd_status st = mcvd_trainer_refresh(r->network, r->trainer);
    return st < 0 ? st : r->rc->on_sample(r->rc->user, step, r->network, &r->test_batch);
}

/* Samples per second over the last RATE_WINDOW steps. */
static double measure_rate(train_run *r)
{
    const double now = now_s();
    const uint64_t span =
        r->steps_here < RATE_WINDOW - 1 ? r->steps_here : (uint64_t)RATE_WINDOW - 1;
    const double then = r->step_end_s[(r->steps_here - span) % RATE_WINDOW];

    r->step_end_s[r->steps_here % RATE_WINDOW] = now;
    return now > then ? (double)span * (double)r->config.training.batch_size / (now - then) : 0.0;
}

/* One step with everything that follows it. What belongs to the step in the journal is written
 * before the checkpoint, so that a run resumed from there lacks nothing. MCVD_E_INTERRUPTED after
 * the asked-for stop. */
static mcvd_status advance(train_run *r)
{
    mcvd_batch batch;
    mcvd_step_report report;
    mcvd_status st = mcvd_loader_next(r->loader, &batch);

    if (st >= 0)
        st = mcvd_trainer_step(r->trainer, &batch, &report);
    if (st < 0)
        return st;
    report.round = r->course ? (int)((report.step - 1) / r->course->round_steps) + 1 : 0;
    r->steps_here++;
    const double rate = measure_rate(r);
    const double frames = (double)(r->config.data.num_frames);
    st = mcvdi_journal_step(r->journal, &report, rate, rate * frames);
    const int stop = r->rc->on_step && st >= 0 ? r->rc->on_step(r->rc->user, &report, rate) : 0;
    const bool last = report.step == total_steps(r) || ends_round(r, report.step);
    if (st >= 0)
        st = validate(r, report.step);
    if (st >= 0 && (stop || last || is_due(r->config.training.snapshot_freq, report.step)))
        st = checkpoint(r);
    if (st >= 0 && !stop && ends_round(r, report.step))
        st = r->course->end_round(r->course->user);
    if (st >= 0 && !stop)
        st = make_samples(r, report.step);
    return st >= 0 && stop
               ? mcvdi_fail(MCVD_E_INTERRUPTED, "stopped after step %" PRIu64, report.step)
               : st;
}

mcvd_status mcvd_train_run(const mcvd_train_run_config *config)
{
    return mcvdi_train_run(config, NULL);
}

mcvd_status mcvdi_train_run(const mcvd_train_run_config *config, const mcvdi_course *course)
{
    train_run r = { .rc = config, .course = course, .config = config->config };
    mcvd_status st = mcvd_config_check(&config->config);

    if (st >= 0)
        st = mcvd_sampler_check_config(&config->config);
    if (st >= 0)
        st = open_run(&r);
    if (st >= 0) {
        if (config->on_start)
            config->on_start(config->user, mcvd_trainer_steps(r.trainer),
                             mcvd_dataset_describe(r.data));
        r.step_end_s[0] = now_s();
        while (st >= 0 && mcvd_trainer_steps(r.trainer) < total_steps(&r))
            st = advance(&r);
    }
    close_run(&r);
    return st;
}
