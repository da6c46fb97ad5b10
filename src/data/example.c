#include "data/example.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"

/* How the value of a field is coded: the low three bits of its tag. */
enum { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };
enum { VARINT_BYTES = 10, MAX_ENTRIES = 1 << 20, FLOAT_BYTES = 4 };

typedef struct field {
    uint64_t number;
    unsigned wire;
    mcvdi_wire_span value; /* of WIRE_BYTES, WIRE_32 and WIRE_64 */
} field;

static void advance(mcvdi_wire_span *s, size_t bytes)
{
    s->data += bytes;
    s->bytes -= bytes;
}

static bool take_varint(mcvdi_wire_span *s, uint64_t *value)
{
    *value = 0;
    for (size_t i = 0; i < VARINT_BYTES && i < s->bytes; i++) {
        *value |= (uint64_t)(s->data[i] & 0x7Fu) << (7 * i);
        if (!(s->data[i] & 0x80u)) {
            advance(s, i + 1);
            return true;
        }
    }
    return false;
}

static bool take_bytes(mcvdi_wire_span *s, uint64_t bytes, mcvdi_wire_span *value)
{
    if (bytes > s->bytes)
        return false;
    *value = (mcvdi_wire_span) { s->data, (size_t)bytes };
    advance(s, (size_t)bytes);
    return true;
}

/* The next field of a message; false where the bytes are none. */
static bool take_field(mcvdi_wire_span *s, field *f)
{
    uint64_t tag = 0;
    uint64_t length = 0;

    if (!take_varint(s, &tag) || tag >> 3 == 0)
        return false;
    *f = (field) { .number = tag >> 3, .wire = (unsigned)(tag & 7u) };
    switch (f->wire) {
    case WIRE_VARINT:
        return take_varint(s, &length);
    case WIRE_64:
        return take_bytes(s, sizeof(uint64_t), &f->value);
    case WIRE_BYTES:
        return take_varint(s, &length) && take_bytes(s, length, &f->value);
    case WIRE_32:
        return take_bytes(s, FLOAT_BYTES, &f->value);
    default:
        return false;
    }
}

static bool is_message(const field *f, uint64_t number)
{
    return f->number == number && f->wire == WIRE_BYTES;
}

static mcvd_status malformed(const char *what)
{
    return mcvdi_fail(MCVD_E_FORMAT, "a damaged Example: %s", what);
}

static int compare_spans(mcvdi_wire_span a, mcvdi_wire_span b)
{
    const size_t shorter = a.bytes < b.bytes ? a.bytes : b.bytes;
    const int order = shorter ? memcmp(a.data, b.data, shorter) : 0;

    return order ? order : (a.bytes > b.bytes) - (a.bytes < b.bytes);
}

static int compare_entries(const void *a, const void *b)
{
    return compare_spans(((const mcvdi_example_entry *)a)->key,
                         ((const mcvdi_example_entry *)b)->key);
}

static mcvd_status append(mcvdi_example *e, mcvdi_example_entry entry)
{
    if (e->count == MAX_ENTRIES)
        return malformed("more than a million entries");
    if (e->count == e->capacity) {
        const size_t larger = e->capacity ? 2 * e->capacity : 256;
        mcvdi_example_entry *moved = mcvdi_realloc(e->entries, larger * sizeof *moved);
        if (!moved)
            return mcvdi_fail(MCVD_E_NOMEM, "an Example of %zu entries", larger);
        e->entries = moved;
        e->capacity = larger;
    }
    e->entries[e->count++] = entry;
    return MCVD_OK;
}

static mcvd_status take_entry(mcvdi_example *e, mcvdi_wire_span message)
{
    mcvdi_example_entry entry = { { NULL, 0 }, { NULL, 0 } };
    field f;

    while (message.bytes > 0) {
        if (!take_field(&message, &f))
            return malformed("an entry");
        if (is_message(&f, 1))
            entry.key = f.value;
        else if (is_message(&f, 2))
            entry.feature = f.value;
    }
    return append(e, entry);
}

static mcvd_status take_features(mcvdi_example *e, mcvdi_wire_span message)
{
    field f;

    while (message.bytes > 0) {
        if (!take_field(&message, &f))
            return malformed("the list of features");
        if (!is_message(&f, 1))
            continue;
        const mcvd_status st = take_entry(e, f.value);
        if (st < 0)
            return st;
    }
    return MCVD_OK;
}

