#include "rollout/known.h"

#include <string.h>

/* frames[0..n) <- the last n of (frames ++ block). */
static void slide_forward(float *frames, size_t n, const float *block, size_t num_block,
                          size_t frame)
{
    const size_t kept = n > num_block ? n - num_block : 0;
    const size_t taken = n - kept;

    memmove(frames, frames + taken * frame, kept * frame * sizeof(float));
    memcpy(frames + kept * frame, block + (num_block - taken) * frame,
           taken * frame * sizeof(float));
}

/* frames[0..n) <- the first n of (block ++ frames). */
static void slide_backward(float *frames, size_t n, const float *block, size_t num_block,
                           size_t frame)
{
    const size_t taken = n < num_block ? n : num_block;

    memmove(frames + taken * frame, frames, (n - taken) * frame * sizeof(float));
    memcpy(frames, block, taken * frame * sizeof(float));
}

void mcvdi_known_slide(const mcvdi_known *known, mcvd_task task, const float *block,
                       size_t num_block)
{
    switch (task) {
    case MCVD_TASK_PREDICT:
    case MCVD_TASK_GENERATE:
        slide_forward(known->frames, known->num_past, block, num_block, known->frame);
        break;
    case MCVD_TASK_PREDICT_PAST:
        slide_backward(known->frames + known->num_past * known->frame, known->num_future, block,
                       num_block, known->frame);
        break;
    case MCVD_TASK_INTERP:
    case MCVD_NUM_TASKS:
        break;
    }
}
