#include <mcvd/safetensors.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/checked.h"
#include "core/json.h"
#include "core/utf8.h"

enum { LENGTH_BYTES = 8, MAX_HEADER_BYTES = 100 * 1000 * 1000 };

static const char metadata_key[] = "__metadata__";
static const double max_integer = 9007199254740992.0; /* 2^53: a JSON number is a double */

typedef struct row {
    const char *name;   /* in the header's tree */
    mcvd_tensor tensor; /* data is NULL until get when the file's place is not aligned */
    size_t begin;       /* in the data part */
    size_t end;
    void *copy; /* aligned copy, made on first use */
} row;

struct mcvd_safetensors {
    char *path;
    unsigned char *map;
    size_t map_bytes;
    const unsigned char *data; /* the data part, data_bytes long */
    size_t data_bytes;
    cJSON *header;
    const cJSON *metadata; /* in header, NULL without one */
    row *rows;             /* in header order */
    const row **by_name;   /* sorted */
    size_t count;
    pthread_mutex_t copy_lock;
    bool has_lock;
};

/* ---- one entry of the header ---- */

static mcvd_status fail_entry(const mcvd_safetensors *file, const char *name, const char *what)
{
    return mcvdi_fail(MCVD_E_FORMAT, "%s: tensor '%s': %s", file->path, name, what);
}

/* A non-negative integer; NaN, infinities, fractions and anything above 2^53 are not. */
static bool read_size(const cJSON *json, size_t *value)
{
    if (!cJSON_IsNumber(json))
        return false;
    const double number = json->valuedouble;
    if (!(number >= 0.0 && number <= max_integer))
        return false;
    *value = (size_t)number;
    return (double)*value == number;
}

static bool read_dtype(const cJSON *json, mcvd_dtype *dtype)
{
    if (!cJSON_IsString(json))
        return false;
    for (int i = 0; i < MCVD_NUM_DTYPES; i++)
        if (strcmp(json->valuestring, mcvd_dtype_word((mcvd_dtype)i)) == 0) {
            *dtype = (mcvd_dtype)i;
            return true;
        }
    return false;
}

/* dtype and shape; *bytes is what they need. */
static mcvd_status read_layout(const mcvd_safetensors *file, const cJSON *entry,
                               mcvd_tensor *tensor, size_t *bytes)
{
    const cJSON *dtype = cJSON_GetObjectItemCaseSensitive(entry, "dtype");
    const cJSON *shape = cJSON_GetObjectItemCaseSensitive(entry, "shape");
    const cJSON *axis;

    if (!read_dtype(dtype, &tensor->dtype))
        return mcvdi_fail(MCVD_E_FORMAT, "%s: tensor '%s': dtype '%s' is not known", file->path,
                          entry->string, cJSON_IsString(dtype) ? dtype->valuestring : "(no text)");
    if (!cJSON_IsArray(shape))
        return fail_entry(file, entry->string, "shape is not a list");
    *bytes = mcvd_dtype_bytes(tensor->dtype);
    cJSON_ArrayForEach(axis, shape)
    {
        size_t length;
        if (tensor->ndim == MCVD_MAX_DIMS)
            return fail_entry(file, entry->string, "more than 8 axes");
        if (!read_size(axis, &length))
            return fail_entry(file, entry->string, "an axis is not an integer in 0..2^53");
        if (!mcvdi_mul_size(bytes, *bytes, length))
            return fail_entry(file, entry->string, "the shape is larger than memory can be");
        tensor->shape[tensor->ndim++] = length;
    }
    return MCVD_OK;
}

static mcvd_status read_place(const mcvd_safetensors *file, const cJSON *entry, row *r)
{
    const cJSON *offsets = cJSON_GetObjectItemCaseSensitive(entry, "data_offsets");

    if (!cJSON_IsArray(offsets) || cJSON_GetArraySize(offsets) != 2 ||
        !read_size(offsets->child, &r->begin) || !read_size(offsets->child->next, &r->end))
        return fail_entry(file, entry->string, "data_offsets are not two integers in 0..2^53");
    if (r->begin > r->end || r->end > file->data_bytes)
        return mcvdi_fail(
            MCVD_E_FORMAT,
            "%s: tensor '%s': data_offsets [%zu, %zu] leave the data part of %zu bytes", file->path,
            entry->string, r->begin, r->end, file->data_bytes);
    return MCVD_OK;
}

