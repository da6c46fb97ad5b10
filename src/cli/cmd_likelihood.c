#include "cli/cmd.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <mcvd/threads.h>

#include "cli/fail.h"
#include "cli/json_text.h"
#include "cli/likelihood_job.h"
#include "cli/parse.h"
#include "cli/path.h"
#include "cli/progress.h"
#include "cli/settings.h"
#include "cli/shared.h"
#include "cli/signals.h"

enum { PATH_BYTES = 4096, NOTE_BYTES = 160, DEFAULT_TERMS = 100 };

typedef struct likelihood_args {
    mcvdi_arg_list videos;
    const char *model;
    const char *config_file;
    const char *task;
    const char *method;
    int64_t terms;
    int64_t samples;
    int64_t probes;
    int64_t steps;
    double tolerance;
    int64_t frames;
    int64_t seed;
    int64_t threads;
    bool gaussian;
    bool clip;
    bool json;
    mcvdi_arg_list sets;
} likelihood_args;

static const mcvdi_arg args[] = {
    { .name = "VIDEO",
      .type = MCVDI_ARG_LIST,
      .required = true,
      .help = "videos, folders of pictures, or - for y4m on stdin",
      .offset = offsetof(likelihood_args, videos) },
    MCVDI_ARG_MODEL(likelihood_args),
    MCVDI_ARG_CONFIG(likelihood_args),
    { .name = "--task",
      .type = MCVDI_ARG_CHOICE,
      .value = "TASK",
      .choices = "predict|predict-past|interp|generate",
      .fallback = "predict",
      .help = "which true frames every block is given: those before it, those after it, both, or "
              "none for the first and those before it for the others",
      .offset = offsetof(likelihood_args, task) },
    { .name = "--method",
      .type = MCVDI_ARG_CHOICE,
      .value = "WORD",
      .choices = "vlb|ode|both",
      .fallback = "both",
      .help = "vlb: the variational bound, term by term; ode: the density by the probability flow, "
              "some hundred vector-Jacobian products a block",
      .offset = offsetof(likelihood_args, method) },
    { .name = "--terms",
      .type = MCVDI_ARG_INT,
      .value = "N",
      .min = 0,
      .max = 100000,
      .help = "vlb: compute N of the T - 1 inner terms, one drawn from each of N pieces: right on "
              "average; 0: all; default: 100",
      .offset = offsetof(likelihood_args, terms) },
    { .name = "--clip",
      .type = MCVDI_ARG_FLAG,
      .help = "vlb: cut the estimates of the clean frames to [-1, 1], as samplers do; needed for "
              "cosine schedules, whose first step no network's noise is exact enough for",
      .offset = offsetof(likelihood_args, clip) },
    { .name = "--samples",
      .type = MCVDI_ARG_INT,
      .value = "K",
      .min = 1,
      .max = 4096,
      .fallback = "1",
      .help = "vlb: draws of noise and terms; ode: draws of dequantisation and probes; from 2 on "
              "with a standard error",
      .offset = offsetof(likelihood_args, samples) },
    { .name = "--probes",
      .type = MCVDI_ARG_INT,
      .value = "K",
      .min = 1,
      .max = 4096,
      .fallback = "1",
      .help = "ode: vectors per dequantisation draw that estimate the trace",
      .offset = offsetof(likelihood_args, probes) },
    { .name = "--gaussian",
      .type = MCVDI_ARG_FLAG,
      .help = "ode: normal probes instead of Rademacher's +-1",
      .offset = offsetof(likelihood_args, gaussian) },
    { .name = "--tolerance",
      .type = MCVDI_ARG_REAL,
      .value = "T",
      .min = 1e-9,
      .max = 0.1,
      .help = "ode: relative and absolute tolerance of the Dormand-Prince 5(4) solver; default: "
              "1e-5",
      .offset = offsetof(likelihood_args, tolerance) },
    { .name = "--steps",
      .type = MCVDI_ARG_INT,
      .value = "N",
      .min = 1,
      .max = 1000000,
      .help = "ode: N steps of Heun's method instead, equal in log sigma",
      .offset = offsetof(likelihood_args, steps) },
    { .name = "--frames",
      .type = MCVDI_ARG_INT,
      .value = "N",
      .min = 1,
      .max = 300000,
      .help = "score at most N frames of a video, in whole blocks; default: all",
      .offset = offsetof(likelihood_args, frames) },
    MCVDI_ARG_SEED(likelihood_args, "same seed, same numbers"),
    { .name = "--json",
      .type = MCVDI_ARG_FLAG,
      .help = "one JSON object",
      .offset = offsetof(likelihood_args, json) },
    MCVDI_ARG_THREADS(likelihood_args),
    MCVDI_ARG_SET(likelihood_args, "change data.resize or data.frame_step"),
};

