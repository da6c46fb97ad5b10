/* The blocks of videos through the likelihood of a model, summed up. */
#ifndef MCVDI_CLI_LIKELIHOOD_JOB_H
#define MCVDI_CLI_LIKELIHOOD_JOB_H

#include <mcvd/model_likelihood.h>
#include <mcvd/rollout.h>
#include <mcvd/video.h>

/* Sums over blocks; a mean is a sum over num_blocks. */
typedef struct likelihood_sum {
    size_t num_blocks;
    mcvd_block_likelihood of_blocks; /* its `each` pointers are not used */
    double *bound_each;              /* [samples] */
    double *flow_each;               /* [samples, probes] */
} likelihood_sum;

typedef struct likelihood_job {
    /* set by the caller */
    const mcvd_config *model;
    mcvd_model_likelihood *likelihood;
    const mcvd_model_likelihood_config *config;
    mcvd_task task;
    int64_t frames;       /* scored per video at most; 0: all */
    likelihood_sum video; /* of the last video */
    likelihood_sum all;

    /* kept while running */
    mcvd_video_reader *reader;
    size_t frame_bytes;
    uint8_t *window;    /* [P + F + U] frames: past, block, future */
    int64_t past_given; /* frames of the past that are true ones; the others are masked */
    int64_t ahead;      /* frames read beyond the past */
    float *cond;        /* [P + U] */
} likelihood_job;

mcvd_status likelihood_job_create(likelihood_job *job);
/* Score one video; job->video holds it, job->all has grown. */
mcvd_status likelihood_job_video(likelihood_job *job, const char *path);
void likelihood_job_release(likelihood_job *job);

/* Standard error of the mean over the samples, or over the probes of a single sample; NaN when
 * there is one of each. */
double likelihood_bound_error(const likelihood_job *job, const likelihood_sum *sum);
double likelihood_flow_error(const likelihood_job *job, const likelihood_sum *sum);

#endif
