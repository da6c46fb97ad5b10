/* The globals that a pickle may name, and what their calls mean here: values, never code. */
#include <stdio.h>
#include <string.h>

#include "model/pickle_internal.h"

enum { MAX_GLOBAL = 128 };

typedef mcvdi_unpickler unpickler;
typedef mcvdi_pickle_value value;

static const char *const allowed_globals[] = {
    [MCVDI_PICKLE_ORDERED_DICT] = "collections OrderedDict",
    [MCVDI_PICKLE_REBUILD_TENSOR] = "torch._utils _rebuild_tensor_v2",
    [MCVDI_PICKLE_FLOAT_STORAGE] = "torch FloatStorage",
    [MCVDI_PICKLE_DOUBLE_STORAGE] = "torch DoubleStorage",
    [MCVDI_PICKLE_HALF_STORAGE] = "torch HalfStorage",
    [MCVDI_PICKLE_BFLOAT16_STORAGE] = "torch BFloat16Storage",
    [MCVDI_PICKLE_LONG_STORAGE] = "torch LongStorage",
    [MCVDI_PICKLE_INT_STORAGE] = "torch IntStorage",
    [MCVDI_PICKLE_SHORT_STORAGE] = "torch ShortStorage",
    [MCVDI_PICKLE_CHAR_STORAGE] = "torch CharStorage",
    [MCVDI_PICKLE_BYTE_STORAGE] = "torch ByteStorage",
    [MCVDI_PICKLE_BOOL_STORAGE] = "torch BoolStorage",
    [MCVDI_PICKLE_REBUILD_OLD_TENSOR] = "torch._utils _rebuild_tensor",
    [MCVDI_PICKLE_REBUILD_PARAMETER] = "torch._utils _rebuild_parameter",
    [MCVDI_PICKLE_INT_LIST] = "torch.jit._pickle build_intlist",
    [MCVDI_PICKLE_DOUBLE_LIST] = "torch.jit._pickle build_doublelist",
    [MCVDI_PICKLE_BOOL_LIST] = "torch.jit._pickle build_boollist",
    [MCVDI_PICKLE_TENSOR_LIST] = "torch.jit._pickle build_tensorlist",
    [MCVDI_PICKLE_TYPE_TAG] = "torch.jit._pickle restore_type_tag",
    [MCVDI_PICKLE_DEVICE] = "torch device",
    [MCVDI_PICKLE_CLASS] = "a class of TorchScript",
};

/* --- names --- */

static mcvd_status push_global(unpickler *u, mcvdi_pickle_global global)
{
    value *made;
    const mcvd_status st = mcvdi_unpickle_push_new(u, MCVDI_PICKLE_GLOBAL, &made);

    if (st >= 0)
        made->as.integer = global;
    return st;
}

static bool is_script_module(const char *module)
{
    static const char start[] = "__torch__";
    const size_t length = sizeof start - 1;

    return strncmp(module, start, length) == 0 && (!module[length] || module[length] == '.');
}

mcvd_status mcvdi_unpickle_global(unpickler *u)
{
    const int count = u->rules.weights ? MCVDI_PICKLE_CLASS : MCVDI_PICKLE_FLOAT_STORAGE + 1;
    char module[MAX_GLOBAL];
    char attribute[MAX_GLOBAL];
    char name[2 * MAX_GLOBAL + 1];
    mcvd_status st = mcvdi_unpickle_line(u, module, sizeof module);

    if (st >= 0)
        st = mcvdi_unpickle_line(u, attribute, sizeof attribute);
    if (st < 0)
        return st;
    snprintf(name, sizeof name, "%s %s", module, attribute);
    for (int i = 0; i < count; i++)
        if (strcmp(name, allowed_globals[i]) == 0)
            return push_global(u, (mcvdi_pickle_global)i);
    if (u->rules.weights && is_script_module(module))
        return push_global(u, MCVDI_PICKLE_CLASS);
    return mcvdi_unpickle_fail(u, "global '%s' is not allowed", name);
}

/* --- calls --- */

static const value *item(const unpickler *u, const value *args, size_t i)
{
    return mcvdi_pickle_item(u->result, args, i);
}

static mcvd_status refuse_call(const unpickler *u, mcvdi_pickle_global called, const value *args)
{
    return mcvdi_unpickle_fail(u, "a call of '%s' with %u arguments is not allowed",
                               allowed_globals[called], args->count);
}

/* The first argument, which has this kind, is the result. */
static mcvd_status push_first(unpickler *u, mcvdi_pickle_global called, const value *args,
                              uint32_t count, mcvdi_pickle_kind kind)
{
    if (args->count != count || item(u, args, 0)->kind != kind)
        return refuse_call(u, called, args);
    return mcvdi_unpickle_push(u, args->as.items[0]);
}

