#include "cli/cmd.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <mcvd/distill.h>
#include <mcvd/threads.h>

#include "cli/distill_score.h"
#include "cli/fail.h"
#include "cli/json_text.h"
#include "cli/parse.h"
#include "cli/path.h"
#include "cli/progress.h"
#include "cli/settings.h"
#include "cli/shared.h"
#include "cli/signals.h"

enum { PATH_BYTES = 4096 };

typedef struct distill_args {
    const char *model;
    int64_t steps;
    int64_t from;
    int64_t iters;
    int64_t windows;
    const char *data;
    const char *out;
    int64_t seed;
    int64_t threads;
    bool resume;
    bool force;
    mcvdi_arg_list sets;
} distill_args;

static const mcvdi_arg args[] = {
    MCVDI_ARG_MODEL(distill_args),
    { .name = "--steps",
      .type = MCVDI_ARG_INT,
      .value = "N",
      .min = 1,
      .max = 65536,
      .help = "denoising steps of the last student; needed unless --resume",
      .offset = offsetof(distill_args, steps) },
    { .name = "--from",
      .type = MCVDI_ARG_INT,
      .value = "M",
      .min = 2,
      .max = 65536,
      .help = "steps of the model to begin with: N times a power of two; default: the first of "
              "these from sampling.subsample of the model on",
      .offset = offsetof(distill_args, from) },
    { .name = "--iters",
      .type = MCVDI_ARG_INT,
      .value = "N",
      .min = 1,
      .max = 1e12,
      .help = "optimizer steps of each round (training.n_iters); default: 1000",
      .offset = offsetof(distill_args, iters) },
    { .name = "--windows",
      .type = MCVDI_ARG_INT,
      .value = "N",
      .min = 1,
      .max = 65536,
      .help = "held-out windows that a stage is measured on; default: 64",
      .offset = offsetof(distill_args, windows) },
    { .name = "--data",
      .type = MCVDI_ARG_TEXT,
      .value = "PATH",
      .help = "as for train; default: moving digits, or the data of the run that is resumed",
      .offset = offsetof(distill_args, data) },
    { .name = "--out",
      .short_name = "-o",
      .type = MCVDI_ARG_TEXT,
      .value = "DIR",
      .help = "run folder; default: runs/distill-, the name of the model and the steps",
      .offset = offsetof(distill_args, out) },
    { .name = "--seed",
      .type = MCVDI_ARG_INT,
      .value = "S",
      .min = 0,
      .max = 9007199254740991.0,
      .help = "start of every random stream (training.seed)",
      .offset = offsetof(distill_args, seed) },
    MCVDI_ARG_THREADS(distill_args),
    { .name = "--resume",
      .type = MCVDI_ARG_FLAG,
      .help = "continue the run in --out from its newest checkpoint, bit for bit",
      .offset = offsetof(distill_args, resume) },
    { .name = "--force",
      .type = MCVDI_ARG_FLAG,
      .help = "start anew in a folder that holds a run: its checkpoints are deleted",
      .offset = offsetof(distill_args, force) },
    MCVDI_ARG_SET(distill_args, "change a key of training, optim, data, or model.ema*, "
                                "model.dropout"),
};

static const mcvdi_arg_table table = {
    "distill",
    "Teach a model to sample in fewer steps, by progressive distillation: in each round a student\n"
    "learns to do in one step of ddim what its teacher does in two, then becomes the teacher.\n"
    "A model that predicts noise first learns v in a round of its own, with as many steps.\n"
    "The run folder is like that of train, and holds besides teacher.safetensors (the model to\n"
    "begin with), stage-N-steps.safetensors (the students) and distill.json (what each is worth\n"
    "on held-out windows). model.safetensors is the newest student; `mcvd rollout --model` "
    "samples\n"
    "it with the steps that it was trained for.\n"
    "Ctrl-C stops after a checkpoint; --resume continues.",
    args,
    sizeof args / sizeof args[0],
    "  mcvd distill --steps 2 --from 8 --iters 2000\n"
    "  mcvd distill --model runs/big5 --steps 8 --from 64 --out runs/big5-8\n"
    "  mcvd distill --resume --out runs/big5-8",
};

