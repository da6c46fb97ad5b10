#include "model/torch_zip.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zip.h>

#include "core/alloc.h"
#include "core/utf8.h"

enum {
    MAX_ENTRIES = 1 << 20,
    MAX_NAME = 512,
    MAX_CODE = 1 << 20,    /* bytes of one source text */
    CHUNK_BYTES = 1 << 20, /* of one read */
    SIGNATURE_BYTES = 4
};

static const char root_name[] = "/data.pkl";

typedef struct zip_entry {
    const char *name; /* libzip's */
    size_t bytes;
    uint64_t index;
    bool packed; /* compressed: code of TorchScript */
} zip_entry;

struct mcvdi_torch_zip {
    char *path;
    zip_t *archive;
    zip_entry *entries; /* sorted by name */
    size_t num_entries;
    char *prefix; /* with the slash */
};

static mcvd_status no_memory(const char *path)
{
    return mcvdi_fail(MCVD_E_NOMEM, "%s: out of memory", path);
}

/* --- what the file is --- */

/* Zip archives start with a local header; an empty one, which has none, is no checkpoint. */
static mcvd_status check_signature(int fd, const char *path)
{
    unsigned char start[SIGNATURE_BYTES] = { 0 };
    const ssize_t n = pread(fd, start, sizeof start, 0);

    if (n < 0)
        return mcvdi_fail(MCVD_E_MODEL, "%s: cannot read: %s", path, strerror(errno));
    if (n == 0)
        return mcvdi_fail(MCVD_E_MODEL, "%s: the file is empty", path);
    if (memcmp(start, "PK\3\4", sizeof start) == 0)
        return MCVD_OK;
    return mcvdi_fail(MCVD_E_MODEL, "%s: no PyTorch checkpoint, expected a zip archive", path);
}

static mcvd_status open_regular(int *fd, const char *path)
{
    struct stat info;
    mcvd_status st = MCVD_OK;

    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (*fd < 0)
        return mcvdi_fail(MCVD_E_MODEL, "%s: cannot open: %s", path, strerror(errno));
    if (fstat(*fd, &info) != 0 || !S_ISREG(info.st_mode))
        st = mcvdi_fail(MCVD_E_MODEL, "%s: not a regular file", path);
    if (st >= 0)
        st = check_signature(*fd, path);
    if (st < 0)
        close(*fd);
    return st;
}

static mcvd_status fail_zip(const char *path, const char *what, int code)
{
    zip_error_t error;

    if (code == ZIP_ER_MEMORY)
        return no_memory(path);
    zip_error_init_with_code(&error, code);
    const mcvd_status st =
        mcvdi_fail(MCVD_E_MODEL, "%s: %s: %s", path, what, zip_error_strerror(&error));
    zip_error_fini(&error);
    return st;
}

static mcvd_status open_archive(mcvdi_torch_zip *z)
{
    int code = 0;
    int fd;
    const mcvd_status st = open_regular(&fd, z->path);

    if (st < 0)
        return st;
    z->archive = zip_fdopen(fd, ZIP_CHECKCONS | ZIP_RDONLY, &code);
    if (z->archive)
        return MCVD_OK;
    close(fd); /* libzip keeps it only when it succeeds */
    return fail_zip(z->path, "damaged zip archive", code);
}

/* --- the list of entries --- */

static bool climbs(const char *name)
{
    for (const char *part = name; part; part = strchr(part, '/')) {
        part += *part == '/';
        if (strncmp(part, "..", 2) == 0 && (part[2] == '/' || part[2] == '\0'))
            return true;
    }
    return false;
}

static mcvd_status check_name(const mcvdi_torch_zip *z, const char *name)
{
    const size_t length = strlen(name);
    bool plain = length > 0 && length <= MAX_NAME && mcvdi_utf8_valid(name, length, NULL) &&
                 name[0] != '/' && !strchr(name, '\\') && !climbs(name);

    for (const char *c = name; plain && *c; c++)
        plain = (unsigned char)*c >= 0x20 && *c != 0x7f;
    return plain ? MCVD_OK
                 : mcvdi_fail(MCVD_E_MODEL,
                              "%s: zip entry '%.100s': the name is not that of a file inside the "
                              "archive",
                              z->path, name);
}

/* Source text of TorchScript: <folder>/code/... */
static bool is_code(const char *name)
{
    static const char folder[] = "/code/";
    const char *slash = strchr(name, '/');

    return slash && strncmp(slash, folder, sizeof folder - 1) == 0;
}

