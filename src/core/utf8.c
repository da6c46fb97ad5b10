#include "core/utf8.h"

/* Bytes of the sequence that starts with lead, 0 when none does; [*low, *high] is the allowed range
 * of the second byte. RFC 3629, section 4. */
static size_t sequence_bytes(unsigned char lead, unsigned char *low, unsigned char *high)
{
    *low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    *high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    if (lead < 0x80)
        return 1;
    if (lead >= 0xc2 && lead <= 0xdf)
        return 2;
    if (lead >= 0xe0 && lead <= 0xef)
        return 3;
    return lead >= 0xf0 && lead <= 0xf4 ? 4 : 0;
}

static bool sequence_valid(const unsigned char *at, size_t room, size_t *length)
{
    unsigned char low;
    unsigned char high;

    *length = sequence_bytes(*at, &low, &high);
    if (!*length || *length > room)
        return false;
    if (*length > 1 && (at[1] < low || at[1] > high))
        return false;
    for (size_t i = 2; i < *length; i++)
        if ((at[i] & 0xc0) != 0x80)
            return false;
    return true;
}

bool mcvdi_utf8_valid(const char *text, size_t bytes, size_t *bad)
{
    const unsigned char *const start = (const unsigned char *)text;
    size_t length;

    for (size_t i = 0; i < bytes; i += length) {
        if (sequence_valid(start + i, bytes - i, &length))
            continue;
        if (bad)
            *bad = i;
        return false;
    }
    return true;
}