/* What the callbacks need. */
typedef struct distill_view {
    mcvdi_progress progress;
    const mcvd_train_run_config *run;
    const mcvd_distill_report *report;
    char folder[PATH_BYTES];
    char model[PATH_BYTES];
} distill_view;

/* --- callbacks --- */

static void on_start(void *user, uint64_t first_step, const char *data)
{
    distill_view *v = user;

    mcvdi_progress_wipe();
    fprintf(stderr, "distilling on %s, %" PRId64 " steps a round\nrun folder %s\n", data,
            v->run->config.training.n_iters, v->folder);
    v->progress = (mcvdi_progress) { .label = "distilling",
                                     .unit = "steps",
                                     .total = v->report->rounds * v->run->config.training.n_iters,
                                     .first = (int64_t)first_step,
                                     .plain_every = v->run->config.training.log_freq };
    mcvdi_progress_start(&v->progress);
}

static int on_step(void *user, const mcvd_step_report *report, double samples_per_s)
{
    distill_view *v = user;
    char note[128];

    snprintf(note, sizeof note, "round %d  loss %.3g  %.1f samples/s", report->round,
             report->loss_per_element, samples_per_s);
    mcvdi_progress_update(&v->progress, (int64_t)report->step, note);
    return *mcvdi_signals_flag() != 0;
}

static int on_call(void *user)
{
    (void)user;
    return *mcvdi_signals_flag() != 0;
}

static mcvd_status score(void *user, const mcvd_distill_samples *samples,
                         mcvd_distill_quality *quality)
{
    (void)user;
    return mcvdi_distill_score(samples, quality);
}

static void on_stage(void *user, const mcvd_distill_stage *stage)
{
    const mcvd_distill_quality *q = &stage->quality;

    (void)user;
    mcvdi_progress_wipe();
    fprintf(stderr,
            "round %d: %d steps for %d, PSNR %.3f against %.3f of the teacher, %.3f between the "
            "two\n",
            stage->round, stage->steps, stage->teacher_steps, q->student.psnr, q->teacher.psnr,
            q->psnr_to_teacher);
}

/* --- setting up --- */

/* What the student is follows from the teacher. */
static mcvd_status check_sets(const mcvdi_arg_list *sets)
{
    static const char *const allowed[] = { "training.", "optim.", "data.", "model.ema",
                                           "model.dropout=" };

    for (int i = 0; i < sets->count; i++) {
        bool good = false;
        for (size_t k = 0; k < sizeof allowed / sizeof *allowed; k++)
            good |= strncmp(sets->values[i], allowed[k], strlen(allowed[k])) == 0;
        if (!good)
            return mcvdi_cli_fail(MCVD_E_USAGE,
                                  "--set %s: expected a key of training, optim, data, or "
                                  "model.ema*, model.dropout; the rest follows from the teacher",
                                  sets->values[i]);
    }
    return MCVD_OK;
}

/* The teacher's file, and the configuration of its student. */
static mcvd_status begin_with(const distill_args *a, char *path, size_t bytes, mcvd_config *config)
{
    mcvd_model *model = NULL;
    mcvd_status st = mcvdi_model_path(path, bytes, a->model);

    if (st >= 0)
        st = mcvd_model_load(&model, path, NULL);
    if (st >= 0)
        st = mcvd_distill_student(config, mcvd_model_get_config(model), a->iters);
    mcvd_model_free(&model);
    return st;
}

static mcvd_status recall_config(const distill_view *v, mcvd_config *config)
{
    char path[PATH_BYTES];
    const mcvd_status st = mcvdi_path(path, sizeof path, "%s/config.json", v->folder);

    if (st >= 0 && access(path, R_OK) != 0)
        return mcvdi_cli_fail(MCVD_E_INPUT, "--resume: %s holds no run (no config.json)",
                              v->folder);
    return st < 0 ? st : mcvd_config_read(config, path);
}

