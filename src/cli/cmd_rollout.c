#include "cli/cmd.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mcvd/threads.h>

#include "cli/fail.h"
#include "cli/guidance_args.h"
#include "cli/json_text.h"
#include "cli/parse.h"
#include "cli/path.h"
#include "cli/progress.h"
#include "cli/rollout_job.h"
#include "cli/sampling_args.h"
#include "cli/settings.h"
#include "cli/shared.h"
#include "cli/signals.h"

enum { PATH_BYTES = 4096, VIEW_PIXELS = 256, ROW_PIXELS = 4096, GENERATED_FPS = 10 };

typedef struct rollout_args {
    const char *input;
    const char *model;
    const char *config_file;
    const char *task;
    const char *start;
    const char *guidance;
    const char *inpaint;
    const char *actions;
    const char *out;
    int64_t frames;
    int64_t factor;
    mcvdi_sampling_args sampling;
    int64_t repeats;
    int64_t samples;
    int64_t seed;
    int64_t zoom;
    int64_t threads;
    bool plain;
    bool force;
    bool json;
    mcvdi_arg_list sets;
} rollout_args;

static const mcvdi_arg args[] = {
    { .name = "INPUT",
      .type = MCVDI_ARG_TEXT,
      .help = "a video, a folder of pictures, or - for y4m on stdin; not needed by generate",
      .offset = offsetof(rollout_args, input) },
    { .name = "--frames",
      .type = MCVDI_ARG_INT,
      .value = "N",
      .min = 1,
      .max = 300000,
      .help =
          "new frames; default: sampling.num_frames_pred of the model, for interp one gap (interp "
          "rounds up to whole gaps)",
      .offset = offsetof(rollout_args, frames) },
    { .name = "--task",
      .type = MCVDI_ARG_CHOICE,
      .value = "TASK",
      .choices = "predict|predict-past|interp|generate",
      .fallback = "predict",
      .help = "what follows, what came before, what lies between, or a new video",
      .offset = offsetof(rollout_args, task) },
    MCVDI_ARG_MODEL(rollout_args),
    MCVDI_ARG_CONFIG(rollout_args),
    { .name = "--start",
      .type = MCVDI_ARG_TEXT,
      .value = "FRAME",
      .help = "first known frame, counted from 0; `end`: the last ones, so that the result goes "
              "beyond the input",
      .offset = offsetof(rollout_args, start) },
    { .name = "--factor",
      .type = MCVDI_ARG_INT,
      .value = "N",
      .min = 2,
      .max = 257,
      .help = "interp: the whole video with N times as many frames",
      .offset = offsetof(rollout_args, factor) },
    { .name = "--samples",
      .type = MCVDI_ARG_INT,
      .value = "K",
      .min = 1,
      .max = 64,
      .fallback = "1",
      .help = "different futures, side by side",
      .offset = offsetof(rollout_args, samples) },
    MCVDI_ARG_SEED(rollout_args, "same seed, same bytes"),
    MCVDI_ARGS_SAMPLING(rollout_args, sampling),
    MCVDI_ARG_GUIDANCE(rollout_args),
    { .name = "--inpaint",
      .type = MCVDI_ARG_TEXT,
      .value = "MASK",
      .help = "make only the white pixels of MASK: a picture, or a video whose frame n is the mask "
              "of frame n of the input; black pixels are the input's, which must have the frames "
              "that are to be made",
      .offset = offsetof(rollout_args, inpaint) },
    { .name = "--repeats",
      .type = MCVDI_ARG_INT,
      .value = "N",
      .min = 1,
      .max = 100,
      .help = "inpaint: take each denoising step N times, so that new pixels fit the known ones; "
              "default: the model's own, else 8 where the sampler can",
      .offset = offsetof(rollout_args, repeats) },
    { .name = "--actions",
      .type = MCVDI_ARG_TEXT,
      .value = "FILE",
      .help = "for models with model.action_dim: a line of that many numbers per frame, from the "
              "first known frame on (predict-past: up to the last one)",
      .offset = offsetof(rollout_args, actions) },
    { .name = "--out",
      .short_name = "-o",
      .type = MCVDI_ARG_TEXT,
      .value = "FILE",
      .help = "by extension: .mp4, .mkv (lossless), .gif, .apng, .y4m, a folder/ of pictures, or - "
              "for y4m on stdout; default: beside the input, named after it and the task",
      .offset = offsetof(rollout_args, out) },
    { .name = "--plain",
      .type = MCVDI_ARG_FLAG,
      .help = "only the new frames, at the model's size: no known frames, no truth beside them",
      .offset = offsetof(rollout_args, plain) },
    { .name = "--zoom",
      .type = MCVDI_ARG_INT,
      .value = "N",
      .min = 1,
      .max = 64,
      .help = "enlarge each pixel; default: to about 256 pixels, 1 with --plain",
      .offset = offsetof(rollout_args, zoom) },
    { .name = "--force",
      .type = MCVDI_ARG_FLAG,
      .help = "replace an existing output",
      .offset = offsetof(rollout_args, force) },
    { .name = "--json",
      .type = MCVDI_ARG_FLAG,
      .help = "say what was done as a JSON object",
      .offset = offsetof(rollout_args, json) },
    MCVDI_ARG_THREADS(rollout_args),
    MCVDI_ARG_SET(rollout_args,
                  "change a key of the model's sampling section, data.resize or data.frame_step"),
};

