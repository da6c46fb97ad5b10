#include "cli/cmd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mcvd/threads.h>

#include "cli/eval_run.h"
#include "cli/fail.h"
#include "cli/guidance_args.h"
#include "cli/parse.h"
#include "cli/shared.h"
#include "cli/signals.h"

static const mcvdi_arg args[] = {
    { .name = "BENCHMARK",
      .type = MCVDI_ARG_TEXT,
      .required = true,
      .help = "smmnist: moving digits of the test images; videos: the held-out end of --data; "
              "bair (2 -> 28 frames; 1 -> 15 for models of one past frame), bair-14, bair-15, "
              "cityscapes, kth, kth-40, ucf101: the published protocols",
      .offset = offsetof(eval_args, benchmark) },
    MCVDI_ARG_MODEL(eval_args),
    MCVDI_ARG_CONFIG(eval_args),
    { .name = "--data",
      .type = MCVDI_ARG_TEXT,
      .value = "PATH",
      .help = "the data set: its public files, what `mcvd prepare` made of them, or the authors' "
              "shards; videos: a video or a folder of videos; smmnist: a folder with the MNIST "
              "files, default: the digits that ship with the program",
      .offset = offsetof(eval_args, data) },
    { .name = "--clips",
      .type = MCVDI_ARG_INT,
      .value = "N",
      .min = 1,
      .max = 1e6,
      .help = "test clips; default: 256, 64 for videos",
      .offset = offsetof(eval_args, clips) },
    { .name = "--trajectories",
      .short_name = "-K",
      .type = MCVDI_ARG_INT,
      .value = "K",
      .min = 1,
      .max = 1000,
      .help = "predictions per clip, for best of K and mean of K; default: sampling.preds_per_test "
              "of the model when above 1, else 10",
      .offset = offsetof(eval_args, trajectories) },
    { .name = "--task",
      .type = MCVDI_ARG_CHOICE,
      .value = "TASK",
      .choices = "predict|interp|predict-past|generate",
      .fallback = "predict",
      .help = "which frames the model is given; generate has FVD and statistics, no frame scores",
      .offset = offsetof(eval_args, task) },
    { .name = "--frames",
      .type = MCVDI_ARG_INT,
      .value = "N",
      .min = 1,
      .max = 100000,
      .help = "scored or generated frames; default: the protocol's, generated ones those of its "
              "past more; for interp, predict-past and videos one block of the model",
      .offset = offsetof(eval_args, frames) },
    MCVDI_ARGS_SAMPLING(eval_args, sampling),
    MCVDI_ARG_GUIDANCE(eval_args),
    MCVDI_ARG_SEED(eval_args, "of the trajectories; the clips are fixed"),
    { .name = "--features",
      .type = MCVDI_ARG_TEXT,
      .value = "DIR|none",
      .help = "folder with i3d.safetensors (FVD) and alexnet.safetensors (LPIPS), see `mcvd "
              "import`; none: no such metrics; default: where `mcvd import` puts them, and without "
              "I3D the stand-in fvd-proxy",
      .offset = offsetof(eval_args, features) },
    { .name = "--shard",
      .type = MCVDI_ARG_TEXT,
      .value = "I/N",
      .help = "do the I-th of N parts of the clips (I from 0) and leave them in DIR; the same "
              "command without --shard makes the report",
      .offset = offsetof(eval_args, shard) },
    { .name = "--json",
      .type = MCVDI_ARG_FLAG,
      .help = "one JSON object instead of the table",
      .offset = offsetof(eval_args, json) },
    { .name = "--out",
      .short_name = "-o",
      .type = MCVDI_ARG_TEXT,
      .value = "DIR",
      .help = "leave scores.json, per_clip.csv, table.md, pictures and films of the first clips "
              "there, and in clips/ what is needed to go on after a stop",
      .offset = offsetof(eval_args, out) },
    { .name = "--force",
      .type = MCVDI_ARG_FLAG,
      .help = "replace the files of an older run in DIR; clips of another run there are dropped, "
              "those of the same run stay",
      .offset = offsetof(eval_args, force) },
    MCVDI_ARG_THREADS(eval_args),
    MCVDI_ARG_SET(eval_args,
                  "change protocol.KEY, sampling.KEY, or data.num_digits, test_digits, frame_step, "
                  "resize, test_fraction, start_at, kth_clips, ucf101_split, cityscapes_test"),
};

