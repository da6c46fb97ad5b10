#include "cli/eval_job.h"

#include <stdlib.h>
#include <string.h>

#include "cli/fail.h"
#include "cli/path.h"
#include "cli/signals.h"
#include "cli/strip.h"

static size_t frames_of(const eval_job *job)
{
    return (size_t)job->protocol->frames;
}

mcvd_status eval_job_prepare(eval_job *job)
{
    const mcvd_eval_protocol *p = job->protocol;
    const size_t there = mcvd_dataset_num_test_clips(job->dataset);
    const size_t wanted = (size_t)p->clips;

    job->frame = (size_t)(p->image_size * p->image_size * p->channels);
    job->window = (size_t)(p->past + p->frames + p->future);
    job->samples = job->chunk * (size_t)p->trajectories;
    job->num_clips = there < wanted ? there : wanted;
    job->pixels = calloc(job->window, job->frame);
    job->windows = calloc(job->chunk * job->window, job->frame * sizeof(float));
    job->past = calloc(job->samples, sizeof *job->past);
    job->future = calloc(job->samples, sizeof *job->future);
    job->made = calloc(job->samples * job->block, job->frame * sizeof(float));
    job->predicted = calloc(job->samples * frames_of(job), job->frame * sizeof(float));
    job->strips = calloc(EVAL_STRIPS * (job->window + frames_of(job)), job->frame);
    if (job->pixels && job->windows && job->past && job->future && job->made && job->predicted &&
        job->strips)
        return MCVD_OK;
    return mcvdi_cli_fail(MCVD_E_NOMEM, "eval: out of memory for %zu trajectories of %zu frames",
                          job->samples, frames_of(job));
}

void eval_job_release(eval_job *job)
{
    free(job->pixels);
    free(job->windows);
    free(job->past);
    free(job->future);
    free(job->made);
    free(job->predicted);
    free(job->strips);
}

int eval_job_on_call(void *user, size_t call, size_t num_calls)
{
    eval_job *job = user;
    const size_t blocks = (frames_of(job) + job->block - 1) / job->block;

    if (call <= job->last_call)
        job->blocks_done++;
    job->last_call = call;
    const double part =
        ((double)job->blocks_done + (double)call / (double)num_calls) / (double)blocks;
    mcvdi_progress_update(&job->progress, (int64_t)((double)job->first + part * (double)job->count),
                          NULL);
    return *mcvdi_signals_flag() != 0;
}

mcvd_status eval_job_clip(void *user, size_t clip, float *frames)
{
    const eval_job *job = user;

    if (clip >= job->num_clips)
        return MCVD_EOF;
    const mcvd_status st = mcvd_dataset_window(job->dataset, clip, job->pixels);
    if (st >= 0)
        mcvd_pixels_to_float(frames, job->pixels, job->window * job->frame);
    return st;
}

/* Clips first ... of the chunk; where the clips end, the last one fills up. */
static mcvd_status load_chunk(eval_job *job, size_t first)
{
    const size_t k = (size_t)job->protocol->trajectories;
    const size_t past = (size_t)job->protocol->past;

    job->first = first;
    job->count = job->num_clips - first < job->chunk ? job->num_clips - first : job->chunk;
    for (size_t c = 0; c < job->count; c++) {
        const mcvd_status st =
            eval_job_clip(job, first + c, job->windows + c * job->window * job->frame);
        if (st != MCVD_OK)
            return st;
    }
    for (size_t s = 0; s < job->samples; s++) {
        const size_t c = s / k < job->count ? s / k : job->count - 1;
        job->past[s] = job->windows + c * job->window * job->frame;
        job->future[s] = job->past[s] + (past + frames_of(job)) * job->frame;
    }
    return MCVD_OK;
}

/* Block number `index` of every trajectory to its place in time. */
static void place_block(eval_job *job, size_t index)
{
    const size_t frames = frames_of(job);
    const size_t left = frames - index * job->block;
    const size_t n = left < job->block ? left : job->block;
    const bool backwards = job->task == MCVD_TASK_PREDICT_PAST;
    const size_t from = backwards ? job->block - n : 0;
    const size_t to = backwards ? left - n : index * job->block;

    for (size_t s = 0; s < job->samples; s++)
        memcpy(job->predicted + (s * frames + to) * job->frame,
               job->made + (s * job->block + from) * job->frame,
               n * job->frame * sizeof *job->made);
}

