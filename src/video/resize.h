/* Resizing packed 8-bit pictures: exact area means and an antialiased bicubic filter. */
#ifndef MCVDI_VIDEO_RESIZE_H
#define MCVDI_VIDEO_RESIZE_H

#include <stddef.h>
#include <stdint.h>

#include <mcvd/video.h>

#include "core/status.h"

/* A window into a packed picture: rows are `stride` bytes apart. */
typedef struct mcvdi_pixels {
    const uint8_t *data;
    size_t stride;
    size_t width;
    size_t height;
    size_t channels;
} mcvdi_pixels;

typedef struct mcvdi_resizer mcvdi_resizer;

/* Everything that depends on sizes alone. Sizes 1 .. 65536, channels 1 .. 4. */
mcvd_status mcvdi_resizer_create(mcvdi_resizer **out, mcvd_resize method, const size_t src_hwc[3],
                                 const size_t dst_hw[2]);
void mcvdi_resizer_free(mcvdi_resizer **resizer);

/* dst: [dst_h, dst_w, C] packed. src has the sizes of create. Allocates nothing. */
void mcvdi_resizer_run(mcvdi_resizer *resizer, uint8_t *dst, const mcvdi_pixels *src);

#endif
