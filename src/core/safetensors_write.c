#include "core/safetensors_write.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/checked.h"
#include "core/fileio.h"
#include "core/utf8.h"

enum { LENGTH_BYTES = 8, MAX_ELEMENT_BYTES = 8, MAX_HEADER_BYTES = 100 * 1000 * 1000 };

/* The header grows by appending; out of memory is remembered and told once, at the end. */
typedef struct text {
    char *bytes;
    size_t used;
    size_t capacity;
    bool failed;
} text;

typedef struct job {
    const char *path;
    const mcvd_safetensors_entry *entries;
    size_t num_entries;
    const mcvd_safetensors_meta *meta;
    size_t num_meta;
    const mcvdi_safetensors_source *source; /* NULL: the entries have their data */
    size_t *sizes;                          /* bytes of each entry */
    size_t *offsets;                        /* where each begins in the data part */
    text header;
} job;

static void append(text *t, const char *bytes, size_t count)
{
    if (!t->failed && t->capacity - t->used < count) {
        const size_t capacity = 2 * (t->capacity + count) + 1024;
        char *moved = mcvdi_realloc(t->bytes, capacity);
        t->failed = !moved;
        if (moved) {
            t->bytes = moved;
            t->capacity = capacity;
        }
    }
    if (t->failed)
        return;
    memcpy(t->bytes + t->used, bytes, count);
    t->used += count;
}

static void append_text(text *t, const char *word)
{
    append(t, word, strlen(word));
}

static void append_size(text *t, size_t value)
{
    char digits[32];

    append(t, digits, (size_t)snprintf(digits, sizeof digits, "%zu", value));
}

/* A JSON string: quotes, backslashes and control characters are escaped. */
static void append_string(text *t, const char *value)
{
    char escape[8];

    append(t, "\"", 1);
    for (const char *c = value; *c; c++) {
        const unsigned char byte = (unsigned char)*c;
        if (byte < 0x20)
            append(t, escape, (size_t)snprintf(escape, sizeof escape, "\\u%04x", byte));
        else if (byte == '"' || byte == '\\')
            append(t, (const char[]) { '\\', *c }, 2);
        else
            append(t, c, 1);
    }
    append(t, "\"", 1);
}

/* ---- what may be written ---- */

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Names that a reader would refuse: none, empty, not UTF-8, twice. Sorts names. */
static mcvd_status check_names(const char *path, const char *what, const char **names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!names[i] || !names[i][0])
            return mcvdi_fail(MCVD_E_FORMAT, "%s: %s %zu has an empty name", path, what, i);
        if (!mcvdi_utf8_valid(names[i], strlen(names[i]), NULL))
            return mcvdi_fail(MCVD_E_FORMAT, "%s: %s '%s': the name is not UTF-8", path, what,
                              names[i]);
    }
    if (count)
        qsort(names, count, sizeof *names, compare_texts);
    for (size_t i = 1; i < count; i++)
        if (strcmp(names[i - 1], names[i]) == 0)
            return mcvdi_fail(MCVD_E_FORMAT, "%s: %s '%s' appears twice", path, what, names[i]);
    return MCVD_OK;
}

static mcvd_status check_all_names(const job *j)
{
    const size_t most = j->num_entries > j->num_meta ? j->num_entries : j->num_meta;
    const char **names = mcvdi_calloc(most, sizeof *names);

    if (!names)
        return mcvdi_fail(MCVD_E_NOMEM, "%s: a list of %zu names", j->path, most);
    for (size_t i = 0; i < j->num_entries; i++)
        names[i] = j->entries[i].name;
    mcvd_status st = check_names(j->path, "tensor", names, j->num_entries);
    if (st >= 0) {
        for (size_t i = 0; i < j->num_meta; i++)
            names[i] = j->meta[i].key;
        st = check_names(j->path, "metadata", names, j->num_meta);
    }
    for (size_t i = 0; i < j->num_entries && st >= 0; i++)
        if (strcmp(j->entries[i].name, "__metadata__") == 0)
            st = mcvdi_fail(MCVD_E_FORMAT, "%s: a tensor is named __metadata__", j->path);
    for (size_t i = 0; i < j->num_meta && st >= 0; i++)
        if (!j->meta[i].value ||
            !mcvdi_utf8_valid(j->meta[i].value, strlen(j->meta[i].value), NULL))
            st = mcvdi_fail(MCVD_E_FORMAT, "%s: metadata '%s': the value is not UTF-8 text",
                            j->path, j->meta[i].key);
    mcvdi_free(names);
    return st;
}

static mcvd_status measure(const job *j, size_t i)
{
    const mcvd_tensor *tensor = &j->entries[i].tensor;
    size_t bytes = mcvd_dtype_bytes(tensor->dtype);
    bool fits = bytes > 0 && tensor->ndim >= 0 && tensor->ndim <= MCVD_MAX_DIMS;

    for (int axis = 0; fits && axis < tensor->ndim; axis++)
        fits = mcvdi_mul_size(&bytes, bytes, tensor->shape[axis]);
    if (!fits || (bytes && !tensor->data && !j->source))
        return mcvdi_fail(MCVD_E_FORMAT, "%s: tensor '%s': wrong dtype, shape or no data", j->path,
                          j->entries[i].name);
    j->sizes[i] = bytes;
    return MCVD_OK;
}

/* ---- layout ---- */

static size_t element_bytes(const job *j, size_t i)
{
    return mcvd_dtype_bytes(j->entries[i].tensor.dtype);
}

/* Holes are not allowed, so widest elements come first: then every tensor is aligned. Among equal
 * widths the caller's order stays. */
