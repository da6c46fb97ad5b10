#include "cli/cmd.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <mcvd/threads.h>
#include <mcvd/trainer.h>

#include "cli/fail.h"
#include "cli/json_text.h"
#include "cli/parse.h"
#include "cli/path.h"
#include "cli/printable.h"
#include "cli/progress.h"
#include "cli/settings.h"
#include "cli/shared.h"
#include "cli/signals.h"
#include "cli/train_folder.h"
#include "cli/train_samples.h"

enum { PATH_BYTES = 4096, LINE_BYTES = 2 * PATH_BYTES };

static const double nobody_chose = -1.0; /* data.test_fraction before anybody has */

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
      .help = "configuration in JSON or YAML; default: the recipe of the shipped model",
      .offset = offsetof(train_args, config) },
    { .name = "--data",
      .type = MCVDI_ARG_TEXT,
      .value = "PATH",
      .help = "a video, a folder of videos or image folders, or a folder with the MNIST files; "
              "default: moving digits, or the data of the run that is resumed",
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
      .help = "run folder; default: runs/ and the name of the configuration and task; --resume "
              "finds the only run of that configuration",
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
    MCVDI_ARG_THREADS(train_args),
    { .name = "--resume",
      .type = MCVDI_ARG_FLAG,
      .help = "continue the run in --out from its newest checkpoint, bit for bit, with its own "
              "configuration and data",
      .offset = offsetof(train_args, resume) },
    { .name = "--force",
      .type = MCVDI_ARG_FLAG,
      .help = "start anew in a folder that holds a run: its checkpoints are deleted",
      .offset = offsetof(train_args, force) },
    MCVDI_ARG_SET(train_args, "change one key"),
};

static const mcvdi_arg_table table = {
    "train",
    "Train a model. Without any option: the shipped recipe on moving digits.\n"
    "Videos hold out their last fifth for testing unless data.test_fraction says otherwise.\n"
    "The run folder holds config.json, run.json (the data), journal.jsonl (a line per step),\n"
    "checkpoints/, samples/\n"
    "(true frames above those of the model every training.sample_freq steps)\n"
    "and model.safetensors (the averaged weights), which `mcvd rollout --model` takes.\n"
    "Ctrl-C stops after a checkpoint; --resume continues.",
    args,
    sizeof args / sizeof args[0],
    "  mcvd train --task predict+interp\n"
    "  mcvd train --config configs/smmnist_DDPM_big5.json --task predict --out runs/big5\n"
    "  mcvd train --data street.avi --task predict --steps 300\n"
    "  mcvd train --resume --out runs/big5",
};

/* What the callbacks need. */
typedef struct train_view {
    mcvdi_progress progress;
    const mcvd_train_run_config *run;
    char folder[PATH_BYTES];
    char model[PATH_BYTES];
    uint64_t steps;    /* done, in all */
    double validation; /* newest, per element; 0 before the first */
} train_view;

/* A line to stderr; what names of files hold must not reach a terminal as control sequences. */
__attribute__((format(printf, 1, 2))) static void print_line(const char *format, ...)
{
    char line[LINE_BYTES];
    va_list values;

    va_start(values, format);
    vsnprintf(line, sizeof line, format, values);
    va_end(values);
    mcvdi_printable(line);
    mcvdi_progress_wipe();
    fprintf(stderr, "%s\n", line);
}

/* --- callbacks --- */

static void on_start(void *user, uint64_t first_step, const char *data)
{
    train_view *v = user;
    const mcvd_config *c = &v->run->config;

    print_line("training on %s", data);
    print_line("run folder %s, task %s, past|current|future %" PRId64 "|%" PRId64 "|%" PRId64
               " frames of %" PRId64 " x %" PRId64 " x %" PRId64 ", batch %" PRId64
               ", steps %" PRIu64 "..%" PRId64,
               v->folder, c->training.task[0] ? c->training.task : "by masks",
               c->data.num_frames_cond, c->data.num_frames, c->data.num_frames_future,
               c->data.image_size, c->data.image_size, c->data.channels, c->training.batch_size,
               first_step, c->training.n_iters);
    v->progress = (mcvdi_progress) { .label = "training",
                                     .unit = "steps",
                                     .total = c->training.n_iters,
                                     .first = (int64_t)first_step,
                                     .plain_every = c->training.log_freq };
    v->steps = first_step;
    mcvdi_progress_start(&v->progress);
}

static int on_step(void *user, const mcvd_step_report *report, double samples_per_s)
{
    train_view *v = user;
    char note[128];

    v->steps = report->step;
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
        print_line("mcvd: warning: no sample picture of step %" PRIu64 ": %s", step,
                   mcvdi_cli_message());
    }
    return MCVD_OK; /* a signal is seen again after the next step, which writes a checkpoint */
}

/* --- setting up --- */

/* The folder's own configuration when resuming, else the named one or the shipped recipe. */
static mcvd_status find_config(const train_args *a, const char *folder, char *path, size_t bytes)
{
    if (a->config)
        return mcvdi_path(path, bytes, "%s", a->config);
    if (!a->resume)
        return mcvdi_shared_path(path, bytes, "configs/mnist_general.json");
    const mcvd_status st = mcvdi_path(path, bytes, "%s/config.json", folder);
    if (st >= 0 && access(path, R_OK) != 0)
        return mcvdi_cli_fail(MCVD_E_INPUT, "--resume: %s holds no run (no config.json)", folder);
    return st;
}

/* The file, --set and --task, then the options with names of their own. */
static mcvd_status load_config(const train_args *a, mcvd_train_run_config *run, const char *file)
{
    mcvd_config *c = &run->config;

    c->data.test_fraction = nobody_chose;
    if (a->resume && !a->config)
        c->model.ema_warmup = false; /* a run from before this key was there */
    mcvd_status st = mcvd_config_read(c, file);
    if (st >= 0)
        st = mcvdi_settings_apply(c, &a->sets, a->task);
    if (st < 0)
        return st;
    if (c->data.test_fraction < 0.0) {
        c->data.test_fraction = 0.0;
        run->default_test_fraction = true;
    }
    if (a->steps)
        c->training.n_iters = a->steps;
    if (a->seed >= 0)
        c->training.seed = a->seed;
    return mcvd_config_check(c);
}

static mcvd_status set_up(const train_args *a, train_view *v, mcvd_train_run_config *run)
{
    const mcvdi_train_folder_wish wish = { a->out, a->config, a->task, a->resume };
    char config[PATH_BYTES];
    mcvd_status st = mcvdi_train_folder(v->folder, sizeof v->folder, &wish);

    if (st >= 0)
        st = mcvdi_path(v->model, sizeof v->model, "%s/model.safetensors", v->folder);
    if (st >= 0)
        st = find_config(a, v->folder, config, sizeof config);
    if (st >= 0)
        st = load_config(a, run, config);
    if (st < 0)
        return st;
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
    return MCVD_OK;
}

static void print_result(const train_view *v)
{
    fputs("{\"folder\":", stdout);
    mcvdi_json_string(stdout, v->folder);
    fputs(",\"model\":", stdout);
    mcvdi_json_string(stdout, v->model);
    printf(",\"steps\":%" PRIu64 "}\n", v->steps);
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
        print_result(&v);
    else if (st == MCVD_E_INTERRUPTED)
        print_line("continue with: mcvd train --resume --out %s", v.folder);
    return st;
}
