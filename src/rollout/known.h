/* How the known frames move on after a block: the window slides over what was made. */
#ifndef MCVDI_ROLLOUT_KNOWN_H
#define MCVDI_ROLLOUT_KNOWN_H

#include <stddef.h>

#include <mcvd/rollout.h>

typedef struct mcvdi_known {
    float *frames; /* [num_past + num_future, frame]: past, then future, in time order */
    size_t num_past;
    size_t num_future;
    size_t frame; /* floats of a frame */
} mcvdi_known;

/*
 * predict, generate  past   <- the last num_past frames of (past ++ block), future as it is
 * predict-past       future <- the first num_future frames of (block ++ future), past as it is
 * interp             nothing moves
 *
 * block: [num_block, frame], num_block >= 1, in time order.
 */
void mcvdi_known_slide(const mcvdi_known *known, mcvd_task task, const float *block,
                       size_t num_block);

#endif
