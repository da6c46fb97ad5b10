/* OpenCV's 8-bit gray conversion and bilinear resize, bit for bit: KTH was prepared with them. */
#ifndef MCVDI_RESAMPLE_OPENCV_H
#define MCVDI_RESAMPLE_OPENCV_H

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

/* (3735 B + 19235 G + 9798 R + 2^14) >> 15 of RGB pixels. */
void mcvdi_opencv_gray(uint8_t *gray, const uint8_t *rgb, size_t pixels);

typedef struct mcvdi_opencv_shape {
    size_t in_height, in_width;
    size_t out_height, out_width;
} mcvdi_opencv_shape;

/* One gray picture; nothing overlaps. MCVD_E_RANGE (a size of 0 or above 65535), MCVD_E_NOMEM. */
mcvd_status mcvdi_opencv_bilinear(uint8_t *out, const uint8_t *in, const mcvdi_opencv_shape *shape);

#endif