static const mcvdi_arg_table table = {
    "rollout",
    "Continue a video, or go back before it, fill its gaps, or make a new one: block by block, to\n"
    "any length. The result stands beside the true frames where the input has them.",
    args,
    sizeof args / sizeof args[0],
    "  mcvd rollout input.mp4 --frames 28\n"
    "  mcvd rollout input.mp4 --frames 28 --samples 4 --seed 7 -o futures.gif\n"
    "  mcvd rollout input.mp4 --start end --frames 50 --plain -o next.mkv\n"
    "  mcvd rollout input.mp4 --task interp --factor 2\n"
    "  mcvd rollout input.mp4 --frames 10 --inpaint mask.png\n"
    "  mcvd rollout --task generate --frames 30 -o new.mp4",
};

/* Everything between the arguments and the job. */
typedef struct rollout_run {
    rollout_args a;
    mcvd_task task;
    mcvd_model *model;
    mcvd_config config; /* the model's, with --set */
    mcvd_rollout_config rollout_config;
    rollout_job job;
    mcvdi_inpaint inpaint;
    mcvdi_progress progress;
    int64_t calls_before; /* of finished blocks, for progress */
    size_t last_call;
    char model_path[PATH_BYTES];
    char out[PATH_BYTES];
} rollout_run;

/* --- settings --- */

/* Sizes and the network are the model's own: buffers are made for them. */
static bool can_set(const char *assignment)
{
    static const char *const keys[] = { "sampling.", "data.resize=", "data.frame_step=" };

    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (strncmp(assignment, keys[i], strlen(keys[i])) == 0)
            return true;
    return false;
}

static mcvd_status load_model(rollout_run *r)
{
    mcvd_status st = mcvdi_model_path(r->model_path, sizeof r->model_path, r->a.model);

    if (st >= 0)
        st = mcvdi_model_load(&r->model, r->model_path, r->a.config_file);
    if (st < 0)
        return st;
    r->config = *mcvd_model_get_config(r->model);
    for (int i = 0; i < r->a.sets.count; i++)
        if (!can_set(r->a.sets.values[i]))
            return mcvdi_cli_fail(MCVD_E_USAGE,
                                  "--set %s: a rollout can set sampling.*, data.resize and "
                                  "data.frame_step; the rest belongs to the model",
                                  r->a.sets.values[i]);
    return mcvdi_settings_apply(&r->config, &r->a.sets, NULL);
}

static mcvd_status read_start(rollout_run *r)
{
    char *end = NULL;

    r->job.start = -1;
    if (!r->a.start)
        return MCVD_OK;
    if (strcmp(r->a.start, "end") == 0) {
        r->job.start = -2;
        return MCVD_OK;
    }
    r->job.start = strtoll(r->a.start, &end, 10);
    if (end == r->a.start || *end || r->job.start < 0 || r->job.start > INT32_MAX)
        return mcvdi_cli_fail(MCVD_E_USAGE, "--start: expected a frame number or end, found '%s'",
                              r->a.start);
    return MCVD_OK;
}

