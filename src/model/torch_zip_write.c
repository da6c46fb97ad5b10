#include "model/torch_zip_write.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zip.h>

#include "core/alloc.h"
#include "core/fileio.h"

enum {
    ALIGNMENT = 64,
    LOCAL_HEADER_BYTES = 30,
    EXTRA_HEADER_BYTES = 4,
    PADDING_ID = 0x4246, /* "FB", as PyTorch names its padding */
    FIRST_DATE = 0x21,   /* 1980-01-01: no clock in the file */
    MAX_PREFIX = 64,
    MAX_NAME = 128
};

/* Where libzip writes to: the temporary file of an atomic write. */
typedef struct sink {
    int fd;
    int error; /* errno of the first failure */
    zip_error_t zip_error;
} sink;

typedef struct archive_writer archive_writer;

/* One storage as libzip reads it. */
typedef struct storage {
    archive_writer *writer;
    size_t index;
    const unsigned char *data;
    size_t left;
    zip_error_t zip_error;
} storage;

struct archive_writer {
    const mcvdi_torch_archive *archive;
    const char *path;
    char prefix[MAX_PREFIX];
    zip_t *zip;
    sink sink;
    storage *storages;
    void *buffer;       /* of the largest storage */
    uint64_t offset;    /* where the next entry begins */
    mcvd_status status; /* of the first storage that could not be had */
};

/* --- writing --- */

static zip_int64_t sink_failed(sink *s, int error)
{
    s->error = error;
    zip_error_set(&s->zip_error, ZIP_ER_WRITE, error);
    return -1;
}

static zip_int64_t sink_write(sink *s, const unsigned char *bytes, zip_uint64_t count)
{
    zip_uint64_t done = 0;

    while (done < count) {
        const ssize_t put = write(s->fd, bytes + done, (size_t)(count - done));
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return sink_failed(s, errno);
        done += (zip_uint64_t)put;
    }
    return (zip_int64_t)count;
}

static zip_int64_t sink_seek(sink *s, void *data, zip_uint64_t bytes)
{
    const zip_source_args_seek_t *to =
        ZIP_SOURCE_GET_ARGS(zip_source_args_seek_t, data, bytes, &s->zip_error);

    if (!to)
        return -1;
    return lseek(s->fd, (off_t)to->offset, to->whence) < 0 ? sink_failed(s, errno) : 0;
}

static zip_int64_t stat_size(void *data, zip_uint64_t bytes, zip_uint64_t size)
{
    zip_stat_t *about = data;

    if (bytes < sizeof *about)
        return -1;
    zip_stat_init(about);
    about->size = size;
    about->valid = ZIP_STAT_SIZE;
    return sizeof *about;
}

/* libzip's questions to an output that starts empty; it never reads it back. */
static zip_int64_t sink_command(void *user, void *data, zip_uint64_t bytes,
                                zip_source_cmd_t command)
{
    sink *s = user;

    switch (command) {
    case ZIP_SOURCE_SUPPORTS:
        return ZIP_SOURCE_SUPPORTS_WRITABLE;
    case ZIP_SOURCE_STAT:
        return stat_size(data, bytes, 0);
    case ZIP_SOURCE_WRITE:
        return sink_write(s, data, bytes);
    case ZIP_SOURCE_SEEK_WRITE:
        return sink_seek(s, data, bytes);
    case ZIP_SOURCE_TELL_WRITE:
        return (zip_int64_t)lseek(s->fd, 0, SEEK_CUR);
    case ZIP_SOURCE_ERROR:
        return zip_error_to_data(&s->zip_error, data, bytes);
    case ZIP_SOURCE_OPEN:
    case ZIP_SOURCE_CLOSE:
    case ZIP_SOURCE_BEGIN_WRITE:
    case ZIP_SOURCE_COMMIT_WRITE:
    case ZIP_SOURCE_ROLLBACK_WRITE:
    case ZIP_SOURCE_FREE:
        return 0;
    default:
        zip_error_set(&s->zip_error, ZIP_ER_OPNOTSUPP, 0);
        return -1;
    }
}

/* --- reading --- */

