/*
 * A stack machine with an allow-list: an opcode without a function in the table, or a global that
 * is not in the list, ends the reading. What is allowed can only build values.
 */
#include "model/pickle.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "core/utf8.h"
#include "model/pickle_internal.h"

enum { PROTO = 0x80, PROTOCOL = 2, FIRST_ITEMS = 4, FIRST_LIST = 64 };

typedef mcvdi_unpickler unpickler;
typedef mcvdi_pickle_value value;

/* --- failures, lists, values --- */

mcvd_status mcvdi_unpickle_fail(const unpickler *u, const char *format, ...)
{
    char what[512];
    va_list args;

    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    return mcvdi_fail(MCVD_E_MODEL, "%s: pickle, byte %zu: %s", u->origin, u->opcode_at, what);
}

static mcvd_status no_memory(const unpickler *u)
{
    return mcvdi_fail(MCVD_E_NOMEM, "%s: out of memory for its pickle", u->origin);
}

mcvd_status mcvdi_unpickle_grow(const unpickler *u, void **items, uint32_t *capacity,
                                uint32_t count, size_t bytes)
{
    const uint32_t larger = *capacity ? 2 * *capacity : FIRST_LIST;

    if (count < *capacity)
        return MCVD_OK;
    void *moved = mcvdi_realloc(*items, larger * bytes);
    if (!moved)
        return no_memory(u);
    *items = moved;
    *capacity = larger;
    return MCVD_OK;
}

static value *value_of(const unpickler *u, uint32_t number)
{
    return &u->result->values[number];
}

mcvd_status mcvdi_unpickle_push(unpickler *u, uint32_t number)
{
    void *list = u->stack;

    if (u->height >= MCVDI_PICKLE_MAX_STACK)
        return mcvdi_unpickle_fail(u, "more than %d values on the stack", MCVDI_PICKLE_MAX_STACK);
    const mcvd_status st =
        mcvdi_unpickle_grow(u, &list, &u->cap_stack, u->height, sizeof *u->stack);
    u->stack = list;
    if (st >= 0)
        u->stack[u->height++] = number;
    return st;
}

mcvd_status mcvdi_unpickle_push_new(unpickler *u, mcvdi_pickle_kind kind, value **made)
{
    mcvdi_pickle *p = u->result;
    void *list = p->values;

    if (p->num_values >= MCVDI_PICKLE_MAX_VALUES)
        return mcvdi_unpickle_fail(u, "more than %d values", MCVDI_PICKLE_MAX_VALUES);
    mcvd_status st =
        mcvdi_unpickle_grow(u, &list, &p->cap_values, p->num_values, sizeof *p->values);
    p->values = list;
    if (st >= 0)
        st = mcvdi_unpickle_push(u, p->num_values);
    if (st < 0)
        return st;
    p->values[p->num_values] = (value) { .kind = kind };
    if (made)
        *made = &p->values[p->num_values];
    p->num_values++;
    return MCVD_OK;
}

/* --- the stack --- */

/* Values above the last mark. */
static uint32_t reachable(const unpickler *u)
{
    return u->height - (u->num_marks ? u->marks[u->num_marks - 1] : 0);
}

mcvd_status mcvdi_unpickle_need(const unpickler *u, uint32_t count)
{
    return reachable(u) >= count
               ? MCVD_OK
               : mcvdi_unpickle_fail(u, "%u values are needed, %u are on the stack", count,
                                     reachable(u));
}

/* The i-th value from the top; the number has been asked for. */
value *mcvdi_unpickle_top(const unpickler *u, uint32_t i)
{
    return value_of(u, u->stack[u->height - 1 - i]);
}

/* Remove the last mark; *first is where the values above it start on the stack. */
static mcvd_status take_mark(unpickler *u, uint32_t *first)
{
    if (!u->num_marks)
        return mcvdi_unpickle_fail(u, "there is no mark on the stack");
    *first = u->marks[--u->num_marks];
    return MCVD_OK;
}

/* --- the bytes --- */

static mcvd_status take(unpickler *u, size_t count, const unsigned char **bytes)
{
    if (u->num_bytes - u->at < count)
        return mcvdi_unpickle_fail(u, "%zu bytes are needed, %zu are left", count,
                                   u->num_bytes - u->at);
    *bytes = u->bytes + u->at;
    u->at += count;
    return MCVD_OK;
}

