#include "video/ffv1.h"

#include <libavutil/crc.h>

/* Each slice ends in its size (3 bytes), an error status (1) and a CRC (4) that makes the CRC of
 * the whole slice 0; sizes exclude these 8 bytes. RFC 9043, section 4.8. */
enum { TRAILER = 8 };

static bool slices_are_right(const uint8_t *data, size_t bytes)
{
    const AVCRC *table = av_crc_get_table(AV_CRC_32_IEEE);

    if (bytes == 0)
        return false;
    while (bytes > 0) {
        if (bytes < TRAILER)
            return false;
        const uint8_t *p = data + bytes - TRAILER;
        const size_t slice = ((size_t)p[0] << 16 | (size_t)p[1] << 8 | p[2]) + TRAILER;
        if (slice > bytes || av_crc(table, 0, data + (bytes - slice), slice) != 0)
            return false;
        bytes -= slice;
    }
    return true;
}

bool mcvdi_ffv1_is_damaged(mcvdi_ffv1_state *state, const uint8_t *data, size_t bytes)
{
    if (*state == MCVDI_FFV1_BARE)
        return false;
    const bool right = slices_are_right(data, bytes);
    if (*state == MCVDI_FFV1_UNKNOWN)
        *state = right ? MCVDI_FFV1_CHECKED : MCVDI_FFV1_BARE;
    return *state == MCVDI_FFV1_CHECKED && !right;
}