static mcvd_status check_usage(const rollout_run *r)
{
    if (!r->a.input && r->task != MCVD_TASK_GENERATE)
        return mcvdi_cli_fail(MCVD_E_USAGE, "INPUT is missing; only --task generate needs none");
    if (r->a.factor && r->task != MCVD_TASK_INTERP)
        return mcvdi_cli_fail(MCVD_E_USAGE, "--factor belongs to --task interp");
    if (r->a.factor && r->a.frames)
        return mcvdi_cli_fail(MCVD_E_USAGE, "--factor works on the whole video, without --frames");
    if (r->task == MCVD_TASK_GENERATE && (r->a.input || r->a.start))
        return mcvdi_cli_fail(MCVD_E_USAGE, "--task generate takes no %s",
                              r->a.input ? "INPUT" : "--start");
    if (r->a.input && strcmp(r->a.input, "-") == 0 &&
        (r->job.start == -2 || (r->task == MCVD_TASK_PREDICT_PAST && r->job.start == -1)))
        return mcvdi_cli_fail(MCVD_E_USAGE, "INPUT -: the length of a pipe is not known, so %s",
                              r->job.start == -2 ? "--start end is not possible"
                                                 : "predict-past needs --start FRAME");
    if (r->job.start == -2 && r->task == MCVD_TASK_INTERP)
        return mcvdi_cli_fail(MCVD_E_USAGE, "--start end: interp needs frames on both sides");
    return MCVD_OK;
}

/* The known pixels are those of frames that the input has. */
static mcvd_status check_inpaint_usage(const rollout_run *r)
{
    if (!r->a.inpaint && r->a.repeats)
        return mcvdi_cli_fail(MCVD_E_USAGE, "--repeats belongs to --inpaint");
    if (!r->a.inpaint)
        return MCVD_OK;
    if (r->task == MCVD_TASK_GENERATE)
        return mcvdi_cli_fail(MCVD_E_USAGE, "--inpaint: --task generate has no INPUT to take the "
                                            "known pixels from");
    if (r->a.factor)
        return mcvdi_cli_fail(MCVD_E_USAGE, "--inpaint: the input has no frames where --factor "
                                            "puts new ones");
    if (r->job.start == -2 && r->task == MCVD_TASK_PREDICT)
        return mcvdi_cli_fail(MCVD_E_USAGE, "--inpaint: the input has no frames after --start end");
    if (strcmp(r->a.input, "-") == 0 && r->task == MCVD_TASK_PREDICT_PAST)
        return mcvdi_cli_fail(MCVD_E_USAGE, "--inpaint: predict-past goes back in the input, which "
                                            "a pipe cannot");
    return MCVD_OK;
}

static mcvd_status apply_arguments(rollout_run *r)
{
    const mcvd_sampling_config *s = &r->config.sampling;
    const mcvd_status st = mcvdi_sampling_apply(&r->config, mcvd_model_get_config(r->model),
                                                &r->a.sampling, &r->a.sets);

    if (st < 0)
        return st;
    if (mcvdi_guidance_apply(&r->config, r->task, r->a.guidance) < 0)
        return MCVD_E_USAGE;
    if (r->a.repeats)
        r->config.sampling.inpaint_repeats = r->a.repeats;
    if (r->a.threads)
        mcvd_set_threads((int)r->a.threads);
    if (!r->a.frames)
        r->a.frames = r->task == MCVD_TASK_INTERP ? r->config.data.num_frames : s->num_frames_pred;
    const int64_t most = MCVD_ROLLOUT_MAX_BLOCKS * r->config.data.num_frames;
    if (r->task != MCVD_TASK_INTERP && r->a.frames > most)
        return mcvdi_cli_fail(MCVD_E_RANGE,
                              "--frames %" PRId64 ": this model makes %" PRId64 " at most",
                              r->a.frames, most);
    return MCVD_OK;
}

/* --- names and sizes --- */

static const char *suffix_of(const rollout_run *r)
{
    if (r->a.inpaint)
        return "-inpainted";
    switch (r->task) {
    case MCVD_TASK_PREDICT_PAST:
        return "-past";
    case MCVD_TASK_INTERP:
        return "-interpolated";
    default:
        return "-predicted";
    }
}

/* input.mp4 -> input-predicted.mp4 in the same folder. */
static mcvd_status name_beside(rollout_run *r, const char *input)
{
    size_t length = strlen(input);

    while (length > 1 && input[length - 1] == '/')
        length--;
    const char *base = input;
    for (size_t i = 0; i < length; i++)
        if (input[i] == '/')
            base = input + i + 1;
    for (size_t i = length; i-- > (size_t)(base - input) + 1;)
        if (input[i] == '.') {
            length = i;
            break;
        }
    return mcvdi_path(r->out, sizeof r->out, "%.*s%s.mp4", (int)length, input, suffix_of(r));
}