/* Little-endian, of up to eight bytes. */
static mcvd_status take_number(unpickler *u, size_t count, uint64_t *number)
{
    const unsigned char *bytes = NULL;
    const mcvd_status st = take(u, count, &bytes);

    *number = 0;
    for (size_t i = 0; st >= 0 && i < count; i++)
        *number |= (uint64_t)bytes[i] << (8 * i);
    return st;
}

/* Text up to the end of the line, terminated. */
mcvd_status mcvdi_unpickle_line(unpickler *u, char *line, size_t capacity)
{
    size_t length = 0;

    while (u->at + length < u->num_bytes && length < capacity &&
           u->bytes[u->at + length] != (unsigned char)'\n')
        length++;
    if (u->at + length >= u->num_bytes || length >= capacity)
        return mcvdi_unpickle_fail(u, "a global whose name does not end");
    memcpy(line, u->bytes + u->at, length);
    line[length] = '\0';
    u->at += length + 1;
    return strlen(line) == length ? MCVD_OK
                                  : mcvdi_unpickle_fail(u, "a global with a zero in its name");
}

/* --- simple values --- */

static mcvd_status do_proto(unpickler *u)
{
    uint64_t version;
    const mcvd_status st = take_number(u, 1, &version);

    if (st < 0)
        return st;
    if (u->opcode_at != 0 || version != PROTOCOL)
        return mcvdi_unpickle_fail(u, "protocol %u, expected one protocol %d at the start",
                                   (unsigned)version, PROTOCOL);
    return MCVD_OK;
}

static mcvd_status push_integer(unpickler *u, mcvdi_pickle_kind kind, int64_t integer)
{
    value *made;
    const mcvd_status st = mcvdi_unpickle_push_new(u, kind, &made);

    if (st >= 0)
        made->as.integer = integer;
    return st;
}

/* Unsigned from one or two bytes, two's complement from more. */
static mcvd_status push_bytes(unpickler *u, size_t count, bool negative)
{
    uint64_t number;
    const mcvd_status st = take_number(u, count, &number);

    if (st < 0)
        return st;
    if (negative && count && count < 8 && number >> (8 * count - 1))
        number |= UINT64_MAX << (8 * count);
    int64_t integer;
    memcpy(&integer, &number, sizeof integer);
    return push_integer(u, MCVDI_PICKLE_INT, integer);
}

static mcvd_status do_binint1(unpickler *u)
{
    return push_bytes(u, 1, false);
}

static mcvd_status do_binint2(unpickler *u)
{
    return push_bytes(u, 2, false);
}

static mcvd_status do_binint(unpickler *u)
{
    return push_bytes(u, 4, true);
}

static mcvd_status do_long1(unpickler *u)
{
    uint64_t count;
    const mcvd_status st = take_number(u, 1, &count);

    if (st < 0)
        return st;
    if (count > 8)
        return mcvdi_unpickle_fail(u, "an integer of %u bytes", (unsigned)count);
    return push_bytes(u, (size_t)count, true);
}

static mcvd_status do_binfloat(unpickler *u)
{
    const unsigned char *bytes = NULL;
    value *made;
    uint64_t bits = 0;
    mcvd_status st = take(u, 8, &bytes);

    if (st >= 0)
        st = mcvdi_unpickle_push_new(u, MCVDI_PICKLE_REAL, &made);
    if (st < 0)
        return st;
    for (int i = 0; i < 8; i++) /* big-endian */
        bits = bits << 8 | bytes[i];
    memcpy(&made->as.real, &bits, sizeof bits);
    return MCVD_OK;
}

static bool has_control_characters(const unsigned char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (text[i] < 0x20 || text[i] == 0x7f)
            return true;
    return false;
}

static mcvd_status push_text(unpickler *u, size_t length_bytes)
{
    uint64_t length;
    const unsigned char *text = NULL;
    value *made;
    mcvd_status st = take_number(u, length_bytes, &length);

    if (st >= 0 && length > MCVDI_PICKLE_MAX_TEXT)
        st = mcvdi_unpickle_fail(u, "a text of %u bytes, up to %d are allowed", (unsigned)length,
                                 MCVDI_PICKLE_MAX_TEXT);
    if (st >= 0)
        st = take(u, (size_t)length, &text);
    if (st < 0)
        return st;
    if (!mcvdi_utf8_valid((const char *)text, (size_t)length, NULL) ||
        has_control_characters(text, (size_t)length))
        return mcvdi_unpickle_fail(u, "a text that is no UTF-8 or has control characters");
    st = mcvdi_unpickle_push_new(u, MCVDI_PICKLE_TEXT, &made);
    if (st < 0)
        return st;
    made->count = (uint32_t)length;
    made->as.text = (const char *)text;
    return MCVD_OK;
}

