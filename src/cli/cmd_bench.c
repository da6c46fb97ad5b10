/*
 * How fast a network runs, against what the processor can do at best. Bursts of pure multiply-adds
 * alternate with the workload, so that whatever else the machine does slows both.
 */
#include "cli/cmd.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mcvd/bench.h>
#include <mcvd/model.h>
#include <mcvd/rng.h>
#include <mcvd/rollout.h>
#include <mcvd/threads.h>
#include <mcvd/trainer.h>
#include <mcvd/version.h>

#include "cli/bench_features.h"
#include "cli/bench_loader.h"
#include "cli/fail.h"
#include "cli/figures.h"
#include "cli/parse.h"
#include "cli/settings.h"
#include "cli/shared.h"
#include "cli/timing.h"

enum { PATH_BYTES = 4096, MAX_RUNS = 10000, CALLS_PER_BURST = 10 };

static const double burst_s = 0.1;

typedef struct bench_args {
    const char *config;
    const char *model;
    const char *mode;
    int64_t batch;
    int64_t runs;
    int64_t warmup;
    int64_t steps;
    int64_t threads;
    const char *data;
    const char *features;
    int64_t frames;
    bool no_reuse;
    bool json;
    mcvdi_arg_list sets;
} bench_args;

static const mcvdi_arg args[] = {
    { .name = "--config",
      .type = MCVDI_ARG_TEXT,
      .value = "FILE",
      .help = "configuration in JSON or YAML, random weights; default: the shipped model's recipe",
      .offset = offsetof(bench_args, config) },
    { .name = "--model",
      .type = MCVDI_ARG_TEXT,
      .value = "FILE",
      .help = "model file, or bare weights with --config",
      .offset = offsetof(bench_args, model) },
    { .name = "--mode",
      .type = MCVDI_ARG_CHOICE,
      .value = "MODE",
      .choices = "forward|train|sample|loader|features",
      .fallback = "forward",
      .help = "one call of the network, one whole optimizer step, one block of sampling, one "
              "batch of training windows without a trainer, or the networks that judge videos",
      .offset = offsetof(bench_args, mode) },
    { .name = "--data",
      .type = MCVDI_ARG_TEXT,
      .value = "PATH",
      .help = "loader: what to read, as for `mcvd train`; default: moving digits",
      .offset = offsetof(bench_args, data) },
    { .name = "--features",
      .type = MCVDI_ARG_TEXT,
      .value = "DIR",
      .help = "features: folder of i3d.safetensors and alexnet.safetensors ($MCVD_FEATURES)",
      .offset = offsetof(bench_args, features) },
    { .name = "--frames",
      .type = MCVDI_ARG_INT,
      .value = "N",
      .min = 9,
      .max = 1024,
      .help = "features: of a video; default: 16",
      .offset = offsetof(bench_args, frames) },
    { .name = "--batch",
      .type = MCVDI_ARG_INT,
      .value = "N",
      .min = 1,
      .max = 65536,
      .help = "samples at once; default: 1, training.batch_size for train and loader",
      .offset = offsetof(bench_args, batch) },
    { .name = "--runs",
      .type = MCVDI_ARG_INT,
      .value = "N",
      .min = 1,
      .max = MAX_RUNS,
      .help = "timed runs; default: 10, 1 for sample, 5 for features, 100 for loader, which has 8 "
              "per worker at least",
      .offset = offsetof(bench_args, runs) },
    { .name = "--warmup",
      .type = MCVDI_ARG_INT,
      .value = "N",
      .min = 0,
      .max = MAX_RUNS,
      .fallback = "2",
      .help = "runs before the timed ones; for sample: calls of the network",
      .offset = offsetof(bench_args, warmup) },
    { .name = "--steps",
      .type = MCVDI_ARG_INT,
      .value = "N",
      .min = 1,
      .max = 100000,
      .help = "sample: steps of the sampler; default: sampling.subsample, 100 where it is 0",
      .offset = offsetof(bench_args, steps) },
    { .name = "--no-reuse",
      .type = MCVDI_ARG_FLAG,
      .help = "sample: compute what depends on the given frames alone in every call",
      .offset = offsetof(bench_args, no_reuse) },
    MCVDI_ARG_THREADS(bench_args),
    { .name = "--json",
      .type = MCVDI_ARG_FLAG,
      .help = "one JSON object instead of lines",
      .offset = offsetof(bench_args, json) },
    MCVDI_ARG_SET(bench_args, "change one key"),
};

