/*
 * TFRecord files: records one behind the other, each
 *
 *     uint64 length | uint32 masked CRC-32C of these 8 bytes | payload | uint32 masked CRC of it
 *
 * all little-endian, with mask(c) = (c rotated right by 15) + 0xA282EAD8. Lengths are checked when
 * the file is scanned, payloads when they are read.
 */
#ifndef MCVDI_TFRECORD_H
#define MCVDI_TFRECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

typedef struct mcvdi_tfrecord_span {
    uint64_t offset; /* of the payload in the file */
    size_t bytes;
} mcvdi_tfrecord_span;

typedef struct mcvdi_tfrecords {
    char *path;
    mcvdi_tfrecord_span *records;
    size_t count;
    char *damage; /* what ended the scan before the end of the file, with its offset; else NULL */
} mcvdi_tfrecords;

uint32_t mcvdi_tfrecord_mask(uint32_t crc);

/* Find the records without reading their payloads. A damaged or cut off record ends the list: what
 * lies behind it cannot be found. MCVD_E_INPUT (missing, unreadable), MCVD_E_IO, MCVD_E_NOMEM. */
mcvd_status mcvdi_tfrecord_scan(mcvdi_tfrecords *out, const char *path);
void mcvdi_tfrecord_release(mcvdi_tfrecords *file);

/* Payload of record i, [records[i].bytes]. MCVD_E_INPUT (the file has changed), MCVD_E_FORMAT (its
 * checksum does not fit), MCVD_E_IO. Safe from several threads. */
mcvd_status mcvdi_tfrecord_read(const mcvdi_tfrecords *file, size_t i, uint8_t *payload);

#endif