static mcvd_status do_binunicode(unpickler *u)
{
    return push_text(u, 4);
}

/* Texts of Python 2. */
static mcvd_status do_binstring(unpickler *u)
{
    return push_text(u, 4);
}

static mcvd_status do_short_binstring(unpickler *u)
{
    return push_text(u, 1);
}

static mcvd_status do_none(unpickler *u)
{
    return mcvdi_unpickle_push_new(u, MCVDI_PICKLE_NONE, NULL);
}

static mcvd_status do_newtrue(unpickler *u)
{
    return push_integer(u, MCVDI_PICKLE_BOOL, 1);
}

static mcvd_status do_newfalse(unpickler *u)
{
    return push_integer(u, MCVDI_PICKLE_BOOL, 0);
}

static mcvd_status do_empty_list(unpickler *u)
{
    return mcvdi_unpickle_push_new(u, MCVDI_PICKLE_LIST, NULL);
}

static mcvd_status do_empty_dict(unpickler *u)
{
    return mcvdi_unpickle_push_new(u, MCVDI_PICKLE_DICT, NULL);
}

static mcvd_status do_empty_tuple(unpickler *u)
{
    return mcvdi_unpickle_push_new(u, MCVDI_PICKLE_TUPLE, NULL);
}

/* --- containers --- */

/* Capacities are powers of two, so a full one can be told from the count. */
mcvd_status mcvdi_unpickle_add_item(const unpickler *u, value *container, uint32_t number)
{
    const uint32_t count = container->count;

    if (!count || (count >= FIRST_ITEMS && (count & (count - 1)) == 0)) {
        const size_t larger = count ? 2 * (size_t)count : FIRST_ITEMS;
        uint32_t *moved = mcvdi_realloc(count ? container->as.items : NULL, larger * sizeof *moved);
        if (!moved)
            return no_memory(u);
        container->as.items = moved;
    }
    container->as.items[container->count++] = number;
    return MCVD_OK;
}

/* The top `count` values become a tuple. */
static mcvd_status make_tuple(unpickler *u, uint32_t count)
{
    const uint32_t first = u->height - count;
    mcvd_status st = mcvdi_unpickle_push_new(u, MCVDI_PICKLE_TUPLE, NULL);

    for (uint32_t i = 0; st >= 0 && i < count; i++)
        st = mcvdi_unpickle_add_item(u, mcvdi_unpickle_top(u, 0), u->stack[first + i]);
    if (st < 0)
        return st;
    u->stack[first] = u->stack[u->height - 1];
    u->height = first + 1;
    return MCVD_OK;
}

static mcvd_status do_tuple(unpickler *u)
{
    uint32_t first = 0;
    const mcvd_status st = take_mark(u, &first);

    return st < 0 ? st : make_tuple(u, u->height - first);
}

static mcvd_status make_short_tuple(unpickler *u, uint32_t count)
{
    const mcvd_status st = mcvdi_unpickle_need(u, count);

    return st < 0 ? st : make_tuple(u, count);
}

static mcvd_status do_tuple1(unpickler *u)
{
    return make_short_tuple(u, 1);
}

static mcvd_status do_tuple2(unpickler *u)
{
    return make_short_tuple(u, 2);
}

static mcvd_status do_tuple3(unpickler *u)
{
    return make_short_tuple(u, 3);
}

/* Move the top `count` values into the container below them. */
static mcvd_status fill(unpickler *u, mcvdi_pickle_kind kind, uint32_t count)
{
    const bool pairs = kind == MCVDI_PICKLE_DICT;
    mcvd_status st = mcvdi_unpickle_need(u, count + 1);

    if (st < 0)
        return st;
    value *container = mcvdi_unpickle_top(u, count);
    if (container->kind != kind)
        return mcvdi_unpickle_fail(u, "items for %s, which is no %s",
                                   mcvdi_pickle_kind_word(container->kind),
                                   pairs ? "dictionary" : "list");
    if (pairs && count % 2)
        return mcvdi_unpickle_fail(u, "a key without a value");
    for (uint32_t i = 0; st >= 0 && i < count; i++) {
        const uint32_t number = u->stack[u->height - count + i];
        const mcvdi_pickle_kind found = value_of(u, number)->kind;
        if (pairs && i % 2 == 0 && found != MCVDI_PICKLE_TEXT && found != MCVDI_PICKLE_INT)
            return mcvdi_unpickle_fail(u, "%s as the key of a dictionary",
                                       mcvdi_pickle_kind_word(found));
        st = mcvdi_unpickle_add_item(u, container, number);
    }
    if (st >= 0)
        u->height -= count;
    return st;
}

