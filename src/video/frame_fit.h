/* From converted pixels of any size to the reader's frames: centre crop, resize, packing. */
#ifndef MCVDI_VIDEO_FRAME_FIT_H
#define MCVDI_VIDEO_FRAME_FIT_H

#include <mcvd/video.h>

#include "core/status.h"
#include "video/resize.h"

typedef struct mcvdi_frame_fit {
    size_t width; /* of the result */
    size_t height;
    bool fixed; /* the config asked for a size: any source size fits */
    bool crop;
    mcvd_resize method;
    size_t src_width; /* of the resizer, after the crop; 0: none yet */
    size_t src_height;
    mcvdi_resizer *resizer;
} mcvdi_frame_fit;

void mcvdi_frame_fit_init(mcvdi_frame_fit *fit, const mcvd_video_reader_config *config,
                          const mcvdi_pixels *first);
void mcvdi_frame_fit_free(mcvdi_frame_fit *fit);

/* dst: [height, width, C] packed. MCVD_E_FORMAT when the size changed and none was asked for. */
mcvd_status mcvdi_frame_fit_run(mcvdi_frame_fit *fit, uint8_t *dst, const mcvdi_pixels *src);

#endif