static const mcvdi_arg_table table = {
    "likelihood",
    "How likely a model finds the frames of a video, in bits per dimension (a dimension is one\n"
    "value of one pixel; less is better). Every block of the model's length is given true frames;\n"
    "frames that do not fill a block are left out.",
    args,
    sizeof args / sizeof args[0],
    "  mcvd likelihood clip.mp4\n"
    "  mcvd likelihood clip.mp4 --method vlb --terms 0 --samples 4\n"
    "  mcvd likelihood test/*.mp4 --method ode --probes 4 --frames 5 --json",
};

typedef struct likelihood_run {
    likelihood_args a;
    mcvd_model *model;
    mcvd_config config; /* the model's, with --set */
    mcvd_model_likelihood_config likelihood_config;
    likelihood_job job;
    mcvdi_progress progress;
    int64_t calls;
    int num_scored;    /* videos */
    const char *video; /* at work */
    char model_path[PATH_BYTES];
} likelihood_run;

/* --- settings --- */

static mcvd_status load_model(likelihood_run *r)
{
    static const char *const keys[] = { "data.resize=", "data.frame_step=" };
    mcvd_status st = mcvdi_model_path(r->model_path, sizeof r->model_path, r->a.model);

    if (st >= 0)
        st = mcvdi_model_load(&r->model, r->model_path, r->a.config_file);
    if (st < 0)
        return st;
    r->config = *mcvd_model_get_config(r->model);
    for (int i = 0; i < r->a.sets.count; i++)
        if (strncmp(r->a.sets.values[i], keys[0], strlen(keys[0])) != 0 &&
            strncmp(r->a.sets.values[i], keys[1], strlen(keys[1])) != 0)
            return mcvdi_cli_fail(MCVD_E_USAGE,
                                  "--set %s: likelihood can set data.resize and data.frame_step; "
                                  "the rest belongs to the model",
                                  r->a.sets.values[i]);
    return mcvdi_settings_apply(&r->config, &r->a.sets, NULL);
}

static bool is(const char *text, const char *word)
{
    return strcmp(text, word) == 0;
}

static mcvd_status check_usage(const likelihood_run *r)
{
    if (r->a.steps && r->a.tolerance > 0.0)
        return mcvdi_cli_fail(MCVD_E_USAGE, "--steps and --tolerance: Heun's steps are fixed, "
                                            "Dormand-Prince's follow the tolerance; give one");
    if (is(r->a.method, "vlb") && (r->a.steps || r->a.tolerance > 0.0))
        return mcvdi_cli_fail(MCVD_E_USAGE, "--%s belongs to --method ode",
                              r->a.steps ? "steps" : "tolerance");
    int pipes = 0;
    for (int i = 0; i < r->a.videos.count; i++)
        pipes += is(r->a.videos.values[i], "-");
    if (pipes > 1)
        return mcvdi_cli_fail(MCVD_E_USAGE, "VIDEO -: stdin can be read once");
    return MCVD_OK;
}

