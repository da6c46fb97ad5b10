/* PyTorch files made byte by byte, so that each can be wrong in one place: a pickle of tensors and
 * a zip archive of stored entries. */
#ifndef TESTS_SUPPORT_TORCH_FILE_H
#define TESTS_SUPPORT_TORCH_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct test_bytes {
    unsigned char *data;
    size_t used;
    size_t capacity;
} test_bytes;

/* Fuzz engines have no test frame to fail in. */
static inline void bytes_require(bool condition)
{
    if (!condition)
        abort();
}

static inline void bytes_add(test_bytes *to, const void *data, size_t count)
{
    if (to->capacity - to->used < count) {
        to->capacity = 2 * (to->capacity + count);
        to->data = realloc(to->data, to->capacity);
        bytes_require(to->data != NULL);
    }
    if (count)
        memcpy(to->data + to->used, data, count);
    to->used += count;
}

static inline void bytes_free(test_bytes *bytes)
{
    free(bytes->data);
    *bytes = (test_bytes) { 0 };
}

static inline void bytes_number(test_bytes *to, uint64_t value, int count)
{
    for (int i = 0; i < count; i++) {
        const unsigned char byte = (unsigned char)(i < 8 ? value >> (8 * i) : 0);
        bytes_add(to, &byte, 1);
    }
}

/* A string literal, zeros inside included. */
#define BYTES(to, literal) bytes_add(to, literal, sizeof(literal) - 1)

/* --- pickle --- */

static inline void pickle_text(test_bytes *to, const char *text)
{
    BYTES(to, "X");
    bytes_number(to, strlen(text), 4);
    bytes_add(to, text, strlen(text));
}

static inline void pickle_int(test_bytes *to, int64_t value)
{
    BYTES(to, "\x8a\x08");
    bytes_number(to, (uint64_t)value, 8);
}

typedef struct test_tensor {
    const char *name;
    const char *key;
    int64_t count; /* of the storage */
    int64_t offset;
    int ndim;
    int num_strides;
    int64_t sizes[10];
    int64_t strides[10];
} test_tensor;

static inline void pickle_ints(test_bytes *to, const int64_t *values, int count)
{
    BYTES(to, "(");
    for (int i = 0; i < count; i++)
        pickle_int(to, values[i]);
    BYTES(to, "t");
}

/* The persistent id of a storage; that of a stream has a sixth part, None. */
static inline void pickle_storage(test_bytes *to, const test_tensor *t, const char *type,
                                  bool stream)
{
    BYTES(to, "(");
    pickle_text(to, "storage");
    BYTES(to, "ctorch\n");
    bytes_add(to, type, strlen(type));
    BYTES(to, "Storage\n");
    pickle_text(to, t->key);
    pickle_text(to, "cpu");
    pickle_int(to, t->count);
    if (stream)
        BYTES(to, "N");
    BYTES(to, "tQ");
}

static inline void pickle_tensor_as(test_bytes *to, const test_tensor *t, const char *type,
                                    bool stream)
{
    BYTES(to, "ctorch._utils\n_rebuild_tensor_v2\n(");
    pickle_storage(to, t, type, stream);
    pickle_int(to, t->offset);
    pickle_ints(to, t->sizes, t->ndim);
    pickle_ints(to, t->strides, t->num_strides);
    BYTES(to, "\x89"
              "ccollections\nOrderedDict\n)RtR");
}

static inline void pickle_tensor(test_bytes *to, const test_tensor *t)
{
    pickle_tensor_as(to, t, "Float", false);
}

static inline void pickle_state_in(test_bytes *to, const test_tensor *tensors, size_t count,
                                   bool stream)
{
    BYTES(to, "}(");
    for (size_t i = 0; i < count; i++) {
        pickle_text(to, tensors[i].name);
        pickle_tensor_as(to, &tensors[i], "Float", stream);
    }
    BYTES(to, "u");
}