static mcvd_status fill_from_mark(unpickler *u, mcvdi_pickle_kind kind)
{
    uint32_t first = 0;
    const mcvd_status st = take_mark(u, &first);

    return st < 0 ? st : fill(u, kind, u->height - first);
}

static mcvd_status do_append(unpickler *u)
{
    return fill(u, MCVDI_PICKLE_LIST, 1);
}

static mcvd_status do_appends(unpickler *u)
{
    return fill_from_mark(u, MCVDI_PICKLE_LIST);
}

static mcvd_status do_setitem(unpickler *u)
{
    return fill(u, MCVDI_PICKLE_DICT, 2);
}

static mcvd_status do_setitems(unpickler *u)
{
    return fill_from_mark(u, MCVDI_PICKLE_DICT);
}

static mcvd_status do_mark(unpickler *u)
{
    if (u->num_marks >= MCVDI_PICKLE_MAX_DEPTH)
        return mcvdi_unpickle_fail(u, "containers are nested more than %d deep",
                                   MCVDI_PICKLE_MAX_DEPTH);
    u->marks[u->num_marks++] = u->height;
    return MCVD_OK;
}

/* --- the memo --- */

static mcvd_status put(unpickler *u, size_t index_bytes)
{
    uint64_t index;
    mcvd_status st = take_number(u, index_bytes, &index);

    if (st >= 0)
        st = mcvdi_unpickle_need(u, 1);
    if (st < 0)
        return st;
    if (index >= MCVDI_PICKLE_MAX_MEMO)
        return mcvdi_unpickle_fail(u, "memo number %u, allowed are those below %d", (unsigned)index,
                                   MCVDI_PICKLE_MAX_MEMO);
    uint32_t capacity = u->cap_memo;
    while (capacity <= index)
        capacity = capacity ? 2 * capacity : FIRST_LIST;
    if (capacity > u->cap_memo) {
        uint32_t *moved = mcvdi_realloc(u->memo, capacity * sizeof *moved);
        if (!moved)
            return no_memory(u);
        memset(moved + u->cap_memo, 0, (capacity - u->cap_memo) * sizeof *moved);
        u->memo = moved;
        u->cap_memo = capacity;
    }
    u->memo[index] = u->stack[u->height - 1] + 1;
    return MCVD_OK;
}

static mcvd_status get(unpickler *u, size_t index_bytes)
{
    uint64_t index;
    const mcvd_status st = take_number(u, index_bytes, &index);

    if (st < 0)
        return st;
    if (index >= u->cap_memo || !u->memo[index])
        return mcvdi_unpickle_fail(u, "memo number %u was never filled", (unsigned)index);
    return mcvdi_unpickle_push(u, u->memo[index] - 1);
}

static mcvd_status do_binput(unpickler *u)
{
    return put(u, 1);
}

static mcvd_status do_long_binput(unpickler *u)
{
    return put(u, 4);
}

static mcvd_status do_binget(unpickler *u)
{
    return get(u, 1);
}

static mcvd_status do_long_binget(unpickler *u)
{
    return get(u, 4);
}

static mcvd_status do_binpersid(unpickler *u)
{
    const mcvd_status st = mcvdi_unpickle_need(u, 1);

    if (st < 0)
        return st;
    const value *id = mcvdi_unpickle_top(u, 0);
    u->height--;
    return mcvdi_unpickle_storage(u, id);
}

static mcvd_status do_stop(unpickler *u)
{
    if (u->height != 1 || u->num_marks)
        return mcvdi_unpickle_fail(u, "the end with %u values and %u marks on the stack", u->height,
                                   u->num_marks);
    if (!u->rules.stream && u->at != u->num_bytes)
        return mcvdi_unpickle_fail(u, "%zu bytes after the end", u->num_bytes - u->at);
    u->result->root = u->stack[0];
    u->stopped = true;
    return MCVD_OK;
}

/* --- the machine --- */