static const mcvdi_arg_table table = {
    "bench",
    "Time a network on this machine: milliseconds, GFLOP/s, the share of the processor's fp32 "
    "peak\n"
    "(measured in between), memory. A multiply-add counts as two operations; a training step as\n"
    "three forward passes. ms, gflops and peak_gflops are medians; MB are 1e6 bytes and rss_mb is\n"
    "the peak of the whole program. A block of sampling is `calls` calls with the same given "
    "frames:\n"
    "gmac are those of one call, reused_gmac the part of them that only the first call computes.",
    args,
    sizeof args / sizeof args[0],
    "  mcvd bench --config configs/bair_big.json --mode forward --batch 1 --json\n"
    "  mcvd bench --config configs/smmnist_DDPM_big5.json --mode train --batch 4\n"
    "  mcvd bench --config configs/bair_big.json --mode sample --steps 100\n"
    "  mcvd bench --config configs/bair_big.json --mode loader --data prepared/bair\n"
    "  mcvd bench --mode features --frames 30",
};

/* What is timed. */
typedef struct bench_job {
    mcvd_config config;
    size_t batch;
    mcvd_network *network; /* forward, sample */
    mcvd_network_input in;
    mcvd_rollout *rollout; /* sample */
    int calls;             /* of the network in one run */
    double paused_s;       /* of bursts inside the run, and how many and how fast they were */
    double burst_gflops;
    int bursts;
    mcvd_trainer *trainer; /* train */
    mcvd_batch clips;
    float *frames, *cond, *noise, *actions, *out;
    double *t;
    int32_t *masks;
    size_t num_params;
    double macs; /* of one forward pass of the batch */
    double reused_macs;
    double flops;
    size_t bytes_activations;
} bench_job;

static void free_job(bench_job *job)
{
    mcvd_rollout_free(&job->rollout);
    mcvd_network_free(&job->network);
    mcvd_trainer_free(&job->trainer);
    free(job->frames);
    free(job->cond);
    free(job->noise);
    free(job->actions);
    free(job->out);
    free(job->t);
    free(job->masks);
}

/* --- setting up --- */

static float *random_frames(size_t n, uint64_t sample)
{
    float *frames = malloc((n ? n : 1) * sizeof *frames);

    if (!frames)
        return NULL;
    mcvd_rng_uniform(mcvd_rng_key_make(0, MCVD_RNG_TEST, 0, sample), 0, frames, n);
    for (size_t i = 0; i < n; i++)
        frames[i] = 2.0f * frames[i] - 1.0f;
    return frames;
}

static mcvd_status make_inputs(bench_job *job)
{
    const mcvd_data_config *d = &job->config.data;
    const size_t pixels = job->batch * (size_t)(d->image_size * d->image_size * d->channels);
    const size_t numel = pixels * (size_t)d->num_frames;
    const size_t cond_numel = pixels * (size_t)(d->num_frames_cond + d->num_frames_future);

    job->frames = random_frames(numel, 0);
    job->cond = random_frames(cond_numel, 1);
    job->noise = random_frames(cond_numel, 2);
    job->actions = random_frames(job->batch * mcvd_config_window_actions(&job->config), 3);
    job->out = malloc(numel * sizeof *job->out);
    job->t = calloc(job->batch, sizeof *job->t);
    job->masks = calloc(job->batch, sizeof *job->masks);
    if (!job->frames || !job->cond || !job->noise || !job->actions || !job->out || !job->t ||
        !job->masks)
        return mcvdi_cli_fail(MCVD_E_NOMEM, "inputs of %zu samples: out of memory", job->batch);
    for (size_t i = 0; i < job->batch; i++) {
        job->t[i] = (double)((size_t)(job->config.model.num_classes - 1) * (i + 1) / job->batch);
        job->masks[i] = 1;
    }
    job->in = (mcvd_network_input) {
        .x = job->frames,
        .t = job->t,
        .cond = cond_numel ? job->cond : NULL,
        .cond_noise = cond_numel && job->config.model.noise_in_cond ? job->noise : NULL,
        .actions = job->config.model.action_dim ? job->actions : NULL
    };
    job->clips = (mcvd_batch) { .batch_size = job->batch,
                                .image_size = (size_t)d->image_size,
                                .channels = (size_t)d->channels,
                                .num_frames = (size_t)d->num_frames,
                                .num_frames_cond = (size_t)d->num_frames_cond,
                                .num_frames_future = (size_t)d->num_frames_future,
                                .x0 = job->frames,
                                .cond = cond_numel ? job->cond : NULL,
                                .cond_mask = job->masks,
                                .future_mask = job->masks,
                                .actions = job->in.actions };
    return MCVD_OK;
}

/* The network keeps the weights; the model is not needed after it. Without sampling every run is a
 * whole call. */