/* A dictionary of names and tensors. */
static inline void pickle_state(test_bytes *to, const test_tensor *tensors, size_t count)
{
    pickle_state_in(to, tensors, count, false);
}

/* --- the stream of before version 1.6 --- */

static inline void stream_begin(test_bytes *to)
{
    BYTES(to, "\x80\x02\x8a\x0al\xfc\x9c\x46\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}(");
    pickle_text(to, "protocol_version");
    BYTES(to, "M\xe9\x03");
    pickle_text(to, "little_endian");
    BYTES(to, "\x88u.");
}

/* The list of one storage, and the storage. */
static inline void stream_storage(test_bytes *to, const char *key, int64_t count, const void *data,
                                  size_t bytes)
{
    BYTES(to, "\x80\x02](");
    pickle_text(to, key);
    BYTES(to, "e.");
    bytes_number(to, (uint64_t)count, 8);
    bytes_add(to, data, bytes);
}

/* --- zip --- */

typedef struct test_zip {
    test_bytes file;
    test_bytes central;
    unsigned count;
} test_zip;

/* What is written about an entry, right or wrong. */
typedef struct test_entry {
    const char *name;
    const void *data;
    size_t bytes;
    uint32_t crc_change; /* xored into the right CRC */
    unsigned method;     /* 0 stored, 8 deflated */
    unsigned flags;      /* 1 encrypted */
    uint32_t says;       /* size without compression; 0: bytes */
} test_entry;

static inline uint32_t test_crc32(const void *data, size_t count)
{
    const unsigned char *bytes = data;
    uint32_t crc = 0xffffffffu;

    for (size_t i = 0; i < count; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    return ~crc;
}

static inline void zip_header(test_bytes *to, const test_entry *e)
{
    bytes_number(to, 20, 2);
    bytes_number(to, e->flags, 2);
    bytes_number(to, e->method, 2);
    bytes_number(to, 0, 4); /* time */
    bytes_number(to, test_crc32(e->data, e->bytes) ^ e->crc_change, 4);
    bytes_number(to, e->bytes, 4);
    bytes_number(to, e->says ? e->says : e->bytes, 4);
    bytes_number(to, strlen(e->name), 2);
    bytes_number(to, 0, 2);
}

static inline void zip_put(test_zip *zip, const test_entry *e)
{
    const size_t offset = zip->file.used;

    BYTES(&zip->file, "PK\3\4");
    zip_header(&zip->file, e);
    bytes_add(&zip->file, e->name, strlen(e->name));
    bytes_add(&zip->file, e->data, e->bytes);
    BYTES(&zip->central, "PK\1\2\x14\0");
    zip_header(&zip->central, e);
    bytes_number(&zip->central, 0, 10); /* comment, disk, attributes */
    bytes_number(&zip->central, offset, 4);
    bytes_add(&zip->central, e->name, strlen(e->name));
    zip->count++;
}

static inline void zip_put_plain(test_zip *zip, const char *name, const void *data, size_t bytes)
{
    zip_put(zip, &(test_entry) { .name = name, .data = data, .bytes = bytes });
}

/* The list of entries goes to the end; file holds the archive. */
static inline void zip_end(test_zip *zip)
{
    const size_t offset = zip->file.used;

    bytes_add(&zip->file, zip->central.data, zip->central.used);
    BYTES(&zip->file, "PK\5\6\0\0\0\0");
    bytes_number(&zip->file, zip->count, 2);
    bytes_number(&zip->file, zip->count, 2);
    bytes_number(&zip->file, zip->central.used, 4);
    bytes_number(&zip->file, offset, 4);
    bytes_number(&zip->file, 0, 2);
    bytes_free(&zip->central);
}

static inline void bytes_save(const test_bytes *bytes, const char *path)
{
    FILE *file = fopen(path, "wb");

    bytes_require(file != NULL);
    bytes_require(!bytes->used || fwrite(bytes->data, 1, bytes->used, file) == bytes->used);
    bytes_require(fclose(file) == 0);
}

#endif
