/* Reducing a picture to at most 256 colours, for GIF. */
#ifndef MCVDI_VIDEO_PALETTE_H
#define MCVDI_VIDEO_PALETTE_H

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

typedef struct mcvdi_palette mcvdi_palette;

mcvd_status mcvdi_palette_create(mcvdi_palette **out);
void mcvdi_palette_free(mcvdi_palette **palette);

/* rgb: [n, 3]. indices: [n]. colours: [256] as 0xAARRGGBB, opaque, unused ones black. Exact with up
 * to 256 different colours, else median cut (Heckbert 1982) on five bits per channel. */
void mcvdi_palette_reduce(mcvdi_palette *palette, const uint8_t *rgb, size_t n, uint8_t *indices,
                          uint32_t colours[256]);

#endif
