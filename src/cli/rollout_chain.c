/* Chained blocks: prediction and generation forwards, prediction of the past backwards. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/fail.h"
#include "cli/rollout_job.h"

/* Read `count` known frames from frame `at` on into known[0..count). */
static mcvd_status read_known(rollout_job *job, int64_t at, int64_t count)
{
    mcvd_status st = mcvd_video_reader_seek(job->reader, at);

    for (int64_t i = 0; st == MCVD_OK && i < count; i++)
        st = rollout_job_read(job, job->known + (size_t)i * job->frame_bytes);
    if (st == MCVD_EOF)
        return rollout_job_too_short(job, at + count);
    if (st < 0)
        return st;
    mcvd_pixels_to_float(job->known_f, job->known, (size_t)count * job->frame_bytes);
    job->first_known = at;
    job->last_known = at + count - 1;
    return MCVD_OK;
}

static mcvd_status write_known(rollout_job *job, int64_t count)
{
    mcvd_status st = MCVD_OK;

    for (int64_t i = 0; st >= 0 && i < count && !job->plain; i++)
        st = rollout_view_write_known(&job->view, job->known + (size_t)i * job->frame_bytes);
    return st;
}

/* The true frame that follows, if the input goes on. */
static mcvd_status advance_truth(rollout_job *job)
{
    mcvd_status st = MCVD_EOF;

    if (job->reader && !job->plain)
        st = rollout_job_read(job, job->truth);
    job->has_truth = st == MCVD_OK;
    return st < 0 ? st : MCVD_OK;
}

static mcvd_status begin_forward(rollout_job *job)
{
    const int64_t past = job->model->data.num_frames_cond;
    mcvd_status st = MCVD_OK;

    if (job->task == MCVD_TASK_GENERATE)
        return rollout_job_begin(job, NULL, NULL, 0);
    if (job->start == -2) {
        st = rollout_job_input_length(job, &job->start);
        job->start = job->start > past ? job->start - past : 0;
    }
    if (st >= 0)
        st = read_known(job, job->start > 0 ? job->start : 0, past);
    return st < 0 ? st : rollout_job_begin(job, job->known_f, NULL, 0);
}

/* --- forwards, known pixels in the new frames --- */

/* Before anything is computed, where the input can be read twice. */
static mcvd_status check_truth(const rollout_job *job, int64_t first)
{
    int64_t length = 0;

    if (job->piped)
        return MCVD_OK;
    const mcvd_status st = rollout_job_input_length(job, &length);
    if (st < 0)
        return st;
    return length < first + job->frames ? rollout_job_too_short(job, first + job->frames) : MCVD_OK;
}

/* The true frames of a block, the first of which is frame `first` of the input. Of the frames of
 * the last block that are not wanted nothing need be known. */
static mcvd_status read_truth(rollout_job *job, int64_t first)
{
    const int64_t left = job->frames - job->made;
    const size_t wanted =
        left < job->model->data.num_frames ? (size_t)left : (size_t)job->model->data.num_frames;
    mcvd_status st = MCVD_OK;

    mcvdi_inpaint_begin(job->inpaint);
    for (size_t f = 0; st == MCVD_OK && f < wanted; f++) {
        st = rollout_job_read(job, job->truth);
        if (st == MCVD_OK)
            st = mcvdi_inpaint_frame(job->inpaint, f, first + (int64_t)f, job->truth);
    }
    return st == MCVD_EOF ? rollout_job_too_short(job, first - job->made + job->frames) : st;
}

static mcvd_status forward_inpainted(rollout_job *job)
{
    mcvd_status st = begin_forward(job);

    if (st < 0)
        return st;
    const int64_t first = job->last_known + 1;
    st = check_truth(job, first);
    if (st >= 0)
        st = rollout_job_open_view(job, true);
    if (st >= 0)
        st = write_known(job, job->model->data.num_frames_cond);
    while (st >= 0 && job->made < job->frames) {
        st = read_truth(job, first + job->made);
        if (st >= 0)
            st = rollout_job_next_block(job);
        for (size_t f = 0;
             st >= 0 && f < (size_t)job->model->data.num_frames && job->made < job->frames; f++)
            st = rollout_job_write_moment(job, f, job->inpaint->truth + f * job->frame_bytes);
    }
    return st;
}

mcvd_status rollout_job_forward(rollout_job *job)
{
    const int64_t past = job->task == MCVD_TASK_PREDICT ? job->model->data.num_frames_cond : 0;
    if (job->inpaint)
        return forward_inpainted(job);
    mcvd_status st = begin_forward(job);
    if (st >= 0)
        st = advance_truth(job);
    if (st >= 0)
        st = rollout_job_open_view(job, job->has_truth);
    if (st >= 0)
        st = write_known(job, past);
    while (st >= 0 && job->made < job->frames) {
        st = rollout_job_next_block(job);
        for (size_t f = 0;
             st >= 0 && f < (size_t)job->model->data.num_frames && job->made < job->frames; f++) {
            st = rollout_job_write_moment(job, f, job->has_truth ? job->truth : NULL);
            if (st >= 0 && job->has_truth && job->made < job->frames)
                st = advance_truth(job);
        }
    }
    return st;
}

/* --- backwards --- */

/* Known future frames start at job->start: by default after as many frames as are wanted, so that
 * the truth is there; at the input's start when it is shorter. */