static mcvd_status check_task(likelihood_run *r)
{
    const int64_t inner = r->config.model.num_classes - 1;
    const mcvd_task task = r->job.task;
    const char *impossible = mcvd_task_impossible(&r->config, task);

    if (impossible)
        return mcvdi_cli_fail(MCVD_E_USAGE, "task %s: %s", mcvd_task_word(task), impossible);
    if (r->a.frames && r->a.frames < r->config.data.num_frames)
        return mcvdi_cli_fail(MCVD_E_USAGE,
                              "--frames %" PRId64 ": a block of this model has %" PRId64 " frames",
                              r->a.frames, r->config.data.num_frames);
    if (r->a.terms < 0)
        r->a.terms = inner < DEFAULT_TERMS ? inner : DEFAULT_TERMS;
    if (r->a.terms > inner)
        return mcvdi_cli_fail(MCVD_E_USAGE,
                              "--terms %" PRId64 ": the bound of this model has %" PRId64
                              " inner terms (0: all)",
                              r->a.terms, inner);
    const char *untrained = mcvd_task_untrained(&r->config, task);
    if (!untrained)
        untrained = mcvd_task_untrained_chain(&r->config, task);
    if (untrained)
        mcvdi_cli_warn("%s was not trained for %s: %s", r->model_path, r->a.task, untrained);
    return MCVD_OK;
}

static int on_call(void *user)
{
    likelihood_run *r = user;
    char note[NOTE_BYTES];

    snprintf(note, sizeof note, "block %zu of %.100s", r->job.video.num_blocks + 1, r->video);
    mcvdi_progress_update(&r->progress, ++r->calls, note);
    return *mcvdi_signals_flag() != 0;
}

static mcvd_status make_job(likelihood_run *r)
{
    mcvd_model_likelihood_config *c = &r->likelihood_config;

    *c = mcvd_model_likelihood_config_default();
    c->bound = !is(r->a.method, "ode");
    c->flow = !is(r->a.method, "vlb");
    c->num_terms = (int)r->a.terms;
    c->clip = r->a.clip;
    c->samples = (size_t)r->a.samples;
    c->probes = (size_t)r->a.probes;
    c->gaussian_probes = r->a.gaussian;
    c->seed = (uint64_t)r->a.seed;
    if (r->a.steps) {
        c->solver = MCVD_ODE_HEUN;
        c->num_steps = (int)r->a.steps;
    } else if (r->a.tolerance > 0.0) {
        c->tolerance = r->a.tolerance;
    }
    c->progress = on_call;
    c->progress_user = r;
    const mcvd_status st = mcvd_model_likelihood_create(&r->job.likelihood, r->model, c);
    r->job.model = &r->config;
    r->job.config = c;
    r->job.frames = r->a.frames;
    return st < 0 ? st : likelihood_job_create(&r->job);
}

/* --- text --- */

static void print_error(double error)
{
    if (isfinite(error))
        printf(" +- %.2g", error);
}

static void print_line(const likelihood_run *r, const char *name, const likelihood_sum *sum)
{
    const double n = (double)sum->num_blocks;
    const mcvd_block_likelihood *b = &sum->of_blocks;
    const size_t frames = sum->num_blocks * (size_t)r->config.data.num_frames;

    printf("%s: %zu frames in %zu block%s:", name, frames, sum->num_blocks,
           sum->num_blocks == 1 ? "" : "s");
    if (r->likelihood_config.bound) {
        printf(" vlb %.5f", b->bound / n);
        print_error(likelihood_bound_error(&r->job, sum));
        printf(" (prior %.5f, terms %.5f, reconstruction %.5f)", b->prior / n, b->terms / n,
               b->reconstruction / n);
    }
    if (r->likelihood_config.flow) {
        printf("%s ode %.5f", r->likelihood_config.bound ? "," : "", b->flow / n);
        print_error(likelihood_flow_error(&r->job, sum));
    }
    puts(" bits/dim");
}

static void given_frames(const likelihood_run *r, char *text, size_t bytes)
{
    const int64_t past = r->config.data.num_frames_cond;
    const int64_t future = r->config.data.num_frames_future;

    if (past + future == 0)
        snprintf(text, bytes, "given nothing");
    else if (r->job.task == MCVD_TASK_PREDICT)
        snprintf(text, bytes, "given the %" PRId64 " true frames before it%s", past,
                 future ? ", those after it masked" : "");
    else if (r->job.task == MCVD_TASK_PREDICT_PAST)
        snprintf(text, bytes, "given the %" PRId64 " true frames after it%s", future,
                 past ? ", those before it masked" : "");
    else if (r->job.task == MCVD_TASK_INTERP)
        snprintf(text, bytes, "given the %" PRId64 " true frames before and %" PRId64 " after it",
                 past, future);
    else
        snprintf(text, bytes,
                 "the first given nothing, the others up to %" PRId64 " true frames before them",
                 past);
}