static mcvd_status make_network(bench_job *job, mcvd_model *model, bool no_reuse)
{
    const mcvd_network_config nc = { .batch = job->batch, .no_reuse = no_reuse };
    const mcvd_status st = mcvd_network_create(&job->network, model, &nc);

    if (st < 0)
        return st;
    job->calls = 1;
    job->macs = mcvd_network_macs(job->network);
    job->reused_macs = mcvd_network_reused_macs(job->network);
    job->flops = 2.0 * job->macs;
    job->bytes_activations = mcvd_network_bytes(job->network);
    return MCVD_OK;
}

/* After every few calls of a block, outside its time. */
static int burst_inside(void *user, size_t call, size_t num_calls)
{
    bench_job *job = user;

    if (call % CALLS_PER_BURST || call >= num_calls)
        return 0;
    const double start = mcvdi_now_s();
    job->burst_gflops += mcvd_peak_gflops(burst_s);
    job->bursts++;
    job->paused_s += mcvdi_now_s() - start;
    return 0;
}

/* A chain of blocks, so that each has given frames of its own. */
static mcvd_status make_rollout(bench_job *job, const bench_args *a)
{
    const mcvd_data_config *d = &job->config.data;
    const size_t past = (size_t)(d->image_size * d->image_size * d->channels * d->num_frames_cond);
    mcvd_rollout_config rc = mcvd_rollout_config_default(&job->config);

    rc.task = d->num_frames_cond     ? MCVD_TASK_PREDICT
              : d->num_frames_future ? MCVD_TASK_PREDICT_PAST
                                     : MCVD_TASK_GENERATE;
    rc.samples = job->batch;
    rc.progress = burst_inside;
    rc.progress_user = job;
    if (a->steps)
        rc.sampling.subsample = a->steps;
    else if (!rc.sampling.subsample)
        rc.sampling.subsample = 100;
    mcvd_status st = mcvd_rollout_create_on(&job->rollout, job->network, &job->config, &rc);
    if (st >= 0)
        st = mcvd_rollout_begin(job->rollout, job->cond, job->cond + past);
    if (st >= 0 && job->in.actions)
        st = mcvd_rollout_set_actions(job->rollout, job->actions, 1);
    if (st < 0)
        return st;
    job->calls = mcvd_rollout_num_calls(job->rollout);
    job->flops = 2.0 * (job->macs * job->calls - job->reused_macs * (job->calls - 1));
    return MCVD_OK;
}

static mcvd_status make_trainer(bench_job *job)
{
    const mcvd_status st = mcvd_trainer_create(&job->trainer, &job->config);

    if (st < 0)
        return st;
    job->calls = 1;
    job->macs = mcvd_trainer_macs(job->trainer);
    job->flops = 6.0 * job->macs; /* forward, and twice as much backward */
    job->bytes_activations = mcvd_trainer_bytes(job->trainer);
    return MCVD_OK;
}

static mcvd_status load_model(const bench_args *a, bench_job *job, mcvd_model **model)
{
    char path[PATH_BYTES];
    const char *file = a->config;
    mcvd_status st = MCVD_OK;

    if (a->model && !a->config) {
        st = mcvd_model_load(model, a->model, NULL);
        if (st >= 0)
            job->config = *mcvd_model_get_config(*model);
        return st;
    }
    if (!file) {
        st = mcvdi_shared_path(path, sizeof path, "configs/mnist_general.json");
        file = path;
    }
    if (st >= 0)
        st = mcvdi_settings_load(&job->config, file, &a->sets, NULL);
    if (st < 0)
        return st;
    return a->model ? mcvd_model_load(model, a->model, &job->config)
                    : mcvd_model_create(model, &job->config, 0);
}

static mcvd_status check_args(const bench_args *a, bool train, bool sample)
{
    if (a->model && (train || a->sets.count))
        return mcvdi_cli_fail(MCVD_E_USAGE, "%s: needs --config instead of --model",
                              train ? "--mode train" : "--set");
    if (!sample && (a->steps || a->no_reuse))
        return mcvdi_cli_fail(MCVD_E_USAGE, "%s: only with --mode sample",
                              a->steps ? "--steps" : "--no-reuse");
    return MCVD_OK;
}

