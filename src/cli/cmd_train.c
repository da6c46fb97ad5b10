#include "cli/cmd.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <mcvd/threads.h>
#include <mcvd/trainer.h>

#include "cli/fail.h"
#include "cli/parse.h"
#include "cli/progress.h"
#include "cli/settings.h"
#include "cli/shared.h"
#include "cli/signals.h"
#include "cli/train_samples.h"

enum { PATH_BYTES = 4096 };

typedef struct train_args {
    const char *config;
    const char *data;
    const char *task;
    const char *out;
    int64_t steps;
    int64_t seed;
    int64_t threads;
    bool resume;
    bool force;
    mcvdi_arg_list sets;
} train_args;

static const mcvdi_arg args[] = {
    { .name = "--config",
      .type = MCVDI_ARG_TEXT,
      .value = "FILE",
      .help = "configuration in JSON; default: the recipe of the shipped model",
      .offset = offsetof(train_args, config) },
    { .name = "--data",
      .type = MCVDI_ARG_TEXT,
      .value = "PATH",
      .help = "a video, a folder of videos or image folders, or a folder with the MNIST files; "
              "default: moving digits",
      .offset = offsetof(train_args, data) },
    { .name = "--task",
      .type = MCVDI_ARG_TEXT,
      .value = "WORDS",
      .help = "predict, predict-past, interp, generate, joined by +: sets the masks",
      .offset = offsetof(train_args, task) },
    { .name = "--out",
      .short_name = "-o",
      .type = MCVDI_ARG_TEXT,
      .value = "DIR",
      .help = "run folder; default: runs/ and the name of the configuration and task",
      .offset = offsetof(train_args, out) },
    { .name = "--steps",
      .type = MCVDI_ARG_INT,
      .value = "N",
      .min = 1,
      .max = 1e12,
      .help = "optimizer steps in all (training.n_iters)",
      .offset = offsetof(train_args, steps) },
    { .name = "--seed",
      .type = MCVDI_ARG_INT,
      .value = "S",
      .min = 0,
      .max = 9007199254740991.0,
      .help = "start of every random stream (training.seed)",
      .offset = offsetof(train_args, seed) },
    { .name = "--threads",
      .type = MCVDI_ARG_INT,
      .value = "N",
      .min = 1,
      .max = 1024,
      .help = "threads for computing; default: all",
      .offset = offsetof(train_args, threads) },
    { .name = "--resume",
      .type = MCVDI_ARG_FLAG,
      .help = "continue the run in --out from its newest checkpoint, bit for bit",
      .offset = offsetof(train_args, resume) },
    { .name = "--force",
      .type = MCVDI_ARG_FLAG,
      .help = "start anew in a folder that holds a run: its checkpoints are deleted",
      .offset = offsetof(train_args, force) },
    { .name = "--set",
      .type = MCVDI_ARG_LIST,
      .value = "KEY=VALUE",
      .help = "change one key",
      .offset = offsetof(train_args, sets) },
};

static const mcvdi_arg_table table = {
    "train",
    "Train a model. Without any option: the shipped recipe on moving digits.\n"
    "The run folder holds config.json, journal.jsonl (a line per step), checkpoints/, samples/\n"
    "(true frames above those of the model every training.sample_freq steps)\n"
    "and model.safetensors (the averaged weights), which `mcvd rollout --model` takes.\n"
    "Ctrl-C stops after a checkpoint; --resume continues.",
    args,
    sizeof args / sizeof args[0],
    "  mcvd train --task predict+interp\n"
    "  mcvd train --config configs/smmnist_DDPM_big5.json --task predict --out runs/big5\n"
    "  mcvd train --data street.avi --task predict --steps 300 --set data.test_fraction=0.2\n"
    "  mcvd train --resume --out runs/big5",
};

/* What the callbacks need. */
typedef struct train_view {
    mcvdi_progress progress;
    const mcvd_train_run_config *run;
    char folder[PATH_BYTES];
    double validation; /* newest, per element; 0 before the first */
} train_view;

/* --- callbacks --- */

static void on_start(void *user, uint64_t first_step, const char *data)
{
    train_view *v = user;
    const mcvd_config *c = &v->run->config;

    fprintf(stderr, "training on %s\n", data);
    fprintf(stderr,
            "run folder %s, task %s, past|current|future %" PRId64 "|%" PRId64 "|%" PRId64
            " frames of %" PRId64 " x %" PRId64 " x %" PRId64 ", batch %" PRId64 ", steps %" PRIu64
            "..%" PRId64 "\n",
            v->folder, c->training.task[0] ? c->training.task : "by masks", c->data.num_frames_cond,
            c->data.num_frames, c->data.num_frames_future, c->data.image_size, c->data.image_size,
            c->data.channels, c->training.batch_size, first_step, c->training.n_iters);
    v->progress = (mcvdi_progress) { .label = "training",
                                     .unit = "steps",
                                     .total = c->training.n_iters,
                                     .first = (int64_t)first_step };
    mcvdi_progress_start(&v->progress);
}

