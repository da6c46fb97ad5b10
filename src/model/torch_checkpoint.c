#include "model/torch_checkpoint.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/checked.h"
#include "model/pickle.h"
#include "model/torch_zip.h"

enum { NUM_PARTS = MCVD_TORCH_EMA + 1, ENTRY_NAME = sizeof "data/" + MCVDI_PICKLE_KEY };

/* The list of the authors' program; later versions could only append. */
enum { AT_MODEL, AT_OPTIMISER, AT_EPOCH, AT_STEP, FIRST_EMA, MIN_ELEMENTS = FIRST_EMA };

typedef struct named_tensor {
    char *name;
    const mcvdi_pickle_tensor *tensor;
} named_tensor;

typedef struct name_row {
    const char *name;
    size_t number; /* of the tensor */
} name_row;

typedef struct tensor_list {
    named_tensor *tensors; /* in the order of the file */
    size_t count;
    name_row *by_name; /* sorted */
} tensor_list;

struct mcvd_torch_checkpoint {
    char *path;
    mcvdi_torch_zip *zip;
    char *text; /* the pickle; texts point into it */
    mcvdi_pickle *pickle;
    tensor_list parts[NUM_PARTS];
    bool has_ema;
    int64_t step, epoch;
    /* kept by mcvdi_torch_checkpoint_read */
    const mcvdi_pickle_storage *loaded; /* what `storage` holds; NULL: nothing */
    float *storage;
    size_t storage_bytes;
    float *gathered;
    size_t gathered_bytes;
};

static mcvd_status no_memory(const char *path)
{
    return mcvdi_fail(MCVD_E_NOMEM, "%s: out of memory", path);
}

/* --- what it holds --- */

/* The data entry of a storage. */
static void entry_name(char name[ENTRY_NAME], const mcvdi_pickle_storage *storage)
{
    snprintf(name, ENTRY_NAME, "data/%s", storage->key);
}

static mcvd_status check_storages(const mcvd_torch_checkpoint *c)
{
    for (size_t i = 0; i < mcvdi_pickle_num_storages(c->pickle); i++) {
        const mcvdi_pickle_storage *s = mcvdi_pickle_get_storage(c->pickle, i);
        char name[ENTRY_NAME];
        size_t found = 0;
        size_t bytes;
        entry_name(name, s);
        if (!mcvdi_torch_zip_size(c->zip, name, &found))
            return mcvdi_fail(MCVD_E_MODEL,
                              "%s: zip entry '%s' is missing, a storage of %zu "
                              "floats",
                              c->path, name, s->count);
        if (!mcvdi_mul_size(&bytes, s->count, sizeof(float)) || bytes != found)
            return mcvdi_fail(MCVD_E_MODEL,
                              "%s: zip entry '%s' has %zu bytes, the pickle "
                              "says %zu floats",
                              c->path, name, found, s->count);
    }
    return MCVD_OK;
}

static mcvd_status add_tensor(mcvd_torch_checkpoint *c, tensor_list *to,
                              const mcvdi_pickle_value *key, const mcvdi_pickle_value *value)
{
    static const char wrapper[] = "module.";
    const size_t skip = sizeof wrapper - 1;

    if (key->kind != MCVDI_PICKLE_TEXT || !key->count)
        return mcvdi_fail(MCVD_E_MODEL, "%s: %s as the name of a tensor", c->path,
                          mcvdi_pickle_kind_word(key->kind));
    const char *text = key->as.text;
    size_t length = key->count;
    if (value->kind != MCVDI_PICKLE_TENSOR)
        return mcvdi_fail(MCVD_E_MODEL, "%s: '%.*s' is %s, expected a tensor", c->path, (int)length,
                          text, mcvdi_pickle_kind_word(value->kind));
    if (length > skip && memcmp(text, wrapper, skip) == 0) {
        text += skip;
        length -= skip;
    }
    char *name = mcvdi_sprintf("%.*s", (int)length, text);
    if (!name)
        return no_memory(c->path);
    to->tensors[to->count++] = (named_tensor) { name, mcvdi_pickle_get_tensor(c->pickle, value) };
    return MCVD_OK;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const name_row *)a)->name, ((const name_row *)b)->name);
}