static void keep_strips(eval_job *job)
{
    const size_t k = (size_t)job->protocol->trajectories;
    const size_t frames = frames_of(job);

    for (size_t c = 0; c < job->count && job->first + c < EVAL_STRIPS; c++) {
        uint8_t *strip = job->strips + (job->first + c) * (job->window + frames) * job->frame;
        mcvd_float_to_pixels(strip, job->windows + c * job->window * job->frame,
                             job->window * job->frame);
        mcvd_float_to_pixels(strip + job->window * job->frame,
                             job->predicted + c * k * frames * job->frame, frames * job->frame);
        job->num_strips = job->first + c + 1;
    }
}

static mcvd_status predict_chunk(eval_job *job, size_t first)
{
    const uint64_t number = (uint64_t)first * (uint64_t)job->protocol->trajectories;
    const size_t blocks = (frames_of(job) + job->block - 1) / job->block;
    mcvd_status st = load_chunk(job, first);

    job->blocks_done = job->last_call = 0;
    if (st >= 0)
        st = mcvd_rollout_begin_each(job->rollout, number, job->past, job->future);
    for (size_t b = 0; st >= 0 && b < blocks; b++) {
        st = mcvd_rollout_next(job->rollout, job->made);
        if (st >= 0)
            place_block(job, b);
    }
    if (st < 0) {
        job->count = 0;
        return st;
    }
    keep_strips(job);
    return MCVD_OK;
}

mcvd_status eval_job_predict(void *user, const mcvd_eval_case *eval_case, float *out)
{
    eval_job *job = user;
    const size_t clip = eval_case->clip;
    const size_t n = eval_case->trajectories * frames_of(job) * job->frame;

    if (clip < job->first || clip >= job->first + job->count) {
        const mcvd_status st = predict_chunk(job, clip);
        if (st < 0)
            return st;
    }
    memcpy(out, job->predicted + (clip - job->first) * n, n * sizeof *out);
    return MCVD_OK;
}

mcvd_status eval_job_strip_path(char *path, size_t bytes, const char *folder, size_t i)
{
    return mcvdi_path(path, bytes, "%s/clip-%zu.png", folder, i);
}

/* Frame f of the window as the second row shows it; NULL where the task knows nothing. */
static const uint8_t *shown_frame(const eval_job *job, const uint8_t *strip, size_t f)
{
    const size_t past = (size_t)job->protocol->past;

    if (f < past)
        return mcvd_task_past_given(job->task) ? strip + f * job->frame : NULL;
    if (f >= past + frames_of(job))
        return mcvd_task_future_given(job->task) ? strip + f * job->frame : NULL;
    return strip + (job->window + f - past) * job->frame;
}

static mcvd_status save_strip(const eval_job *job, const char *path, size_t i, bool force)
{
    const mcvd_eval_protocol *p = job->protocol;
    const uint8_t *strip = job->strips + i * (job->window + frames_of(job)) * job->frame;
    const uint8_t **tiles = calloc(2 * job->window, sizeof *tiles);

    if (!tiles)
        return mcvdi_cli_fail(MCVD_E_NOMEM, "eval: out of memory for a picture");
    for (size_t f = 0; f < job->window; f++) {
        tiles[f] = strip + f * job->frame;
        tiles[job->window + f] = shown_frame(job, strip, f);
    }
    const mcvdi_strip picture = { .size = (size_t)p->image_size,
                                  .channels = (size_t)p->channels,
                                  .rows = 2,
                                  .cols = job->window,
                                  .breaks = { (size_t)p->past,
                                              p->future ? (size_t)(p->past + p->frames) : 0 },
                                  .zoom = mcvdi_strip_zoom((size_t)p->image_size),
                                  .at = tiles };
    const mcvd_status st = mcvdi_strip_write(path, &picture, force);
    free(tiles);
    return st;
}

mcvd_status eval_job_save_strips(const eval_job *job, const char *folder, bool force)
{
    char path[4096];
    mcvd_status st = MCVD_OK;

    for (size_t i = 0; st >= 0 && i < job->num_strips; i++) {
        st = eval_job_strip_path(path, sizeof path, folder, i);
        if (st >= 0)
            st = save_strip(job, path, i, force);
    }
    return st;
}
