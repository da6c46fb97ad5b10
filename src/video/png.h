/* One picture as PNG bytes. */
#ifndef MCVDI_VIDEO_PNG_H
#define MCVDI_VIDEO_PNG_H

#include <libavcodec/packet.h>

#include <mcvd/video.h>

#include "core/status.h"

typedef struct mcvdi_png mcvdi_png;

/* An encoder for pictures of one size. MCVD_E_UNSUPPORTED, MCVD_E_RANGE, MCVD_E_NOMEM. */
mcvd_status mcvdi_png_create(mcvdi_png **out, int width, int height, int channels);
void mcvdi_png_free(mcvdi_png **png);

/* *packet holds the file's bytes until the next call. */
mcvd_status mcvdi_png_encode(mcvdi_png *png, const uint8_t *pixels, const AVPacket **packet);

#endif