static mcvd_status read_row(const mcvd_safetensors *file, const cJSON *entry, row *r)
{
    size_t bytes = 0;

    if (!entry->string[0])
        return mcvdi_fail(MCVD_E_FORMAT, "%s: a tensor has an empty name", file->path);
    if (!cJSON_IsObject(entry))
        return fail_entry(file, entry->string, "is not an object");
    r->name = entry->string;
    mcvd_status st = read_layout(file, entry, &r->tensor, &bytes);
    if (st >= 0)
        st = read_place(file, entry, r);
    if (st < 0)
        return st;
    if (bytes != r->end - r->begin)
        return mcvdi_fail(MCVD_E_FORMAT,
                          "%s: tensor '%s': dtype and shape need %zu bytes, data_offsets give %zu",
                          file->path, r->name, bytes, r->end - r->begin);
    const unsigned char *place = file->data + r->begin;
    if ((uintptr_t)place % mcvd_dtype_bytes(r->tensor.dtype) == 0)
        r->tensor.data = file->map + (place - file->map);
    return MCVD_OK;
}

/* ---- the header as a whole ---- */

static mcvd_status read_metadata(mcvd_safetensors *file)
{
    const cJSON *item;

    file->metadata = cJSON_GetObjectItemCaseSensitive(file->header, metadata_key);
    if (!file->metadata)
        return MCVD_OK;
    if (!cJSON_IsObject(file->metadata))
        return mcvdi_fail(MCVD_E_FORMAT, "%s: __metadata__ is not an object", file->path);
    cJSON_ArrayForEach(item, file->metadata)
    {
        if (!cJSON_IsString(item))
            return mcvdi_fail(MCVD_E_FORMAT, "%s: __metadata__ '%s' is not text", file->path,
                              item->string);
    }
    return MCVD_OK;
}

static mcvd_status read_rows(mcvd_safetensors *file)
{
    const size_t num_items = (size_t)cJSON_GetArraySize(file->header);
    const cJSON *entry;

    file->rows = mcvdi_calloc(num_items, sizeof *file->rows);
    file->by_name = mcvdi_calloc(num_items, sizeof *file->by_name);
    if (!file->rows || !file->by_name)
        return mcvdi_fail(MCVD_E_NOMEM, "%s: a list of %zu tensors", file->path, num_items);
    cJSON_ArrayForEach(entry, file->header)
    {
        if (entry == file->metadata)
            continue;
        row *const r = &file->rows[file->count];
        const mcvd_status st = read_row(file, entry, r);
        if (st < 0)
            return st;
        file->by_name[file->count++] = r;
    }
    return MCVD_OK;
}

static int compare_places(const void *a, const void *b)
{
    const row *const *x = a;
    const row *const *y = b;

    if ((*x)->begin != (*y)->begin)
        return (*x)->begin < (*y)->begin ? -1 : 1;
    return ((*x)->end > (*y)->end) - ((*x)->end < (*y)->end);
}

/* The tensors, in the order of their places, fill the data part exactly. */
static mcvd_status check_places(const mcvd_safetensors *file)
{
    const row **const sorted = file->by_name; /* gets its own order afterwards */
    size_t expected = 0;

    if (file->count)
        qsort(sorted, file->count, sizeof *sorted, compare_places);
    for (size_t i = 0; i < file->count; i++) {
        if (sorted[i]->begin != expected)
            return mcvdi_fail(
                MCVD_E_FORMAT, "%s: tensor '%s': %s bytes %zu to %zu of the data part", file->path,
                sorted[i]->name,
                sorted[i]->begin < expected ? "overlaps another one in" : "leaves a hole in",
                sorted[i]->begin < expected ? sorted[i]->begin : expected,
                sorted[i]->begin < expected ? expected : sorted[i]->begin);
        expected = sorted[i]->end;
    }
    if (expected != file->data_bytes)
        return mcvdi_fail(MCVD_E_FORMAT, "%s: the tensors end at byte %zu of %zu of the data part",
                          file->path, expected, file->data_bytes);
    return MCVD_OK;
}