typedef struct opcode {
    const char *name;
    mcvd_status (*run)(unpickler *u); /* NULL: not allowed */
    bool weights;                     /* allowed by that rule only */
} opcode;

static const opcode opcodes[256] = {
    [0x80] = { "PROTO", do_proto },
    [']'] = { "EMPTY_LIST", do_empty_list },
    ['}'] = { "EMPTY_DICT", do_empty_dict },
    [')'] = { "EMPTY_TUPLE", do_empty_tuple },
    ['('] = { "MARK", do_mark },
    ['q'] = { "BINPUT", do_binput },
    ['r'] = { "LONG_BINPUT", do_long_binput },
    ['h'] = { "BINGET", do_binget },
    ['j'] = { "LONG_BINGET", do_long_binget },
    ['c'] = { "GLOBAL", mcvdi_unpickle_global },
    ['R'] = { "REDUCE", mcvdi_unpickle_reduce },
    ['b'] = { "BUILD", mcvdi_unpickle_build },
    ['Q'] = { "BINPERSID", do_binpersid },
    ['X'] = { "BINUNICODE", do_binunicode },
    ['K'] = { "BININT1", do_binint1 },
    ['M'] = { "BININT2", do_binint2 },
    ['J'] = { "BININT", do_binint },
    ['G'] = { "BINFLOAT", do_binfloat },
    [0x88] = { "NEWTRUE", do_newtrue },
    [0x89] = { "NEWFALSE", do_newfalse },
    ['N'] = { "NONE", do_none },
    [0x85] = { "TUPLE1", do_tuple1 },
    [0x86] = { "TUPLE2", do_tuple2 },
    [0x87] = { "TUPLE3", do_tuple3 },
    ['t'] = { "TUPLE", do_tuple },
    ['s'] = { "SETITEM", do_setitem },
    ['u'] = { "SETITEMS", do_setitems },
    ['a'] = { "APPEND", do_append },
    ['e'] = { "APPENDS", do_appends },
    ['.'] = { "STOP", do_stop },
    [0x8a] = { "LONG1", do_long1 },
    ['T'] = { "BINSTRING", do_binstring, true },
    ['U'] = { "SHORT_BINSTRING", do_short_binstring, true },
    [0x81] = { "NEWOBJ", mcvdi_unpickle_new_object, true },
    /* Known to pickles in general, never in these files. */
    ['0'] = { "POP", NULL },
    ['1'] = { "POP_MARK", NULL },
    ['2'] = { "DUP", NULL },
    ['F'] = { "FLOAT", NULL },
    ['I'] = { "INT", NULL },
    ['L'] = { "LONG", NULL },
    ['P'] = { "PERSID", NULL },
    ['S'] = { "STRING", NULL },
    ['V'] = { "UNICODE", NULL },
    ['d'] = { "DICT", NULL },
    ['l'] = { "LIST", NULL },
    ['i'] = { "INST", NULL },
    ['o'] = { "OBJ", NULL },
    ['g'] = { "GET", NULL },
    ['p'] = { "PUT", NULL },
    ['B'] = { "BINBYTES", NULL },
    ['C'] = { "SHORT_BINBYTES", NULL },
    [0x82] = { "EXT1", NULL },
    [0x83] = { "EXT2", NULL },
    [0x84] = { "EXT4", NULL },
    [0x8b] = { "LONG4", NULL },
    [0x8c] = { "SHORT_BINUNICODE", NULL },
    [0x8d] = { "BINUNICODE8", NULL },
    [0x8e] = { "BINBYTES8", NULL },
    [0x8f] = { "EMPTY_SET", NULL },
    [0x90] = { "ADDITEMS", NULL },
    [0x91] = { "FROZENSET", NULL },
    [0x92] = { "NEWOBJ_EX", NULL },
    [0x93] = { "STACK_GLOBAL", NULL },
    [0x94] = { "MEMOIZE", NULL },
    [0x95] = { "FRAME", NULL },
    [0x96] = { "BYTEARRAY8", NULL },
    [0x97] = { "NEXT_BUFFER", NULL },
    [0x98] = { "READONLY_BUFFER", NULL },
};