static const mcvdi_arg_table table = {
    "eval",
    "Predict the clips of a fixed test set and score them beside baselines that need no model:\n"
    "PSNR, SSIM, MSE and LPIPS, best of K and mean of K, with 95 % intervals, the PSNR of every\n"
    "predicted frame, FVD or its stand-in fvd-proxy, and the protocol beside every number. With\n"
    "--out a run that was stopped goes on where it was. eval/README.md defines the numbers.",
    args,
    sizeof args / sizeof args[0],
    "  mcvd eval smmnist --frames 5\n"
    "  mcvd eval smmnist --model runs/big5 --clips 64 -K 1 --json\n"
    "  mcvd eval smmnist --task interp --out scores/interp\n"
    "  mcvd eval videos --data street.avi --model runs/street --out scores/street\n"
    "  mcvd eval bair --data softmotion30_44k --model bair.safetensors --out scores/bair",
};
/* --- clips and predictor --- */

static mcvd_status refuse_set(const eval_run *r, const char *found)
{
    return mcvdi_cli_fail(MCVD_E_INPUT, "%s: expected %s for benchmark %s, found %s",
                          r->a.data ? r->a.data : "the data", r->protocol.dataset, r->a.benchmark,
                          found);
}

/* A path that failed to open, though it is known as another benchmark's set by its layout: that is
 * the error to be told. */
static bool is_other_set(const eval_run *r)
{
    const char *kind = r->a.data ? mcvd_dataset_kind_of(r->a.data) : NULL;
    mcvd_eval_protocol p;

    if (!kind || strcmp(kind, r->protocol.dataset) == 0)
        return false;
    for (size_t i = 0; i < mcvd_eval_protocol_count(); i++)
        if (mcvd_eval_protocol_find(&p, mcvd_eval_protocol_name(i)) >= 0 &&
            strcmp(p.dataset, kind) == 0)
            return true;
    return false;
}

static mcvd_status open_data(eval_run *r)
{
    const mcvd_eval_protocol *p = &r->protocol;
    mcvd_data_config *d = &r->config.data;

    snprintf(d->dataset, sizeof d->dataset, "%s", r->protocol.dataset);
    mcvd_dataset_config dc = mcvd_dataset_config_default(d);
    dc.path = r->a.data;
    dc.num_digit_folders = mcvdi_digit_folders(&dc.digit_folders);
    dc.split = MCVD_SPLIT_TEST;
    dc.num_frames = (size_t)(p->past + p->frames + p->future);
    dc.num_test_clips = (size_t)p->clips;
    const mcvd_status st = mcvd_dataset_open(&r->job.dataset, &dc);
    if (st < 0)
        return is_other_set(r) ? refuse_set(r, mcvd_dataset_kind_of(r->a.data)) : st;
    if (strcmp(mcvd_dataset_name(r->job.dataset), p->dataset) != 0)
        return refuse_set(r, mcvd_dataset_name(r->job.dataset));
    if (r->config.model.action_dim > 0 &&
        mcvd_dataset_action_dim(r->job.dataset) != (size_t)r->config.model.action_dim)
        return mcvdi_cli_fail(MCVD_E_INPUT, "%s takes %lld actions per frame, %s has %zu",
                              r->model_path, (long long)r->config.model.action_dim, p->dataset,
                              mcvd_dataset_action_dim(r->job.dataset));
    return MCVD_OK;
}

