/* Decoded frames to packed gray or RGB: colour conversion and orientation. */
#ifndef MCVDI_VIDEO_CONVERT_H
#define MCVDI_VIDEO_CONVERT_H

#include <stdbool.h>

#include <libavutil/frame.h>

#include "core/status.h"
#include "video/resize.h"

/* How a stored picture is to be shown: mirrored left-right first, then turned clockwise. */
typedef struct mcvdi_orientation {
    int degrees; /* 0, 90, 180, 270 */
    bool mirrored;
} mcvdi_orientation;

typedef struct mcvdi_converter mcvdi_converter;

mcvd_status mcvdi_converter_create(mcvdi_converter **out, int channels);
void mcvdi_converter_free(mcvdi_converter **converter);

/* Convert as the ffmpeg program does (see video.h); *pixels is valid until the next call.
 * MCVD_E_UNSUPPORTED for a pixel format that the scaler does not read, MCVD_E_NOMEM. */
mcvd_status mcvdi_converter_run(mcvdi_converter *converter, const AVFrame *frame,
                                mcvdi_orientation orientation, mcvdi_pixels *pixels);

#endif