static void print_bound_protocol(const likelihood_run *r)
{
    const int64_t inner = r->config.model.num_classes - 1;
    const int64_t terms = r->a.terms ? r->a.terms : inner;

    printf("vlb: prior, %" PRId64 " of %" PRId64 " inner terms", terms, inner);
    if (terms < inner)
        printf(", one drawn from each of %" PRId64 " pieces", terms);
    printf(", reconstruction in bins of 2/255%s; %" PRId64 " sample%s; %zu timesteps computed\n",
           r->a.clip ? ", estimates cut to [-1, 1]" : "", r->a.samples,
           r->a.samples == 1 ? "" : "s", r->job.all.of_blocks.bound_calls);
}

static void print_flow_protocol(const likelihood_run *r)
{
    const mcvd_block_likelihood *all = &r->job.all.of_blocks;

    if (r->likelihood_config.solver == MCVD_ODE_HEUN)
        printf("ode: %d Heun steps in log sigma", r->likelihood_config.num_steps);
    else
        printf("ode: Dormand-Prince 5(4) in log sigma, tolerance %g, %zu steps and %zu rejected",
               r->likelihood_config.tolerance, all->flow_steps, all->flow_rejected);
    printf(", %zu vector-Jacobian products; %" PRId64 " %s probe%s for each of %" PRId64
           " uniform dequantisation draw%s\n",
           all->flow_calls, r->a.probes, r->a.gaussian ? "normal" : "Rademacher",
           r->a.probes == 1 ? "" : "s", r->a.samples, r->a.samples == 1 ? "" : "s");
}

static void print_protocol(const likelihood_run *r)
{
    const mcvd_data_config *d = &r->config.data;
    char given[NOTE_BYTES];

    given_frames(r, given, sizeof given);
    printf("task %s: blocks of %" PRId64 " frames, %" PRId64 "x%" PRId64 "x%" PRId64
           ", 256 levels, each block %s; T = %" PRId64 ", seed %" PRId64 "\n",
           r->a.task, d->num_frames, d->image_size, d->image_size, d->channels, given,
           r->config.model.num_classes, r->a.seed);
    if (r->likelihood_config.bound)
        print_bound_protocol(r);
    if (r->likelihood_config.flow)
        print_flow_protocol(r);
    if (r->a.samples > 1)
        puts("+-: standard error over the samples");
    else if (r->likelihood_config.flow && r->a.probes > 1)
        puts("+-: standard error over the probes of the one dequantisation draw");
}

/* --- JSON --- */

static void json_number(const char *key, double value)
{
    if (isfinite(value))
        printf(",\"%s\":%.9g", key, value);
    else
        printf(",\"%s\":null", key);
}

static void json_figures(const likelihood_run *r, const likelihood_sum *sum)
{
    const double n = (double)sum->num_blocks;
    const mcvd_block_likelihood *b = &sum->of_blocks;

    printf("\"frames\":%zu,\"blocks\":%zu", sum->num_blocks * (size_t)r->config.data.num_frames,
           sum->num_blocks);
    if (r->likelihood_config.bound) {
        json_number("vlb", b->bound / n);
        json_number("vlb_error", likelihood_bound_error(&r->job, sum));
        json_number("prior", b->prior / n);
        json_number("terms", b->terms / n);
        json_number("reconstruction", b->reconstruction / n);
        printf(",\"vlb_calls\":%zu", b->bound_calls);
    }
    if (r->likelihood_config.flow) {
        json_number("ode", b->flow / n);
        json_number("ode_error", likelihood_flow_error(&r->job, sum));
        printf(",\"ode_steps\":%zu,\"ode_rejected\":%zu,\"ode_calls\":%zu", b->flow_steps,
               b->flow_rejected, b->flow_calls);
    }
}

static void json_video(const likelihood_run *r, const char *name)
{
    fputs("{\"video\":", stdout);
    mcvdi_json_string(stdout, name);
    putchar(',');
    json_figures(r, &r->job.video);
    putchar('}');
}