mcvd_status mcvdi_example_parse(mcvdi_example *example, const uint8_t *message, size_t bytes)
{
    mcvdi_wire_span left = { message, bytes };
    field f;

    example->count = 0;
    while (left.bytes > 0) {
        if (!take_field(&left, &f))
            return malformed("the message");
        if (!is_message(&f, 1))
            continue;
        const mcvd_status st = take_features(example, f.value);
        if (st < 0)
            return st;
    }
    if (example->count)
        qsort(example->entries, example->count, sizeof *example->entries, compare_entries);
    for (size_t i = 1; i < example->count; i++)
        if (compare_entries(&example->entries[i - 1], &example->entries[i]) == 0)
            return malformed("a key twice");
    return MCVD_OK;
}

void mcvdi_example_release(mcvdi_example *example)
{
    mcvdi_free(example->entries);
    memset(example, 0, sizeof *example);
}

/* The list inside the feature of a key: number 1 for bytes, 2 for floats. */
static mcvd_status find_list(const mcvdi_example *e, const char *key, uint64_t number,
                             mcvdi_wire_span *list)
{
    const mcvdi_example_entry wanted = { .key = { (const uint8_t *)key, strlen(key) } };
    const mcvdi_example_entry *entry =
        e->count ? bsearch(&wanted, e->entries, e->count, sizeof wanted, compare_entries) : NULL;
    bool found = false;
    field f;

    if (!entry)
        return mcvdi_fail(MCVD_E_FORMAT, "an Example without the key %s", key);
    for (mcvdi_wire_span left = entry->feature; left.bytes > 0;) {
        if (!take_field(&left, &f))
            return mcvdi_fail(MCVD_E_FORMAT, "a damaged Example: the value of %s", key);
        if (is_message(&f, number)) {
            *list = f.value;
            found = true;
        }
    }
    if (!found)
        return mcvdi_fail(MCVD_E_FORMAT, "an Example whose %s are no %s", key,
                          number == 1 ? "bytes" : "floats");
    return MCVD_OK;
}

mcvd_status mcvdi_example_bytes(const mcvdi_example *example, const char *key,
                                mcvdi_wire_span *value)
{
    mcvdi_wire_span list;
    size_t found = 0;
    field f;

    mcvd_status st = find_list(example, key, 1, &list);
    while (st >= 0 && list.bytes > 0) {
        if (!take_field(&list, &f))
            return mcvdi_fail(MCVD_E_FORMAT, "a damaged Example: the value of %s", key);
        if (is_message(&f, 1)) {
            *value = f.value;
            found++;
        }
    }
    if (st >= 0 && found != 1)
        st = mcvdi_fail(MCVD_E_FORMAT, "an Example with %zu byte strings as %s, expected 1", found,
                        key);
    return st;
}

/* A float of the file; it is little-endian. */
static float float_at(const uint8_t *p)
{
    const uint32_t bits =
        (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
    float value;

    memcpy(&value, &bits, sizeof value);
    return value;
}

mcvd_status mcvdi_example_floats(const mcvdi_example *example, const char *key, float *values,
                                 size_t count)
{
    mcvdi_wire_span list;
    size_t found = 0;
    field f;

    mcvd_status st = find_list(example, key, 2, &list);
    if (st < 0)
        return st;
    while (list.bytes > 0) {
        if (!take_field(&list, &f) || (f.number == 1 && f.value.bytes % FLOAT_BYTES))
            return mcvdi_fail(MCVD_E_FORMAT, "a damaged Example: the value of %s", key);
        if (f.number != 1 || (f.wire != WIRE_32 && f.wire != WIRE_BYTES))
            continue;
        for (size_t i = 0; i < f.value.bytes; i += FLOAT_BYTES, found++)
            if (found < count)
                values[found] = float_at(f.value.data + i);
    }
    if (found != count)
        return mcvdi_fail(MCVD_E_FORMAT, "an Example with %zu floats as %s, expected %zu", found,
                          key, count);
    for (size_t i = 0; i < count; i++)
        if (!isfinite(values[i]))
            return mcvdi_fail(MCVD_E_FORMAT, "an Example whose %s are not finite", key);
    return MCVD_OK;
}