static mcvd_status sort_names(const mcvd_torch_checkpoint *c, tensor_list *p)
{
    p->by_name = mcvdi_calloc(p->count + 1, sizeof *p->by_name);
    if (!p->by_name)
        return no_memory(c->path);
    for (size_t i = 0; i < p->count; i++)
        p->by_name[i] = (name_row) { p->tensors[i].name, i };
    qsort(p->by_name, p->count, sizeof *p->by_name, compare_names);
    for (size_t i = 1; i < p->count; i++)
        if (compare_names(&p->by_name[i - 1], &p->by_name[i]) == 0)
            return mcvdi_fail(MCVD_E_MODEL, "%s: two tensors are named '%s'", c->path,
                              p->by_name[i].name);
    return MCVD_OK;
}

/* A dictionary of names and tensors. */
static mcvd_status read_part(mcvd_torch_checkpoint *c, tensor_list *to,
                             const mcvdi_pickle_value *state)
{
    mcvd_status st = MCVD_OK;

    if (state->kind != MCVDI_PICKLE_DICT || !state->count)
        return mcvdi_fail(MCVD_E_MODEL, "%s: %s, expected a dictionary of tensors", c->path,
                          state->kind == MCVDI_PICKLE_DICT ? "an empty dictionary"
                                                           : mcvdi_pickle_kind_word(state->kind));
    to->tensors = mcvdi_calloc(state->count / 2, sizeof *to->tensors);
    if (!to->tensors)
        return no_memory(c->path);
    for (size_t i = 0; st >= 0 && i < state->count; i += 2)
        st = add_tensor(c, to, mcvdi_pickle_item(c->pickle, state, i),
                        mcvdi_pickle_item(c->pickle, state, i + 1));
    return st < 0 ? st : sort_names(c, to);
}

static mcvd_status read_count(const mcvd_torch_checkpoint *c, const mcvdi_pickle_value *root,
                              int at, int64_t *count)
{
    const mcvdi_pickle_value *value = mcvdi_pickle_item(c->pickle, root, (size_t)at);

    if (value->kind != MCVDI_PICKLE_INT || value->as.integer < 0)
        return mcvdi_fail(MCVD_E_MODEL, "%s: element %d of the list is %s, expected the %s",
                          c->path, at, mcvdi_pickle_kind_word(value->kind),
                          at == AT_STEP ? "step" : "epoch");
    *count = value->as.integer;
    return MCVD_OK;
}

/* [model state, optimiser state, epoch, step] and, last, the averaged weights. */
static mcvd_status read_list(mcvd_torch_checkpoint *c, const mcvdi_pickle_value *root)
{
    if (root->count < MIN_ELEMENTS)
        return mcvdi_fail(MCVD_E_MODEL,
                          "%s: a list of %u elements, expected model state, optimiser state, "
                          "epoch, step and perhaps averaged weights",
                          c->path, root->count);
    mcvd_status st = read_count(c, root, AT_EPOCH, &c->epoch);
    if (st >= 0)
        st = read_count(c, root, AT_STEP, &c->step);
    if (st >= 0)
        st =
            read_part(c, &c->parts[MCVD_TORCH_MODEL], mcvdi_pickle_item(c->pickle, root, AT_MODEL));
    if (st < 0 || root->count <= FIRST_EMA)
        return st;
    const mcvdi_pickle_value *last = mcvdi_pickle_item(c->pickle, root, root->count - 1);
    c->has_ema = last->kind != MCVDI_PICKLE_NONE; /* None where averaging was off */
    return c->has_ema ? read_part(c, &c->parts[MCVD_TORCH_EMA], last) : st;
}

static mcvd_status read_root(mcvd_torch_checkpoint *c)
{
    const mcvdi_pickle_value *root = mcvdi_pickle_root(c->pickle);

    if (root->kind == MCVDI_PICKLE_LIST)
        return read_list(c, root);
    if (root->kind == MCVDI_PICKLE_DICT)
        return read_part(c, &c->parts[MCVD_TORCH_MODEL], root);
    return mcvdi_fail(MCVD_E_MODEL,
                      "%s: %s, expected the list of a checkpoint or a dictionary of "
                      "tensors",
                      c->path, mcvdi_pickle_kind_word(root->kind));
}