static void json_protocol(const likelihood_run *r)
{
    const mcvd_model_likelihood_config *c = &r->likelihood_config;
    char given[NOTE_BYTES];

    given_frames(r, given, sizeof given);
    printf("{\"unit\":\"bits/dim\",\"task\":\"%s\",\"given\":", r->a.task);
    mcvdi_json_string(stdout, given);
    fputs(",\"model\":", stdout);
    mcvdi_json_string(stdout, r->model_path);
    printf(",\"num_frames\":%" PRId64 ",\"image_size\":%" PRId64 ",\"channels\":%" PRId64
           ",\"timesteps\":%" PRId64 ",\"seed\":%" PRId64 ",\"samples\":%zu",
           r->config.data.num_frames, r->config.data.image_size, r->config.data.channels,
           r->config.model.num_classes, r->a.seed, c->samples);
    if (c->bound)
        printf(",\"inner_terms\":%" PRId64 ",\"clip\":%s",
               r->a.terms ? r->a.terms : r->config.model.num_classes - 1,
               c->clip ? "true" : "false");
    if (c->flow) {
        printf(",\"probes\":%zu,\"probe_kind\":\"%s\",\"solver\":\"%s\"", c->probes,
               c->gaussian_probes ? "normal" : "rademacher",
               c->solver == MCVD_ODE_HEUN ? "heun" : "rk45");
        if (c->solver == MCVD_ODE_HEUN)
            printf(",\"heun_steps\":%d", c->num_steps);
        else
            json_number("tolerance", c->tolerance);
    }
    fputs(",\"videos\":[", stdout);
}

/* --- running --- */

static mcvd_status score_videos(likelihood_run *r)
{
    mcvd_status st = MCVD_OK;

    for (int i = 0; st >= 0 && i < r->a.videos.count; i++) {
        r->video = r->a.videos.values[i];
        st = likelihood_job_video(&r->job, r->video);
        if (st < 0)
            break;
        mcvdi_progress_wipe();
        if (r->a.json && i == 0)
            json_protocol(r);
        else if (r->a.json)
            putchar(',');
        if (r->a.json)
            json_video(r, r->video);
        else
            print_line(r, r->video, &r->job.video);
        fflush(stdout);
        r->num_scored++;
    }
    return st;
}

/* Whole JSON also when a later video fails; nothing when the first one does. */
static void json_end(const likelihood_run *r, mcvd_status st)
{
    if (!r->num_scored)
        return;
    fputs("],\"mean\":", stdout);
    if (st < 0) {
        puts("null}");
        return;
    }
    putchar('{');
    json_figures(r, &r->job.all);
    puts("}}");
}

static void text_end(const likelihood_run *r)
{
    if (r->a.videos.count > 1)
        print_line(r, "mean over all blocks", &r->job.all);
    print_protocol(r);
}

static mcvd_status run_job(likelihood_run *r)
{
    r->progress =
        (mcvdi_progress) { .label = "likelihood", .unit = "network calls", .plain_s = 10 };
    mcvdi_progress_start(&r->progress);
    const mcvd_status st = score_videos(r);
    mcvdi_progress_end(&r->progress, NULL);
    if (r->a.json)
        json_end(r, st);
    else if (st >= 0)
        text_end(r);
    return st;
}

static mcvd_status run(likelihood_run *r)
{
    mcvd_status st = mcvd_task_parse(&r->job.task, r->a.task);

    if (st >= 0)
        st = check_usage(r);
    if (st >= 0)
        st = load_model(r);
    if (st >= 0)
        st = check_task(r);
    if (st < 0)
        return st;
    if (r->a.threads)
        mcvd_set_threads((int)r->a.threads);
    st = make_job(r);
    if (st < 0)
        return st;
    mcvdi_signals_install();
    return run_job(r);
}

mcvd_status mcvdi_cmd_likelihood(int argc, char **argv)
{
    static likelihood_run r;

    memset(&r, 0, sizeof r);
    r.a.terms = -1;
    mcvd_status st = mcvdi_args_parse(&table, argc, argv, &r.a);
    if (st != MCVD_OK)
        return st;
    st = run(&r);
    likelihood_job_release(&r.job);
    mcvd_model_likelihood_free(&r.job.likelihood);
    mcvd_model_free(&r.model);
    return st;
}