static mcvd_status place(const job *j)
{
    size_t end = 0;

    for (size_t width = MAX_ELEMENT_BYTES; width; width /= 2)
        for (size_t i = 0; i < j->num_entries; i++) {
            if (element_bytes(j, i) != width)
                continue;
            j->offsets[i] = end;
            if (!mcvdi_add_size(&end, end, j->sizes[i]))
                return mcvdi_fail(MCVD_E_FORMAT, "%s: the tensors are larger than a file can be",
                                  j->path);
        }
    return MCVD_OK;
}

static void append_entry(job *j, size_t i)
{
    const mcvd_tensor *tensor = &j->entries[i].tensor;
    text *const t = &j->header;

    append_string(t, j->entries[i].name);
    append_text(t, ":{\"dtype\":");
    append_string(t, mcvd_dtype_word(tensor->dtype));
    append_text(t, ",\"shape\":[");
    for (int axis = 0; axis < tensor->ndim; axis++) {
        append_text(t, axis ? "," : "");
        append_size(t, tensor->shape[axis]);
    }
    append_text(t, "],\"data_offsets\":[");
    append_size(t, j->offsets[i]);
    append_text(t, ",");
    append_size(t, j->offsets[i] + j->sizes[i]);
    append_text(t, "]}");
}

static mcvd_status build_header(job *j)
{
    text *const t = &j->header;

    append_text(t, "{");
    if (j->num_meta)
        append_text(t, "\"__metadata__\":{");
    for (size_t i = 0; i < j->num_meta; i++) {
        append_text(t, i ? "," : "");
        append_string(t, j->meta[i].key);
        append_text(t, ":");
        append_string(t, j->meta[i].value);
    }
    append_text(t, j->num_meta ? "}" : "");
    for (size_t i = 0; i < j->num_entries; i++) {
        append_text(t, i || j->num_meta ? "," : "");
        append_entry(j, i);
    }
    append_text(t, "}");
    while (!t->failed && t->used % MAX_ELEMENT_BYTES)
        append_text(t, " ");
    if (t->failed)
        return mcvdi_fail(MCVD_E_NOMEM, "%s: its header", j->path);
    if (t->used > MAX_HEADER_BYTES)
        return mcvdi_fail(MCVD_E_FORMAT, "%s: its header needs %zu bytes, %d are allowed", j->path,
                          t->used, MAX_HEADER_BYTES);
    return MCVD_OK;
}

/* ---- writing ---- */

static mcvd_status write_entry(const job *j, mcvdi_atomic_file *file, size_t i)
{
    const void *data = j->entries[i].tensor.data;
    const mcvd_status st = j->source ? j->source->get(j->source->user, i, &data) : MCVD_OK;

    return st < 0 ? st : mcvdi_atomic_write(file, data, j->sizes[i]);
}

static mcvd_status write_parts(const job *j, mcvdi_atomic_file *file)
{
    unsigned char length[LENGTH_BYTES];

    for (int i = 0; i < LENGTH_BYTES; i++)
        length[i] = (unsigned char)((uint64_t)j->header.used >> (8 * i));
    mcvd_status st = mcvdi_atomic_write(file, length, sizeof length);
    if (st >= 0)
        st = mcvdi_atomic_write(file, j->header.bytes, j->header.used);
    for (size_t width = MAX_ELEMENT_BYTES; width; width /= 2)
        for (size_t i = 0; i < j->num_entries && st >= 0; i++)
            if (element_bytes(j, i) == width)
                st = write_entry(j, file, i);
    return st;
}

static mcvd_status prepare(job *j)
{
    j->sizes = mcvdi_calloc(j->num_entries, sizeof *j->sizes);
    j->offsets = mcvdi_calloc(j->num_entries, sizeof *j->offsets);
    if (!j->sizes || !j->offsets)
        return mcvdi_fail(MCVD_E_NOMEM, "%s: a list of %zu tensors", j->path, j->num_entries);
    mcvd_status st = check_all_names(j);
    for (size_t i = 0; i < j->num_entries && st >= 0; i++)
        st = measure(j, i);
    if (st >= 0)
        st = place(j);
    if (st >= 0)
        st = build_header(j);
    return st;
}

static mcvd_status write_file(const job *j, bool overwrite)
{
    mcvdi_atomic_file *file;
    mcvd_status st = mcvdi_atomic_open(&file, j->path, overwrite);

    if (st >= 0)
        st = write_parts(j, file);
    if (st >= 0)
        return mcvdi_atomic_commit(&file);
    mcvdi_atomic_discard(&file);
    return st;
}

static mcvd_status write_job(job *j, bool overwrite)
{
    mcvd_status st = prepare(j);

    if (st >= 0)
        st = write_file(j, overwrite);
    mcvdi_free(j->header.bytes);
    mcvdi_free(j->offsets);
    mcvdi_free(j->sizes);
    return st;
}

mcvd_status mcvd_safetensors_write(const char *path, const mcvd_safetensors_entry *entries,
                                   size_t num_entries, const mcvd_safetensors_meta *meta,
                                   size_t num_meta, bool overwrite)
{
    job j = { .path = path,
              .entries = entries,
              .num_entries = num_entries,
              .meta = meta,
              .num_meta = num_meta };

    return write_job(&j, overwrite);
}

mcvd_status mcvdi_safetensors_write_from(const char *path, const mcvdi_safetensors_source *source,
                                         bool overwrite)
{
    job j = { .path = path,
              .entries = source->entries,
              .num_entries = source->num_entries,
              .meta = source->meta,
              .num_meta = source->num_meta,
              .source = source };

    return write_job(&j, overwrite);
}
