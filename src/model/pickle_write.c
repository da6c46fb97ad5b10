#include "model/pickle_write.h"

#include <stdio.h>
#include <string.h>

#include "core/alloc.h"

/* What is written, by the names of Python's pickletools. */
enum {
    PROTO = 0x80,
    MARK = '(',
    STOP = '.',
    EMPTY_LIST = ']',
    APPENDS = 'e',
    EMPTY_DICT = '}',
    SETITEMS = 'u',
    EMPTY_TUPLE = ')',
    TUPLE = 't',
    TUPLE2 = 0x86,
    GLOBAL = 'c',
    REDUCE = 'R',
    BINPERSID = 'Q',
    BINUNICODE = 'X',
    BININT1 = 'K',
    BININT2 = 'M',
    BININT = 'J',
    LONG1 = 0x8a,
    BINFLOAT = 'G',
    NEWTRUE = 0x88,
    NEWFALSE = 0x89,
    NONE = 'N'
};

static void append(mcvdi_pickle_writer *to, const void *bytes, size_t count)
{
    if (!to->failed && to->capacity - to->used < count) {
        const size_t capacity = 2 * (to->capacity + count) + 4096;
        unsigned char *moved = mcvdi_realloc(to->bytes, capacity);
        to->failed = !moved;
        if (moved) {
            to->bytes = moved;
            to->capacity = capacity;
        }
    }
    if (to->failed)
        return;
    memcpy(to->bytes + to->used, bytes, count);
    to->used += count;
}

static void put(mcvdi_pickle_writer *to, int code)
{
    const unsigned char byte = (unsigned char)code;

    append(to, &byte, 1);
}

/* The lowest `count` bytes of value, little endian. */
static void put_little(mcvdi_pickle_writer *to, uint64_t value, int count)
{
    for (int i = 0; i < count; i++)
        put(to, (int)(value >> (8 * i) & 0xff));
}

/* "c<module>\n<name>\n" */
static void put_global(mcvdi_pickle_writer *to, const char *lines)
{
    put(to, GLOBAL);
    append(to, lines, strlen(lines));
}

void mcvdi_pickle_write_begin(mcvdi_pickle_writer *to)
{
    put(to, PROTO);
    put(to, 2);
}

void mcvdi_pickle_write_open_list(mcvdi_pickle_writer *to)
{
    put(to, EMPTY_LIST);
    put(to, MARK);
}

void mcvdi_pickle_write_close_list(mcvdi_pickle_writer *to)
{
    put(to, APPENDS);
}

void mcvdi_pickle_write_open_dict(mcvdi_pickle_writer *to)
{
    put(to, EMPTY_DICT);
    put(to, MARK);
}

static void put_empty_ordered_dict(mcvdi_pickle_writer *to)
{
    put_global(to, "collections\nOrderedDict\n");
    put(to, EMPTY_TUPLE);
    put(to, REDUCE);
}

void mcvdi_pickle_write_open_ordered_dict(mcvdi_pickle_writer *to)
{
    put_empty_ordered_dict(to);
    put(to, MARK);
}

void mcvdi_pickle_write_close_dict(mcvdi_pickle_writer *to)
{
    put(to, SETITEMS);
}

void mcvdi_pickle_write_text(mcvdi_pickle_writer *to, const char *text)
{
    put(to, BINUNICODE);
    put_little(to, strlen(text), 4);
    append(to, text, strlen(text));
}

/* The shortest form, as Python writes it. */
void mcvdi_pickle_write_int(mcvdi_pickle_writer *to, int64_t value)
{
    const bool small = value >= 0 && value <= 0xffff;
    const bool word = value >= INT32_MIN && value <= INT32_MAX;
    const int count = 8;

    if (small) {
        put(to, value <= 0xff ? BININT1 : BININT2);
        put_little(to, (uint64_t)value, value <= 0xff ? 1 : 2);
    } else if (word) {
        put(to, BININT);
        put_little(to, (uint64_t)value, 4);
    } else {
        put(to, LONG1);
        put(to, count);
        put_little(to, (uint64_t)value, count);
    }
}

/* Big endian, alone in this format. */
void mcvdi_pickle_write_real(mcvdi_pickle_writer *to, double value)
{
    uint64_t bits = 0;

    memcpy(&bits, &value, sizeof bits);
    put(to, BINFLOAT);
    for (int i = 7; i >= 0; i--)
        put(to, (int)(bits >> (8 * i) & 0xff));
}

void mcvdi_pickle_write_bool(mcvdi_pickle_writer *to, bool value)
{
    put(to, value ? NEWTRUE : NEWFALSE);
}

void mcvdi_pickle_write_none(mcvdi_pickle_writer *to)
{
    put(to, NONE);
}

void mcvdi_pickle_write_real_pair(mcvdi_pickle_writer *to, double first, double second)
{
    mcvdi_pickle_write_real(to, first);
    mcvdi_pickle_write_real(to, second);
    put(to, TUPLE2);
}

/* ("storage", torch.FloatStorage, key, device, elements), taken as a persistent id */
static void put_storage(mcvdi_pickle_writer *to, size_t key, size_t numel)
{
    char text[32];

    snprintf(text, sizeof text, "%zu", key);
    put(to, MARK);
    mcvdi_pickle_write_text(to, "storage");
    put_global(to, "torch\nFloatStorage\n");
    mcvdi_pickle_write_text(to, text);
    mcvdi_pickle_write_text(to, "cpu");
    mcvdi_pickle_write_int(to, (int64_t)numel);
    put(to, TUPLE);
    put(to, BINPERSID);
}

static size_t numel_from(const mcvdi_pickle_new_tensor *t, int axis)
{
    size_t numel = 1;

    for (; axis < t->ndim; axis++)
        numel *= t->shape[axis];
    return numel;
}

/* torch._utils._rebuild_tensor_v2(storage, offset, shape, strides, requires_grad, hooks) */
void mcvdi_pickle_write_tensor(mcvdi_pickle_writer *to, const mcvdi_pickle_new_tensor *tensor)
{
    put_global(to, "torch._utils\n_rebuild_tensor_v2\n");
    put(to, MARK);
    put_storage(to, tensor->key, numel_from(tensor, 0));
    mcvdi_pickle_write_int(to, 0);
    put(to, MARK);
    for (int axis = 0; axis < tensor->ndim; axis++)
        mcvdi_pickle_write_int(to, (int64_t)tensor->shape[axis]);
    put(to, TUPLE);
    put(to, MARK);
    for (int axis = 0; axis < tensor->ndim; axis++)
        mcvdi_pickle_write_int(to, (int64_t)numel_from(tensor, axis + 1));
    put(to, TUPLE);
    mcvdi_pickle_write_bool(to, false);
    put_empty_ordered_dict(to);
    put(to, TUPLE);
    put(to, REDUCE);
}

mcvd_status mcvdi_pickle_write_end(mcvdi_pickle_writer *to)
{
    put(to, STOP);
    return to->failed ? mcvdi_fail(MCVD_E_NOMEM, "checkpoint: out of memory") : MCVD_OK;
}