static mcvd_status run_machine(unpickler *u)
{
    mcvd_status st = MCVD_OK;

    if (!u->num_bytes || u->bytes[0] != PROTO)
        return mcvdi_unpickle_fail(u, "expected a pickle of protocol %d", PROTOCOL);
    while (st >= 0 && !u->stopped) {
        const unsigned char *byte = NULL;
        u->opcode_at = u->at;
        st = take(u, 1, &byte);
        if (st < 0)
            break;
        const opcode *op = &opcodes[*byte];
        const bool allowed = op->run && (!op->weights || u->rules.weights);
        st = allowed ? op->run(u)
                     : mcvdi_unpickle_fail(u, "opcode 0x%02x (%s) is not allowed", *byte,
                                           op->name ? op->name : "unknown");
    }
    return st;
}

mcvd_status mcvdi_pickle_parse(mcvdi_pickle **out, const void *bytes, size_t num_bytes,
                               const char *origin)
{
    const mcvdi_pickle_rules strict = { 0 };

    return mcvdi_pickle_parse_by(out, bytes, num_bytes, origin, &strict, NULL);
}

mcvd_status mcvdi_pickle_parse_by(mcvdi_pickle **out, const void *bytes, size_t num_bytes,
                                  const char *origin, const mcvdi_pickle_rules *rules, size_t *used)
{
    unpickler u = { .origin = origin, .bytes = bytes, .num_bytes = num_bytes, .rules = *rules };
    mcvd_status st = MCVD_OK;

    *out = NULL;
    if (num_bytes > MCVDI_PICKLE_MAX_BYTES)
        return mcvdi_fail(MCVD_E_MODEL, "%s: a pickle of %zu bytes, up to %d are allowed", origin,
                          num_bytes, MCVDI_PICKLE_MAX_BYTES);
    u.result = mcvdi_calloc(1, sizeof *u.result);
    st = u.result ? run_machine(&u) : no_memory(&u);
    mcvdi_free(u.stack);
    mcvdi_free(u.memo);
    if (st < 0)
        mcvdi_pickle_free(&u.result);
    if (used)
        *used = u.at;
    *out = u.result;
    return st;
}

void mcvdi_pickle_free(mcvdi_pickle **pickle)
{
    mcvdi_pickle *p = *pickle;

    if (!p)
        return;
    for (uint32_t i = 0; i < p->num_values; i++) {
        const mcvdi_pickle_kind kind = p->values[i].kind;
        if (kind == MCVDI_PICKLE_TUPLE || kind == MCVDI_PICKLE_LIST || kind == MCVDI_PICKLE_DICT ||
            kind == MCVDI_PICKLE_OBJECT)
            mcvdi_free(p->values[i].as.items);
    }
    mcvdi_free(p->values);
    mcvdi_free(p->tensors);
    mcvdi_free(p->storages);
    mcvdi_free(p);
    *pickle = NULL;
}

/* --- accessors --- */

const mcvdi_pickle_value *mcvdi_pickle_root(const mcvdi_pickle *pickle)
{
    return &pickle->values[pickle->root];
}

const mcvdi_pickle_value *mcvdi_pickle_item(const mcvdi_pickle *pickle, const value *container,
                                            size_t i)
{
    return &pickle->values[container->as.items[i]];
}

const mcvdi_pickle_tensor *mcvdi_pickle_get_tensor(const mcvdi_pickle *pickle, const value *tensor)
{
    return &pickle->tensors[tensor->as.place];
}

size_t mcvdi_pickle_num_storages(const mcvdi_pickle *pickle)
{
    return pickle->num_storages;
}

const mcvdi_pickle_storage *mcvdi_pickle_get_storage(const mcvdi_pickle *pickle, size_t i)
{
    return &pickle->storages[i];
}

const char *mcvdi_pickle_kind_word(mcvdi_pickle_kind kind)
{
    static const char *const words[] = {
        [MCVDI_PICKLE_NONE] = "nothing",    [MCVDI_PICKLE_BOOL] = "a truth value",
        [MCVDI_PICKLE_INT] = "an integer",  [MCVDI_PICKLE_REAL] = "a number",
        [MCVDI_PICKLE_TEXT] = "a text",     [MCVDI_PICKLE_TUPLE] = "a tuple",
        [MCVDI_PICKLE_LIST] = "a list",     [MCVDI_PICKLE_DICT] = "a dictionary",
        [MCVDI_PICKLE_GLOBAL] = "a global", [MCVDI_PICKLE_STORAGE] = "a storage",
        [MCVDI_PICKLE_TENSOR] = "a tensor", [MCVDI_PICKLE_OBJECT] = "an object",
    };

    return words[kind];
}
