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
    job->actions = calloc(job->chunk * job->window + 1, (job->action_dim + 1) * sizeof(float));
    job->action_rows = calloc(job->samples, sizeof *job->action_rows);
    job->strip = calloc(job->window + frames_of(job), job->frame);
    if (job->pixels && job->windows && job->past && job->future && job->made && job->predicted &&
        job->actions && job->action_rows && job->strip)
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
    free(job->actions);
    free(job->action_rows);
    free(job->strip);
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

static mcvd_status get_clip(const eval_job *job, size_t clip, float *frames, float *actions)
{
    if (clip >= job->num_clips)
        return MCVD_EOF;
    const mcvd_status st = mcvd_dataset_window_actions(job->dataset, clip, job->pixels, actions);
    if (st >= 0)
        mcvd_pixels_to_float(frames, job->pixels, job->window * job->frame);
    return st;
}

mcvd_status eval_job_clip(void *user, size_t clip, float *frames)
{
    return get_clip(user, clip, frames, NULL);
}

/* Clips first ... of the chunk; where the clips end, the last one fills up. */
static mcvd_status load_chunk(eval_job *job, size_t first)
{
    const size_t k = (size_t)job->protocol->trajectories;
    const size_t past = (size_t)job->protocol->past;

    job->first = first;
    job->count = job->num_clips - first < job->chunk ? job->num_clips - first : job->chunk;
    for (size_t c = 0; c < job->count; c++) {
        float *actions = job->actions + c * job->window * job->action_dim;
        const mcvd_status st = get_clip(job, first + c, job->windows + c * job->window * job->frame,
                                        job->action_dim ? actions : NULL);
        if (st != MCVD_OK)
            return st;
    }
    for (size_t s = 0; s < job->samples; s++) {
        const size_t c = s / k < job->count ? s / k : job->count - 1;
        job->past[s] = job->windows + c * job->window * job->frame;
        job->future[s] = job->past[s] + (past + frames_of(job)) * job->frame;
        job->action_rows[s] = job->actions + c * job->window * job->action_dim;
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

/* ---- pictures and films of the first clips ---- */

mcvd_status eval_job_picture_path(char *path, size_t bytes, const char *folder, size_t i,
                                  const char *extension)
{
    return mcvdi_path(path, bytes, "%s/clip-%zu.%s", folder, i, extension);
}

/* Frame f of the window as the prediction shows it; NULL where the task knows nothing. */
static const uint8_t *shown_frame(const eval_job *job, size_t f)
{
    const size_t past = (size_t)job->protocol->past;

    if (f < past)
        return mcvd_task_past_given(job->task) ? job->strip + f * job->frame : NULL;
    if (f >= past + frames_of(job))
        return mcvd_task_future_given(job->task) ? job->strip + f * job->frame : NULL;
    return job->strip + (job->window + f - past) * job->frame;
}

static mcvd_status save_strip(const eval_job *job, const char *path)
{
    const mcvd_eval_protocol *p = job->protocol;
    const uint8_t **tiles = calloc(2 * job->window, sizeof *tiles);

    if (!tiles)
        return mcvdi_cli_fail(MCVD_E_NOMEM, "eval: out of memory for a picture");
    for (size_t f = 0; f < job->window; f++) {
        tiles[f] = job->strip + f * job->frame;
        tiles[job->window + f] = shown_frame(job, f);
    }
    const mcvdi_strip picture = { .size = (size_t)p->image_size,
                                  .channels = (size_t)p->channels,
                                  .rows = 2,
                                  .cols = job->window,
                                  .breaks = { (size_t)p->past,
                                              p->future ? (size_t)(p->past + p->frames) : 0 },
                                  .zoom = mcvdi_strip_zoom((size_t)p->image_size),
                                  .at = tiles };
    const mcvd_status st = mcvdi_strip_write(path, &picture, true);
    free(tiles);
    return st;
}

static mcvd_status write_film(const eval_job *job, mcvd_video_writer *writer,
                              const mcvd_grid_config *grid, uint8_t *picture)
{
    mcvd_status st = MCVD_OK;

    for (size_t f = 0; st >= 0 && f < job->window; f++) {
        const uint8_t *const tiles[] = { job->strip + f * job->frame, shown_frame(job, f) };
        st = mcvd_grid_compose(picture, grid, tiles);
        if (st >= 0)
            st = mcvd_video_writer_write(writer, picture);
    }
    return st < 0 ? st : mcvd_video_writer_finish(writer);
}

/* Truth on the left, prediction on the right. */
static mcvd_status save_film(const eval_job *job, const char *path)
{
    enum { FRAMES_PER_SECOND = 8, VISIBLE = 256 };
    const int size = (int)job->protocol->image_size;
    mcvd_grid_config grid = mcvd_grid_config_default();
    mcvd_video_writer_config wc = mcvd_video_writer_config_default();
    mcvd_video_writer *writer = NULL;

    grid.cols = 2;
    grid.tile_width = grid.tile_height = size;
    grid.channels = wc.channels = (int)job->protocol->channels;
    grid.zoom = size < VISIBLE ? VISIBLE / size : 1;
    wc.fps_num = FRAMES_PER_SECOND;
    wc.force = true;
    mcvd_status st = mcvd_grid_size(&grid, &wc.width, &wc.height);
    if (st < 0)
        return st;
    uint8_t *picture = malloc((size_t)wc.width * (size_t)wc.height * (size_t)wc.channels);
    if (!picture)
        return mcvdi_cli_fail(MCVD_E_NOMEM, "eval: out of memory for a film");
    st = mcvd_video_writer_open(&writer, path, &wc);
    if (st >= 0)
        st = write_film(job, writer, &grid, picture);
    mcvd_video_writer_free(&writer);
    free(picture);
    return st;
}

/* Of the chunk's clips that are among the first; trajectory 0. */
static mcvd_status save_pictures(eval_job *job)
{
    const size_t k = (size_t)job->protocol->trajectories;
    const size_t frames = frames_of(job);
    char path[4096];
    mcvd_status st = MCVD_OK;

    for (size_t c = 0; job->folder && st >= 0 && c < job->count && job->first + c < EVAL_STRIPS;
         c++) {
        mcvd_float_to_pixels(job->strip, job->windows + c * job->window * job->frame,
                             job->window * job->frame);
        mcvd_float_to_pixels(job->strip + job->window * job->frame,
                             job->predicted + c * k * frames * job->frame, frames * job->frame);
        st = eval_job_picture_path(path, sizeof path, job->folder, job->first + c, "png");
        if (st >= 0)
            st = save_strip(job, path);
        if (st >= 0)
            st = eval_job_picture_path(path, sizeof path, job->folder, job->first + c, "mp4");
        if (st >= 0)
            st = save_film(job, path);
    }
    return st;
}

/* ---- prediction ---- */

static mcvd_status predict_chunk(eval_job *job, size_t first)
{
    const uint64_t number = (uint64_t)first * (uint64_t)job->protocol->trajectories;
    const size_t blocks = (frames_of(job) + job->block - 1) / job->block;
    mcvd_status st = load_chunk(job, first);

    job->blocks_done = job->last_call = 0;
    if (st >= 0)
        st = mcvd_rollout_begin_each(job->rollout, number, job->past, job->future);
    if (st >= 0 && job->action_dim)
        st = mcvd_rollout_set_actions_each(job->rollout, job->action_rows, job->window);
    for (size_t b = 0; st >= 0 && b < blocks; b++) {
        st = mcvd_rollout_next(job->rollout, job->made);
        if (st >= 0)
            place_block(job, b);
    }
    if (st < 0) {
        job->count = 0;
        return st;
    }
    return save_pictures(job);
}

mcvd_status eval_job_predict(void *user, const mcvd_eval_case *eval_case, float *out)
{
    eval_job *job = user;
    const size_t clip = eval_case->clip;
    const size_t n = eval_case->trajectories * frames_of(job) * job->frame;

    if (clip < job->first || clip >= job->first + job->count) {
        const mcvd_status st = predict_chunk(job, clip / job->chunk * job->chunk);
        if (st < 0)
            return st;
    }
    memcpy(out, job->predicted + (clip - job->first) * n, n * sizeof *out);
    return MCVD_OK;
}
