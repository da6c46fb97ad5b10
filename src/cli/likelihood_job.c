#include "cli/likelihood_job.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <mcvd/data.h>

#include "cli/fail.h"

/* --- memory --- */

static bool make_sum(likelihood_sum *sum, const mcvd_model_likelihood_config *config)
{
    sum->bound_each = calloc(config->samples, sizeof *sum->bound_each);
    sum->flow_each = calloc(config->samples * config->probes, sizeof *sum->flow_each);
    return sum->bound_each && sum->flow_each;
}

mcvd_status likelihood_job_create(likelihood_job *job)
{
    const mcvd_data_config *d = &job->model->data;
    const size_t known = (size_t)(d->num_frames_cond + d->num_frames_future);

    job->frame_bytes = (size_t)(d->image_size * d->image_size * d->channels);
    job->window = calloc(known + (size_t)d->num_frames, job->frame_bytes);
    job->cond = calloc((known + 1) * sizeof *job->cond, job->frame_bytes);
    if (job->window && job->cond && make_sum(&job->video, job->config) &&
        make_sum(&job->all, job->config))
        return MCVD_OK;
    return mcvdi_cli_fail(MCVD_E_NOMEM, "likelihood: out of memory");
}

void likelihood_job_release(likelihood_job *job)
{
    mcvd_video_reader_free(&job->reader);
    free(job->window);
    free(job->cond);
    free(job->video.bound_each);
    free(job->video.flow_each);
    free(job->all.bound_each);
    free(job->all.flow_each);
}

/* --- sums --- */

static void clear_sum(likelihood_sum *sum, const mcvd_model_likelihood_config *config)
{
    double *bound_each = sum->bound_each;
    double *flow_each = sum->flow_each;

    memset(bound_each, 0, config->samples * sizeof *bound_each);
    memset(flow_each, 0, config->samples * config->probes * sizeof *flow_each);
    *sum = (likelihood_sum) { .bound_each = bound_each, .flow_each = flow_each };
}

static void add_block(likelihood_sum *sum, const mcvd_block_likelihood *block,
                      const mcvd_model_likelihood_config *config)
{
    mcvd_block_likelihood *to = &sum->of_blocks;

    sum->num_blocks++;
    to->prior += block->prior;
    to->terms += block->terms;
    to->reconstruction += block->reconstruction;
    to->bound += block->bound;
    to->flow += block->flow;
    to->bound_calls += block->bound_calls;
    to->flow_calls += block->flow_calls;
    to->flow_steps += block->flow_steps;
    to->flow_rejected += block->flow_rejected;
    for (size_t i = 0; config->bound && i < config->samples; i++)
        sum->bound_each[i] += block->bound_each[i];
    for (size_t i = 0; config->flow && i < config->samples * config->probes; i++)
        sum->flow_each[i] += block->flow_each[i];
}

/* Of the mean of n numbers, each the sum of `stride` values, over `scale`. */
static double standard_error(const double *values, size_t n, size_t stride, double scale)
{
    double sum = 0.0;
    double squares = 0.0;

    if (n < 2)
        return (double)NAN;
    for (size_t i = 0; i < n * stride; i++)
        sum += values[i] / scale;
    for (size_t i = 0; i < n; i++) {
        double value = 0.0;
        for (size_t k = 0; k < stride; k++)
            value += values[i * stride + k] / scale;
        squares += (value - sum / (double)n) * (value - sum / (double)n);
    }
    return sqrt(squares / (double)(n - 1) / (double)n);
}

double likelihood_bound_error(const likelihood_job *job, const likelihood_sum *sum)
{
    return standard_error(sum->bound_each, job->config->samples, 1, (double)sum->num_blocks);
}

/* Draws are independent of each other; the probes of one draw share its dequantisation. */
double likelihood_flow_error(const likelihood_job *job, const likelihood_sum *sum)
{
    const size_t samples = job->config->samples;
    const size_t probes = job->config->probes;
    const double blocks = (double)sum->num_blocks;

    return samples > 1 ? standard_error(sum->flow_each, samples, probes, blocks * (double)probes)
                       : standard_error(sum->flow_each, probes, 1, blocks);
}

/* --- one video --- */

static mcvd_status open_video(likelihood_job *job, const char *path)
{
    const mcvd_data_config *d = &job->model->data;
    mcvd_video_reader_config rc = mcvd_video_reader_config_default();

    rc.width = rc.height = (int)d->image_size;
    rc.channels = (int)d->channels;
    rc.resize = strcmp(d->resize, "bicubic") == 0 ? MCVD_RESIZE_BICUBIC : MCVD_RESIZE_AREA;
    rc.frame_step = (int)d->frame_step;
    mcvd_video_reader_free(&job->reader);
    return mcvd_video_reader_open(&job->reader, path, &rc);
}