static zip_int64_t storage_open(storage *s)
{
    archive_writer *w = s->writer;
    const void *data = NULL;
    const mcvd_status st = w->archive->get(w->archive->user, s->index, w->buffer, &data);

    if (st < 0) {
        w->status = st;
        zip_error_set(&s->zip_error, ZIP_ER_READ, 0);
        return -1;
    }
    s->data = data;
    s->left = w->archive->storage_bytes[s->index];
    return 0;
}

static zip_int64_t storage_read(storage *s, void *to, zip_uint64_t bytes)
{
    const size_t take = bytes < s->left ? (size_t)bytes : s->left;

    if (take)
        memcpy(to, s->data, take);
    s->data += take;
    s->left -= take;
    return (zip_int64_t)take;
}

static zip_int64_t storage_command(void *user, void *data, zip_uint64_t bytes,
                                   zip_source_cmd_t command)
{
    storage *s = user;
    const mcvdi_torch_archive *archive = s->writer->archive;

    switch (command) {
    case ZIP_SOURCE_SUPPORTS:
        return ZIP_SOURCE_SUPPORTS_READABLE;
    case ZIP_SOURCE_STAT:
        return stat_size(data, bytes, archive->storage_bytes[s->index]);
    case ZIP_SOURCE_OPEN:
        return storage_open(s);
    case ZIP_SOURCE_READ:
        return storage_read(s, data, bytes);
    case ZIP_SOURCE_CLOSE:
        archive->taken(archive->user, s->index);
        return 0;
    case ZIP_SOURCE_ERROR:
        return zip_error_to_data(&s->zip_error, data, bytes);
    case ZIP_SOURCE_FREE:
        return 0;
    default:
        zip_error_set(&s->zip_error, ZIP_ER_OPNOTSUPP, 0);
        return -1;
    }
}

/* --- the archive --- */

static mcvd_status fail_zip(archive_writer *w)
{
    char why[128];

    if (w->status < 0)
        return w->status;
    if (w->sink.error == ENOSPC || w->sink.error == EDQUOT)
        return mcvdi_fail(MCVD_E_IO, "%s: cannot write: disk full", w->path);
    if (w->sink.error && strerror_r(w->sink.error, why, sizeof why) == 0)
        return mcvdi_fail(MCVD_E_IO, "%s: cannot write: %s", w->path, why);
    zip_error_t *error = zip_get_error(w->zip);
    return mcvdi_fail(zip_error_code_zip(error) == ZIP_ER_MEMORY ? MCVD_E_NOMEM : MCVD_E_IO,
                      "%s: cannot write: %s", w->path, zip_error_strerror(error));
}

/* Bytes of padding behind `used` bytes of header, so that the content is aligned; it has a header
 * of its own. */
static size_t padding_after(uint64_t used)
{
    return (size_t)((ALIGNMENT - (used + EXTRA_HEADER_BYTES) % ALIGNMENT) % ALIGNMENT);
}

/* Add an entry <prefix>/<name>; the source is taken. */
static mcvd_status add_entry(archive_writer *w, const char *name, zip_source_t *source,
                             size_t bytes)
{
    static const unsigned char zeros[ALIGNMENT];
    char full[MAX_NAME];
    const int length = snprintf(full, sizeof full, "%s/%s", w->prefix, name);
    const uint64_t header = w->offset + LOCAL_HEADER_BYTES + (uint64_t)length;
    const size_t padding = padding_after(header);

    if (!source)
        return fail_zip(w);
    const zip_int64_t added = zip_file_add(w->zip, full, source, ZIP_FL_ENC_UTF_8);
    if (added < 0) {
        zip_source_free(source);
        return fail_zip(w);
    }
    const zip_uint64_t i = (zip_uint64_t)added;
    if (zip_set_file_compression(w->zip, i, ZIP_CM_STORE, 0) != 0 ||
        zip_file_set_dostime(w->zip, i, 0, FIRST_DATE, 0) != 0 ||
        zip_file_extra_field_set(w->zip, i, PADDING_ID, ZIP_EXTRA_FIELD_NEW, zeros,
                                 (zip_uint16_t)padding, ZIP_FL_LOCAL) != 0)
        return fail_zip(w);
    w->offset = header + EXTRA_HEADER_BYTES + padding + bytes;
    return MCVD_OK;
}

