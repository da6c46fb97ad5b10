/* Frames of a video or picture file as they are stored, RGB, one at a time. */
#ifndef MCVDI_NATIVE_FRAMES_H
#define MCVDI_NATIVE_FRAMES_H

#include <mcvd/video.h>

#include "core/status.h"

/* Frame i of the ones asked for. */
typedef mcvd_status (*mcvdi_native_frame_fn)(void *user, size_t i, const mcvd_frame *frame);

/* Frames first .. first + count - 1. MCVD_E_DECODE where the video ends before or fn fails with
 * MCVD_E_RANGE, its size being one that no resampler takes; other statuses of fn and of the video
 * reader. */
mcvd_status mcvdi_native_frames(const char *path, size_t first, size_t count,
                                mcvdi_native_frame_fn fn, void *user);

/* Frames that a video has: what its container says, counted where that is not known. */
mcvd_status mcvdi_native_frame_count(const char *path, size_t *count);

#endif