/* MCVD_EOF when the video ends before frame `count` of the window. */
static mcvd_status read_frames(likelihood_job *job, int64_t first, int64_t count)
{
    for (int64_t i = first; i < count; i++) {
        mcvd_frame frame;
        const mcvd_status st = mcvd_video_reader_next(job->reader, &frame);
        if (st != MCVD_OK)
            return st;
        memcpy(job->window + (size_t)i * job->frame_bytes, frame.data, job->frame_bytes);
        job->ahead = i + 1 - job->model->data.num_frames_cond;
    }
    return MCVD_OK;
}

/* The first block is frame 0 where the past is masked, else the frames after the first past. */
static mcvd_status begin_video(likelihood_job *job)
{
    const int64_t past = job->model->data.num_frames_cond;

    job->past_given = mcvd_task_past_given(job->task) ? past : 0;
    job->ahead = 0;
    const mcvd_status st = read_frames(job, past - job->past_given, past);
    return st;
}

static mcvd_status read_block(likelihood_job *job)
{
    const mcvd_data_config *d = &job->model->data;
    const int64_t future = mcvd_task_future_given(job->task) ? d->num_frames_future : 0;

    return read_frames(job, d->num_frames_cond + job->ahead,
                       d->num_frames_cond + d->num_frames + future);
}

/* True frames as the network sees them; masked ones are 0. */
static void set_cond(likelihood_job *job)
{
    const mcvd_data_config *d = &job->model->data;
    const size_t past = (size_t)d->num_frames_cond;
    const size_t future = (size_t)d->num_frames_future;
    const size_t masked = past - (size_t)job->past_given;
    const size_t bytes = job->frame_bytes;

    memset(job->cond, 0, (past + future) * bytes * sizeof *job->cond);
    mcvd_pixels_to_float(job->cond + masked * bytes, job->window + masked * bytes,
                         (past - masked) * bytes);
    if (mcvd_task_future_given(job->task))
        mcvd_pixels_to_float(job->cond + past * bytes,
                             job->window + (past + (size_t)d->num_frames) * bytes, future * bytes);
}

static mcvd_status score_block(likelihood_job *job)
{
    const mcvd_data_config *d = &job->model->data;
    const bool has_cond = d->num_frames_cond + d->num_frames_future > 0;
    const mcvd_likelihood_block block = {
        .frames = job->window + (size_t)d->num_frames_cond * job->frame_bytes,
        .cond = has_cond ? job->cond : NULL,
        .past_given = job->past_given > 0,
        .number = job->video.num_blocks,
    };
    mcvd_block_likelihood result;

    set_cond(job);
    const mcvd_status st = mcvd_model_likelihood_block(job->likelihood, &block, &result);
    if (st < 0)
        return st;
    add_block(&job->video, &result, job->config);
    add_block(&job->all, &result, job->config);
    return MCVD_OK;
}

/* The window moves on by a block; what generate has scored becomes its past. */
static void advance(likelihood_job *job)
{
    const mcvd_data_config *d = &job->model->data;
    const size_t kept = (size_t)(d->num_frames_cond + job->ahead - d->num_frames);

    memmove(job->window, job->window + (size_t)d->num_frames * job->frame_bytes,
            kept * job->frame_bytes);
    job->ahead -= d->num_frames;
    if (job->task == MCVD_TASK_GENERATE) {
        job->past_given += d->num_frames;
        if (job->past_given > d->num_frames_cond)
            job->past_given = d->num_frames_cond;
    }
}

static mcvd_status too_short(const likelihood_job *job, const char *path)
{
    const mcvd_data_config *d = &job->model->data;
    const int64_t past = mcvd_task_past_given(job->task) ? d->num_frames_cond : 0;
    const int64_t future = mcvd_task_future_given(job->task) ? d->num_frames_future : 0;

    return mcvdi_cli_fail(MCVD_E_INPUT,
                          "%s: too short: one block of task %s needs %" PRId64 " frames%s", path,
                          mcvd_task_word(job->task), past + d->num_frames + future,
                          d->frame_step > 1 ? " after data.frame_step" : "");
}

static mcvd_status score_blocks(likelihood_job *job)
{
    const int64_t block = job->model->data.num_frames;
    mcvd_status st = begin_video(job);

    while (st == MCVD_OK &&
           (!job->frames || ((int64_t)job->video.num_blocks + 1) * block <= job->frames)) {
        st = read_block(job);
        if (st == MCVD_OK)
            st = score_block(job);
        if (st == MCVD_OK)
            advance(job);
    }
    return st;
}

mcvd_status likelihood_job_video(likelihood_job *job, const char *path)
{
    mcvd_status st = open_video(job, path);

    clear_sum(&job->video, job->config);
    if (st >= 0)
        st = score_blocks(job);
    if (st >= 0 && !job->video.num_blocks)
        st = too_short(job, path);
    return st < 0 ? st : MCVD_OK;
}
