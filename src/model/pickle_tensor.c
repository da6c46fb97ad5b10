/* Storages and tensors of a pickle: every number is compared with what it must fit into. */
#include <inttypes.h>
#include <string.h>

#include "core/checked.h"
#include "model/pickle_internal.h"

static const mcvdi_pickle_value *item(const mcvdi_unpickler *u, const mcvdi_pickle_value *tuple,
                                      size_t i)
{
    return mcvdi_pickle_item(u->result, tuple, i);
}

/* --- storages --- */

static bool is_text(const mcvdi_pickle_value *value, const char *word)
{
    const size_t length = strlen(word);

    return value->kind == MCVDI_PICKLE_TEXT && value->count == length &&
           memcmp(value->as.text, word, length) == 0;
}

/* The type of a storage's numbers; false when the value is no class of storages. */
static bool storage_dtype(const mcvdi_pickle_value *class, mcvd_dtype *dtype)
{
    static const struct {
        mcvdi_pickle_global global;
        mcvd_dtype dtype;
    } rows[] = {
        { MCVDI_PICKLE_FLOAT_STORAGE, MCVD_F32 }, { MCVDI_PICKLE_DOUBLE_STORAGE, MCVD_F64 },
        { MCVDI_PICKLE_HALF_STORAGE, MCVD_F16 },  { MCVDI_PICKLE_BFLOAT16_STORAGE, MCVD_BF16 },
        { MCVDI_PICKLE_LONG_STORAGE, MCVD_I64 },  { MCVDI_PICKLE_INT_STORAGE, MCVD_I32 },
        { MCVDI_PICKLE_SHORT_STORAGE, MCVD_I16 }, { MCVDI_PICKLE_CHAR_STORAGE, MCVD_I8 },
        { MCVDI_PICKLE_BYTE_STORAGE, MCVD_U8 },   { MCVDI_PICKLE_BOOL_STORAGE, MCVD_BOOL },
    };

    if (class->kind != MCVDI_PICKLE_GLOBAL)
        return false;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if ((int64_t)rows[i].global == class->as.integer) {
            *dtype = rows[i].dtype;
            return true;
        }
    return false;
}

/* Streams name a view of the storage as the sixth part; those of today never have one. */
static bool is_storage_id(const mcvdi_unpickler *u, const mcvdi_pickle_value *id)
{
    const uint32_t parts = u->rules.stream ? 6 : 5;

    if (id->kind != MCVDI_PICKLE_TUPLE || id->count != parts || !is_text(item(u, id, 0), "storage"))
        return false;
    return parts == 5 || item(u, id, 5)->kind == MCVDI_PICKLE_NONE;
}

static mcvd_status check_id(const mcvdi_unpickler *u, const mcvdi_pickle_value *id,
                            mcvd_dtype *dtype)
{
    if (!is_storage_id(u, id))
        return mcvdi_unpickle_fail(u, "a persistent id that is no ('storage', class, key, device, "
                                      "elements)");
    if (!storage_dtype(item(u, id, 1), dtype))
        return mcvdi_unpickle_fail(u, "a storage that is no torch %s",
                                   u->rules.weights ? "storage of numbers" : "FloatStorage");
    if (item(u, id, 2)->kind != MCVDI_PICKLE_TEXT || item(u, id, 3)->kind != MCVDI_PICKLE_TEXT)
        return mcvdi_unpickle_fail(u, "a storage whose key or device is no text");
    if (item(u, id, 4)->kind != MCVDI_PICKLE_INT || item(u, id, 4)->as.integer < 0)
        return mcvdi_unpickle_fail(u, "a storage without a number of elements");
    return MCVD_OK;
}

/* Digits only, so that the key cannot lead anywhere else. */
static bool copy_key(char key[MCVDI_PICKLE_KEY], const mcvdi_pickle_value *text)
{
    if (!text->count || text->count >= MCVDI_PICKLE_KEY)
        return false;
    for (uint32_t i = 0; i < text->count; i++) {
        key[i] = text->as.text[i];
        if (key[i] < '0' || key[i] > '9')
            return false;
    }
    key[text->count] = '\0';
    return true;
}

mcvd_status mcvdi_unpickle_storage(mcvdi_unpickler *u, const mcvdi_pickle_value *id)
{
    mcvdi_pickle *p = u->result;
    mcvdi_pickle_storage storage;
    mcvdi_pickle_value *made;
    void *list = p->storages;
    mcvd_status st = check_id(u, id, &storage.dtype);

    if (st < 0)
        return st;
    if (!copy_key(storage.key, item(u, id, 2)))
        return mcvdi_unpickle_fail(u, "storage '%.*s': expected a number as its key",
                                   (int)(item(u, id, 2)->count % 100), item(u, id, 2)->as.text);
    storage.count = (size_t)item(u, id, 4)->as.integer;
    if (p->num_storages >= MCVDI_PICKLE_MAX_TENSORS)
        return mcvdi_unpickle_fail(u, "more than %d storages", MCVDI_PICKLE_MAX_TENSORS);
    st = mcvdi_unpickle_grow(u, &list, &p->cap_storages, p->num_storages, sizeof storage);
    p->storages = list;
    if (st >= 0)
        st = mcvdi_unpickle_push_new(u, MCVDI_PICKLE_STORAGE, &made);
    if (st < 0)
        return st;
    made->as.place = p->num_storages;
    p->storages[p->num_storages++] = storage;
    return MCVD_OK;
}