static int compare_row_names(const void *a, const void *b)
{
    const row *const *x = a;
    const row *const *y = b;

    return strcmp((*x)->name, (*y)->name);
}

static mcvd_status sort_names(const mcvd_safetensors *file)
{
    if (file->count)
        qsort(file->by_name, file->count, sizeof *file->by_name, compare_row_names);
    for (size_t i = 1; i < file->count; i++)
        if (compare_row_names(&file->by_name[i - 1], &file->by_name[i]) == 0)
            return fail_entry(file, file->by_name[i]->name, "this name appears twice");
    return MCVD_OK;
}

/* ---- the file ---- */

static mcvd_status map_file(mcvd_safetensors *file, int fd)
{
    struct stat info;

    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode))
        return mcvdi_fail(MCVD_E_INPUT, "%s: is not a regular file", file->path);
    if (info.st_size < LENGTH_BYTES)
        return mcvdi_fail(MCVD_E_FORMAT, "%s: has %jd bytes, too few for a safetensors file",
                          file->path, (intmax_t)info.st_size);
    const size_t bytes = (size_t)info.st_size;
    void *map = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, fd, 0);
    if (map == MAP_FAILED)
        return mcvdi_fail(errno == ENOMEM ? MCVD_E_NOMEM : MCVD_E_INPUT, "%s: cannot map %zu bytes",
                          file->path, bytes);
    file->map = map;
    file->map_bytes = bytes;
    return MCVD_OK;
}

static mcvd_status open_and_map(mcvd_safetensors *file)
{
    const int fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe must not hang */

    if (fd < 0)
        return mcvdi_fail(MCVD_E_INPUT, "%s: cannot open: %s", file->path,
                          errno == ENOENT   ? "no such file"
                          : errno == EACCES ? "permission denied"
                                            : "the system refuses");
    const mcvd_status st = map_file(file, fd);
    close(fd);
    return st;
}

static mcvd_status parse_header(mcvd_safetensors *file)
{
    const size_t room = file->map_bytes - LENGTH_BYTES;
    const char *text = (const char *)file->map + LENGTH_BYTES;
    uint64_t length = 0;
    size_t bad;

    for (int i = LENGTH_BYTES; i-- > 0;)
        length = length << 8 | file->map[i];
    if (length > room || length > MAX_HEADER_BYTES)
        return mcvdi_fail(MCVD_E_FORMAT,
                          "%s: the header claims %ju bytes; the file has %zu, %d are allowed",
                          file->path, (uintmax_t)length, room, MAX_HEADER_BYTES);
    if (!length || text[0] != '{')
        return mcvdi_fail(MCVD_E_FORMAT, "%s: the header does not start with '{'", file->path);
    if (!mcvdi_utf8_valid(text, (size_t)length, &bad))
        return mcvdi_fail(MCVD_E_FORMAT, "%s: the header is not UTF-8 at its byte %zu", file->path,
                          bad);
    const mcvd_status st = mcvdi_json_parse(&file->header, text, (size_t)length, file->path);
    if (st < 0)
        return st;
    file->data = file->map + LENGTH_BYTES + length;
    file->data_bytes = room - (size_t)length;
    return MCVD_OK;
}

static mcvd_status load(mcvd_safetensors *file)
{
    mcvd_status st = open_and_map(file);

    if (st >= 0)
        st = parse_header(file);
    if (st >= 0)
        st = read_metadata(file);
    if (st >= 0)
        st = read_rows(file);
    if (st >= 0)
        st = check_places(file);
    if (st >= 0)
        st = sort_names(file);
    return st;
}

