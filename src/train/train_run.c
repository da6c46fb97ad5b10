/* A whole run: data, steps, journal, checkpoints, validation, samples, resume. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <mcvd/trainer.h>

#include "core/alloc.h"
#include "core/fileio.h"
#include "train/journal.h"
#include "train/run_folder.h"

enum { RATE_WINDOW = 32 }; /* steps that the shown rate averages over */

static const uint64_t validation_key = 1;

typedef struct train_run {
    const mcvd_train_run_config *rc;
    const mcvd_config *config;
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

/* --- opening --- */

static mcvd_status open_split(const train_run *r, mcvd_split split, mcvd_dataset **data)
{
    mcvd_dataset_config dc = mcvd_dataset_config_default(&r->config->data);

    dc.path = r->rc->data_path;
    dc.digit_folders = r->rc->digit_folders;
    dc.num_digit_folders = r->rc->num_digit_folders;
    dc.split = split;
    dc.seed = (uint64_t)r->config->training.seed;
    return mcvd_dataset_open(data, &dc);
}

static mcvd_status open_loader(const train_run *r, uint64_t first_step, mcvd_loader **loader)
{
    mcvd_loader_config lc = mcvd_loader_config_default(r->data);

    lc.batch_size = (size_t)r->config->training.batch_size;
    lc.seed = (uint64_t)r->config->training.seed;
    lc.first_step = first_step;
    return mcvd_loader_create(loader, r->data, &lc);
}

static bool needs_network(const train_run *r)
{
    return r->config->training.val_freq > 0 ||
           (r->config->training.sample_freq > 0 && r->rc->on_sample);
}

/* One fixed batch of test windows and a network for it. */
static mcvd_status open_validation(train_run *r)
{
    if (!needs_network(r))
        return MCVD_OK;
    mcvd_status st = open_split(r, MCVD_SPLIT_TEST, &r->test_data);
    if (st < 0)
        return st;
    mcvd_loader_config lc = mcvd_loader_config_default(r->test_data);
    lc.batch_size = 16;
    lc.num_workers = 0;
    st = mcvd_loader_create(&r->test_loader, r->test_data, &lc);
    if (st >= 0)
        st = mcvd_loader_next(r->test_loader, &r->test_batch);
    if (st >= 0)
        st = mcvd_trainer_network(&r->network, r->trainer, lc.batch_size);
    return st;
}

static mcvd_status load_latest(train_run *r)
{
    uint64_t step = 0;
    mcvd_status st = mcvdi_run_folder_latest(r->folder, &step);

    if (st != MCVD_OK) /* killed before the first checkpoint: start at step 0 */
        return st == MCVD_EOF ? MCVD_OK : st;
    char *path = mcvdi_run_folder_checkpoint_path(r->folder, step);
    st =
        path ? mcvd_trainer_load(r->trainer, path) : mcvdi_fail(MCVD_E_NOMEM, "run: out of memory");
    mcvdi_free(path);
    return st;
}

static mcvd_status write_config(const train_run *r)
{
    char *path = mcvdi_run_folder_path(r->folder, "config.json");
    char *text = mcvd_config_dump(r->config);
    mcvd_status st = MCVD_E_NOMEM;

    if (path && text)
        st = mcvdi_file_write(path, text, strlen(text), true);
    mcvd_text_free(text);
    mcvdi_free(path);
    return st;
}

static mcvd_status open_journal(train_run *r)
{
    char *path = mcvdi_run_folder_path(r->folder, "journal.jsonl");
    const mcvd_status st =
        path ? mcvdi_journal_open(&r->journal, path, mcvd_trainer_steps(r->trainer))
             : mcvdi_fail(MCVD_E_NOMEM, "run: out of memory");

    mcvdi_free(path);
    return st;
}

/* Everything that can fail for want of data or memory fails before the folder is touched. */
static mcvd_status open_run(train_run *r)
{
    mcvd_status st = open_split(r, MCVD_SPLIT_TRAIN, &r->data);

    if (st >= 0)
        st = mcvd_trainer_create(&r->trainer, r->config);
    if (st >= 0)
        st = mcvdi_run_folder_open(&r->folder, r->rc->folder, r->rc->resume, r->rc->force);
    if (st >= 0 && r->rc->resume)
        st = load_latest(r);
    if (st >= 0)
        st = write_config(r);
    if (st >= 0)
        st = open_journal(r);
    if (st >= 0)
        st = open_validation(r);
    if (st >= 0)
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
}

/* --- while running --- */

static mcvd_status export_model(const train_run *r)
{
    char summary[160];
    const uint64_t steps = mcvd_trainer_steps(r->trainer);
    char *path = mcvdi_run_folder_path(r->folder, "model.safetensors");

    if (!path)
        return mcvdi_fail(MCVD_E_NOMEM, "run: out of memory");
    snprintf(summary, sizeof summary, "{\"steps\":%" PRIu64 ",\"samples\":%" PRIu64 "}", steps,
             steps * (uint64_t)r->config->training.batch_size);
    const bool half = strcmp(r->config->training.export_dtype, "F16") == 0;
    const mcvd_status st = mcvd_trainer_export(r->trainer, path, half, summary, true);
    mcvdi_free(path);
    return st;
}

static mcvd_status checkpoint(const train_run *r)
{
    const uint64_t step = mcvd_trainer_steps(r->trainer);
    char *path = mcvdi_run_folder_checkpoint_path(r->folder, step);
    mcvd_status st =
        path ? mcvd_trainer_save(r->trainer, path) : mcvdi_fail(MCVD_E_NOMEM, "run: out of memory");

    if (st >= 0)
        st = mcvdi_run_folder_commit(r->folder, step, (size_t)r->config->training.keep_checkpoints);
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

    if (!is_due(r->config->training.val_freq, step))
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
    if (!r->rc->on_sample || !is_due(r->config->training.sample_freq, step))
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
    return now > then ? (double)span * (double)r->config->training.batch_size / (now - then) : 0.0;
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
    r->steps_here++;
    const double rate = measure_rate(r);
    const double frames = (double)(r->config->data.num_frames);
    st = mcvdi_journal_step(r->journal, &report, rate, rate * frames);
    const int stop = r->rc->on_step && st >= 0 ? r->rc->on_step(r->rc->user, &report, rate) : 0;
    const bool last = report.step == (uint64_t)r->config->training.n_iters;
    if (st >= 0)
        st = validate(r, report.step);
    if (st >= 0 && (stop || last || is_due(r->config->training.snapshot_freq, report.step)))
        st = checkpoint(r);
    if (st >= 0 && !stop)
        st = make_samples(r, report.step);
    return st >= 0 && stop
               ? mcvdi_fail(MCVD_E_INTERRUPTED, "stopped after step %" PRIu64, report.step)
               : st;
}

mcvd_status mcvd_train_run(const mcvd_train_run_config *config)
{
    train_run r = { .rc = config, .config = &config->config };
    mcvd_status st = mcvd_config_check(&config->config);

    if (st >= 0)
        st = open_run(&r);
    if (st >= 0) {
        if (config->on_start)
            config->on_start(config->user, mcvd_trainer_steps(r.trainer),
                             mcvd_dataset_describe(r.data));
        r.step_end_s[0] = now_s();
        while (st >= 0 && mcvd_trainer_steps(r.trainer) < (uint64_t)r.config->training.n_iters)
            st = advance(&r);
    }
    close_run(&r);
    return st;
}