/* --- tensors --- */

static mcvd_status read_sizes(const mcvdi_unpickler *u, const mcvdi_pickle_value *tuple,
                              const char *what, size_t *values)
{
    for (uint32_t i = 0; i < tuple->count; i++) {
        const mcvdi_pickle_value *value = item(u, tuple, i);
        if (value->kind != MCVDI_PICKLE_INT || value->as.integer < 0)
            return mcvdi_unpickle_fail(u, "a tensor whose %s %u is no number from 0 on", what, i);
        values[i] = (size_t)value->as.integer;
    }
    return MCVD_OK;
}

static mcvd_status check_arguments(const mcvdi_unpickler *u, const mcvdi_pickle_value *args,
                                   bool old)
{
    static const mcvdi_pickle_kind kinds[] = { MCVDI_PICKLE_STORAGE, MCVDI_PICKLE_INT,
                                               MCVDI_PICKLE_TUPLE,   MCVDI_PICKLE_TUPLE,
                                               MCVDI_PICKLE_BOOL,    MCVDI_PICKLE_DICT };
    const size_t n = old ? 4 : sizeof kinds / sizeof *kinds;

    if (args->count != n)
        return mcvdi_unpickle_fail(u, "a tensor of %u parts, expected %zu", args->count, n);
    for (size_t i = 0; i < n; i++)
        if (item(u, args, i)->kind != kinds[i])
            return mcvdi_unpickle_fail(u, "part %zu of a tensor is %s, expected %s", i,
                                       mcvdi_pickle_kind_word(item(u, args, i)->kind),
                                       mcvdi_pickle_kind_word(kinds[i]));
    if (item(u, args, 1)->as.integer < 0)
        return mcvdi_unpickle_fail(u, "a tensor with the offset %" PRId64,
                                   item(u, args, 1)->as.integer);
    if (!old && item(u, args, 5)->count)
        return mcvdi_unpickle_fail(u, "a tensor with hooks");
    if (item(u, args, 2)->count != item(u, args, 3)->count ||
        item(u, args, 2)->count > MCVD_MAX_DIMS)
        return mcvdi_unpickle_fail(u, "a tensor of %u sizes and %u strides, expected up to %d each",
                                   item(u, args, 2)->count, item(u, args, 3)->count, MCVD_MAX_DIMS);
    return MCVD_OK;
}

/* Elements, and that the last of them lies inside the storage. */
static mcvd_status check_extent(const mcvdi_unpickler *u, mcvdi_pickle_tensor *t, size_t available)
{
    size_t numel = 1;
    size_t last = t->offset;
    bool fits = true;
    bool empty = false;

    for (int d = 0; d < t->ndim; d++)
        empty = empty || t->sizes[d] == 0;
    for (int d = 0; fits && !empty && d < t->ndim; d++) {
        size_t reach = 0;
        fits = mcvdi_mul_size(&numel, numel, t->sizes[d]) &&
               mcvdi_mul_size(&reach, t->sizes[d] - 1, t->strides[d]) &&
               mcvdi_add_size(&last, last, reach);
    }
    t->numel = empty ? 0 : numel;
    fits = fits && (empty ? t->offset <= available : last < available && numel <= available);
    return fits ? MCVD_OK
                : mcvdi_unpickle_fail(u, "a tensor that reaches beyond its storage of %zu elements",
                                      available);
}

mcvd_status mcvdi_unpickle_tensor(mcvdi_unpickler *u, const mcvdi_pickle_value *args, bool old)
{
    mcvdi_pickle *p = u->result;
    mcvdi_pickle_tensor t = { 0 };
    mcvdi_pickle_value *made;
    void *list = p->tensors;
    mcvd_status st = check_arguments(u, args, old);

    if (st < 0)
        return st;
    t.storage = item(u, args, 0)->as.place;
    t.offset = (size_t)item(u, args, 1)->as.integer;
    t.ndim = (int)item(u, args, 2)->count;
    st = read_sizes(u, item(u, args, 2), "size", t.sizes);
    if (st >= 0)
        st = read_sizes(u, item(u, args, 3), "stride", t.strides);
    if (st >= 0)
        st = check_extent(u, &t, p->storages[t.storage].count);
    if (st >= 0 && p->num_tensors >= MCVDI_PICKLE_MAX_TENSORS)
        st = mcvdi_unpickle_fail(u, "more than %d tensors", MCVDI_PICKLE_MAX_TENSORS);
    if (st >= 0)
        st = mcvdi_unpickle_grow(u, &list, &p->cap_tensors, p->num_tensors, sizeof t);
    p->tensors = list;
    if (st >= 0)
        st = mcvdi_unpickle_push_new(u, MCVDI_PICKLE_TENSOR, &made);
    if (st < 0)
        return st;
    made->as.place = p->num_tensors;
    p->tensors[p->num_tensors++] = t;
    return MCVD_OK;
}
