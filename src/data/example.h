/*
 * The protobuf message `Example` in which TensorFlow keeps named values:
 *
 *     Example   1: Features       Features  1: repeated entry { 1: key, 2: Feature }
 *     Feature   1: bytes list { 1: repeated bytes }
 *               2: float list { 1: repeated float, packed or not }
 *               3: integer list, which nothing here needs
 *
 * Unknown fields are skipped; entries may come in any order.
 */
#ifndef MCVDI_EXAMPLE_H
#define MCVDI_EXAMPLE_H

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

/* A stretch of the message that was parsed. */
typedef struct mcvdi_wire_span {
    const uint8_t *data;
    size_t bytes;
} mcvdi_wire_span;

typedef struct mcvdi_example_entry {
    mcvdi_wire_span key;
    mcvdi_wire_span feature;
} mcvdi_example_entry;

typedef struct mcvdi_example {
    mcvdi_example_entry *entries; /* sorted by key */
    size_t count;
    size_t capacity; /* kept from one message to the next */
} mcvdi_example;

/* Take a message apart; it must stay where it is while the entries are read. An example is used
 * again and again and starts as { 0 }. MCVD_E_FORMAT (no such message, a key twice), MCVD_E_NOMEM.
 */
mcvd_status mcvdi_example_parse(mcvdi_example *example, const uint8_t *message, size_t bytes);
void mcvdi_example_release(mcvdi_example *example);

/* The one byte string of a key. MCVD_E_FORMAT: no such key, or not one byte string. */
mcvd_status mcvdi_example_bytes(const mcvdi_example *example, const char *key,
                                mcvdi_wire_span *value);
/* The `count` floats of a key, all finite. MCVD_E_FORMAT: no such key, or not so many floats. */
mcvd_status mcvdi_example_floats(const mcvdi_example *example, const char *key, float *values,
                                 size_t count);

#endif
