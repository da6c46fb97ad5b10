#include "model/torch_checkpoint.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/checked.h"
#include "model/torch_file.h"

enum {
    NUM_PARTS = MCVD_TORCH_EMA + 1,
    MAX_NESTING = 32,     /* of modules */
    MAX_VISITS = 1 << 20, /* of attributes: an object may be in many places */
    FIRST_TENSORS = 64
};

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
    size_t count, capacity;
    name_row *by_name; /* sorted */
} tensor_list;

struct mcvd_torch_checkpoint {
    char *path;
    bool weights; /* any file of weights, not only the authors' checkpoints */
    mcvdi_torch_file *file;
    const mcvdi_pickle *pickle; /* the file's */
    mcvd_torch_form form;
    size_t visits;
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

static mcvd_status reserve_tensor(const mcvd_torch_checkpoint *c, tensor_list *to)
{
    const size_t larger = to->capacity ? 2 * to->capacity : (size_t)FIRST_TENSORS;

    if (to->count < to->capacity)
        return MCVD_OK;
    named_tensor *moved = mcvdi_realloc(to->tensors, larger * sizeof *moved);
    if (!moved)
        return no_memory(c->path);
    to->tensors = moved;
    to->capacity = larger;
    return MCVD_OK;
}

static mcvd_status add_named(mcvd_torch_checkpoint *c, tensor_list *to, const char *text,
                             size_t length, const mcvdi_pickle_value *value)
{
    static const char wrapper[] = "module.";
    const size_t skip = sizeof wrapper - 1;
    const mcvd_status st = reserve_tensor(c, to);

    if (st < 0)
        return st;
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

static mcvd_status add_tensor(mcvd_torch_checkpoint *c, tensor_list *to,
                              const mcvdi_pickle_value *key, const mcvdi_pickle_value *value)
{
    if (key->kind != MCVDI_PICKLE_TEXT || !key->count)
        return mcvdi_fail(MCVD_E_MODEL, "%s: %s as the name of a tensor", c->path,
                          mcvdi_pickle_kind_word(key->kind));
    if (value->kind != MCVDI_PICKLE_TENSOR)
        return mcvdi_fail(MCVD_E_MODEL, "%s: '%.*s' is %s, expected a tensor", c->path,
                          (int)key->count, key->as.text, mcvdi_pickle_kind_word(value->kind));
    return add_named(c, to, key->as.text, key->count, value);
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

static bool is_readable(const mcvd_torch_checkpoint *c, const mcvdi_pickle_value *value)
{
    const mcvdi_pickle_tensor *t = mcvdi_pickle_get_tensor(c->pickle, value);

    return mcvdi_torch_file_reads(mcvdi_pickle_get_storage(c->pickle, t->storage)->dtype);
}

static mcvd_status walk(mcvd_torch_checkpoint *c, tensor_list *to, const char *prefix,
                        const mcvdi_pickle_value *node, int depth);

/* One attribute: a tensor of real numbers is kept, a module is entered, anything else passed. */
static mcvd_status visit(mcvd_torch_checkpoint *c, tensor_list *to, const char *prefix,
                         const mcvdi_pickle_value *key, const mcvdi_pickle_value *value, int depth)
{
    const bool tensor = value->kind == MCVDI_PICKLE_TENSOR && is_readable(c, value);
    const bool inner = value->kind == MCVDI_PICKLE_OBJECT || value->kind == MCVDI_PICKLE_DICT;

    if (++c->visits > MAX_VISITS)
        return mcvdi_fail(MCVD_E_MODEL, "%s: more than %d attributes", c->path, MAX_VISITS);
    if (key->kind != MCVDI_PICKLE_TEXT || !key->count || (!tensor && !inner))
        return MCVD_OK;
    char *name =
        mcvdi_sprintf("%s%s%.*s", prefix, *prefix ? "." : "", (int)key->count, key->as.text);
    if (!name)
        return no_memory(c->path);
    const mcvd_status st =
        tensor ? add_named(c, to, name, strlen(name), value) : walk(c, to, name, value, depth + 1);
    mcvdi_free(name);
    return st;
}

static mcvd_status walk(mcvd_torch_checkpoint *c, tensor_list *to, const char *prefix,
                        const mcvdi_pickle_value *node, int depth)
{
    mcvd_status st = MCVD_OK;

    if (depth > MAX_NESTING)
        return mcvdi_fail(MCVD_E_MODEL, "%s: modules are nested more than %d deep", c->path,
                          MAX_NESTING);
    for (uint32_t i = 0; st >= 0 && i + 1 < node->count; i += 2)
        st = visit(c, to, prefix, mcvdi_pickle_item(c->pickle, node, i),
                   mcvdi_pickle_item(c->pickle, node, i + 1), depth);
    return st;
}

/* Weights under dotted names, wherever they are below the root. */
static mcvd_status read_tree(mcvd_torch_checkpoint *c, const mcvdi_pickle_value *root)
{
    tensor_list *to = &c->parts[MCVD_TORCH_MODEL];
    mcvd_status st = walk(c, to, "", root, 0);

    if (st >= 0 && !to->count)
        st = mcvdi_fail(MCVD_E_MODEL, "%s: no tensors in it", c->path);
    return st < 0 ? st : sort_names(c, to);
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
    c->form = root->kind == MCVDI_PICKLE_OBJECT ? MCVD_TORCH_SCRIPT : MCVD_TORCH_DICTIONARY;
    if (c->weights && (root->kind == MCVDI_PICKLE_OBJECT || root->kind == MCVDI_PICKLE_DICT))
        return read_tree(c, root);
    if (root->kind == MCVDI_PICKLE_DICT)
        return read_part(c, &c->parts[MCVD_TORCH_MODEL], root);
    return mcvdi_fail(MCVD_E_MODEL,
                      "%s: %s, expected the list of a checkpoint or a dictionary of "
                      "tensors",
                      c->path, mcvdi_pickle_kind_word(root->kind));
}

/* --- opening --- */

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
    mcvdi_torch_file_close(&c->file);
    mcvdi_free(c->storage);
    mcvdi_free(c->gathered);
    mcvdi_free(c->path);
    mcvdi_free(c);
    *checkpoint = NULL;
}

static mcvd_status open_file(mcvd_torch_checkpoint **out, const char *path, bool weights)
{
    *out = NULL;
    mcvd_torch_checkpoint *c = mcvdi_calloc(1, sizeof *c);
    if (!c)
        return no_memory(path);
    c->step = c->epoch = -1;
    c->weights = weights;
    c->path = mcvdi_strdup(path);
    mcvd_status st = c->path ? mcvdi_torch_file_open(&c->file, path, weights) : no_memory(path);
    if (st >= 0) {
        c->pickle = mcvdi_torch_file_pickle(c->file);
        st = read_root(c);
    }
    if (st < 0)
        mcvd_torch_checkpoint_close(&c);
    *out = c;
    return st;
}

mcvd_status mcvd_torch_checkpoint_open(mcvd_torch_checkpoint **out, const char *path)
{
    return open_file(out, path, false);
}

mcvd_status mcvd_torch_weights_open(mcvd_torch_checkpoint **out, const char *path)
{
    return open_file(out, path, true);
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

mcvd_torch_form mcvd_torch_checkpoint_form(const mcvd_torch_checkpoint *checkpoint)
{
    return checkpoint->form;
}

bool mcvd_torch_checkpoint_is_stream(const mcvd_torch_checkpoint *checkpoint)
{
    return mcvdi_torch_file_zip(checkpoint->file) == NULL;
}

mcvdi_torch_zip *mcvdi_torch_checkpoint_zip(const mcvd_torch_checkpoint *checkpoint)
{
    return mcvdi_torch_file_zip(checkpoint->file);
}

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
    size_t bytes = 0;

    if (c->loaded && strcmp(c->loaded->key, s->key) == 0)
        return MCVD_OK;
    c->loaded = NULL;
    if (!mcvdi_mul_size(&bytes, s->count, sizeof *c->storage))
        return no_memory(c->path);
    mcvd_status st = reserve(c, &c->storage, &c->storage_bytes, bytes);
    if (st >= 0)
        st = mcvdi_torch_file_read(c->file, s, c->storage);
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
