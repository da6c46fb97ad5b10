#include "cli/rollout_job.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/fail.h"

static mcvd_status allocate(rollout_job *job)
{
    const mcvd_data_config *d = &job->model->data;
    const size_t known = (size_t)(d->num_frames_cond + d->num_frames_future);
    const size_t block = job->samples * (size_t)d->num_frames;
    const size_t floats = sizeof(float);

    job->frame_bytes = (size_t)(d->image_size * d->image_size * d->channels);
    job->known = calloc(known + 1, job->frame_bytes);
    job->known_f = calloc((known + 1) * floats, job->frame_bytes);
    job->block = calloc(block, job->frame_bytes);
    job->block_f = calloc(block * floats, job->frame_bytes);
    job->column = calloc(job->samples, job->frame_bytes);
    job->truth = calloc(1, job->frame_bytes);
    if (job->known && job->known_f && job->block && job->block_f && job->column && job->truth)
        return MCVD_OK;
    return mcvdi_cli_fail(MCVD_E_NOMEM, "rollout: out of memory for %zu samples", job->samples);
}

void rollout_job_release(rollout_job *job)
{
    rollout_view_close(&job->view);
    free(job->known);
    free(job->known_f);
    free(job->block);
    free(job->block_f);
    free(job->column);
    free(job->truth);
}

mcvd_status rollout_job_open_view(rollout_job *job, bool with_truth)
{
    job->view_config.with_truth = with_truth && !job->plain;
    job->showed_truth = job->view_config.with_truth;
    return rollout_view_open(&job->view, &job->view_config);
}

mcvd_status rollout_job_read(rollout_job *job, uint8_t *frame)
{
    mcvd_frame next;
    const mcvd_status st = mcvd_video_reader_next(job->reader, &next);

    if (st == MCVD_OK)
        memcpy(frame, next.data, job->frame_bytes);
    return st;
}

mcvd_status rollout_job_input_length(const rollout_job *job, int64_t *length)
{
    size_t have = 0;
    const mcvd_status st = mcvd_video_count_frames(job->input, &have);
    const int64_t step = job->model->data.frame_step;

    *length = ((int64_t)have + step - 1) / step;
    return st;
}

mcvd_status rollout_job_too_short(const rollout_job *job, int64_t needed)
{
    const int64_t step = job->model->data.frame_step;
    char found[64] = "fewer";
    char every[64] = "";
    int64_t have = 0;

    if (!job->piped && rollout_job_input_length(job, &have) >= 0)
        snprintf(found, sizeof found, "found %" PRId64, have);
    if (step > 1)
        snprintf(every, sizeof every, " (of every %" PRId64 " frames one is used)", step);
    return mcvdi_cli_fail(MCVD_E_INPUT, "%s: too short: %s needs %" PRId64 " frames%s, %s%s",
                          job->input, mcvd_task_word(job->task), needed,
                          job->inpaint ? ", the ones to be inpainted among them" : "", found,
                          every);
}

mcvd_status rollout_job_begin(rollout_job *job, const float *past, const float *future,
                              size_t first)
{
    const mcvdi_actions *a = &job->actions;
    const mcvd_status st = mcvd_rollout_begin(job->rollout, past, future);

    if (st < 0 || !a->rows)
        return st;
    if (first >= a->rows)
        return mcvdi_cli_fail(MCVD_E_INPUT, "%s: %zu rows of actions, frame %zu needs more",
                              a->path, a->rows, first);
    return mcvd_rollout_set_actions(job->rollout, a->values + first * a->dim, a->rows - first);
}

mcvd_status rollout_job_next_block(rollout_job *job)
{
    const size_t frames = job->samples * (size_t)job->model->data.num_frames;
    mcvd_status st;

    if (job->inpaint) {
        const mcvd_rollout_region region = mcvdi_inpaint_region(job->inpaint);
        st = mcvd_rollout_next_inpainted(job->rollout, &region, job->block_f);
    } else {
        st = mcvd_rollout_next(job->rollout, job->block_f);
    }
    if (st >= 0)
        mcvd_float_to_pixels(job->block, job->block_f, frames * job->frame_bytes);
    return st;
}

mcvd_status rollout_job_write_moment(rollout_job *job, size_t f, const uint8_t *truth)
{
    const size_t num_frames = (size_t)job->model->data.num_frames;

    for (size_t s = 0; s < job->samples; s++)
        memcpy(job->column + s * job->frame_bytes,
               job->block + (s * num_frames + f) * job->frame_bytes, job->frame_bytes);
    const mcvd_status st = rollout_view_write(&job->view, truth, job->column);
    if (st >= 0)
        job->made++;
    return st;
}

mcvd_status rollout_job_run(rollout_job *job)
{
    mcvd_status st = allocate(job);

    job->first_known = job->last_known = -1;
    if (st < 0)
        return st;
    switch (job->task) {
    case MCVD_TASK_PREDICT:
    case MCVD_TASK_GENERATE:
        st = rollout_job_forward(job);
        break;
    case MCVD_TASK_PREDICT_PAST:
        st = rollout_job_backward(job);
        break;
    case MCVD_TASK_INTERP:
        st = job->factor ? rollout_job_whole_video(job) : rollout_job_fill_gaps(job);
        break;
    case MCVD_NUM_TASKS:
        st = mcvdi_cli_fail(MCVD_E_USAGE, "rollout: no such task");
        break;
    }
    return st < 0 ? st : rollout_view_finish(&job->view);
}