/* As many clips at once as the model's batch has room for. */
static mcvd_status open_predictor(eval_run *r)
{
    const size_t k = (size_t)r->protocol.trajectories;
    const size_t batch = (size_t)r->config.sampling.batch_size;
    const size_t clips = mcvd_dataset_num_test_clips(r->job.dataset);
    mcvd_rollout_config rc = mcvd_rollout_config_default(&r->config);

    r->job.protocol = &r->protocol;
    r->job.block = (size_t)r->config.data.num_frames;
    r->job.action_dim = (size_t)r->config.model.action_dim;
    r->job.folder = r->a.out;
    r->job.chunk = batch > k ? batch / k : 1;
    if (r->job.chunk > clips && clips > 0)
        r->job.chunk = clips;
    rc.task = r->job.task;
    rc.samples = r->job.chunk * k;
    rc.seed = (uint64_t)r->protocol.seed;
    rc.progress = eval_job_on_call;
    rc.progress_user = &r->job;
    const mcvd_status st = mcvd_rollout_create(&r->job.rollout, r->model, &rc);
    return st < 0 ? st : eval_job_prepare(&r->job);
}

/* --- the report --- */

static mcvd_status print_report(const eval_run *r)
{
    char *text = NULL;
    const mcvd_status st =
        mcvd_eval_report_text(r->report, r->a.json ? MCVD_REPORT_JSON : MCVD_REPORT_TABLE, &text);

    if (st < 0)
        return st;
    fputs(text, stdout);
    mcvd_text_free(text);
    if (fflush(stdout) != 0)
        return mcvdi_cli_fail(MCVD_E_IO, "stdout: %s", strerror(errno));
    return MCVD_OK;
}

static mcvd_status save_report(const eval_run *r)
{
    return r->a.out ? mcvd_eval_report_save(r->report, r->a.out, r->replace) : MCVD_OK;
}

static mcvd_status run_benchmark(eval_run *r)
{
    mcvdi_progress *progress = &r->job.progress;

    progress->label = r->a.benchmark;
    progress->unit = "clips";
    progress->total = (int64_t)r->job.num_clips;
    mcvdi_progress_start(progress);
    const mcvd_eval_callbacks callbacks = { eval_job_clip, &r->job, eval_job_predict, &r->job };
    const mcvd_status st = mcvd_eval_run_with(&r->protocol, &callbacks, &r->options, &r->report);
    mcvdi_progress_end(progress, NULL);
    if (r->job.found)
        mcvdi_cli_note("%zu clips were found in %s", r->job.found, r->work);
    if (st == MCVD_E_INTERRUPTED && r->a.out)
        mcvdi_cli_note("the clips done so far are in %s; the same command goes on", r->work);
    return st;
}

static mcvd_status run(eval_run *r)
{
    mcvd_status st = eval_run_check_arguments(r);

    if (r->a.threads)
        mcvd_set_threads((int)r->a.threads);
    if (st >= 0)
        st = eval_run_set_protocol(r);
    if (st >= 0)
        st = open_data(r);
    if (st >= 0)
        st = open_predictor(r);
    if (st >= 0)
        st = eval_run_set_options(r);
    if (st < 0)
        return st;
    eval_run_warn(r);
    mcvdi_signals_install();
    st = run_benchmark(r);
    if (st < 0 || !r->report) /* a shard has no report */
        return st;
    st = eval_run_annotate(r);
    if (st < 0)
        return st;
    const mcvd_status saved = save_report(r); /* the work is kept when one of the two fails */
    st = print_report(r);
    return saved < 0 ? saved : st;
}

static void release(eval_run *r)
{
    eval_job_release(&r->job);
    mcvd_rollout_free(&r->job.rollout);
    mcvd_dataset_free(&r->job.dataset);
    mcvd_eval_report_free(&r->report);
    mcvd_lpips_free(&r->options.lpips);
    mcvd_video_features_free(&r->options.features);
    free(r->fingerprint);
    mcvd_model_free(&r->model);
}

mcvd_status mcvdi_cmd_eval(int argc, char **argv)
{
    static eval_run r;
    mcvd_status st;

    memset(&r, 0, sizeof r);
    r.a.seed = -1;
    r.a.sampling.eta = -1.0;
    st = mcvdi_args_parse(&table, argc, argv, &r.a);
    if (st != MCVD_OK)
        return st;
    st = run(&r);
    release(&r);
    return st;
}
