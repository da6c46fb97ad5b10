/* Interpolation: gaps inside a video, or new frames between all frames of a video. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/fail.h"
#include "cli/rollout_job.h"

static uint8_t *known_at(const rollout_job *job, int64_t i)
{
    return job->known + (size_t)i * job->frame_bytes;
}

/* first: row of the actions that the first known frame has. */
static mcvd_status begin_between(rollout_job *job, size_t first)
{
    const size_t past = (size_t)job->model->data.num_frames_cond;
    const size_t known = past + (size_t)job->model->data.num_frames_future;

    mcvd_pixels_to_float(job->known_f, job->known, known * job->frame_bytes);
    const mcvd_status st =
        rollout_job_begin(job, job->known_f, job->known_f + past * job->frame_bytes, first);
    return st < 0 ? st : rollout_job_next_block(job);
}

/* --- gaps ---
 *
 * known P | gap F | known G | gap F | known G ...   with G = max(P, U), all from the input. The
 * frames in the gaps are hidden from the model and shown as the truth. */

/* The input's frames that `gaps` gaps and the known ones around them take up. */
static int64_t span_of(const rollout_job *job, int64_t gaps)
{
    const mcvd_data_config *d = &job->model->data;
    const int64_t past = d->num_frames_cond;
    const int64_t future = d->num_frames_future;

    return past + gaps * d->num_frames + (gaps - 1) * (past > future ? past : future) + future;
}

static mcvd_status fail_gap(const rollout_job *job, int64_t gaps, mcvd_status st)
{
    return st == MCVD_EOF ? rollout_job_too_short(job, job->start + span_of(job, gaps)) : st;
}

/* Before anything is computed, where the input can be read twice. */
static mcvd_status check_length(const rollout_job *job, int64_t gaps)
{
    int64_t length = 0;

    if (job->piped)
        return MCVD_OK;
    const mcvd_status st = rollout_job_input_length(job, &length);
    if (st < 0)
        return st;
    return fail_gap(job, gaps, length < job->start + span_of(job, gaps) ? MCVD_EOF : MCVD_OK);
}

/* The gap's frames go to `hidden`, the known ones behind it to known[P..P+U). */
static mcvd_status read_gap(rollout_job *job, uint8_t *hidden)
{
    const mcvd_data_config *d = &job->model->data;
    mcvd_status st = MCVD_OK;

    for (int64_t f = 0; st == MCVD_OK && f < d->num_frames; f++)
        st = rollout_job_read(job, hidden + (size_t)f * job->frame_bytes);
    for (int64_t f = 0; st == MCVD_OK && f < d->num_frames_future; f++)
        st = rollout_job_read(job, known_at(job, d->num_frames_cond + f));
    return st;
}

/* Write the frames after a gap, and make the last P of them the past of the next gap. */
static mcvd_status close_gap(rollout_job *job, bool last)
{
    const mcvd_data_config *d = &job->model->data;
    const int64_t past = d->num_frames_cond;
    const int64_t future = d->num_frames_future;
    mcvd_status st = MCVD_OK;

    for (int64_t f = 0; st >= 0 && f < future && !job->plain; f++)
        st = rollout_view_write_known(&job->view, known_at(job, past + f));
    if (last || st < 0)
        return st;
    /* known[0..past+future) slides so that the last `past` frames stay. */
    memmove(job->known, known_at(job, future), (size_t)past * job->frame_bytes);
    for (int64_t f = future; st == MCVD_OK && f < past; f++) { /* G > U: read the rest */
        memmove(job->known, known_at(job, 1), (size_t)(past - 1) * job->frame_bytes);
        st = rollout_job_read(job, known_at(job, past - 1));
        if (st == MCVD_OK && !job->plain)
            st = rollout_view_write_known(&job->view, known_at(job, past - 1));
    }
    return st;
}

/* The frames of gap number g, from which the known pixels come. */
static mcvd_status show_hidden(rollout_job *job, const uint8_t *hidden, int64_t g)
{
    const mcvd_data_config *d = &job->model->data;
    const int64_t first = job->start + span_of(job, g + 1) - d->num_frames_future - d->num_frames;
    mcvd_status st = MCVD_OK;

    mcvdi_inpaint_begin(job->inpaint);
    for (int64_t f = 0; st >= 0 && f < d->num_frames; f++)
        st = mcvdi_inpaint_frame(job->inpaint, (size_t)f, first + f,
                                 hidden + (size_t)f * job->frame_bytes);
    return st;
}

static mcvd_status fill_gap(rollout_job *job, const uint8_t *hidden, int64_t g)
{
    mcvd_status st = job->inpaint ? show_hidden(job, hidden, g) : MCVD_OK;

    if (st >= 0)
        st = begin_between(job, (size_t)(span_of(job, g + 1) - span_of(job, 1)));

    for (size_t f = 0; st >= 0 && f < (size_t)job->model->data.num_frames; f++)
        st = rollout_job_write_moment(job, f, hidden + f * job->frame_bytes);
    return st;
}

static mcvd_status open_gaps(rollout_job *job)
{
    const int64_t past = job->model->data.num_frames_cond;
    mcvd_status st = mcvd_video_reader_seek(job->reader, job->start);

    for (int64_t f = 0; st == MCVD_OK && f < past; f++)
        st = rollout_job_read(job, known_at(job, f));
    return st;
}