static int on_step(void *user, const mcvd_step_report *report, double samples_per_s)
{
    train_view *v = user;
    char note[128];
    int n = snprintf(note, sizeof note, "loss %.4f  %.1f samples/s", report->loss_per_element,
                     samples_per_s);

    if (v->validation > 0.0 && n > 0 && (size_t)n < sizeof note)
        snprintf(note + n, sizeof note - (size_t)n, "  validation %.4f", v->validation);
    mcvdi_progress_update(&v->progress, (int64_t)report->step, note);
    return *mcvdi_signals_flag() != 0;
}

static void on_validate(void *user, uint64_t step, double loss)
{
    (void)step;
    ((train_view *)user)->validation = loss;
}

/* A picture that fails does not end a training: it says why and goes on. */
static mcvd_status on_sample(void *user, uint64_t step, mcvd_network *network,
                             const mcvd_batch *batch)
{
    const train_view *v = user;
    const mcvd_status st =
        mcvdi_train_samples_write(v->folder, step, network, &v->run->config, batch);

    if (st < 0 && st != MCVD_E_INTERRUPTED) {
        mcvdi_progress_wipe();
        fprintf(stderr, "mcvd: warning: no sample picture of step %" PRIu64 ": %s\n", step,
                mcvdi_cli_message());
    }
    return MCVD_OK; /* a signal is seen again after the next step, which writes a checkpoint */
}

/* --- setting up --- */

/* The folder's own configuration when resuming, else the named one or the shipped recipe. */
static mcvd_status find_config(const train_args *a, const char *folder, char *path, size_t bytes)
{
    if (a->resume && !a->config) {
        const int n = snprintf(path, bytes, "%s/config.json", folder);
        if (n < 0 || (size_t)n >= bytes || access(path, R_OK) != 0)
            return mcvdi_cli_fail(MCVD_E_INPUT, "--resume: %s holds no run (no config.json)",
                                  folder);
        return MCVD_OK;
    }
    if (a->config) {
        snprintf(path, bytes, "%s", a->config);
        return MCVD_OK;
    }
    return mcvdi_shared_path(path, bytes, "configs/mnist_general.json");
}

/* runs/<configuration>-<task> */
static void name_folder(const train_args *a, char *folder, size_t bytes)
{
    const char *file = a->config ? a->config : "mnist_general.json";
    const char *base = strrchr(file, '/') ? strrchr(file, '/') + 1 : file;
    const char *dot = strrchr(base, '.');
    const int length = dot && dot != base ? (int)(dot - base) : (int)strlen(base);

    if (a->out)
        snprintf(folder, bytes, "%s", a->out);
    else
        snprintf(folder, bytes, "runs/%.*s%s%s", length, base, a->task ? "-" : "",
                 a->task ? a->task : "");
}

static mcvd_status set_up(const train_args *a, train_view *v, mcvd_train_run_config *run)
{
    char config[PATH_BYTES];

    name_folder(a, v->folder, sizeof v->folder);
    mcvd_status st = find_config(a, v->folder, config, sizeof config);
    if (st >= 0)
        st = mcvdi_settings_load(&run->config, config, &a->sets, a->task);
    if (st < 0)
        return st;
    if (a->steps)
        run->config.training.n_iters = a->steps;
    if (a->seed >= 0)
        run->config.training.seed = a->seed;
    if (a->threads)
        mcvd_set_threads((int)a->threads);
    run->data_path = a->data;
    run->num_digit_folders = mcvdi_digit_folders(&run->digit_folders);
    run->folder = v->folder;
    run->resume = a->resume;
    run->force = a->force;
    run->user = v;
    run->on_start = on_start;
    run->on_step = on_step;
    run->on_validate = on_validate;
    run->on_sample = on_sample;
    v->run = run;
    return mcvd_config_check(&run->config);
}

mcvd_status mcvdi_cmd_train(int argc, char **argv)
{
    train_args a = { .seed = -1 };
    static train_view v;
    mcvd_train_run_config run = mcvd_train_run_config_default();
    mcvd_status st = mcvdi_args_parse(&table, argc, argv, &a);

    if (st != MCVD_OK)
        return st;
    if (a.resume && a.force)
        return mcvdi_cli_fail(MCVD_E_USAGE, "--resume and --force exclude each other");
    st = set_up(&a, &v, &run);
    if (st < 0)
        return st;
    mcvdi_signals_install();
    st = mcvd_train_run(&run);
    if (v.progress.total)
        mcvdi_progress_end(&v.progress, NULL);
    if (st >= 0)
        printf("{\"folder\":\"%s\",\"model\":\"%s/model.safetensors\",\"steps\":%" PRId64 "}\n",
               v.folder, v.folder, run.config.training.n_iters);
    else if (st == MCVD_E_INTERRUPTED)
        fprintf(stderr, "continue with: mcvd train --resume --out %s\n", v.folder);
    return st;
}