static mcvd_status set_up(const bench_args *a, bench_job *job)
{
    const bool train = strcmp(a->mode, "train") == 0;
    const bool sample = strcmp(a->mode, "sample") == 0;
    mcvd_model *model = NULL;
    mcvd_status st = check_args(a, train, sample);

    if (st < 0)
        return st;
    if (a->threads)
        mcvd_set_threads((int)a->threads);
    st = load_model(a, job, &model);
    if (st >= 0) {
        job->num_params = mcvd_model_num_params(model);
        if (train && a->batch) {
            job->config.training.batch_size = a->batch;
            job->config.training.accumulate = 1;
        }
        job->batch = train      ? (size_t)job->config.training.batch_size
                     : a->batch ? (size_t)a->batch
                                : 1;
        st = train ? make_trainer(job) : make_network(job, model, !sample || a->no_reuse);
    }
    mcvd_model_free(&model);
    if (st >= 0)
        st = make_inputs(job);
    return st >= 0 && sample ? make_rollout(job, a) : st;
}

/* --- measuring --- */

static mcvd_status run_once(bench_job *job, double *seconds)
{
    mcvd_step_report report;
    mcvd_status st;

    job->paused_s = job->burst_gflops = 0.0;
    job->bursts = 0;
    const double start = mcvdi_now_s();
    if (job->rollout)
        st = mcvd_rollout_next(job->rollout, job->out);
    else if (job->network)
        st = mcvd_network_forward(job->network, &job->in, job->out);
    else
        st = mcvd_trainer_step(job->trainer, &job->clips, &report);
    *seconds = mcvdi_now_s() - start - job->paused_s;
    return st;
}

static mcvd_status warm_up(bench_job *job, int64_t runs)
{
    double ignored;
    mcvd_status st = MCVD_OK;

    for (int64_t i = 0; st >= 0 && i < runs; i++)
        st = job->rollout ? mcvd_network_forward(job->network, &job->in, job->out)
                          : run_once(job, &ignored);
    mcvd_peak_gflops(burst_s);
    return st;
}

typedef struct bench_times {
    double *seconds;
    double *peaks; /* GFLOP/s */
    size_t runs;
} bench_times;

static mcvd_status measure(bench_job *job, const bench_args *a, bench_times *times)
{
    mcvd_status st = MCVD_OK;

    times->runs = a->runs ? (size_t)a->runs : job->rollout ? 1 : 10;
    times->seconds = calloc(times->runs, sizeof *times->seconds);
    times->peaks = calloc(times->runs, sizeof *times->peaks);
    if (!times->seconds || !times->peaks)
        return mcvdi_cli_fail(MCVD_E_NOMEM, "bench: out of memory");
    st = warm_up(job, a->warmup);
    for (size_t i = 0; st >= 0 && i < times->runs; i++) {
        const double before = mcvd_peak_gflops(burst_s);
        st = run_once(job, &times->seconds[i]);
        times->peaks[i] = (before + job->burst_gflops) / (1 + job->bursts);
    }
    return st;
}

/* Value of the first line "key ...: value" of a file of the kernel, without spaces around. */
static bool system_line(const char *path, const char *key, char *value, size_t bytes)
{
    FILE *file = fopen(path, "r");
    char line[256];
    bool found = false;

    if (!file)
        return false;
    while (!found && fgets(line, sizeof line, file)) {
        const char *colon = strchr(line, ':');
        found = colon && strncmp(line, key, strlen(key)) == 0;
        if (found) {
            colon += 1 + strspn(colon + 1, " \t");
            snprintf(value, bytes, "%.*s", (int)strcspn(colon, "\n"), colon);
        }
    }
    fclose(file);
    return found;
}

/* --- printing --- */