static mcvd_status choose_future(rollout_job *job)
{
    const int64_t future = job->model->data.num_frames_future;
    int64_t length = 0;

    if (job->start >= 0)
        return MCVD_OK;
    const mcvd_status st = rollout_job_input_length(job, &length);
    if (job->start == -2)
        job->start = length > future ? length - future : 0;
    else
        job->start = length >= job->frames + future ? job->frames : 0;
    return st;
}

static mcvd_status spool_failed(void)
{
    return mcvdi_cli_fail(MCVD_E_IO, "temporary file for the predicted frames: %s",
                          strerror(errno));
}

/* The true frames of block b: those from start - (b + 1) F on, as far as they are wanted. */
static mcvd_status read_truth_backward(rollout_job *job, int64_t b)
{
    const int64_t num_frames = job->model->data.num_frames;
    const int64_t end = job->start - b * num_frames;
    const int64_t oldest = job->start - job->frames;
    const int64_t begin = end - num_frames > oldest ? end - num_frames : oldest;

    mcvdi_inpaint_begin(job->inpaint);
    mcvd_status st = mcvd_video_reader_seek(job->reader, begin);
    for (int64_t i = begin; st == MCVD_OK && i < end; i++) {
        st = rollout_job_read(job, job->truth);
        if (st == MCVD_OK)
            st = mcvdi_inpaint_frame(job->inpaint, (size_t)(i - (end - num_frames)), i, job->truth);
    }
    return st == MCVD_EOF ? rollout_job_too_short(job, end) : st;
}

/* Blocks come nearest first: keep them in a file, so that memory does not grow. */
static mcvd_status spool_blocks(rollout_job *job, FILE *spool, int64_t num_blocks)
{
    const size_t bytes = job->samples * (size_t)job->model->data.num_frames * job->frame_bytes;

    for (int64_t b = 0; b < num_blocks; b++) {
        mcvd_status st = job->inpaint ? read_truth_backward(job, b) : MCVD_OK;
        if (st >= 0)
            st = rollout_job_next_block(job);
        if (st < 0)
            return st;
        if (fwrite(job->block, 1, bytes, spool) != bytes)
            return spool_failed();
    }
    return fflush(spool) == 0 ? MCVD_OK : spool_failed();
}

/* Moment i of the output is frame start - frames + i of the input; before frame 0 there is none. */
static mcvd_status write_block_with_truth(rollout_job *job, int64_t skip)
{
    mcvd_status st = MCVD_OK;

    for (size_t f = (size_t)skip; st >= 0 && f < (size_t)job->model->data.num_frames; f++) {
        const bool truth = job->has_truth && job->start - job->frames + job->made >= 0;
        if (truth)
            st = rollout_job_read(job, job->truth);
        if (st == MCVD_OK)
            st = rollout_job_write_moment(job, f, truth ? job->truth : NULL);
    }
    return st;
}

/* The blocks in time order: the last one made comes first, without the frames beyond `frames`. */
static mcvd_status unspool_blocks(rollout_job *job, FILE *spool, int64_t num_blocks)
{
    const int64_t num_frames = job->model->data.num_frames;
    const size_t bytes = job->samples * (size_t)num_frames * job->frame_bytes;
    const int64_t first = job->start > job->frames ? job->start - job->frames : 0;
    mcvd_status st = MCVD_OK;

    if (job->has_truth)
        st = mcvd_video_reader_seek(job->reader, first);
    for (int64_t b = num_blocks; st >= 0 && b-- > 0;) {
        if (fseeko(spool, (off_t)(b * (int64_t)bytes), SEEK_SET) != 0 ||
            fread(job->block, 1, bytes, spool) != bytes)
            return spool_failed();
        st = write_block_with_truth(job, b == num_blocks - 1 ? num_blocks * num_frames - job->frames
                                                             : 0);
    }
    return st;
}

/* The output is opened first: what speaks against it must not wait for the blocks. */
static mcvd_status run_backward(rollout_job *job, FILE *spool)
{
    const int64_t num_frames = job->model->data.num_frames;
    const int64_t num_blocks = (job->frames + num_frames - 1) / num_frames;

    job->has_truth = !job->plain && !job->piped && job->start > 0;
    mcvd_status st = rollout_job_open_view(job, job->has_truth);
    if (st >= 0)
        st = spool_blocks(job, spool, num_blocks);
    if (st >= 0)
        st = unspool_blocks(job, spool, num_blocks);
    return st < 0 ? st : write_known(job, job->model->data.num_frames_future);
}

mcvd_status rollout_job_backward(rollout_job *job)
{
    mcvd_status st = choose_future(job);

    if (st >= 0 && job->inpaint && job->start < job->frames)
        return mcvdi_cli_fail(MCVD_E_INPUT,
                              "%s: the %" PRId64 " frames before frame %" PRId64 " are to be "
                              "inpainted, expected --start %" PRId64 " at least",
                              job->input, job->frames, job->start, job->frames);
    if (st >= 0)
        st = read_known(job, job->start, job->model->data.num_frames_future);
    if (st >= 0)
        st = rollout_job_begin(job, NULL, job->known_f, 0);
    if (st < 0)
        return st;
    FILE *spool = tmpfile();
    if (!spool)
        return spool_failed();
    st = run_backward(job, spool);
    fclose(spool);
    return st;
}
