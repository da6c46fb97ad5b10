#include "model/torch_legacy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/checked.h"

enum { PROTOCOL = 1001, COUNT_BYTES = 8 };

/* A pickle of the number 0x1950a86a20f9469cfc6c. */
static const unsigned char magic[] = { 0x80, 0x02, 0x8a, 0x0a, 'l', 0xfc, 0x9c, 'F',
                                       0xf9, ' ',  'j',  0xa8, 'P', 0x19, '.' };

/* Where a storage's numbers are. */
typedef struct stream_row {
    const mcvdi_pickle_storage *storage;
    size_t bytes;
    size_t offset; /* 0: not in the list */
} stream_row;

struct mcvdi_torch_legacy {
    char *path;
    int fd;
    size_t file_bytes;
    char *text; /* the beginning of the file; texts of the pickle point into it */
    size_t text_bytes;
    size_t at; /* end of what has been parsed */
    mcvdi_pickle *object;
    stream_row *rows; /* sorted by key, every key once */
    size_t num_rows;
};

static mcvd_status no_memory(const char *path)
{
    return mcvdi_fail(MCVD_E_NOMEM, "%s: out of memory", path);
}

/* --- bytes --- */

static mcvd_status read_at(const mcvdi_torch_legacy *s, void *to, size_t bytes, size_t offset)
{
    size_t done = 0;

    while (done < bytes) {
        const ssize_t n = pread(s->fd, (char *)to + done, bytes - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return mcvdi_fail(MCVD_E_MODEL, "%s: cannot read: %s", s->path, strerror(errno));
        if (n == 0)
            return mcvdi_fail(MCVD_E_MODEL, "%s: ends at byte %zu, %zu were expected", s->path,
                              offset + done, offset + bytes);
        done += (size_t)n;
    }
    return MCVD_OK;
}

bool mcvdi_torch_legacy_is(const char *path)
{
    unsigned char start[sizeof magic];
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0)
        return false;
    const ssize_t n = pread(fd, start, sizeof start, 0);
    close(fd);
    return n == (ssize_t)sizeof start && memcmp(start, magic, sizeof magic) == 0;
}

