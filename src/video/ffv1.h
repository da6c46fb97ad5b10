/* Checksums of FFV1 packets: FFmpeg's decoder only logs a mismatch and shows older pixels. */
#ifndef MCVDI_VIDEO_FFV1_H
#define MCVDI_VIDEO_FFV1_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum mcvdi_ffv1_state {
    MCVDI_FFV1_UNKNOWN, /* before the first packet */
    MCVDI_FFV1_CHECKED, /* slices carry checksums */
    MCVDI_FFV1_BARE     /* they do not, or this is not version 3 */
} mcvdi_ffv1_state;

/* True when the packet carries checksums and one is wrong. The first packet of a stream decides
 * whether it has them (start with MCVDI_FFV1_UNKNOWN). */
bool mcvdi_ffv1_is_damaged(mcvdi_ffv1_state *state, const uint8_t *data, size_t bytes);

#endif