static mcvd_status add_entries(archive_writer *w)
{
    static const char version[] = "3\n";
    const mcvdi_torch_archive *a = w->archive;
    mcvd_status st = add_entry(
        w, "data.pkl", zip_source_buffer(w->zip, a->pickle, a->pickle_bytes, 0), a->pickle_bytes);

    for (size_t i = 0; st >= 0 && i < a->num_storages; i++) {
        char name[32];
        snprintf(name, sizeof name, "data/%zu", i);
        w->storages[i] = (storage) { .writer = w, .index = i };
        zip_error_init(&w->storages[i].zip_error);
        st = add_entry(w, name, zip_source_function(w->zip, storage_command, &w->storages[i]),
                       a->storage_bytes[i]);
    }
    if (st >= 0)
        st = add_entry(w, "version", zip_source_buffer(w->zip, version, sizeof version - 1, 0),
                       sizeof version - 1);
    return st;
}

/* Open on the sink, fill, and let libzip write all of it. */
static mcvd_status write_zip(archive_writer *w)
{
    zip_error_t error;

    zip_error_init(&error);
    zip_source_t *source = zip_source_function_create(sink_command, &w->sink, &error);
    w->zip = source ? zip_open_from_source(source, ZIP_CREATE | ZIP_TRUNCATE, &error) : NULL;
    if (!w->zip) {
        const mcvd_status st =
            mcvdi_fail(zip_error_code_zip(&error) == ZIP_ER_MEMORY ? MCVD_E_NOMEM : MCVD_E_IO,
                       "%s: cannot write: %s", w->path, zip_error_strerror(&error));
        zip_source_free(source);
        zip_error_fini(&error);
        return st;
    }
    zip_error_fini(&error);
    mcvd_status st = add_entries(w);
    if (st >= 0 && zip_close(w->zip) != 0)
        st = fail_zip(w);
    if (st < 0)
        zip_discard(w->zip);
    return st;
}

/* The file's name without folder and extension, if it is made of plain characters. */
static void choose_prefix(archive_writer *w)
{
    const char *slash = strrchr(w->path, '/');
    const char *name = slash ? slash + 1 : w->path;
    const char *dot = strrchr(name, '.');
    const size_t length = dot && dot > name ? (size_t)(dot - name) : strlen(name);
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";

    snprintf(w->prefix, sizeof w->prefix, "archive");
    if (length && length < sizeof w->prefix && strspn(name, plain) >= length) {
        memcpy(w->prefix, name, length);
        w->prefix[length] = '\0';
    }
}

static mcvd_status allocate(archive_writer *w)
{
    const mcvdi_torch_archive *a = w->archive;
    size_t largest = 1;

    for (size_t i = 0; i < a->num_storages; i++)
        if (a->storage_bytes[i] > largest)
            largest = a->storage_bytes[i];
    w->storages = mcvdi_calloc(a->num_storages + 1, sizeof *w->storages);
    w->buffer = mcvdi_alloc_aligned(largest); /* untouched where the file is mapped */
    return w->storages && w->buffer ? MCVD_OK
                                    : mcvdi_fail(MCVD_E_NOMEM, "%s: out of memory", w->path);
}

static void release(archive_writer *w)
{
    for (size_t i = 0; w->storages && i < w->archive->num_storages; i++)
        zip_error_fini(&w->storages[i].zip_error);
    zip_error_fini(&w->sink.zip_error);
    mcvdi_free(w->storages);
    mcvdi_free_aligned(w->buffer);
}

mcvd_status mcvdi_torch_archive_write(const mcvdi_torch_archive *archive, const char *path,
                                      bool overwrite)
{
    archive_writer w = { .archive = archive, .path = path };
    mcvdi_atomic_file *file = NULL;
    mcvd_status st = mcvdi_atomic_open(&file, path, overwrite);

    if (st < 0)
        return st;
    choose_prefix(&w);
    zip_error_init(&w.sink.zip_error);
    w.sink.fd = open(mcvdi_atomic_path(file), O_RDWR | O_CLOEXEC);
    st = w.sink.fd < 0 ? mcvdi_fail(MCVD_E_IO, "%s: cannot write", path) : allocate(&w);
    if (st >= 0)
        st = write_zip(&w);
    release(&w);
    if (w.sink.fd >= 0)
        close(w.sink.fd);
    if (st >= 0)
        return mcvdi_atomic_commit(&file);
    mcvdi_atomic_discard(&file);
    return st;
}