mcvd_status rollout_job_fill_gaps(rollout_job *job)
{
    const mcvd_data_config *d = &job->model->data;
    const int64_t gaps = (job->frames + d->num_frames - 1) / d->num_frames;
    uint8_t *hidden = calloc((size_t)d->num_frames, job->frame_bytes);

    if (!hidden)
        return mcvdi_cli_fail(MCVD_E_NOMEM, "rollout: out of memory");
    job->start = job->start > 0 ? job->start : 0;
    mcvd_status st = check_length(job, gaps);
    if (st >= 0)
        st = open_gaps(job);
    for (int64_t g = 0; st == MCVD_OK && g < gaps; g++) {
        st = read_gap(job, hidden);
        if (st == MCVD_OK && g == 0)
            st = rollout_job_open_view(job, true);
        for (int64_t f = 0; st == MCVD_OK && g == 0 && f < d->num_frames_cond && !job->plain; f++)
            st = rollout_view_write_known(&job->view, known_at(job, f));
        if (st == MCVD_OK)
            st = fill_gap(job, hidden, g);
        if (st == MCVD_OK)
            st = close_gap(job, g + 1 == gaps);
    }
    job->first_known = job->start;
    job->last_known = job->start + span_of(job, gaps) - 1;
    free(hidden);
    return fail_gap(job, gaps, st);
}

/* --- whole videos ---
 *
 * Between frames i and i + 1 the model fills F frames; factor - 1 of them, evenly spread, are
 * kept. Past and future are the input's own frames (the first and the last one repeat at the
 * ends), so they are `factor` times further apart than the new ones: a model sees the motion as
 * faster than it is. */

/* Slide the window by one frame; at the end of the input the last frame repeats. */
static mcvd_status slide_window(rollout_job *job, int64_t known, bool *ended)
{
    memmove(job->known, known_at(job, 1), (size_t)(known - 1) * job->frame_bytes);
    const mcvd_status st = rollout_job_read(job, known_at(job, known - 1));
    if (st == MCVD_EOF) {
        *ended = true;
        if (known > 1)
            memcpy(known_at(job, known - 1), known_at(job, known - 2), job->frame_bytes);
        return MCVD_OK;
    }
    return st;
}

/* known[P-1] is the first frame, the past repeats it, the future follows. `left`: real frames
 * behind known[P-1]. */
static mcvd_status open_window(rollout_job *job, int64_t *left)
{
    const int64_t past = job->model->data.num_frames_cond;
    const int64_t future = job->model->data.num_frames_future;
    mcvd_status st = mcvd_video_reader_seek(job->reader, job->start > 0 ? job->start : 0);

    if (st == MCVD_OK)
        st = rollout_job_read(job, known_at(job, past - 1));
    if (st == MCVD_EOF)
        return rollout_job_too_short(job, (job->start > 0 ? job->start : 0) + 2);
    if (st < 0)
        return st;
    for (int64_t f = 0; f + 1 < past; f++)
        memcpy(known_at(job, f), known_at(job, past - 1), job->frame_bytes);
    *left = 0;
    for (int64_t f = past; f < past + future; f++) {
        st = rollout_job_read(job, known_at(job, f));
        if (st == MCVD_EOF)
            memcpy(known_at(job, f), known_at(job, f - 1), job->frame_bytes);
        else if (st < 0)
            return st;
        else
            ++*left;
    }
    return *left ? MCVD_OK : rollout_job_too_short(job, (job->start > 0 ? job->start : 0) + 2);
}

static mcvd_status fill_between(rollout_job *job)
{
    const int64_t num_frames = job->model->data.num_frames;
    mcvd_status st = begin_between(job, 0);

    for (int64_t j = 1; st >= 0 && j < job->factor; j++) {
        /* position j / factor of the way, on the model's grid of F + 1 steps */
        const int64_t at = (2 * j * (num_frames + 1) + job->factor) / (2 * job->factor);
        st = rollout_job_write_moment(job, (size_t)(at - 1), NULL);
    }
    return st;
}

mcvd_status rollout_job_whole_video(rollout_job *job)
{
    const int64_t past = job->model->data.num_frames_cond;
    const int64_t known = past + job->model->data.num_frames_future;
    int64_t left = 0;
    bool ended = false;
    mcvd_status st = MCVD_OK;

    if (job->factor > job->model->data.num_frames + 1)
        return mcvdi_cli_fail(MCVD_E_USAGE,
                              "--factor %" PRId64 ": the model fills %" PRId64
                              " frames at once, so the factor is at most %" PRId64,
                              job->factor, job->model->data.num_frames,
                              job->model->data.num_frames + 1);
    st = open_window(job, &left);
    if (st >= 0)
        st = rollout_job_open_view(job, false);
    job->first_known = job->start > 0 ? job->start : 0;
    job->last_known = job->first_known + left;
    while (st >= 0 && left > 0) {
        if (!job->plain)
            st = rollout_view_write_known(&job->view, known_at(job, past - 1));
        if (st >= 0)
            st = fill_between(job);
        if (st >= 0)
            st = slide_window(job, known, &ended);
        if (ended)
            left--;
        else
            job->last_known++;
    }
    if (st >= 0 && !job->plain)
        st = rollout_view_write_known(&job->view, known_at(job, past - 1));
    return st;
}