/* Names like `.` and `../..` say nothing: the folder's own name does. */
static bool ends_in_dots(const char *input)
{
    size_t length = strlen(input);

    while (length && (input[length - 1] == '/' || input[length - 1] == '.'))
        length--;
    return (length == 0 || input[length] == '/') && strchr(input + length, '.') != NULL;
}

static mcvd_status name_output(rollout_run *r)
{
    const char *input = r->a.input;

    if (r->a.out)
        return mcvdi_path(r->out, sizeof r->out, "%s", r->a.out);
    if (r->task == MCVD_TASK_GENERATE)
        return mcvdi_path(r->out, sizeof r->out, "generated.mp4");
    if (strcmp(input, "-") == 0)
        return mcvdi_path(r->out, sizeof r->out, "%s.mp4", suffix_of(r) + 1);
    char *real = ends_in_dots(input) ? realpath(input, NULL) : NULL;
    const mcvd_status st = name_beside(r, real ? real : input);
    free(real);
    return st;
}

/* The writer would replace the input while it is read, or after it. */
static mcvd_status check_output(const rollout_run *r)
{
    const bool pipes = !r->a.input || strcmp(r->a.input, "-") == 0 || strcmp(r->out, "-") == 0;

    if (!pipes && mcvdi_path_same(r->a.input, r->out))
        return mcvdi_cli_fail(MCVD_E_USAGE, "--out %s: this is the input itself", r->out);
    return MCVD_OK;
}

/* factor times the input's rate, in lowest terms and within int. */
static void set_rate(rollout_view_config *view, const mcvd_video_info *info, int64_t factor)
{
    int64_t num = info->fps_num * factor;
    int64_t den = info->fps_den;
    int64_t a = num;

    for (int64_t b = den; b;) {
        const int64_t rest = a % b;
        a = b;
        b = rest;
    }
    if (a > 1) {
        num /= a;
        den /= a;
    }
    for (; num > INT32_MAX; num /= 2)
        den = den > 1 ? den / 2 : 1;
    view->fps_num = (int)num;
    view->fps_den = (int)den;
}

static mcvd_status open_input(rollout_run *r)
{
    mcvd_video_reader_config rc = mcvd_video_reader_config_default();
    const mcvd_data_config *d = &r->config.data;
    rollout_view_config *view = &r->job.view_config;

    view->fps_num = GENERATED_FPS;
    view->fps_den = 1;
    if (r->task == MCVD_TASK_GENERATE)
        return MCVD_OK;
    rc.width = rc.height = (int)d->image_size;
    rc.channels = (int)d->channels;
    rc.resize = strcmp(d->resize, "bicubic") == 0 ? MCVD_RESIZE_BICUBIC : MCVD_RESIZE_AREA;
    rc.frame_step = (int)d->frame_step;
    const mcvd_status st = mcvd_video_reader_open(&r->job.reader, r->a.input, &rc);
    if (st < 0)
        return st;
    const mcvd_video_info *info = mcvd_video_reader_info(r->job.reader);
    set_rate(view, info, r->a.factor ? r->a.factor : 1);
    if (!r->a.inpaint)
        return MCVD_OK;
    r->job.inpaint = &r->inpaint;
    return mcvdi_inpaint_open(&r->inpaint, r->a.inpaint, &r->config, info);
}

/* Tiles of about VIEW_PIXELS, smaller when many of them stand side by side. */
static int default_zoom(const rollout_view_config *view, bool plain)
{
    const int tiles = (int)view->samples + 1;
    const int side = VIEW_PIXELS * tiles > ROW_PIXELS ? ROW_PIXELS / tiles : VIEW_PIXELS;

    return plain || view->size > side ? 1 : side / view->size;
}

static void set_view(rollout_run *r)
{
    rollout_view_config *view = &r->job.view_config;

    view->path = r->out;
    view->size = (int)r->config.data.image_size;
    view->channels = (int)r->config.data.channels;
    view->samples = (size_t)r->a.samples;
    view->force = r->a.force;
    view->zoom = (int)r->a.zoom;
    if (!view->zoom)
        view->zoom = default_zoom(view, r->a.plain);
}

