/* What the parts of the pickle reader share: the machine, the globals, the tensors it builds. */
#ifndef MCVDI_PICKLE_INTERNAL_H
#define MCVDI_PICKLE_INTERNAL_H

#include <stdbool.h>

#include "model/pickle.h"

/* Rows of the list in pickle_global.c; those after FLOAT_STORAGE need the rule `weights`. */
typedef enum mcvdi_pickle_global {
    MCVDI_PICKLE_ORDERED_DICT,
    MCVDI_PICKLE_REBUILD_TENSOR,
    MCVDI_PICKLE_FLOAT_STORAGE,
    MCVDI_PICKLE_DOUBLE_STORAGE,
    MCVDI_PICKLE_HALF_STORAGE,
    MCVDI_PICKLE_BFLOAT16_STORAGE,
    MCVDI_PICKLE_LONG_STORAGE,
    MCVDI_PICKLE_INT_STORAGE,
    MCVDI_PICKLE_SHORT_STORAGE,
    MCVDI_PICKLE_CHAR_STORAGE,
    MCVDI_PICKLE_BYTE_STORAGE,
    MCVDI_PICKLE_BOOL_STORAGE,
    MCVDI_PICKLE_REBUILD_OLD_TENSOR,
    MCVDI_PICKLE_REBUILD_PARAMETER,
    MCVDI_PICKLE_INT_LIST,
    MCVDI_PICKLE_DOUBLE_LIST,
    MCVDI_PICKLE_BOOL_LIST,
    MCVDI_PICKLE_TENSOR_LIST,
    MCVDI_PICKLE_TYPE_TAG,
    MCVDI_PICKLE_DEVICE,
    MCVDI_PICKLE_CLASS, /* of TorchScript, whatever its name */
    MCVDI_PICKLE_NUM_GLOBALS
} mcvdi_pickle_global;

struct mcvdi_pickle {
    mcvdi_pickle_value *values;
    uint32_t num_values, cap_values;
    mcvdi_pickle_tensor *tensors;
    uint32_t num_tensors, cap_tensors;
    mcvdi_pickle_storage *storages;
    uint32_t num_storages, cap_storages;
    uint32_t root;
};

typedef struct mcvdi_unpickler {
    mcvdi_pickle *result;
    const char *origin;
    const unsigned char *bytes;
    size_t num_bytes;
    size_t at;        /* next byte */
    size_t opcode_at; /* of the opcode that is being done */
    uint32_t *stack;  /* numbers of values */
    uint32_t height, cap_stack;
    uint32_t marks[MCVDI_PICKLE_MAX_DEPTH]; /* heights */
    uint32_t num_marks;
    uint32_t *memo; /* number of the value + 1; 0: nothing */
    uint32_t cap_memo;
    bool stopped;
    mcvdi_pickle_rules rules;
} mcvdi_unpickler;

/* MCVD_E_MODEL with the file and the position in front of the message. */
mcvd_status mcvdi_unpickle_fail(const mcvdi_unpickler *u, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A new value on the stack; *value may be NULL, and is valid until the next one is made. */
mcvd_status mcvdi_unpickle_push_new(mcvdi_unpickler *u, mcvdi_pickle_kind kind,
                                    mcvdi_pickle_value **value);

/* More room in a list that grows by doubling: *items holds *capacity elements of `bytes` each, and
 * needs one more than count. */
mcvd_status mcvdi_unpickle_grow(const mcvdi_unpickler *u, void **items, uint32_t *capacity,
                                uint32_t count, size_t bytes);

mcvd_status mcvdi_unpickle_push(mcvdi_unpickler *u, uint32_t number);
/* Whether this many values are above the last mark. */
mcvd_status mcvdi_unpickle_need(const mcvdi_unpickler *u, uint32_t count);
/* The i-th value from the top; the number has been asked for. */
mcvdi_pickle_value *mcvdi_unpickle_top(const mcvdi_unpickler *u, uint32_t i);
/* Text up to the end of the line, terminated. */
mcvd_status mcvdi_unpickle_line(mcvdi_unpickler *u, char *line, size_t capacity);
mcvd_status mcvdi_unpickle_add_item(const mcvdi_unpickler *u, mcvdi_pickle_value *container,
                                    uint32_t number);

/* --- pickle_global.c: what the opcodes GLOBAL, REDUCE, BUILD and NEWOBJ do --- */

mcvd_status mcvdi_unpickle_global(mcvdi_unpickler *u);
mcvd_status mcvdi_unpickle_reduce(mcvdi_unpickler *u);
mcvd_status mcvdi_unpickle_build(mcvdi_unpickler *u);
mcvd_status mcvdi_unpickle_new_object(mcvdi_unpickler *u);

/* --- pickle_tensor.c --- */

/* The storage that the tuple of a persistent id names, pushed. */
mcvd_status mcvdi_unpickle_storage(mcvdi_unpickler *u, const mcvdi_pickle_value *id);

/* The tensor that _rebuild_tensor_v2 would make of its arguments, pushed; `old`: _rebuild_tensor,
 * which has the first four of them. */
mcvd_status mcvdi_unpickle_tensor(mcvdi_unpickler *u, const mcvdi_pickle_value *args, bool old);

#endif