/* The pickles lie at the beginning, and no more than a pickle may have is ever looked at. */
static mcvd_status read_start(mcvdi_torch_legacy *s)
{
    struct stat info;

    s->fd = open(s->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (s->fd < 0)
        return mcvdi_fail(MCVD_E_MODEL, "%s: cannot open: %s", s->path, strerror(errno));
    if (fstat(s->fd, &info) != 0 || !S_ISREG(info.st_mode) || info.st_size < 0)
        return mcvdi_fail(MCVD_E_MODEL, "%s: not a regular file", s->path);
    s->file_bytes = (size_t)info.st_size;
    s->text_bytes =
        s->file_bytes < MCVDI_PICKLE_MAX_BYTES ? s->file_bytes : (size_t)MCVDI_PICKLE_MAX_BYTES;
    s->text = mcvdi_malloc(s->text_bytes + 1);
    if (!s->text)
        return no_memory(s->path);
    const mcvd_status st = read_at(s, s->text, s->text_bytes, 0);
    if (st >= 0 && (s->text_bytes < sizeof magic || memcmp(s->text, magic, sizeof magic) != 0))
        return mcvdi_fail(MCVD_E_MODEL, "%s: no PyTorch stream: its magic number is missing",
                          s->path);
    s->at = sizeof magic;
    return st;
}

/* --- pickles --- */

static mcvd_status next_pickle(mcvdi_torch_legacy *s, mcvdi_pickle **pickle, bool weights)
{
    const mcvdi_pickle_rules rules = { .weights = weights, .stream = true };
    size_t used = 0;
    const mcvd_status st = mcvdi_pickle_parse_by(pickle, s->text + s->at, s->text_bytes - s->at,
                                                 s->path, &rules, &used);

    s->at += used;
    return st;
}

static mcvd_status check_protocol(mcvdi_torch_legacy *s)
{
    mcvdi_pickle *pickle = NULL;
    mcvd_status st = next_pickle(s, &pickle, false);

    if (st < 0)
        return st;
    const mcvdi_pickle_value *root = mcvdi_pickle_root(pickle);
    if (root->kind != MCVDI_PICKLE_INT || root->as.integer != PROTOCOL)
        st = mcvdi_fail(MCVD_E_MODEL, "%s: a PyTorch stream of another protocol than %d", s->path,
                        PROTOCOL);
    mcvdi_pickle_free(&pickle);
    return st;
}

/* {"protocol_version": 1001, "little_endian": True, "type_sizes": {...}} */
static mcvd_status check_machine(mcvdi_torch_legacy *s, bool weights)
{
    static const char name[] = "little_endian";
    mcvdi_pickle *pickle = NULL;
    bool little = false;
    mcvd_status st = next_pickle(s, &pickle, weights);

    if (st < 0)
        return st;
    const mcvdi_pickle_value *root = mcvdi_pickle_root(pickle);
    for (uint32_t i = 0; root->kind == MCVDI_PICKLE_DICT && i + 1 < root->count; i += 2) {
        const mcvdi_pickle_value *key = mcvdi_pickle_item(pickle, root, i);
        const mcvdi_pickle_value *value = mcvdi_pickle_item(pickle, root, i + 1);
        if (key->kind == MCVDI_PICKLE_TEXT && key->count == sizeof name - 1 &&
            memcmp(key->as.text, name, key->count) == 0)
            little = value->kind == MCVDI_PICKLE_BOOL && value->as.integer;
    }
    if (!little)
        st = mcvdi_fail(MCVD_E_MODEL, "%s: does not say that its numbers are little-endian",
                        s->path);
    mcvdi_pickle_free(&pickle);
    return st;
}

/* --- storages --- */

static int compare_rows(const void *a, const void *b)
{
    return strcmp(((const stream_row *)a)->storage->key, ((const stream_row *)b)->storage->key);
}

/* The storages of the object, each once. */
static mcvd_status list_storages(mcvdi_torch_legacy *s)
{
    const size_t count = mcvdi_pickle_num_storages(s->object);
    size_t unique = 0;

    s->rows = mcvdi_calloc(count + 1, sizeof *s->rows);
    if (!s->rows)
        return no_memory(s->path);
    for (size_t i = 0; i < count; i++)
        s->rows[i].storage = mcvdi_pickle_get_storage(s->object, i);
    qsort(s->rows, count, sizeof *s->rows, compare_rows);
    for (size_t i = 0; i < count; i++) {
        const mcvdi_pickle_storage *a = s->rows[unique ? unique - 1 : 0].storage;
        const mcvdi_pickle_storage *b = s->rows[i].storage;
        const bool again = unique && strcmp(a->key, b->key) == 0;
        if (again && (a->count != b->count || a->dtype != b->dtype))
            return mcvdi_fail(MCVD_E_MODEL, "%s: storage '%s' has %zu and %zu elements", s->path,
                              a->key, a->count, b->count);
        if (!again)
            s->rows[unique++].storage = b;
    }
    s->num_rows = unique;
    return MCVD_OK;
}

static stream_row *find_row(const mcvdi_torch_legacy *s, const char *key, size_t length)
{
    mcvdi_pickle_storage wanted = { .count = 0 };
    const stream_row row = { &wanted, 0, 0 };

    if (length >= sizeof wanted.key)
        return NULL;
    memcpy(wanted.key, key, length);
    return bsearch(&row, s->rows, s->num_rows, sizeof row, compare_rows);
}

/* The storage of one key begins at s->at. */
static mcvd_status place_storage(mcvdi_torch_legacy *s, const mcvdi_pickle_value *key)
{
    unsigned char bytes[COUNT_BYTES];
    uint64_t count = 0;
    size_t end = 0;
    stream_row *row = key->kind == MCVDI_PICKLE_TEXT ? find_row(s, key->as.text, key->count) : NULL;

    if (!row || row->offset)
        return mcvdi_fail(MCVD_E_MODEL, "%s: the list of storages has %s", s->path,
                          row ? "one of them twice" : "one that no tensor is of");
    mcvd_status st = read_at(s, bytes, sizeof bytes, s->at);
    for (int i = COUNT_BYTES - 1; st >= 0 && i >= 0; i--)
        count = count << 8 | bytes[i];
    if (st < 0)
        return st;
    if (count != row->storage->count)
        return mcvdi_fail(
            MCVD_E_MODEL, "%s: storage '%s' has %llu elements in the file, the pickle says %zu",
            s->path, row->storage->key, (unsigned long long)count, row->storage->count);
    row->offset = s->at + COUNT_BYTES;
    if (!mcvdi_mul_size(&row->bytes, row->storage->count, mcvd_dtype_bytes(row->storage->dtype)) ||
        !mcvdi_add_size(&end, row->offset, row->bytes) || end > s->file_bytes)
        return mcvdi_fail(MCVD_E_MODEL,
                          "%s: storage '%s' of %zu elements goes beyond the file of %zu bytes",
                          s->path, row->storage->key, row->storage->count, s->file_bytes);
    s->at = end;
    return MCVD_OK;
}

static mcvd_status place_storages(mcvdi_torch_legacy *s, bool weights)
{
    mcvdi_pickle *pickle = NULL;
    mcvd_status st = next_pickle(s, &pickle, weights);

    if (st < 0)
        return st;
    const mcvdi_pickle_value *keys = mcvdi_pickle_root(pickle);
    if (keys->kind != MCVDI_PICKLE_LIST || keys->count != s->num_rows)
        st = mcvdi_fail(MCVD_E_MODEL, "%s: %s of %u for the storages, expected a list of %zu",
                        s->path, mcvdi_pickle_kind_word(keys->kind), keys->count, s->num_rows);
    for (uint32_t i = 0; st >= 0 && i < keys->count; i++)
        st = place_storage(s, mcvdi_pickle_item(pickle, keys, i));
    if (st >= 0 && s->at != s->file_bytes)
        st = mcvdi_fail(MCVD_E_MODEL, "%s: %zu bytes after the last storage", s->path,
                        s->file_bytes - s->at);
    mcvdi_pickle_free(&pickle);
    return st;
}

/* --- all of it --- */

void mcvdi_torch_legacy_close(mcvdi_torch_legacy **legacy)
{
    mcvdi_torch_legacy *s = *legacy;

    if (!s)
        return;
    mcvdi_pickle_free(&s->object);
    mcvdi_free(s->rows);
    mcvdi_free(s->text);
    mcvdi_free(s->path);
    if (s->fd >= 0)
        close(s->fd);
    mcvdi_free(s);
    *legacy = NULL;
}

mcvd_status mcvdi_torch_legacy_open(mcvdi_torch_legacy **out, const char *path, bool weights)
{
    *out = NULL;
    mcvdi_torch_legacy *s = mcvdi_calloc(1, sizeof *s);
    if (!s)
        return no_memory(path);
    s->fd = -1;
    s->path = mcvdi_strdup(path);
    mcvd_status st = s->path ? read_start(s) : no_memory(path);
    if (st >= 0)
        st = check_protocol(s);
    if (st >= 0)
        st = check_machine(s, weights);
    if (st >= 0)
        st = next_pickle(s, &s->object, weights);
    if (st >= 0)
        st = list_storages(s);
    if (st >= 0)
        st = place_storages(s, weights);
    if (st < 0)
        mcvdi_torch_legacy_close(&s);
    *out = s;
    return st;
}

const mcvdi_pickle *mcvdi_torch_legacy_pickle(const mcvdi_torch_legacy *legacy)
{
    return legacy->object;
}

mcvd_status mcvdi_torch_legacy_read(const mcvdi_torch_legacy *legacy,
                                    const mcvdi_pickle_storage *storage, void *to, size_t bytes)
{
    const stream_row *row = find_row(legacy, storage->key, strlen(storage->key));

    if (!row || row->bytes != bytes)
        return mcvdi_fail(MCVD_E_MODEL, "%s: storage '%s' of %zu bytes is missing", legacy->path,
                          storage->key, bytes);
    return read_at(legacy, to, bytes, row->offset);
}
