/*
 * Pickles of PyTorch, protocol 2, by an allow-list of opcodes and globals: numbers, texts,
 * containers and tensors can come out of it, and nothing can be called. No recursion; memory is
 * bounded by the size of the pickle and by the caps below.
 */
#ifndef MCVDI_PICKLE_H
#define MCVDI_PICKLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mcvd/tensor.h>

#include "core/status.h"

enum {
    MCVDI_PICKLE_MAX_BYTES = 32 << 20, /* a 432 M parameter checkpoint has 2 MB */
    MCVDI_PICKLE_MAX_VALUES = 2 << 20,
    MCVDI_PICKLE_MAX_TENSORS = 1 << 18,
    MCVDI_PICKLE_MAX_STACK = 1 << 18,
    MCVDI_PICKLE_MAX_MEMO = 1 << 20,
    MCVDI_PICKLE_MAX_DEPTH = 64,
    MCVDI_PICKLE_MAX_TEXT = 1024,
    MCVDI_PICKLE_KEY = 24
};

typedef enum mcvdi_pickle_kind {
    MCVDI_PICKLE_NONE,
    MCVDI_PICKLE_BOOL, /* integer 0 or 1 */
    MCVDI_PICKLE_INT,
    MCVDI_PICKLE_REAL,
    MCVDI_PICKLE_TEXT,
    MCVDI_PICKLE_TUPLE,
    MCVDI_PICKLE_LIST,
    MCVDI_PICKLE_DICT, /* items are key, value, key, value, ... in the order of the file */
    MCVDI_PICKLE_GLOBAL,
    MCVDI_PICKLE_STORAGE,
    MCVDI_PICKLE_TENSOR,
    MCVDI_PICKLE_OBJECT /* of a TorchScript class: its attributes, as in a dictionary */
} mcvdi_pickle_kind;

typedef struct mcvdi_pickle_value {
    mcvdi_pickle_kind kind;
    uint32_t count; /* TEXT: bytes; containers: items */
    union {
        int64_t integer; /* INT, BOOL; GLOBAL: which */
        double real;
        const char *text; /* UTF-8 without control characters, not terminated, in the pickle */
        uint32_t *items;  /* numbers of values; a container may hold itself */
        uint32_t place;   /* TENSOR, STORAGE: in their lists */
    } as;
} mcvdi_pickle_value;

typedef struct mcvdi_pickle_storage {
    char key[MCVDI_PICKLE_KEY]; /* digits: the entry data/<key> */
    size_t count;               /* elements */
    mcvd_dtype dtype;           /* F32; with the rule `weights` others as well */
} mcvdi_pickle_storage;

/* A view of a storage; checked: every element lies inside, and there are no more elements than the
 * storage has. */
typedef struct mcvdi_pickle_tensor {
    uint32_t storage;
    int ndim;
    size_t offset; /* in elements, as are the strides */
    size_t sizes[MCVD_MAX_DIMS];
    size_t strides[MCVD_MAX_DIMS];
    size_t numel;
} mcvdi_pickle_tensor;

typedef struct mcvdi_pickle mcvdi_pickle;

/* Read a pickle of one root value. The bytes must stay: texts point into them. origin is the name
 * of the file in messages. MCVD_E_MODEL, MCVD_E_NOMEM. */
mcvd_status mcvdi_pickle_parse(mcvdi_pickle **out, const void *bytes, size_t num_bytes,
                               const char *origin);

/* What is allowed beyond a checkpoint of the authors' program. */
typedef struct mcvdi_pickle_rules {
    /* Files of weights in general: storages of every plain number, older ways to name tensors,
     * texts of Python 2, and TorchScript's classes as objects that have attributes and nothing
     * else. */
    bool weights;
    /* One pickle of the stream that PyTorch wrote before version 1.6: more bytes may follow. */
    bool stream;
} mcvdi_pickle_rules;

/* *used, unless it is NULL, becomes the bytes of the pickle. */
mcvd_status mcvdi_pickle_parse_by(mcvdi_pickle **out, const void *bytes, size_t num_bytes,
                                  const char *origin, const mcvdi_pickle_rules *rules,
                                  size_t *used);
void mcvdi_pickle_free(mcvdi_pickle **pickle);

const mcvdi_pickle_value *mcvdi_pickle_root(const mcvdi_pickle *pickle);
/* Item i of a container, i < count. */
const mcvdi_pickle_value *mcvdi_pickle_item(const mcvdi_pickle *pickle,
                                            const mcvdi_pickle_value *container, size_t i);
const mcvdi_pickle_tensor *mcvdi_pickle_get_tensor(const mcvdi_pickle *pickle,
                                                   const mcvdi_pickle_value *value);
size_t mcvdi_pickle_num_storages(const mcvdi_pickle *pickle);
const mcvdi_pickle_storage *mcvdi_pickle_get_storage(const mcvdi_pickle *pickle, size_t i);
/* "a text", "a list", ... for messages. */
const char *mcvdi_pickle_kind_word(mcvdi_pickle_kind kind);

#endif
