/* What a report says beside its scores: model, sampler, data, doubts, published rows. */
#include "cli/eval_run.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli/fail.h"
#include "cli/guidance_args.h"

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

void eval_run_warn(const eval_run *r)
{
    char task[EVAL_LINE_BYTES];

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
    char task[EVAL_LINE_BYTES];
    char text[EVAL_LINE_BYTES + 16];

    describe_task(r, task, sizeof task);
    if (!*task)
        return MCVD_OK;
    snprintf(text, sizeof text, "the model %s", task);
    return mcvd_eval_report_note(r->report, "warning", text);
}

static mcvd_status note_data(const eval_run *r)
{
    const char *about = mcvd_dataset_describe(r->job.dataset);
    char data[EVAL_PATH_BYTES + EVAL_LINE_BYTES];

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

static mcvd_status note_data_digest(const eval_run *r)
{
    char text[EVAL_LINE_BYTES];

    snprintf(text, sizeof text, "%s, pixels of the first, the middle and the last clip",
             r->data_sha256);
    return mcvd_eval_report_note(r->report, "data_sha256", text);
}

static mcvd_status write_notes(const eval_run *r)
{
    char guidance[MCVDI_GUIDANCE_TEXT];
    char sampler[EVAL_LINE_BYTES];

    mcvdi_guidance_describe(&r->config.sampling, r->job.task, guidance);
    snprintf(sampler, sizeof sampler, "%s, %d steps per block of %zu frames%s",
             mcvd_rollout_sampler_name(r->job.rollout), mcvd_rollout_num_steps(r->job.rollout),
             r->job.block, guidance);
    mcvd_status st = mcvd_eval_report_note(r->report, "model", r->model_path);
    if (st >= 0)
        st = mcvd_eval_report_note(r->report, "model_sha256", r->model_sha256);
    if (st >= 0 && *mcvd_model_summary(r->model))
        st = mcvd_eval_report_note(r->report, "training", mcvd_model_summary(r->model));
    if (st >= 0)
        st = mcvd_eval_report_note(r->report, "sampler", sampler);
    if (st >= 0)
        st = note_data(r);
    if (st >= 0)
        st = note_data_digest(r);
    return st < 0 ? st : note_task(r);
}

/* One more difference, "; " between two. */
__attribute__((format(printf, 2, 3))) static void add_difference(char text[EVAL_LINE_BYTES],
                                                                 const char *format, ...)
{
    const size_t used = strlen(text);
    va_list values;

    va_start(values, format);
    if (used)
        snprintf(text + used, EVAL_LINE_BYTES - used, "; ");
    vsnprintf(text + strlen(text), EVAL_LINE_BYTES - strlen(text), format, values);
    va_end(values);
}

/* Which clips of the set: the published ones are those of the defaults. */
static void add_data_differences(char text[EVAL_LINE_BYTES], const mcvd_data_config *d)
{
    mcvd_config published;

    mcvd_config_default(&published);
    const mcvd_data_config *p = &published.data;
    if (d->start_at != p->start_at)
        add_difference(text, "clips from frame %" PRId64 " on", d->start_at);
    if (strcmp(d->kth_clips, p->kth_clips) != 0)
        add_difference(text, "clips '%s', published '%s'", d->kth_clips, p->kth_clips);
    if (d->ucf101_split != p->ucf101_split)
        add_difference(text, "split %" PRId64 ", published %" PRId64, d->ucf101_split,
                       p->ucf101_split);
    if (strcmp(d->cityscapes_test, p->cityscapes_test) != 0)
        add_difference(text, "split '%s', published '%s'", d->cityscapes_test, p->cityscapes_test);
}

/* The published trajectories are those of DDPM or DDIM in 100 steps or more, without guidance. */
static void add_sampling_differences(char text[EVAL_LINE_BYTES], const eval_run *r)
{
    enum { PUBLISHED_STEPS = 100 };
    const char *sampler = mcvd_rollout_sampler_name(r->job.rollout);
    const int steps = mcvd_rollout_num_steps(r->job.rollout);
    char guidance[MCVDI_GUIDANCE_TEXT];

    mcvdi_guidance_describe(&r->config.sampling, r->job.task, guidance);
    if (strcmp(sampler, "ddpm") != 0 && strcmp(sampler, "ddim") != 0)
        add_difference(text, "sampler %s, published ddpm or ddim", sampler);
    if (steps < PUBLISHED_STEPS)
        add_difference(text, "%d steps, published %d or more", steps, PUBLISHED_STEPS);
    if (*guidance)
        add_difference(text, "%s", guidance + strspn(guidance, ", "));
}

/* In what this run is not the published protocol, beside the published rows. */
static mcvd_status note_differences(eval_run *r)
{
    const mcvd_eval_protocol *p = &r->protocol;
    const mcvd_video_features *features = r->options.features;
    const size_t clips = mcvd_eval_report_clips(r->report);
    mcvd_eval_protocol paper;
    char text[EVAL_LINE_BYTES] = "";

    const mcvd_status st = mcvd_eval_protocol_find(&paper, r->a.benchmark);
    if (st < 0)
        return st;
    if (clips != (size_t)paper.clips)
        add_difference(text, "%zu clips, published %" PRId64, clips, paper.clips);
    if (p->trajectories != paper.trajectories)
        add_difference(text, "K = %" PRId64 ", published %" PRId64, p->trajectories,
                       paper.trajectories);
    if (p->image_size != paper.image_size)
        add_difference(text, "%" PRId64 " pixels, published %" PRId64, p->image_size,
                       paper.image_size);
    if (strcmp(p->windows, paper.windows) != 0)
        add_difference(text, "windows '%s', published '%s'", p->windows, paper.windows);
    add_data_differences(text, &r->config.data);
    add_sampling_differences(text, r);
    if (!features || strcmp(mcvd_video_features_distance(features), "fvd") != 0)
        add_difference(text, "no FVD");
    return *text ? mcvd_eval_report_note(r->report, "not as published", text) : MCVD_OK;
}

/* Rows of others, where task and lengths are theirs. */
static mcvd_status add_published(eval_run *r)
{
    const mcvd_eval_published *rows = NULL;
    const size_t count = mcvd_eval_published_rows(&rows, &r->protocol);

    mcvd_eval_report_compare(r->report, rows, count, (int)r->config.data.num_frames);
    return count > 0 ? note_differences(r) : MCVD_OK;
}

mcvd_status eval_run_annotate(eval_run *r)
{
    const mcvd_status st = write_notes(r);

    return st < 0 ? st : add_published(r);
}
