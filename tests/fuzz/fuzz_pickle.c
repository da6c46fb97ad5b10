/* The pickle reader on any bytes: a status and a message, or values that can be walked, with every
 * tensor inside its storage. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "fuzz/fuzz.h"
#include "model/pickle.h"

static void require(int condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "broken promise: %s\n", what);
    abort();
}

static void check_tensor(const mcvdi_pickle *p, const mcvdi_pickle_value *value)
{
    const mcvdi_pickle_tensor *t = mcvdi_pickle_get_tensor(p, value);
    size_t last = t->offset;
    size_t numel = 1;

    require(t->storage < mcvdi_pickle_num_storages(p), "a tensor has a storage");
    const mcvdi_pickle_storage *s = mcvdi_pickle_get_storage(p, t->storage);
    require(t->ndim >= 0 && t->ndim <= MCVD_MAX_DIMS, "axes");
    for (int d = 0; d < t->ndim; d++)
        numel *= t->sizes[d];
    if (t->numel == 0)
        return;
    require(t->numel == numel && numel <= s->count, "elements");
    for (int d = 0; d < t->ndim; d++)
        last += (t->sizes[d] - 1) * t->strides[d];
    require(last < s->count, "the last element is inside the storage");
}

/* One level of the values below the root; a container may hold itself, so no further. */
static void check_value(const mcvdi_pickle *p, const mcvdi_pickle_value *value)
{
    volatile unsigned char sum = 0;

    require(mcvdi_pickle_kind_word(value->kind) != NULL, "a kind has a word");
    if (value->kind == MCVDI_PICKLE_TENSOR)
        check_tensor(p, value);
    if (value->kind == MCVDI_PICKLE_TEXT)
        for (uint32_t i = 0; i < value->count; i++)
            sum = (unsigned char)(sum + (unsigned char)value->as.text[i]);
}

static void check_items(const mcvdi_pickle *p, const mcvdi_pickle_value *value, int depth)
{
    check_value(p, value);
    if (!depth || (value->kind != MCVDI_PICKLE_LIST && value->kind != MCVDI_PICKLE_DICT &&
                   value->kind != MCVDI_PICKLE_TUPLE))
        return;
    for (uint32_t i = 0; i < value->count; i++)
        check_items(p, mcvdi_pickle_item(p, value, i), depth - 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mcvdi_pickle *p = NULL;
    const mcvd_status st = mcvdi_pickle_parse(&p, data, size, "fuzz");

    if (st == MCVD_OK) {
        check_items(p, mcvdi_pickle_root(p), 2);
        mcvdi_pickle_free(&p);
    } else {
        require(st == MCVD_E_MODEL && !p, "bad bytes are MCVD_E_MODEL");
        require(mcvd_last_error()[0] != '\0', "a failure has a message");
    }
    return 0;
}
