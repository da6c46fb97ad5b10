/* The IDX container of MNIST: big-endian magic 0x00000803, three sizes, bytes. */
#ifndef MCVDI_IDX_H
#define MCVDI_IDX_H

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

enum { MCVDI_IDX_MAX_SIDE = 64 };

typedef struct mcvdi_idx_images {
    size_t count;
    size_t height; /* 1..MCVDI_IDX_MAX_SIDE */
    size_t width;
    const uint8_t *pixels; /* [count, height, width], inside `file` */
    char *file;
} mcvdi_idx_images;

/* Read a whole file of images; at most 256 MB. MCVD_E_INPUT (missing, too large), MCVD_E_FORMAT
 * (magic, sizes, length do not agree), MCVD_E_IO, MCVD_E_NOMEM. */
mcvd_status mcvdi_idx_read(mcvdi_idx_images *images, const char *path);
void mcvdi_idx_release(mcvdi_idx_images *images);

#endif