/* PyTorch stores everything but code as it is, so no such entry can be larger than the file. */
static mcvd_status check_stored(const mcvdi_torch_zip *z, const char *name, const zip_stat_t *info)
{
    const zip_uint64_t needed =
        ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD | ZIP_STAT_ENCRYPTION_METHOD;

    if ((info->valid & needed) != needed || info->size > SIZE_MAX)
        return mcvdi_fail(MCVD_E_MODEL, "%s: zip entry '%s': no size", z->path, name);
    if (info->encryption_method != ZIP_EM_NONE)
        return mcvdi_fail(MCVD_E_MODEL, "%s: zip entry '%s' is encrypted", z->path, name);
    if (info->comp_method == ZIP_CM_DEFLATE && is_code(name))
        return MCVD_OK;
    if (info->comp_method != ZIP_CM_STORE)
        return mcvdi_fail(MCVD_E_MODEL,
                          "%s: zip entry '%s' is compressed; PyTorch stores entries as they are",
                          z->path, name);
    if (info->size != info->comp_size)
        return mcvdi_fail(MCVD_E_MODEL, "%s: zip entry '%s': stored, but its two sizes differ",
                          z->path, name);
    return MCVD_OK;
}

static mcvd_status read_entry(const mcvdi_torch_zip *z, zip_entry *entry, uint64_t index)
{
    zip_stat_t info;
    const char *name = zip_get_name(z->archive, index, ZIP_FL_ENC_RAW);

    if (!name || zip_stat_index(z->archive, index, 0, &info) != 0)
        return fail_zip(z->path, "damaged zip archive",
                        zip_error_code_zip(zip_get_error(z->archive)));
    mcvd_status st = check_name(z, name);
    if (st >= 0)
        st = check_stored(z, name, &info);
    if (st >= 0)
        *entry = (zip_entry) { name, (size_t)info.size, index, info.comp_method != ZIP_CM_STORE };
    return st;
}

static int compare_entries(const void *a, const void *b)
{
    return strcmp(((const zip_entry *)a)->name, ((const zip_entry *)b)->name);
}

static mcvd_status list_entries(mcvdi_torch_zip *z)
{
    const zip_int64_t count = zip_get_num_entries(z->archive, 0);
    mcvd_status st = MCVD_OK;

    if (count < 0 || count > MAX_ENTRIES)
        return mcvdi_fail(MCVD_E_MODEL, "%s: more than %d zip entries", z->path, MAX_ENTRIES);
    z->entries = mcvdi_calloc((size_t)count + 1, sizeof *z->entries);
    if (!z->entries)
        return no_memory(z->path);
    z->num_entries = (size_t)count;
    for (size_t i = 0; st >= 0 && i < z->num_entries; i++)
        st = read_entry(z, &z->entries[i], i);
    if (st < 0)
        return st;
    qsort(z->entries, z->num_entries, sizeof *z->entries, compare_entries);
    for (size_t i = 1; i < z->num_entries; i++)
        if (compare_entries(&z->entries[i - 1], &z->entries[i]) == 0)
            return mcvdi_fail(MCVD_E_MODEL, "%s: two zip entries are named '%s'", z->path,
                              z->entries[i].name);
    return MCVD_OK;
}

/* The folder of the only data.pkl. */
static mcvd_status find_prefix(mcvdi_torch_zip *z)
{
    const size_t tail = sizeof root_name - 1;
    const char *found = NULL;

    for (size_t i = 0; i < z->num_entries; i++) {
        const char *name = z->entries[i].name;
        const size_t length = strlen(name);
        if (length <= tail || strcmp(name + length - tail, root_name) != 0)
            continue;
        if (found)
            return mcvdi_fail(MCVD_E_MODEL, "%s: two pickles, '%s' and '%s'", z->path, found, name);
        found = name;
    }
    if (!found)
        return mcvdi_fail(MCVD_E_MODEL,
                          "%s: a zip archive, but no PyTorch checkpoint: it has no data.pkl",
                          z->path);
    z->prefix = mcvdi_strdup(found);
    if (!z->prefix)
        return no_memory(z->path);
    z->prefix[strlen(found) - tail + 1] = '\0';
    return MCVD_OK;
}

void mcvdi_torch_zip_close(mcvdi_torch_zip **zip)
{
    mcvdi_torch_zip *z = *zip;

    if (!z)
        return;
    if (z->archive)
        zip_discard(z->archive);
    mcvdi_free(z->entries);
    mcvdi_free(z->prefix);
    mcvdi_free(z->path);
    mcvdi_free(z);
    *zip = NULL;
}

