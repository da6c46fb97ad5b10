/* What all callers of libav* here share. */
#ifndef MCVDI_VIDEO_LIBAV_H
#define MCVDI_VIDEO_LIBAV_H

#include <libavutil/error.h>

#include "core/status.h"

/* Once per process: FFmpeg's own messages go to our log as debug lines instead of stderr. */
void mcvdi_libav_init(void);

/* Fail with "<path>: <what>: <FFmpeg's text>"; out of memory and full disks keep their own codes,
 * everything else is `status`. */
mcvd_status mcvdi_libav_fail(mcvd_status status, int error, const char *path, const char *what);

#endif