/* --- opening --- */

static mcvd_status check_byte_order(const mcvd_torch_checkpoint *c)
{
    char word[8] = { 0 };
    size_t bytes = 0;

    if (!mcvdi_torch_zip_size(c->zip, "byteorder", &bytes))
        return MCVD_OK;
    mcvd_status st = MCVD_OK;
    if (bytes < sizeof word)
        st = mcvdi_torch_zip_read(c->zip, "byteorder", word, bytes);
    if (st >= 0 && strcmp(word, "little") != 0)
        st = mcvdi_fail(MCVD_E_MODEL, "%s: its byte order is '%s', expected 'little'", c->path,
                        word);
    return st;
}

static mcvd_status read_pickle(mcvd_torch_checkpoint *c)
{
    size_t bytes = 0;

    if (!mcvdi_torch_zip_size(c->zip, "data.pkl", &bytes) || bytes > MCVDI_PICKLE_MAX_BYTES)
        return mcvdi_fail(MCVD_E_MODEL, "%s: a pickle of %zu bytes, up to %d are allowed", c->path,
                          bytes, MCVDI_PICKLE_MAX_BYTES);
    c->text = mcvdi_malloc(bytes + 1);
    if (!c->text)
        return no_memory(c->path);
    const mcvd_status st = mcvdi_torch_zip_read(c->zip, "data.pkl", c->text, bytes);
    return st < 0 ? st : mcvdi_pickle_parse(&c->pickle, c->text, bytes, c->path);
}

void mcvd_torch_checkpoint_close(mcvd_torch_checkpoint **checkpoint)
{
    mcvd_torch_checkpoint *c = *checkpoint;

    if (!c)
        return;
    for (int i = 0; i < NUM_PARTS; i++) {
        for (size_t j = 0; j < c->parts[i].count; j++)
            mcvdi_free(c->parts[i].tensors[j].name);
        mcvdi_free(c->parts[i].tensors);
        mcvdi_free(c->parts[i].by_name);
    }
    mcvdi_pickle_free(&c->pickle);
    mcvdi_torch_zip_close(&c->zip);
    mcvdi_free(c->storage);
    mcvdi_free(c->gathered);
    mcvdi_free(c->text);
    mcvdi_free(c->path);
    mcvdi_free(c);
    *checkpoint = NULL;
}

mcvd_status mcvd_torch_checkpoint_open(mcvd_torch_checkpoint **out, const char *path)
{
    *out = NULL;
    mcvd_torch_checkpoint *c = mcvdi_calloc(1, sizeof *c);
    if (!c)
        return no_memory(path);
    c->step = c->epoch = -1;
    c->path = mcvdi_strdup(path);
    mcvd_status st = c->path ? mcvdi_torch_zip_open(&c->zip, path) : no_memory(path);
    if (st >= 0)
        st = check_byte_order(c);
    if (st >= 0)
        st = read_pickle(c);
    if (st >= 0)
        st = check_storages(c);
    if (st >= 0)
        st = read_root(c);
    if (st < 0)
        mcvd_torch_checkpoint_close(&c);
    *out = c;
    return st;
}

bool mcvd_torch_is_checkpoint(const char *path)
{
    unsigned char start[4];
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0)
        return false;
    const ssize_t n = pread(fd, start, sizeof start, 0);
    close(fd);
    return n == (ssize_t)sizeof start && (memcmp(start, "PK\3\4", sizeof start) == 0 ||
                                          memcmp(start, "\x80\2\x8a\n", sizeof start) == 0);
}

/* --- accessors --- */

bool mcvd_torch_checkpoint_has_ema(const mcvd_torch_checkpoint *checkpoint)
{
    return checkpoint->has_ema;
}

int64_t mcvd_torch_checkpoint_step(const mcvd_torch_checkpoint *checkpoint)
{
    return checkpoint->step;
}

int64_t mcvd_torch_checkpoint_epoch(const mcvd_torch_checkpoint *checkpoint)
{
    return checkpoint->epoch;
}

size_t mcvd_torch_checkpoint_count(const mcvd_torch_checkpoint *checkpoint, mcvd_torch_part part)
{
    return checkpoint->parts[part].count;
}

