#include "video/complete.h"

#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

enum { EDGE = 4096 }; /* bytes looked at from the start or the end */

/* A number of EBML (RFC 8794, section 4): the leading zeros of the first byte count the further
 * bytes. Returns its length, 0 when it does not fit; *unknown: all bits set, "until the end". */
static size_t ebml_number(const uint8_t *p, size_t n, uint64_t *value, bool *unknown)
{
    size_t length = 1;

    if (n == 0 || p[0] == 0)
        return 0;
    while (!(p[0] & (0x80u >> (length - 1))))
        length++;
    if (length > n)
        return 0;
    *value = p[0] & (0xFFu >> length);
    *unknown = *value == (0xFFu >> length);
    for (size_t i = 1; i < length; i++) {
        *value = *value << 8 | p[i];
        *unknown = *unknown && p[i] == 0xFF;
    }
    return length;
}

/* EBML header, then one Segment with a size. */
static bool matroska_is_complete(const uint8_t *head, size_t n, uint64_t file_bytes)
{
    static const uint8_t segment[4] = { 0x18, 0x53, 0x80, 0x67 };
    uint64_t value = 0;
    bool unknown = false;

    if (n < 5)
        return true;
    size_t at = 4 + ebml_number(head + 4, n - 4, &value, &unknown);
    if (at == 4 || unknown || value > n - at)
        return true;
    at += (size_t)value;
    if (n - at < 5 || memcmp(head + at, segment, 4) != 0)
        return true;
    at += 4;
    const size_t length = ebml_number(head + at, n - at, &value, &unknown);
    return length == 0 || unknown || value <= file_bytes - (at + length);
}

/* "RIFF", 32-bit size, "AVI "; recorders that were killed leave 0. */
static bool avi_is_complete(const uint8_t *head, size_t n, uint64_t file_bytes)
{
    if (n < 8 || memcmp(head, "RIFF", 4) != 0)
        return true;
    const uint64_t bytes =
        (uint64_t)head[7] << 24 | (uint64_t)head[6] << 16 | (uint64_t)head[5] << 8 | head[4];
    return bytes + 8 <= file_bytes;
}

/* An IEND chunk near the end. */
static bool png_is_complete(const uint8_t *tail, size_t n)
{
    for (size_t i = 0; i + 8 <= n; i++) {
        if (memcmp(tail + i, "IEND\xae\x42\x60\x82", 8) == 0)
            return true;
    }
    return false;
}

static bool format_is(const char *format, const char *name)
{
    return strncmp(format, name, strlen(name)) == 0;
}

bool mcvdi_file_is_complete(int fd, const char *format)
{
    uint8_t edge[EDGE];
    struct stat info;
    off_t start = 0;

    if (fstat(fd, &info) != 0)
        return true;
    if (format_is(format, "apng") && info.st_size > EDGE)
        start = info.st_size - EDGE;
    const ssize_t n = pread(fd, edge, sizeof edge, start);
    if (n <= 0)
        return true;
    if (format_is(format, "matroska"))
        return matroska_is_complete(edge, (size_t)n, (uint64_t)info.st_size);
    if (format_is(format, "avi"))
        return avi_is_complete(edge, (size_t)n, (uint64_t)info.st_size);
    if (format_is(format, "apng"))
        return png_is_complete(edge, (size_t)n);
    return true;
}