/* --- running --- */

static int on_call(void *user, size_t call, size_t num_calls)
{
    rollout_run *r = user;
    const int64_t block = r->config.data.num_frames;

    if (call <= r->last_call)
        r->calls_before++; /* a new block */
    r->last_call = call;
    const double blocks = (double)r->calls_before + (double)call / (double)num_calls;
    const int64_t frames = (int64_t)(blocks * (double)block);
    const int64_t total = r->progress.total;
    mcvdi_progress_update(&r->progress, total && frames > total ? total : frames, NULL);
    return *mcvdi_signals_flag() != 0;
}

static void warn_untrained(const rollout_run *r)
{
    const char *untrained = mcvd_task_untrained(&r->config, r->task);
    const char *words = "";

    if (!untrained && r->a.frames > r->config.data.num_frames) {
        untrained = mcvd_task_untrained_chain(&r->config, r->task);
        words = " beyond the first block";
    }
    if (untrained)
        mcvdi_cli_warn("%s was not trained for %s%s: %s", r->model_path, r->a.task, words,
                       untrained);
}

static mcvd_status make_rollout(rollout_run *r)
{
    r->rollout_config = mcvd_rollout_config_default(&r->config);
    r->rollout_config.task = r->task;
    r->rollout_config.samples = (size_t)r->a.samples;
    r->rollout_config.seed = (uint64_t)r->a.seed;
    r->rollout_config.inpaint = r->a.inpaint != NULL;
    r->rollout_config.progress = on_call;
    r->rollout_config.progress_user = r;
    const mcvd_status st = mcvd_rollout_create(&r->job.rollout, r->model, &r->rollout_config);
    if (st >= 0)
        warn_untrained(r);
    return st;
}

/* 0 for a whole video: its length is not known. */
static int64_t progress_total(const rollout_run *r)
{
    const int64_t block = r->config.data.num_frames;

    if (r->a.factor)
        return 0;
    return r->task == MCVD_TASK_INTERP ? (r->a.frames + block - 1) / block * block : r->a.frames;
}

static mcvd_status run_job(rollout_run *r)
{
    r->job.model = &r->config;
    r->job.input = r->a.input;
    r->job.task = r->task;
    r->job.frames = r->a.frames;
    r->job.factor = r->a.factor;
    r->job.samples = (size_t)r->a.samples;
    r->job.plain = r->a.plain;
    r->job.piped = r->a.input && strcmp(r->a.input, "-") == 0;
    r->progress = (mcvdi_progress) {
        .label = "rollout", .unit = "frames", .total = progress_total(r), .plain_s = 10
    };
    mcvdi_progress_start(&r->progress);
    const mcvd_status st = rollout_job_run(&r->job);
    mcvdi_progress_end(&r->progress, NULL);
    return st;
}

/* --- saying what was done --- */

static void print_json(FILE *to, const rollout_run *r)
{
    fputs("{\"output\":", to);
    mcvdi_json_string(to, r->out);
    fprintf(to, ",\"task\":\"%s\",\"input\":", r->a.task);
    mcvdi_json_string(to, r->a.input ? r->a.input : "");
    fputs(",\"model\":", to);
    mcvdi_json_string(to, r->model_path);
    fprintf(to, ",\"guidance_past\":%g,\"guidance_future\":%g", r->config.sampling.guidance_past,
            r->config.sampling.guidance_future);
    if (r->a.inpaint) {
        fputs(",\"mask\":", to);
        mcvdi_json_string(to, r->a.inpaint);
        fprintf(to, ",\"known_pixels\":%" PRIu64 ",\"made_pixels\":%" PRIu64, r->inpaint.num_black,
                r->inpaint.num_white);
    }
    fprintf(to,
            ",\"new_frames\":%" PRId64 ",\"written_frames\":%" PRIu64 ",\"samples\":%" PRId64
            ",\"seed\":%" PRId64 ",\"first_known\":%" PRId64 ",\"last_known\":%" PRId64
            ",\"sampler\":\"%s\",\"steps\":%d,\"calls_per_block\":%d,\"truth\":%s}\n",
            r->job.made, r->job.view.frames, r->a.samples, r->a.seed, r->job.first_known,
            r->job.last_known, mcvd_rollout_sampler_name(r->job.rollout),
            mcvd_rollout_num_steps(r->job.rollout), mcvd_rollout_num_calls(r->job.rollout),
            r->job.showed_truth ? "true" : "false");
}