/* runs/distill-BASE-STEPS, BASE being the model's name, or that of its folder. */
static mcvd_status choose_folder(distill_view *v, const distill_args *a, const char *model)
{
    char base[256];
    size_t length = strlen(model);

    if (a->out)
        return mcvdi_path(v->folder, sizeof v->folder, "%s", a->out);
    if (a->resume)
        return mcvdi_cli_fail(MCVD_E_USAGE, "--resume: name the run with --out");
    while (length > 1 && model[length - 1] == '/')
        length--;
    size_t start = length;
    while (start > 0 && model[start - 1] != '/')
        start--;
    snprintf(base, sizeof base, "%.*s", (int)(length - start), model + start);
    char *dot = strrchr(base, '.');
    if (dot && dot != base)
        *dot = '\0';
    return mcvdi_path(v->folder, sizeof v->folder, "runs/distill-%s-%" PRId64, base, a->steps);
}

static mcvd_status apply(const distill_args *a, mcvd_config *config)
{
    mcvd_status st = check_sets(&a->sets);

    if (st >= 0)
        st = mcvdi_settings_apply(config, &a->sets, NULL);
    if (st < 0)
        return st;
    if (a->iters)
        config->training.n_iters = a->iters;
    if (a->seed >= 0)
        config->training.seed = a->seed;
    return mcvd_config_check(config);
}

static mcvd_status set_up(const distill_args *a, distill_view *v, mcvd_distill_config *dc)
{
    mcvd_train_run_config *run = &dc->run;
    mcvd_status st = MCVD_OK;

    if (!a->resume)
        st = begin_with(a, v->model, sizeof v->model, &run->config);
    if (st >= 0)
        st = choose_folder(v, a, v->model);
    if (st >= 0 && a->resume)
        st = recall_config(v, &run->config);
    if (st >= 0)
        st = apply(a, &run->config);
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
    v->run = run;
    dc->model = a->resume ? NULL : v->model;
    dc->steps = (int)a->steps;
    dc->from = (int)a->from;
    dc->windows = (size_t)a->windows;
    dc->score = score;
    dc->on_stage = on_stage;
    dc->on_call = on_call;
    return MCVD_OK;
}

static void print_result(const distill_view *v, const mcvd_distill_report *report)
{
    fputs("{\"folder\":", stdout);
    mcvdi_json_string(stdout, v->folder);
    printf(",\"from\":%d,\"steps\":%d,\"stages\":", report->from, report->to);
    mcvdi_distill_json(stdout, report);
    puts("}");
}

mcvd_status mcvdi_cmd_distill(int argc, char **argv)
{
    distill_args a = { .seed = -1 };
    static distill_view v;
    static mcvd_distill_report report;
    mcvd_distill_config dc = { .run = mcvd_train_run_config_default() };
    mcvd_status st = mcvdi_args_parse(&table, argc, argv, &a);

    if (st != MCVD_OK)
        return st;
    if (a.resume && a.force)
        return mcvdi_cli_fail(MCVD_E_USAGE, "--resume and --force exclude each other");
    if (a.resume && a.model)
        return mcvdi_cli_fail(MCVD_E_USAGE, "--resume goes on with the teacher in its folder, "
                                            "--model names another one");
    if (!a.resume && !a.steps)
        return mcvdi_cli_fail(MCVD_E_USAGE, "--steps is needed: how many steps in the end");
    v.report = &report;
    st = set_up(&a, &v, &dc);
    if (st < 0)
        return st;
    mcvdi_signals_install();
    st = mcvd_distill_run(&dc, &report);
    if (v.progress.total)
        mcvdi_progress_end(&v.progress, NULL);
    if (st >= 0 || st == MCVD_E_INTERRUPTED)
        mcvdi_distill_table(stderr, &report);
    if (st >= 0)
        print_result(&v, &report);
    else if (st == MCVD_E_INTERRUPTED)
        fprintf(stderr, "continue with: mcvd distill --resume --out %s\n", v.folder);
    return st;
}