mcvd_status mcvd_safetensors_open(mcvd_safetensors **out, const char *path)
{
    *out = NULL;
    mcvd_safetensors *file = mcvdi_calloc(1, sizeof *file);
    if (!file)
        return mcvdi_fail(MCVD_E_NOMEM, "%s: %zu bytes", path, sizeof *file);
    file->path = mcvdi_strdup(path);
    file->has_lock = pthread_mutex_init(&file->copy_lock, NULL) == 0;
    mcvd_status st = MCVD_E_NOMEM;
    if (file->path && file->has_lock)
        st = load(file);
    else
        mcvdi_fail(MCVD_E_NOMEM, "%s: no memory to open it", path);
    if (st < 0) {
        mcvd_safetensors_close(&file);
        return st;
    }
    *out = file;
    return MCVD_OK;
}

void mcvd_safetensors_close(mcvd_safetensors **file)
{
    mcvd_safetensors *const f = *file;

    if (!f)
        return;
    for (size_t i = 0; i < f->count; i++)
        mcvdi_free_aligned(f->rows[i].copy);
    if (f->has_lock)
        pthread_mutex_destroy(&f->copy_lock);
    mcvdi_free(f->by_name);
    mcvdi_free(f->rows);
    cJSON_Delete(f->header);
    if (f->map)
        munmap(f->map, f->map_bytes);
    mcvdi_free(f->path);
    mcvdi_free(f);
    *file = NULL;
}

/* ---- lookup ---- */

size_t mcvd_safetensors_count(const mcvd_safetensors *file)
{
    return file->count;
}

const char *mcvd_safetensors_name(const mcvd_safetensors *file, size_t i)
{
    return i < file->count ? file->rows[i].name : NULL;
}

static row *find(const mcvd_safetensors *file, const char *name)
{
    const row wanted = { .name = name };
    const row *key = &wanted;

    if (!file->count)
        return NULL;
    const row **found =
        bsearch(&key, file->by_name, file->count, sizeof *file->by_name, compare_row_names);
    return found ? &file->rows[*found - file->rows] : NULL;
}

bool mcvd_safetensors_has(const mcvd_safetensors *file, const char *name)
{
    return find(file, name) != NULL;
}

/* The file's place does not fit the dtype: copy once. Any thread may be the first. */
static mcvd_status align_copy(const mcvd_safetensors *file, row *r, mcvd_tensor *tensor)
{
    pthread_mutex_t *lock = (pthread_mutex_t *)&file->copy_lock;

    pthread_mutex_lock(lock);
    if (!r->copy) {
        r->copy = mcvdi_alloc_aligned(r->end - r->begin);
        if (r->copy)
            memcpy(r->copy, file->data + r->begin, r->end - r->begin);
    }
    tensor->data = r->copy;
    pthread_mutex_unlock(lock);
    return tensor->data
               ? MCVD_OK
               : mcvdi_fail(MCVD_E_NOMEM, "%s: tensor '%s': an aligned copy", file->path, r->name);
}

mcvd_status mcvd_safetensors_get(const mcvd_safetensors *file, const char *name,
                                 mcvd_tensor *tensor)
{
    row *const r = find(file, name);

    if (!r) {
        *tensor = (mcvd_tensor) { 0 };
        return mcvdi_fail(MCVD_E_FORMAT, "%s: has no tensor '%s'", file->path, name);
    }
    *tensor = r->tensor;
    return tensor->data ? MCVD_OK : align_copy(file, r, tensor);
}

const char *mcvd_safetensors_metadata(const mcvd_safetensors *file, const char *key)
{
    const cJSON *item =
        file->metadata ? cJSON_GetObjectItemCaseSensitive(file->metadata, key) : NULL;

    return item ? item->valuestring : NULL;
}

void mcvd_safetensors_drop_pages(const mcvd_safetensors *file, const mcvd_tensor *tensor)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const uintptr_t map = (uintptr_t)file->map;
    const uintptr_t data = (uintptr_t)tensor->data;

    if (data < map || data >= map + file->map_bytes)
        return; /* an aligned copy */
    const size_t first = (data - map) / page * page;
    const size_t last = data - map + mcvd_tensor_numel(tensor) * mcvd_dtype_bytes(tensor->dtype);
    /* Read-only pages of a file: a neighbour that is still in use comes back from the file. */
    (void)madvise(file->map + first, last - first, MADV_DONTNEED);
}