/* Python 2 gives the content of an ordered dictionary as a list of [key, value]. */
static mcvd_status push_pairs(unpickler *u, const value *args)
{
    if (args->count != 1 || item(u, args, 0)->kind != MCVDI_PICKLE_LIST)
        return refuse_call(u, MCVDI_PICKLE_ORDERED_DICT, args);
    const uint32_t list = args->as.items[0];
    mcvd_status st = mcvdi_unpickle_push_new(u, MCVDI_PICKLE_DICT, NULL); /* args is gone */
    value *made = mcvdi_unpickle_top(u, 0);
    const value *pairs = &u->result->values[list];
    for (uint32_t i = 0; st >= 0 && i < pairs->count; i++) {
        const value *pair = item(u, pairs, i);
        if (pair->kind != MCVDI_PICKLE_LIST || pair->count != 2 ||
            item(u, pair, 0)->kind != MCVDI_PICKLE_TEXT)
            return mcvdi_unpickle_fail(u, "an ordered dictionary of what is no [text, value]");
        st = mcvdi_unpickle_add_item(u, made, pair->as.items[0]);
        if (st >= 0)
            st = mcvdi_unpickle_add_item(u, made, pair->as.items[1]);
    }
    return st;
}

static mcvd_status call(unpickler *u, mcvdi_pickle_global called, const value *args)
{
    switch (called) {
    case MCVDI_PICKLE_REBUILD_TENSOR:
        return mcvdi_unpickle_tensor(u, args, false);
    case MCVDI_PICKLE_REBUILD_OLD_TENSOR:
        return mcvdi_unpickle_tensor(u, args, true);
    case MCVDI_PICKLE_REBUILD_PARAMETER:
        return push_first(u, called, args, 3, MCVDI_PICKLE_TENSOR);
    case MCVDI_PICKLE_INT_LIST:
    case MCVDI_PICKLE_DOUBLE_LIST:
    case MCVDI_PICKLE_BOOL_LIST:
    case MCVDI_PICKLE_TENSOR_LIST:
        return push_first(u, called, args, 1, MCVDI_PICKLE_LIST);
    case MCVDI_PICKLE_TYPE_TAG:
        return args->count == 2 ? mcvdi_unpickle_push(u, args->as.items[0])
                                : refuse_call(u, called, args);
    case MCVDI_PICKLE_DEVICE:
        return push_first(u, called, args, 1, MCVDI_PICKLE_TEXT);
    case MCVDI_PICKLE_ORDERED_DICT:
        if (args->count == 0)
            return mcvdi_unpickle_push_new(u, MCVDI_PICKLE_DICT, NULL);
        return u->rules.weights ? push_pairs(u, args) : refuse_call(u, called, args);
    default:
        return refuse_call(u, called, args);
    }
}

/* "Call": a dictionary, a list, or a tensor. */
mcvd_status mcvdi_unpickle_reduce(unpickler *u)
{
    mcvd_status st = mcvdi_unpickle_need(u, 2);

    if (st < 0)
        return st;
    const value *args = mcvdi_unpickle_top(u, 0);
    const value *called = mcvdi_unpickle_top(u, 1);
    if (called->kind != MCVDI_PICKLE_GLOBAL || args->kind != MCVDI_PICKLE_TUPLE)
        return mcvdi_unpickle_fail(u, "a call of %s with %s", mcvdi_pickle_kind_word(called->kind),
                                   mcvdi_pickle_kind_word(args->kind));
    u->height -= 2; /* the values stay where they are */
    return call(u, (mcvdi_pickle_global)called->as.integer, args);
}

/* --- objects --- */

/* An object of a TorchScript class, without attributes yet. */
mcvd_status mcvdi_unpickle_new_object(unpickler *u)
{
    const mcvd_status st = mcvdi_unpickle_need(u, 2);

    if (st < 0)
        return st;
    const value *args = mcvdi_unpickle_top(u, 0);
    const value *class = mcvdi_unpickle_top(u, 1);
    if (class->kind != MCVDI_PICKLE_GLOBAL || class->as.integer != MCVDI_PICKLE_CLASS ||
        args->kind != MCVDI_PICKLE_TUPLE || args->count)
        return mcvdi_unpickle_fail(u,
                                   "a new object of %s from %s with %u items, expected a class "
                                   "of TorchScript and an empty tuple",
                                   mcvdi_pickle_kind_word(class->kind),
                                   mcvdi_pickle_kind_word(args->kind), args->count);
    u->height -= 2;
    return mcvdi_unpickle_push_new(u, MCVDI_PICKLE_OBJECT, NULL);
}

/* The attributes move from the dictionary to the object. */
static mcvd_status give_attributes(const unpickler *u, value *object, value *state)
{
    if (object->count)
        return mcvdi_unpickle_fail(u, "attributes for an object that has some");
    object->as.items = state->as.items;
    object->count = state->count;
    state->as.items = NULL;
    state->count = 0;
    return MCVD_OK;
}

/* Attributes: those of an object are kept, those of a dictionary (its "_metadata") dropped. */
mcvd_status mcvdi_unpickle_build(unpickler *u)
{
    mcvd_status st = mcvdi_unpickle_need(u, 2);

    if (st < 0)
        return st;
    value *state = mcvdi_unpickle_top(u, 0);
    value *of = mcvdi_unpickle_top(u, 1);
    if (state->kind != MCVDI_PICKLE_DICT ||
        (of->kind != MCVDI_PICKLE_DICT && of->kind != MCVDI_PICKLE_OBJECT))
        return mcvdi_unpickle_fail(u, "attributes in %s for %s, expected dictionaries",
                                   mcvdi_pickle_kind_word(state->kind),
                                   mcvdi_pickle_kind_word(of->kind));
    if (of->kind == MCVDI_PICKLE_OBJECT)
        st = give_attributes(u, of, state);
    u->height--;
    return st;
}
