#include "model/torch_file.h"

#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "core/checked.h"
#include "model/half.h"
#include "model/torch_legacy.h"

enum { ENTRY_NAME = sizeof "data/" + MCVDI_PICKLE_KEY };

struct mcvdi_torch_file {
    char *path;
    mcvdi_torch_zip *zip; /* this, */
    char *text;           /* its pickle, texts point into it, */
    mcvdi_pickle *pickle;
    mcvdi_torch_legacy *legacy; /* or this */
};

static mcvd_status no_memory(const char *path)
{
    return mcvdi_fail(MCVD_E_NOMEM, "%s: out of memory", path);
}

/* --- archives --- */

/* The data entry of a storage. */
static void entry_name(char name[ENTRY_NAME], const mcvdi_pickle_storage *storage)
{
    snprintf(name, ENTRY_NAME, "data/%s", storage->key);
}

static const char *elements_word(mcvd_dtype dtype)
{
    return dtype == MCVD_F32 ? "floats" : mcvd_dtype_word(dtype);
}

static mcvd_status check_storage(const mcvdi_torch_file *f, const mcvdi_pickle_storage *s)
{
    char name[ENTRY_NAME];
    size_t found = 0;
    size_t bytes;

    entry_name(name, s);
    if (!mcvdi_torch_zip_size(f->zip, name, &found))
        return mcvdi_fail(MCVD_E_MODEL, "%s: zip entry '%s' is missing, a storage of %zu %s",
                          f->path, name, s->count, elements_word(s->dtype));
    if (!mcvdi_mul_size(&bytes, s->count, mcvd_dtype_bytes(s->dtype)) || bytes != found)
        return mcvdi_fail(MCVD_E_MODEL, "%s: zip entry '%s' has %zu bytes, the pickle says %zu %s",
                          f->path, name, found, s->count, elements_word(s->dtype));
    return MCVD_OK;
}

static mcvd_status check_byte_order(const mcvdi_torch_file *f)
{
    char word[8] = { 0 };
    size_t bytes = 0;

    if (!mcvdi_torch_zip_size(f->zip, "byteorder", &bytes))
        return MCVD_OK;
    mcvd_status st = MCVD_OK;
    if (bytes < sizeof word)
        st = mcvdi_torch_zip_read(f->zip, "byteorder", word, bytes);
    if (st >= 0 && strcmp(word, "little") != 0)
        st = mcvdi_fail(MCVD_E_MODEL, "%s: its byte order is '%s', expected 'little'", f->path,
                        word);
    return st;
}

static mcvd_status read_pickle(mcvdi_torch_file *f, bool weights)
{
    const mcvdi_pickle_rules rules = { .weights = weights };
    size_t bytes = 0;

    if (!mcvdi_torch_zip_size(f->zip, "data.pkl", &bytes) || bytes > MCVDI_PICKLE_MAX_BYTES)
        return mcvdi_fail(MCVD_E_MODEL, "%s: a pickle of %zu bytes, up to %d are allowed", f->path,
                          bytes, MCVDI_PICKLE_MAX_BYTES);
    f->text = mcvdi_malloc(bytes + 1);
    if (!f->text)
        return no_memory(f->path);
    const mcvd_status st = mcvdi_torch_zip_read(f->zip, "data.pkl", f->text, bytes);
    return st < 0 ? st : mcvdi_pickle_parse_by(&f->pickle, f->text, bytes, f->path, &rules, NULL);
}

static mcvd_status open_archive(mcvdi_torch_file *f, bool weights)
{
    mcvd_status st = mcvdi_torch_zip_open(&f->zip, f->path);

    if (st >= 0)
        st = check_byte_order(f);
    if (st >= 0)
        st = read_pickle(f, weights);
    for (size_t i = 0; st >= 0 && i < mcvdi_pickle_num_storages(f->pickle); i++)
        st = check_storage(f, mcvdi_pickle_get_storage(f->pickle, i));
    return st;
}

/* --- both --- */

void mcvdi_torch_file_close(mcvdi_torch_file **file)
{
    mcvdi_torch_file *f = *file;

    if (!f)
        return;
    mcvdi_torch_legacy_close(&f->legacy);
    mcvdi_pickle_free(&f->pickle);
    mcvdi_torch_zip_close(&f->zip);
    mcvdi_free(f->text);
    mcvdi_free(f->path);
    mcvdi_free(f);
    *file = NULL;
}

mcvd_status mcvdi_torch_file_open(mcvdi_torch_file **out, const char *path, bool weights)
{
    *out = NULL;
    mcvdi_torch_file *f = mcvdi_calloc(1, sizeof *f);
    if (!f)
        return no_memory(path);
    mcvd_status st = MCVD_OK;
    f->path = mcvdi_strdup(path);
    if (!f->path)
        st = no_memory(path);
    else if (mcvdi_torch_legacy_is(path))
        st = mcvdi_torch_legacy_open(&f->legacy, path, weights);
    else
        st = open_archive(f, weights);
    if (st < 0)
        mcvdi_torch_file_close(&f);
    *out = f;
    return st;
}

const mcvdi_pickle *mcvdi_torch_file_pickle(const mcvdi_torch_file *file)
{
    return file->legacy ? mcvdi_torch_legacy_pickle(file->legacy) : file->pickle;
}

mcvdi_torch_zip *mcvdi_torch_file_zip(const mcvdi_torch_file *file)
{
    return file->zip;
}

/* --- numbers --- */

bool mcvdi_torch_file_reads(mcvd_dtype dtype)
{
    return dtype == MCVD_F32 || dtype == MCVD_F64 || dtype == MCVD_F16 || dtype == MCVD_BF16;
}

static mcvd_status read_bytes(mcvdi_torch_file *f, const mcvdi_pickle_storage *s, void *to,
                              size_t bytes)
{
    char name[ENTRY_NAME];

    if (f->legacy)
        return mcvdi_torch_legacy_read(f->legacy, s, to, bytes);
    entry_name(name, s);
    return mcvdi_torch_zip_read(f->zip, name, to, bytes);
}

static void convert(float *to, const void *from, size_t n, mcvd_dtype dtype)
{
    const double *wide = from;

    if (dtype == MCVD_F16)
        mcvdi_f16_to_f32(to, from, n);
    else if (dtype == MCVD_BF16)
        mcvdi_bf16_to_f32(to, from, n);
    else
        for (size_t i = 0; i < n; i++)
            to[i] = (float)wide[i];
}

mcvd_status mcvdi_torch_file_read(mcvdi_torch_file *file, const mcvdi_pickle_storage *storage,
                                  float *to)
{
    /* compared with the container at open */
    const size_t bytes = storage->count * mcvd_dtype_bytes(storage->dtype);

    if (storage->dtype == MCVD_F32)
        return read_bytes(file, storage, to, bytes);
    void *raw = mcvdi_malloc(bytes + 1);
    if (!raw)
        return no_memory(file->path);
    const mcvd_status st = read_bytes(file, storage, raw, bytes);
    if (st >= 0)
        convert(to, raw, storage->count, storage->dtype);
    mcvdi_free(raw);
    return st;
}
