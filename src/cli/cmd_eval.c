#include "cli/cmd.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <mcvd/digest.h>
#include <mcvd/threads.h>

#include "cli/eval_job.h"
#include "cli/fail.h"
#include "cli/guidance_args.h"
#include "cli/parse.h"
#include "cli/path.h"
#include "cli/sampling_args.h"
#include "cli/settings.h"
#include "cli/shared.h"
#include "cli/signals.h"

enum {
    PATH_BYTES = 4096,
    LINE_BYTES = 256,
    MIN_SSIM_SIDE = 11,
    MAX_BENCHMARKS = 64,
    MOVING_DIGITS = 2
};

static const double default_test_fraction = 0.2;

typedef struct eval_args {
    const char *benchmark;
    const char *model;
    const char *config_file;
    const char *data;
    const char *task;
    const char *out;
    const char *features;
    const char *shard;
    const char *guidance;
    int64_t clips;
    int64_t trajectories;
    int64_t frames;
    mcvdi_sampling_args sampling;
    int64_t seed;
    int64_t threads;
    bool json;
    bool force;
    mcvdi_arg_list sets;
} eval_args;

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
      .help = "which frames the model is given; generate has statistics, no scores",
      .offset = offsetof(eval_args, task) },
    { .name = "--frames",
      .type = MCVDI_ARG_INT,
      .value = "N",
      .min = 1,
      .max = 100000,
      .help = "scored frames; default: the protocol's, for smmnist and videos one block of the "
              "model",
      .offset = offsetof(eval_args, frames) },
    MCVDI_ARGS_SAMPLING(eval_args, sampling),
    MCVDI_ARG_GUIDANCE(eval_args),
    MCVDI_ARG_SEED(eval_args, "of the trajectories; the clips are fixed"),
    { .name = "--features",
      .type = MCVDI_ARG_TEXT,
      .value = "DIR",
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
      .help = "replace the files of an older run in DIR and begin anew",
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

typedef struct eval_run {
    eval_args a;
    mcvd_model *model;
    mcvd_config config; /* the model's, with --set */
    mcvd_eval_protocol protocol;
    bool moving_digits;
    bool own_videos; /* benchmark videos */
    eval_job job;
    mcvd_eval_options options;
    char *fingerprint;
    char work[PATH_BYTES];
    mcvd_eval_report *report;
    char model_path[PATH_BYTES];
} eval_run;

/* --- protocol and model --- */

static mcvd_status find_benchmark(eval_run *r)
{
    const char *names[MAX_BENCHMARKS];
    const size_t count = mcvd_eval_protocol_count();

    for (size_t i = 0; i < count && i < MAX_BENCHMARKS; i++) {
        names[i] = mcvd_eval_protocol_name(i);
        if (strcmp(names[i], r->a.benchmark) == 0) {
            const mcvd_status st = mcvd_eval_protocol_find(&r->protocol, names[i]);
            r->moving_digits = strcmp(r->protocol.dataset, "StochasticMovingMNIST") == 0;
            r->own_videos = strcmp(r->protocol.dataset, "VIDEOS") == 0;
            return st;
        }
    }
    return mcvdi_cli_fail(MCVD_E_USAGE, "eval: unknown benchmark '%s', the nearest is %s",
                          r->a.benchmark, mcvdi_nearest_name(r->a.benchmark, names, count));
}

static mcvd_status load_model(eval_run *r)
{
    mcvd_status st = mcvdi_model_path(r->model_path, sizeof r->model_path, r->a.model);

    if (st >= 0)
        st = mcvdi_model_load(&r->model, r->model_path, r->a.config_file);
    if (st < 0)
        return st;
    r->config = *mcvd_model_get_config(r->model);
    if (r->moving_digits)
        r->config.data.num_digits = MOVING_DIGITS;
    else if (r->own_videos && r->config.data.test_fraction <= 0.0)
        r->config.data.test_fraction = default_test_fraction;
    return MCVD_OK;
}

/* The published number of past frames and so on give way to those of the model: a model that was
 * trained on 2 past frames is asked with 2. */
static void fit_protocol(eval_run *r)
{
    mcvd_eval_protocol *p = &r->protocol;
    const mcvd_data_config *d = &r->config.data;
    const mcvd_task task = r->job.task;

    const bool published = !r->moving_digits && !r->own_videos;

    snprintf(p->task, sizeof p->task, "%s", r->a.task);
    if (published && strcmp(p->name, "bair") == 0 && d->num_frames_cond == 1)
        p->frames = 15;
    if (r->a.frames)
        p->frames = r->a.frames;
    else if (!published || task != MCVD_TASK_PREDICT)
        p->frames = d->num_frames;
    p->past = mcvd_task_past_given(task) ? d->num_frames_cond : 0;
    p->future = mcvd_task_future_given(task) ? d->num_frames_future : 0;
    p->image_size = d->image_size;
    p->channels = d->channels;
    p->ssim = d->image_size >= MIN_SSIM_SIDE;
    if (r->a.clips)
        p->clips = r->a.clips;
    if (r->a.trajectories)
        p->trajectories = r->a.trajectories;
    else if (r->config.sampling.preds_per_test > 1)
        p->trajectories = r->config.sampling.preds_per_test;
    if (r->a.seed >= 0)
        p->seed = r->a.seed;
}

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

static mcvd_status apply_sets(eval_run *r)
{
    static const char *const allowed[] = {
        "sampling.",          "data.num_digits=",     "data.test_digits=", "data.frame_step=",
        "data.resize=",       "data.test_fraction=",  "data.start_at=",    "data.kth_clips=",
        "data.ucf101_split=", "data.cityscapes_test="
    };

    snprintf(r->config.data.windows, sizeof r->config.data.windows, "%s", r->protocol.windows);

    for (int i = 0; i < r->a.sets.count; i++) {
        const char *set = r->a.sets.values[i];
        bool known = false;
        mcvd_status st = MCVD_OK;
        for (size_t k = 0; k < sizeof allowed / sizeof *allowed; k++)
            known = known || starts_with(set, allowed[k]);
        if (starts_with(set, "protocol."))
            st = mcvd_eval_protocol_set(&r->protocol, set);
        else if (known)
            st = mcvd_config_set(&r->config, set);
        else
            return mcvdi_cli_fail(MCVD_E_USAGE,
                                  "--set %s: eval takes protocol.*, sampling.*, and the keys of "
                                  "data.* that mcvd eval --help names",
                                  set);
        if (st < 0)
            return mcvdi_cli_fail(st, "--set %s: %s", set, mcvd_last_error());
        if (starts_with(set, "sampling.preds_per_test="))
            r->protocol.trajectories = r->config.sampling.preds_per_test;
    }
    return MCVD_OK;
}

static mcvd_status expect(const eval_run *r, const char *what, int64_t asked, int64_t has)
{
    if (asked == has)
        return MCVD_OK;
    return mcvdi_cli_fail(MCVD_E_CONFIG, "protocol.%s = %" PRId64 ", but %s was made for %" PRId64,
                          what, asked, r->model_path, has);
}

/* What --set can have made of the protocol, against the model. */
static mcvd_status check_protocol(const eval_run *r)
{
    const mcvd_eval_protocol *p = &r->protocol;
    const mcvd_data_config *d = &r->config.data;
    const mcvd_task task = r->job.task;
    const char *why = mcvd_task_impossible(&r->config, task);
    mcvd_status st = MCVD_OK;

    if (why)
        return mcvdi_cli_fail(MCVD_E_MODEL, "%s cannot do %s: %s", r->model_path, p->task, why);
    if (r->moving_digits && d->channels != 1)
        return mcvdi_cli_fail(
            MCVD_E_MODEL,
            "%s: expected a model of gray frames for moving digits, found %" PRId64 " channels",
            r->model_path, d->channels);
    if (strcmp(p->task, r->a.task) != 0)
        return mcvdi_cli_fail(MCVD_E_USAGE, "--set protocol.task: give --task instead");
    if (mcvd_task_past_given(task))
        st = expect(r, "past", p->past, d->num_frames_cond);
    if (st >= 0 && mcvd_task_future_given(task))
        st = expect(r, "future", p->future, d->num_frames_future);
    if (st >= 0)
        st = expect(r, "image_size", p->image_size, d->image_size);
    if (st >= 0)
        st = expect(r, "channels", p->channels, d->channels);
    if (st >= 0 && task == MCVD_TASK_INTERP && p->frames != d->num_frames)
        return mcvdi_cli_fail(MCVD_E_USAGE,
                              "--frames %" PRId64 ": interp fills the %" PRId64
                              " frames of one block of %s",
                              p->frames, d->num_frames, r->model_path);
    return st < 0 ? st : mcvd_eval_protocol_check(p);
}

static mcvd_status set_up_protocol(eval_run *r)
{
    mcvd_status st = find_benchmark(r);

    if (st >= 0 && !r->moving_digits && !r->a.data)
        st = mcvdi_cli_fail(MCVD_E_USAGE, "eval: %s needs --data PATH: %s", r->a.benchmark,
                            r->own_videos ? "a video or a folder of videos"
                                          : "the data set, see datasets/");
    if (st >= 0)
        st = mcvd_task_parse(&r->job.task, r->a.task);
    if (st >= 0)
        st = load_model(r);
    if (st < 0)
        return st;
    fit_protocol(r);
    st = apply_sets(r);
    if (st >= 0)
        st = mcvdi_sampling_apply(&r->config, mcvd_model_get_config(r->model), &r->a.sampling,
                                  &r->a.sets);
    if (st >= 0)
        st = mcvdi_guidance_apply(&r->config, r->job.task, r->a.guidance);
    return st < 0 ? st : check_protocol(r);
}

/* --- output folder --- */

static mcvd_status refuse(const char *path)
{
    return mcvdi_cli_fail(MCVD_E_EXISTS, "%s exists already; --force replaces it", path);
}

/* The nearest folder above that exists takes files. */
static mcvd_status check_writable(const char *folder)
{
    char path[PATH_BYTES];
    struct stat info;
    const mcvd_status st = mcvdi_path(path, sizeof path, "%s", folder);

    if (st < 0)
        return st;
    while (stat(path, &info) != 0 && errno == ENOENT) {
        char *slash = strrchr(path, '/');
        if (!slash)
            snprintf(path, sizeof path, ".");
        else
            slash[slash == path] = '\0';
    }
    if (stat(path, &info) != 0)
        return mcvdi_cli_fail(MCVD_E_IO, "--out %s: %s", folder, strerror(errno));
    if (!S_ISDIR(info.st_mode))
        return mcvdi_cli_fail(MCVD_E_IO, "--out %s: %s is not a folder", folder, path);
    if (access(path, W_OK | X_OK) != 0)
        return mcvdi_cli_fail(MCVD_E_IO, "--out %s: %s: %s", folder, path, strerror(errno));
    return MCVD_OK;
}

/* Before the work, not after it. */
static mcvd_status check_out(const eval_args *a)
{
    static const char *const names[] = { "scores.json", "per_clip.csv", "table.md" };
    char path[PATH_BYTES];

    if (!a->out)
        return MCVD_OK;
    for (size_t i = 0; !a->force && i < sizeof names / sizeof *names; i++) {
        const mcvd_status st = mcvdi_path(path, sizeof path, "%s/%s", a->out, names[i]);
        if (st < 0 || access(path, F_OK) == 0)
            return st < 0 ? st : refuse(path);
    }
    return check_writable(a->out);
}

/* --- records, shards, features --- */

static mcvd_status read_shard(eval_run *r)
{
    char end = '\0';
    unsigned shard = 0;
    unsigned count = 0;

    if (!r->a.shard)
        return MCVD_OK;
    if (sscanf(r->a.shard, "%u/%u%c", &shard, &count, &end) != 2 || count < 1 || shard >= count ||
        count > 10000)
        return mcvdi_cli_fail(MCVD_E_USAGE, "--shard %s: expected I/N with 0 <= I < N", r->a.shard);
    if (!r->a.out)
        return mcvdi_cli_fail(MCVD_E_USAGE, "--shard needs --out DIR, where the parts meet");
    r->options.shard = shard;
    r->options.num_shards = count;
    return MCVD_OK;
}

static bool wants_features(const eval_run *r)
{
    return !r->a.features || strcmp(r->a.features, "none") != 0;
}

/* LPIPS where its weights are; a folder that was named must have some of them. */
static mcvd_status open_lpips(eval_run *r)
{
    char path[PATH_BYTES];
    const mcvd_status st =
        mcvd_extractor_path(path, sizeof path, MCVD_EXTRACTOR_ALEXNET, r->a.features);

    if (st >= 0)
        return mcvd_lpips_open(&r->options.lpips, path);
    if (st != MCVD_E_INPUT)
        return st;
    mcvdi_cli_note("no LPIPS: %s", mcvd_last_error());
    return MCVD_OK;
}

static mcvd_status open_video_features(eval_run *r)
{
    char path[PATH_BYTES];
    const mcvd_status st =
        mcvd_extractor_path(path, sizeof path, MCVD_EXTRACTOR_I3D, r->a.features);

    if (st >= 0)
        return mcvd_video_features_open(&r->options.features, MCVD_EXTRACTOR_I3D, path);
    if (st != MCVD_E_INPUT)
        return st;
    mcvdi_cli_note("fvd-proxy instead of FVD: %s", mcvd_last_error());
    return mcvd_video_features_open(&r->options.features, MCVD_EXTRACTOR_PROXY, NULL);
}

static mcvd_status open_features(eval_run *r)
{
    if (!wants_features(r))
        return MCVD_OK;
    const mcvd_status st = r->job.task == MCVD_TASK_GENERATE ? MCVD_OK : open_lpips(r);
    return st < 0 ? st : open_video_features(r);
}

/* What decides the predictions, beside the protocol: weights, configuration, data. */
static mcvd_status make_fingerprint(eval_run *r)
{
    char sha[MCVD_SHA256_HEX] = "";
    const char *data = mcvd_dataset_describe(r->job.dataset);
    mcvd_status st = mcvd_file_sha256(sha, mcvd_model_path(r->model));

    if (st < 0)
        return st;
    char *config = mcvd_config_dump(&r->config);
    if (!config)
        return mcvdi_cli_fail(MCVD_E_NOMEM, "eval: out of memory");
    const size_t bytes = strlen(config) + strlen(data) + sizeof sha + 64;
    r->fingerprint = malloc(bytes);
    if (r->fingerprint)
        snprintf(r->fingerprint, bytes, "model %s\nclips together %zu\n%s\n%s", sha, r->job.chunk,
                 data, config);
    mcvd_text_free(config);
    return r->fingerprint ? MCVD_OK : mcvdi_cli_fail(MCVD_E_NOMEM, "eval: out of memory");
}

static int on_clip(void *user, size_t clip, bool found)
{
    eval_run *r = user;

    (void)clip;
    if (found)
        r->job.found++;
    return *mcvdi_signals_flag() != 0;
}

static mcvd_status set_up_options(eval_run *r)
{
    mcvd_eval_options *o = &r->options;
    mcvd_status st = open_features(r);

    if (st >= 0 && r->a.out)
        st = mcvdi_path(r->work, sizeof r->work, "%s/clips", r->a.out);
    if (st >= 0)
        st = make_fingerprint(r);
    o->work = r->a.out ? r->work : NULL;
    o->fingerprint = r->fingerprint;
    o->restart = r->a.force;
    o->group = r->job.chunk;
    o->on_clip = on_clip;
    o->user = r;
    return st;
}

/* --- clips and predictor --- */

static mcvd_status refuse_set(const eval_run *r, const char *found)
{
    return mcvdi_cli_fail(MCVD_E_INPUT, "%s: expected %s for benchmark %s, found %s",
                          r->a.data ? r->a.data : "the data", r->protocol.dataset, r->a.benchmark,
                          found);
}

/* A path that failed to open as videos or digits, which are known by their layout, though the
 * benchmark wants another set: that is the error to be told. */
static bool is_other_set(const eval_run *r)
{
    const char *kind = r->a.data ? mcvd_dataset_kind_of(r->a.data) : NULL;

    return kind && (strcmp(kind, "VIDEOS") == 0 || strcmp(kind, "StochasticMovingMNIST") == 0) &&
           strcmp(kind, r->protocol.dataset) != 0;
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

/* Frames count as held out only when training left out as many. */
static bool may_know_frames(const eval_run *r)
{
    const double left_out = mcvd_model_get_config(r->model)->data.test_fraction;

    return r->own_videos && r->config.data.test_fraction > left_out;
}

/* What speaks against the scores, as one line; empty when nothing does. */
static void describe_task(const eval_run *r, char *text, size_t bytes)
{
    const char *untrained = mcvd_task_untrained(&r->config, r->job.task);
    const char *words = "";

    text[0] = '\0';
    if (!untrained && r->protocol.frames > r->config.data.num_frames) {
        untrained = mcvd_task_untrained_chain(&r->config, r->job.task);
        words = " beyond the first block";
    }
    if (untrained)
        snprintf(text, bytes, "was not trained for %s%s: %s", r->a.task, words, untrained);
}

static void warn(const eval_run *r)
{
    char task[LINE_BYTES];

    describe_task(r, task, sizeof task);
    if (*task)
        mcvdi_cli_warn("%s %s", r->model_path, task);
    if (may_know_frames(r))
        mcvdi_cli_warn("%s may have trained on these frames: it left out %g of every video, the "
                       "last %g are scored",
                       r->model_path, mcvd_model_get_config(r->model)->data.test_fraction,
                       r->config.data.test_fraction);
}

static mcvd_status note_task(const eval_run *r)
{
    char task[LINE_BYTES];
    char text[LINE_BYTES + 16];

    describe_task(r, task, sizeof task);
    if (!*task)
        return MCVD_OK;
    snprintf(text, sizeof text, "the model %s", task);
    return mcvd_eval_report_note(r->report, "warning", text);
}

static mcvd_status note_data(const eval_run *r)
{
    const char *about = mcvd_dataset_describe(r->job.dataset);
    char data[PATH_BYTES + LINE_BYTES];

    if (!r->own_videos)
        snprintf(data, sizeof data, "%s", about);
    else if (may_know_frames(r))
        snprintf(data, sizeof data,
                 "%s, the last %g of every video; the model may have trained on these frames",
                 about, r->config.data.test_fraction);
    else
        snprintf(data, sizeof data, "%s, held out: the last %g of every video", about,
                 r->config.data.test_fraction);
    return mcvd_eval_report_note(r->report, "data", data);
}

static mcvd_status write_notes(const eval_run *r)
{
    char guidance[MCVDI_GUIDANCE_TEXT];
    char sampler[LINE_BYTES];

    mcvdi_guidance_describe(&r->config.sampling, r->job.task, guidance);
    snprintf(sampler, sizeof sampler, "%s, %d steps per block of %zu frames%s",
             mcvd_rollout_sampler_name(r->job.rollout), mcvd_rollout_num_steps(r->job.rollout),
             r->job.block, guidance);
    mcvd_status st = mcvd_eval_report_note(r->report, "model", r->model_path);
    if (st >= 0 && *mcvd_model_summary(r->model))
        st = mcvd_eval_report_note(r->report, "training", mcvd_model_summary(r->model));
    if (st >= 0)
        st = mcvd_eval_report_note(r->report, "sampler", sampler);
    if (st >= 0)
        st = note_data(r);
    return st < 0 ? st : note_task(r);
}

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
    return r->a.out ? mcvd_eval_report_save(r->report, r->a.out, r->a.force) : MCVD_OK;
}

/* In what this run is not the published protocol, beside the published rows. */
static mcvd_status note_differences(eval_run *r)
{
    const mcvd_eval_protocol *p = &r->protocol;
    const mcvd_video_features *features = r->options.features;
    const size_t clips = mcvd_eval_report_clips(r->report);
    mcvd_eval_protocol paper;
    char text[LINE_BYTES];
    int used = 0;

    mcvd_status st = mcvd_eval_protocol_find(&paper, r->a.benchmark);
    if (st < 0)
        return st;
    text[0] = '\0';
    if (clips != (size_t)paper.clips)
        used +=
            snprintf(text, sizeof text, "%zu clips, published %" PRId64 "; ", clips, paper.clips);
    if (p->trajectories != paper.trajectories)
        used += snprintf(text + used, sizeof text - (size_t)used,
                         "K = %" PRId64 ", published %" PRId64 "; ", p->trajectories,
                         paper.trajectories);
    if (p->image_size != paper.image_size)
        used += snprintf(text + used, sizeof text - (size_t)used,
                         "%" PRId64 " pixels, published %" PRId64 "; ", p->image_size,
                         paper.image_size);
    if (!features || strcmp(mcvd_video_features_distance(features), "fvd") != 0)
        used += snprintf(text + used, sizeof text - (size_t)used, "no FVD; ");
    if (used < 2)
        return MCVD_OK;
    text[used - 2] = '\0';
    return mcvd_eval_report_note(r->report, "not as published", text);
}

/* Rows of others, where the task and the lengths are theirs. */
static mcvd_status add_published(eval_run *r)
{
    const mcvd_eval_published *rows = NULL;
    const mcvd_eval_protocol *p = &r->protocol;
    const size_t count = r->job.task == MCVD_TASK_PREDICT
                             ? mcvd_eval_published_rows(&rows, p->dataset, p->past, p->frames)
                             : 0;

    mcvd_eval_report_compare(r->report, rows, count);
    return count > 0 ? note_differences(r) : MCVD_OK;
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
    mcvd_status st = check_out(&r->a);

    if (st >= 0)
        st = read_shard(r);
    if (r->a.threads)
        mcvd_set_threads((int)r->a.threads);
    if (st >= 0)
        st = set_up_protocol(r);
    if (st >= 0)
        st = open_data(r);
    if (st >= 0)
        st = open_predictor(r);
    if (st >= 0)
        st = set_up_options(r);
    if (st < 0)
        return st;
    warn(r);
    mcvdi_signals_install();
    st = run_benchmark(r);
    if (st < 0 || !r->report) /* a shard has no report */
        return st;
    st = write_notes(r);
    if (st < 0)
        return st;
    st = add_published(r);
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