mcvd_status mcvd_torch_checkpoint_tensor(const mcvd_torch_checkpoint *checkpoint,
                                         mcvd_torch_part part, size_t i, const char **name,
                                         mcvd_tensor *shape)
{
    if (i >= checkpoint->parts[part].count)
        return mcvdi_fail(MCVD_E_RANGE, "%s: tensor %zu of %zu", checkpoint->path, i,
                          checkpoint->parts[part].count);
    const named_tensor *found = &checkpoint->parts[part].tensors[i];
    *name = found->name;
    *shape = (mcvd_tensor) { .dtype = MCVD_F32, .ndim = found->tensor->ndim };
    memcpy(shape->shape, found->tensor->sizes, sizeof shape->shape);
    return MCVD_OK;
}

size_t mcvdi_torch_checkpoint_find(const mcvd_torch_checkpoint *checkpoint, mcvd_torch_part part,
                                   const char *name)
{
    const tensor_list *p = &checkpoint->parts[part];
    const name_row wanted = { name, 0 };
    const name_row *found =
        p->count ? bsearch(&wanted, p->by_name, p->count, sizeof wanted, compare_names) : NULL;

    return found ? found->number : p->count;
}

/* --- reading --- */

/* A buffer of at least this size; what it held is lost. */
static mcvd_status reserve(const mcvd_torch_checkpoint *c, float **buffer, size_t *capacity,
                           size_t bytes)
{
    if (*buffer && *capacity >= bytes)
        return MCVD_OK;
    mcvdi_free(*buffer);
    *capacity = 0;
    *buffer = mcvdi_malloc(bytes + 1);
    if (!*buffer)
        return mcvdi_fail(MCVD_E_NOMEM, "%s: a tensor of %zu bytes", c->path, bytes);
    *capacity = bytes;
    return MCVD_OK;
}

static mcvd_status load_storage(mcvd_torch_checkpoint *c, const mcvdi_pickle_storage *s)
{
    const size_t bytes = s->count * sizeof *c->storage; /* compared with the entry at open */
    char name[ENTRY_NAME];

    if (c->loaded && strcmp(c->loaded->key, s->key) == 0)
        return MCVD_OK;
    c->loaded = NULL;
    entry_name(name, s);
    mcvd_status st = reserve(c, &c->storage, &c->storage_bytes, bytes);
    if (st >= 0)
        st = mcvdi_torch_zip_read(c->zip, name, c->storage, bytes);
    if (st >= 0)
        c->loaded = s;
    return st;
}

static bool is_contiguous(const mcvdi_pickle_tensor *t)
{
    size_t stride = 1;

    for (int d = t->ndim - 1; d >= 0; d--) {
        if (t->sizes[d] != 1 && t->strides[d] != stride)
            return false;
        stride *= t->sizes[d];
    }
    return true;
}

/* Row-major copy of a view: an odometer over the axes. */
static void gather(float *to, const float *from, const mcvdi_pickle_tensor *t)
{
    size_t index[MCVD_MAX_DIMS] = { 0 };
    size_t at = 0;

    for (size_t i = 0; i < t->numel; i++) {
        to[i] = from[at];
        for (int d = t->ndim - 1; d >= 0; d--) {
            at += t->strides[d];
            if (++index[d] < t->sizes[d])
                break;
            at -= index[d] * t->strides[d];
            index[d] = 0;
        }
    }
}

mcvd_status mcvdi_torch_checkpoint_read(mcvd_torch_checkpoint *checkpoint, mcvd_torch_part part,
                                        size_t i, const float **values)
{
    mcvd_torch_checkpoint *c = checkpoint;
    const mcvdi_pickle_tensor *t = c->parts[part].tensors[i].tensor;
    mcvd_status st = load_storage(c, mcvdi_pickle_get_storage(c->pickle, t->storage));

    *values = NULL;
    if (st < 0)
        return st;
    *values = c->storage + t->offset;
    if (!t->numel || is_contiguous(t))
        return MCVD_OK;
    st = reserve(c, &c->gathered, &c->gathered_bytes, t->numel * sizeof *c->gathered);
    if (st < 0) {
        *values = NULL;
        return st;
    }
    gather(c->gathered, c->storage + t->offset, t);
    *values = c->gathered;
    return MCVD_OK;
}