mcvd_status mcvdi_torch_zip_open(mcvdi_torch_zip **out, const char *path)
{
    *out = NULL;
    mcvdi_torch_zip *z = mcvdi_calloc(1, sizeof *z);
    if (!z)
        return no_memory(path);
    z->path = mcvdi_strdup(path);
    mcvd_status st = z->path ? open_archive(z) : no_memory(path);
    if (st >= 0)
        st = list_entries(z);
    if (st >= 0)
        st = find_prefix(z);
    if (st < 0)
        mcvdi_torch_zip_close(&z);
    *out = z;
    return st;
}

/* --- reading --- */

static const zip_entry *find_entry(const mcvdi_torch_zip *z, const char *name)
{
    char full[2 * MAX_NAME];

    if (strlen(z->prefix) + strlen(name) >= sizeof full)
        return NULL;
    strcpy(full, z->prefix);
    strcat(full, name);
    const zip_entry wanted = { full, 0, 0, false };
    return bsearch(&wanted, z->entries, z->num_entries, sizeof wanted, compare_entries);
}

bool mcvdi_torch_zip_size(const mcvdi_torch_zip *zip, const char *name, size_t *bytes)
{
    const zip_entry *entry = find_entry(zip, name);

    if (entry)
        *bytes = entry->bytes;
    return entry && !entry->packed;
}

static mcvd_status fail_entry(const mcvdi_torch_zip *z, const zip_entry *entry, int code)
{
    char what[MAX_NAME + 32];

    snprintf(what, sizeof what, "zip entry '%s'", entry->name);
    return fail_zip(z->path, what, code);
}

/* The read that meets the end compares the CRC. */
static mcvd_status read_all(const mcvdi_torch_zip *z, const zip_entry *entry, zip_file_t *file,
                            char *to)
{
    size_t done = 0;
    char beyond;

    while (done < entry->bytes) {
        const size_t left = entry->bytes - done;
        const zip_int64_t n =
            zip_fread(file, to + done, left < CHUNK_BYTES ? left : (size_t)CHUNK_BYTES);
        if (n <= 0)
            break;
        done += (size_t)n;
    }
    if (done == entry->bytes && zip_fread(file, &beyond, 1) == 0)
        return MCVD_OK;
    const int code = zip_error_code_zip(zip_file_get_error(file));
    if (code == ZIP_ER_OK)
        return mcvdi_fail(MCVD_E_MODEL, "%s: zip entry '%s': %zu of %zu bytes are there", z->path,
                          entry->name, done, entry->bytes);
    return fail_entry(z, entry, code);
}

static mcvd_status read_whole(const mcvdi_torch_zip *z, const zip_entry *entry, void *to)
{
    zip_file_t *file = zip_fopen_index(z->archive, entry->index, 0);

    if (!file)
        return fail_entry(z, entry, zip_error_code_zip(zip_get_error(z->archive)));
    const mcvd_status st = read_all(z, entry, file, to);
    zip_fclose(file);
    return st;
}

mcvd_status mcvdi_torch_zip_read(mcvdi_torch_zip *zip, const char *name, void *to, size_t bytes)
{
    const zip_entry *entry = find_entry(zip, name);

    if (!entry || entry->bytes != bytes || entry->packed)
        return mcvdi_fail(MCVD_E_MODEL, "%s: zip entry '%s%s' of %zu bytes is missing", zip->path,
                          zip->prefix, name, bytes);
    return read_whole(zip, entry, to);
}

mcvd_status mcvdi_torch_zip_code(mcvdi_torch_zip *zip, size_t *at, const char **name, char **text)
{
    static const char tail[] = ".py";
    mcvd_status st = MCVD_OK;

    *text = NULL;
    for (; *at < zip->num_entries; ++*at) {
        const zip_entry *entry = &zip->entries[*at];
        const size_t length = strlen(entry->name);
        if (is_code(entry->name) && length > sizeof tail &&
            strcmp(entry->name + length - (sizeof tail - 1), tail) == 0)
            break;
    }
    if (*at == zip->num_entries)
        return MCVD_OK;
    const zip_entry *entry = &zip->entries[(*at)++];
    *name = entry->name;
    if (entry->bytes > MAX_CODE)
        return mcvdi_fail(MCVD_E_MODEL, "%s: zip entry '%s' has %zu bytes, up to %d are allowed",
                          zip->path, entry->name, entry->bytes, MAX_CODE);
    *text = mcvdi_malloc(entry->bytes + 1);
    if (!*text)
        return no_memory(zip->path);
    (*text)[entry->bytes] = '\0';
    st = read_whole(zip, entry, *text);
    if (st < 0) {
        mcvdi_free(*text);
        *text = NULL;
    }
    return st;
}