static void report(const bench_job *job, const bench_args *a, const bench_times *times)
{
    char cpu[128] = "";
    const double seconds = mcvdi_median(times->seconds, times->runs);
    const double peak = mcvdi_median(times->peaks, times->runs);
    const double gflops = 1e-9 * job->flops / seconds;

    if (!system_line("/proc/cpuinfo", "model name", cpu, sizeof cpu))
        cpu[0] = '\0';
    const mcvdi_figure figures[] = {
        { "config", MCVDI_FIGURE_TEXT, 0.0,
          a->config  ? a->config
          : a->model ? a->model
                     : "" },
        { "mode", MCVDI_FIGURE_TEXT, 0.0, a->mode },
        { "batch", MCVDI_FIGURE_COUNT, (double)job->batch, NULL },
        { "runs", MCVDI_FIGURE_COUNT, (double)times->runs, NULL },
        { "ms", MCVDI_FIGURE_NUMBER, 1e3 * seconds, NULL },
        { "ms_min", MCVDI_FIGURE_NUMBER, 1e3 * times->seconds[0], NULL },
        { "samples_per_s", MCVDI_FIGURE_NUMBER, (double)job->batch / seconds, NULL },
        { "calls", MCVDI_FIGURE_COUNT, (double)job->calls, NULL },
        { "ms_per_call", MCVDI_FIGURE_NUMBER, 1e3 * seconds / job->calls, NULL },
        { "gmac", MCVDI_FIGURE_NUMBER, 1e-9 * job->macs, NULL },
        { "reused_gmac", MCVDI_FIGURE_NUMBER, 1e-9 * job->reused_macs, NULL },
        { "gflops", MCVDI_FIGURE_NUMBER, gflops, NULL },
        { "peak_gflops", MCVDI_FIGURE_NUMBER, peak, NULL },
        { "peak_gflops_max", MCVDI_FIGURE_NUMBER, times->peaks[times->runs - 1], NULL },
        { "peak_share", MCVDI_FIGURE_NUMBER, gflops / peak, NULL },
        { "rss_mb", MCVDI_FIGURE_NUMBER, mcvd_peak_rss_mb(), NULL },
        { "activation_mb", MCVDI_FIGURE_NUMBER, 1e-6 * (double)job->bytes_activations, NULL },
        { "weights_mb", MCVDI_FIGURE_NUMBER, 1e-6 * (double)job->num_params * sizeof(float), NULL },
        { "params", MCVDI_FIGURE_COUNT, (double)job->num_params, NULL },
        { "threads", MCVDI_FIGURE_COUNT, (double)mcvd_num_threads(), NULL },
        { "onednn_version", MCVDI_FIGURE_TEXT, 0.0, mcvd_onednn_version() },
        { "onednn_isa", MCVDI_FIGURE_TEXT, 0.0, mcvd_onednn_isa() },
        { "openblas_core", MCVDI_FIGURE_TEXT, 0.0, mcvd_openblas_core() },
        { "kernels", MCVDI_FIGURE_TEXT, 0.0, mcvd_kernel_level() },
        { "peak_kernel", MCVDI_FIGURE_TEXT, 0.0, mcvd_peak_kernel() },
        { "cpu", MCVDI_FIGURE_TEXT, 0.0, cpu },
    };
    mcvdi_figures_print(figures, sizeof figures / sizeof figures[0], a->json);
}

static mcvd_status bench_loader(const bench_args *a)
{
    char path[PATH_BYTES];
    mcvd_config config;
    mcvd_status st = MCVD_OK;

    if (a->model)
        return mcvdi_cli_fail(MCVD_E_USAGE, "--mode loader: needs --config instead of --model");
    if (!a->config)
        st = mcvdi_shared_path(path, sizeof path, "configs/mnist_general.json");
    if (st >= 0)
        st = mcvdi_settings_load(&config, a->config ? a->config : path, &a->sets, NULL);
    if (st < 0)
        return st;
    if (a->batch)
        config.training.batch_size = a->batch;
    const mcvdi_bench_loader bench = { .config = &config,
                                       .data = a->data,
                                       .batches = a->runs ? (size_t)a->runs : 100,
                                       .json = a->json };
    return mcvdi_bench_loader_run(&bench);
}

static mcvd_status bench_features(const bench_args *a)
{
    const mcvdi_bench_features bench = { .folder = a->features,
                                         .frames = a->frames ? (size_t)a->frames : 16,
                                         .runs = a->runs ? (size_t)a->runs : 5,
                                         .warmup = (size_t)a->warmup,
                                         .json = a->json };

    if (a->model || a->config || a->batch)
        return mcvdi_cli_fail(MCVD_E_USAGE, "--mode features: has a network of its own, no %s",
                              a->model    ? "--model"
                              : a->config ? "--config"
                                          : "--batch");
    if (a->threads)
        mcvd_set_threads((int)a->threads);
    return mcvdi_bench_features_run(&bench);
}

mcvd_status mcvdi_cmd_bench(int argc, char **argv)
{
    bench_args a = { 0 };
    static bench_job job;
    bench_times times = { 0 };
    mcvd_status st = mcvdi_args_parse(&table, argc, argv, &a);

    if (st != MCVD_OK)
        return st;
    if (strcmp(a.mode, "loader") == 0)
        return bench_loader(&a);
    if (strcmp(a.mode, "features") == 0)
        return bench_features(&a);
    if (a.features || a.frames)
        return mcvdi_cli_fail(MCVD_E_USAGE, "%s belongs to --mode features",
                              a.features ? "--features" : "--frames");
    if (a.data)
        return mcvdi_cli_fail(MCVD_E_USAGE, "--data belongs to --mode loader");
    st = set_up(&a, &job);
    if (st >= 0)
        st = measure(&job, &a, &times);
    if (st >= 0)
        report(&job, &a, &times);
    free(times.seconds);
    free(times.peaks);
    free_job(&job);
    return st;
}
