/* A rollout on a video: what is read, which blocks are made, in which order they are written. */
#ifndef MCVDI_CLI_ROLLOUT_JOB_H
#define MCVDI_CLI_ROLLOUT_JOB_H

#include <mcvd/data.h>
#include <mcvd/rollout.h>
#include <mcvd/video.h>

#include "cli/actions_file.h"
#include "cli/inpaint.h"
#include "cli/rollout_view.h"

typedef struct rollout_job {
    /* set by the caller */
    const mcvd_config *model; /* the model's configuration */
    mcvd_rollout *rollout;
    mcvd_video_reader *reader; /* NULL: generate without an input */
    bool piped;                /* the input is stdin: read once, forwards */
    const char *input;         /* for messages */
    mcvd_task task;
    int64_t frames; /* new frames wanted */
    int64_t start;  /* first known frame; -1: the task's default, -2: the end of the input */
    int64_t factor; /* interp: frames per input frame; 0: fill gaps of the model's length */
    size_t samples;
    mcvdi_inpaint *inpaint;          /* known pixels of the new frames, or NULL */
    mcvdi_actions actions;           /* of the frames from the first known one on, or none */
    bool plain;                      /* new frames only */
    rollout_view_config view_config; /* with_truth is decided here */

    /* filled while running */
    rollout_view view;
    size_t frame_bytes;
    uint8_t *known;                  /* [P + U] frames of the input */
    float *known_f;                  /* the same in [-1, 1] */
    float *block_f;                  /* [samples, F] */
    uint8_t *block;                  /* [samples, F] */
    uint8_t *column;                 /* [samples], one moment */
    uint8_t *truth;                  /* one frame */
    bool has_truth;                  /* `truth` holds the next one */
    int64_t first_known, last_known; /* of the input, for the report; -1: none */
    int64_t made;                    /* new frames written */
    bool showed_truth;
} rollout_job;

/* Run to the end and finish the output. On failure nothing is left behind. */
mcvd_status rollout_job_run(rollout_job *job);
void rollout_job_release(rollout_job *job);

/* For the files of the job. */
/* Begin at known frames (NULL: none), with the actions of row `first` and later. */
mcvd_status rollout_job_begin(rollout_job *job, const float *past, const float *future,
                              size_t first);
mcvd_status rollout_job_open_view(rollout_job *job, bool with_truth);
/* Frames of the input after frame_step, counted by decoding it; not of a pipe. */
mcvd_status rollout_job_input_length(const rollout_job *job, int64_t *length);
/* MCVD_E_INPUT: says how many frames there are and that `needed` of them, from 0 on, must be. */
mcvd_status rollout_job_too_short(const rollout_job *job, int64_t needed);
/* With job->inpaint the frames of its block. */
mcvd_status rollout_job_next_block(rollout_job *job);
/* Read one frame; MCVD_EOF at the end of the input. */
mcvd_status rollout_job_read(rollout_job *job, uint8_t *frame);
/* Write moment f of the block beside a true frame (or NULL). */
mcvd_status rollout_job_write_moment(rollout_job *job, size_t f, const uint8_t *truth);

mcvd_status rollout_job_forward(rollout_job *job);     /* predict, generate */
mcvd_status rollout_job_backward(rollout_job *job);    /* predict-past */
mcvd_status rollout_job_fill_gaps(rollout_job *job);   /* interp */
mcvd_status rollout_job_whole_video(rollout_job *job); /* interp with a factor */

#endif