static void print_line(FILE *to, const rollout_run *r)
{
    static const char *const done[] = { "predicted after", "predicted before", "filled in among",
                                        "generated" };
    char guidance[MCVDI_GUIDANCE_TEXT];

    fprintf(to, "%s: %" PRId64 " frames %s", r->out, r->job.made, done[r->task]);
    if (r->task == MCVD_TASK_INTERP)
        fprintf(to, " the frames of %s from frame %" PRId64, r->a.input, r->job.first_known);
    else if (r->a.input && r->task != MCVD_TASK_GENERATE)
        fprintf(to, " frames %" PRId64 "-%" PRId64 " of %s", r->job.first_known, r->job.last_known,
                r->a.input);
    if (r->a.inpaint)
        fprintf(to, ", inpainted with %s", r->a.inpaint);
    mcvdi_guidance_describe(&r->config.sampling, r->task, guidance);
    fprintf(to, " (%s, %d steps per block%s, seed %" PRId64 ")",
            mcvd_rollout_sampler_name(r->job.rollout), mcvd_rollout_num_steps(r->job.rollout),
            guidance, r->a.seed);
    if (r->job.showed_truth)
        fprintf(to, ", right of the true frames");
    fputc('\n', to);
}

static void warn_masks(const rollout_run *r)
{
    if (r->a.inpaint && (!r->inpaint.num_white || !r->inpaint.num_black))
        mcvdi_cli_warn("--inpaint %s: %s in every frame, so %s", r->a.inpaint,
                       r->inpaint.num_white ? "white" : "black",
                       r->inpaint.num_white ? "nothing of them is the input's"
                                            : "all of them are the input's");
}

/* Rows of actions belong to frames; new frames between them have none of their own. */
static mcvd_status read_actions(rollout_run *r)
{
    const size_t dim = (size_t)r->config.model.action_dim;

    if (!dim && r->a.actions)
        return mcvdi_cli_fail(MCVD_E_USAGE, "--actions: %s takes no actions", r->model_path);
    if (!dim)
        return MCVD_OK;
    if (!r->a.actions)
        return mcvdi_cli_fail(MCVD_E_USAGE,
                              "rollout: %s needs --actions FILE, %zu numbers per frame",
                              r->model_path, dim);
    if (r->a.factor)
        return mcvdi_cli_fail(MCVD_E_USAGE, "--factor: frames between those of the input have no "
                                            "actions");
    return mcvdi_actions_read(&r->job.actions, r->a.actions, dim);
}

static void release(rollout_run *r)
{
    mcvdi_actions_release(&r->job.actions);
    rollout_job_release(&r->job);
    mcvdi_inpaint_close(&r->inpaint);
    mcvd_rollout_free(&r->job.rollout);
    mcvd_video_reader_free(&r->job.reader);
    mcvd_model_free(&r->model);
}

static mcvd_status run(rollout_run *r)
{
    mcvd_status st = mcvd_task_parse(&r->task, r->a.task);

    if (st >= 0)
        st = read_start(r);
    if (st >= 0)
        st = check_usage(r);
    if (st >= 0)
        st = check_inpaint_usage(r);
    if (st >= 0)
        st = load_model(r);
    if (st < 0)
        return st;
    st = apply_arguments(r);
    if (st >= 0)
        st = read_actions(r);
    if (st >= 0)
        st = name_output(r);
    if (st >= 0)
        st = check_output(r);
    if (st >= 0)
        st = open_input(r);
    if (st < 0)
        return st;
    set_view(r);
    st = make_rollout(r);
    if (st >= 0) {
        mcvdi_signals_install();
        st = run_job(r);
    }
    if (st >= 0)
        warn_masks(r);
    if (st >= 0)
        (r->a.json ? print_json : print_line)(strcmp(r->out, "-") == 0 ? stderr : stdout, r);
    return st;
}

mcvd_status mcvdi_cmd_rollout(int argc, char **argv)
{
    static rollout_run r;
    mcvd_status st;

    memset(&r, 0, sizeof r);
    r.a.sampling.eta = -1.0;
    st = mcvdi_args_parse(&table, argc, argv, &r.a);
    if (st != MCVD_OK)
        return st;
    st = run(&r);
    release(&r);
    return st;
}
