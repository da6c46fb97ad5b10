/* What a benchmark calls back: its clips, and their prediction by a rollout. */
#ifndef MCVDI_CLI_EVAL_JOB_H
#define MCVDI_CLI_EVAL_JOB_H

#include <mcvd/data.h>
#include <mcvd/metrics.h>
#include <mcvd/rollout.h>
#include <mcvd/video.h>

#include "cli/progress.h"

enum { EVAL_STRIPS = 4 }; /* clips that are kept as pictures */

typedef struct eval_job {
    /* set by the caller */
    const mcvd_eval_protocol *protocol;
    mcvd_task task;
    mcvd_dataset *dataset; /* windows of past + frames + future of the protocol */
    mcvd_rollout *rollout; /* chunk * trajectories of the protocol */
    size_t chunk;          /* clips that are predicted at once */
    size_t action_dim;     /* of the model; its actions come with the clips */
    const char *folder;    /* pictures and films of the first clips go there; NULL: none */
    size_t block;          /* frames of a block of the model */
    mcvdi_progress progress;

    /* filled by the functions below */
    size_t found;       /* clips that an earlier run had done */
    size_t num_clips;   /* of the run: what is asked for and there */
    size_t first;       /* clips [first, first + count) are predicted */
    size_t count;       /* 0: none yet */
    size_t blocks_done; /* of this chunk, for progress */
    size_t last_call;
    size_t frame;  /* values of a frame */
    size_t window; /* frames of a window */
    size_t samples;
    uint8_t *pixels;           /* [window] */
    float *windows;            /* [chunk, window] in [-1, 1] */
    const float **past;        /* [samples] into windows */
    const float **future;      /* [samples] */
    float *made;               /* [samples, block] */
    float *predicted;          /* [samples, frames] */
    float *actions;            /* [chunk, window, action_dim] */
    const float **action_rows; /* [samples] into actions */
    uint8_t *strip;            /* [window + frames]: truth, then trajectory 0 */
} eval_job;

/* Allocate, once the caller's fields and the progress are set. MCVD_E_NOMEM. */
mcvd_status eval_job_prepare(eval_job *job);
void eval_job_release(eval_job *job);

/* Called by the rollout after each network call; user is the job. */
int eval_job_on_call(void *user, size_t call, size_t num_calls);

/* mcvd_eval_clip_fn and mcvd_eval_predict_fn; user is the job. Clips are predicted in chunks, which
 * begin at multiples of their size, when one of them is asked for; a trajectory's noise is keyed by
 * clip * K + trajectory. */
mcvd_status eval_job_clip(void *user, size_t clip, float *frames);
mcvd_status eval_job_predict(void *user, const mcvd_eval_case *eval_case, float *out);

/* The files of clip i: the true window above (beside, in films) the predicted one. "png", "mp4". */
mcvd_status eval_job_picture_path(char *path, size_t bytes, const char *folder, size_t i,
                                  const char *extension);

#endif
