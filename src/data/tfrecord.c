#include "data/tfrecord.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/checked.h"
#include "core/crc32c.h"

enum { LENGTH_BYTES = 8, CRC_BYTES = 4, HEADER_BYTES = LENGTH_BYTES + CRC_BYTES };

static const uint64_t max_payload = (uint64_t)1 << 30;

uint32_t mcvdi_tfrecord_mask(uint32_t crc)
{
    return (crc >> 15 | crc << 17) + 0xA282EAD8u;
}

static uint32_t little_endian(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static bool checksum_fits(const uint8_t *data, size_t bytes, const uint8_t *stored)
{
    return mcvdi_tfrecord_mask(mcvdi_crc32c(0, data, bytes)) == little_endian(stored);
}

/* All bytes at an offset; MCVD_EOF where the file ends before them. */
static mcvd_status read_at(int fd, const char *path, uint64_t offset, void *to, size_t bytes)
{
    uint8_t *at = to;

    while (bytes > 0) {
        const ssize_t n = pread(fd, at, bytes, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return mcvdi_fail(MCVD_E_IO, "%s: %s", path, strerror(errno));
        if (n == 0)
            return MCVD_EOF;
        at += n;
        bytes -= (size_t)n;
        offset += (uint64_t)n;
    }
    return MCVD_OK;
}

static mcvd_status open_file(int *fd, uint64_t *bytes, const char *path)
{
    struct stat info;

    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (*fd < 0)
        return mcvdi_fail(MCVD_E_INPUT, "%s: %s", path, strerror(errno));
    if (fstat(*fd, &info) != 0 || !S_ISREG(info.st_mode)) {
        close(*fd);
        return mcvdi_fail(MCVD_E_INPUT, "%s: not a regular file", path);
    }
    *bytes = (uint64_t)info.st_size;
    return MCVD_OK;
}

static mcvd_status append(mcvdi_tfrecords *f, size_t *capacity, mcvdi_tfrecord_span span)
{
    if (f->count == *capacity) {
        const size_t larger = *capacity ? 2 * *capacity : 256;
        size_t bytes = 0;
        mcvdi_tfrecord_span *moved =
            mcvdi_mul_size(&bytes, larger, sizeof *moved) ? mcvdi_realloc(f->records, bytes) : NULL;
        if (!moved)
            return mcvdi_fail(MCVD_E_NOMEM, "%s: a list of %zu records", f->path, larger);
        f->records = moved;
        *capacity = larger;
    }
    f->records[f->count++] = span;
    return MCVD_OK;
}

/* The record at `offset`. `why` is set instead when there is no whole one. */
static mcvd_status look_at(int fd, const char *path, uint64_t offset, uint64_t file_bytes,
                           mcvdi_tfrecord_span *span, const char **why)
{
    uint8_t header[HEADER_BYTES];
    const mcvd_status st = read_at(fd, path, offset, header, sizeof header);

    *why = NULL;
    if (st == MCVD_EOF)
        *why = "the file ends inside a record's header";
    if (st != MCVD_OK)
        return st < 0 ? st : MCVD_OK;
    const uint64_t length = (uint64_t)little_endian(header) | (uint64_t)little_endian(header + 4)
                                                                  << 32;
    const uint64_t left = file_bytes - offset - HEADER_BYTES;
    if (!checksum_fits(header, LENGTH_BYTES, header + LENGTH_BYTES))
        *why = "the checksum of a record's length does not fit";
    else if (length > max_payload)
        *why = "a record above 1 GB";
    else if (left < length || left - length < CRC_BYTES)
        *why = "the file ends inside a record";
    *span = (mcvdi_tfrecord_span) { offset + HEADER_BYTES, (size_t)length };
    return MCVD_OK;
}

static mcvd_status scan(mcvdi_tfrecords *f, int fd, uint64_t file_bytes)
{
    size_t capacity = 0;
    uint64_t offset = 0;

    while (offset < file_bytes) {
        mcvdi_tfrecord_span span = { 0, 0 };
        const char *why = NULL;
        mcvd_status st = look_at(fd, f->path, offset, file_bytes, &span, &why);
        if (st < 0)
            return st;
        if (why) {
            f->damage = mcvdi_sprintf("%s at byte %llu", why, (unsigned long long)offset);
            return f->damage ? MCVD_OK : mcvdi_fail(MCVD_E_NOMEM, "%s: out of memory", f->path);
        }
        st = append(f, &capacity, span);
        if (st < 0)
            return st;
        offset = span.offset + span.bytes + CRC_BYTES;
    }
    return MCVD_OK;
}

mcvd_status mcvdi_tfrecord_scan(mcvdi_tfrecords *out, const char *path)
{
    uint64_t bytes = 0;
    int fd = -1;

    memset(out, 0, sizeof *out);
    mcvd_status st = open_file(&fd, &bytes, path);
    if (st < 0)
        return st;
    out->path = mcvdi_sprintf("%s", path);
    st = out->path ? scan(out, fd, bytes) : mcvdi_fail(MCVD_E_NOMEM, "%s: out of memory", path);
    close(fd);
    if (st < 0)
        mcvdi_tfrecord_release(out);
    return st;
}

void mcvdi_tfrecord_release(mcvdi_tfrecords *file)
{
    mcvdi_free(file->path);
    mcvdi_free(file->records);
    mcvdi_free(file->damage);
    memset(file, 0, sizeof *file);
}

mcvd_status mcvdi_tfrecord_read(const mcvdi_tfrecords *file, size_t i, uint8_t *payload)
{
    const mcvdi_tfrecord_span span = file->records[i];
    uint8_t stored[CRC_BYTES];
    uint64_t bytes = 0;
    int fd = -1;

    mcvd_status st = open_file(&fd, &bytes, file->path);
    if (st < 0)
        return st;
    st = read_at(fd, file->path, span.offset, payload, span.bytes);
    if (st == MCVD_OK)
        st = read_at(fd, file->path, span.offset + span.bytes, stored, sizeof stored);
    close(fd);
    if (st == MCVD_EOF)
        return mcvdi_fail(MCVD_E_INPUT, "%s: has become shorter: record %zu is gone", file->path,
                          i);
    if (st < 0)
        return st;
    if (!checksum_fits(payload, span.bytes, stored))
        return mcvdi_fail(MCVD_E_FORMAT,
                          "%s: record %zu at byte %llu is damaged: its checksum "
                          "does not fit",
                          file->path, i, (unsigned long long)(span.offset - HEADER_BYTES));
    return MCVD_OK;
}
