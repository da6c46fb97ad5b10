/*
 * Pillow's 8-bit resampling, bit for bit: the public data sets were prepared with it, so scores
 * are only comparable when our frames are the same numbers.
 */
#ifndef MCVDI_RESAMPLE_PILLOW_H
#define MCVDI_RESAMPLE_PILLOW_H

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

typedef enum mcvdi_pillow_filter {
    MCVDI_PILLOW_BILINEAR,
    MCVDI_PILLOW_LANCZOS
} mcvdi_pillow_filter;

/* From one image size to another: filter weights of both passes, computed once. */
typedef struct mcvdi_pillow mcvdi_pillow;

typedef struct mcvdi_pillow_shape {
    size_t in_height;
    size_t in_width;
    size_t out_height;
    size_t out_width;
    size_t channels;
} mcvdi_pillow_shape;

/* Sizes 1..65535, channels 1..4, else MCVD_E_RANGE; MCVD_E_NOMEM. */
mcvd_status mcvdi_pillow_create(mcvdi_pillow **out, mcvdi_pillow_filter filter,
                                const mcvdi_pillow_shape *shape);
void mcvdi_pillow_free(mcvdi_pillow **plan);

/* Bytes of scratch that a resize needs: the image between the passes. */
size_t mcvdi_pillow_scratch_bytes(const mcvdi_pillow *plan);

/* out: [out_height, out_width, C], in: [in_height, in_width, C]; nothing overlaps. Safe from
 * several threads with different out and scratch. */
void mcvdi_pillow_resize(const mcvdi_pillow *plan, uint8_t *out, const uint8_t *in,
                         uint8_t *scratch);

#endif
