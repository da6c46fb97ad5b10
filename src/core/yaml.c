#include "core/yaml.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <yaml.h>

#include "core/real_text.h"

/*
 * libyaml and cJSON keep their own malloc, as in json.c. The caps hold the tree small before it
 * grows: libyaml hands out one event after the other, and nothing is read ahead.
 */
enum {
    MAX_TEXT_BYTES = 1 << 20,
    MAX_DEPTH = 16,
    MAX_VALUES = 10000,
    MAX_KEY_BYTES = 127,
    MAX_NUMBER_CHARS = 63
};

typedef struct reader {
    yaml_parser_t parser;
    yaml_event_t event; /* the current one */
    const char *text;
    size_t bytes;
    const char *origin;
    int depth;
    int num_values;
} reader;

/* ---- events and refusals ----------------------------------------------------------------- */

static mcvd_status refuse(const reader *r, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* At the current event. */
static mcvd_status refuse(const reader *r, const char *format, ...)
{
    char what[256];
    va_list args;

    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    return mcvdi_fail(MCVD_E_CONFIG, "%s: line %zu, column %zu: %s", r->origin,
                      r->event.start_mark.line + 1, r->event.start_mark.column + 1, what);
}

static mcvd_status fail_memory(const reader *r)
{
    return mcvdi_fail(MCVD_E_NOMEM, "%s: no memory for %zu bytes of YAML", r->origin, r->bytes);
}

/* The line of a byte; libyaml has no mark for text that it cannot decode. */
static size_t line_of(const reader *r, size_t offset)
{
    size_t line = 1;

    for (size_t i = 0; i < offset && i < r->bytes; i++)
        line += r->text[i] == '\n';
    return line;
}

static mcvd_status fail_syntax(const reader *r)
{
    const yaml_parser_t *p = &r->parser;
    const char *problem = p->problem ? p->problem : "not YAML";

    if (p->error == YAML_MEMORY_ERROR)
        return fail_memory(r);
    if (p->error == YAML_READER_ERROR)
        return mcvdi_fail(MCVD_E_FORMAT, "%s: line %zu: %s", r->origin,
                          line_of(r, p->problem_offset), problem);
    return mcvdi_fail(MCVD_E_FORMAT, "%s: line %zu, column %zu: %s%s%s", r->origin,
                      p->problem_mark.line + 1, p->problem_mark.column + 1,
                      p->context ? p->context : "", p->context ? ", " : "", problem);
}

static mcvd_status next_event(reader *r)
{
    yaml_event_delete(&r->event);
    return yaml_parser_parse(&r->parser, &r->event) ? MCVD_OK : fail_syntax(r);
}

/* ---- plain scalars ------------------------------------------------------------------------- */

static bool is_one_of(const char *text, const char *const *words)
{
    for (; *words; words++)
        if (strcmp(text, *words) == 0)
            return true;
    return false;
}

static size_t count_digits(const char *text)
{
    return strspn(text, "0123456789_");
}

/* The rest of [0-9][0-9_]* ... : a fraction or an exponent, up to the end. */
static bool is_fraction(const char *text)
{
    const char *c = text + count_digits(text);
    const bool digits = c != text && *text != '_';
    const bool point = *c == '.';

    if (point) {
        const size_t decimals = count_digits(c + 1);
        if (!digits && (decimals == 0 || c != text || c[1] == '_'))
            return false;
        c += 1 + decimals;
    }
    if (!digits && !point)
        return false;
    if (*c == 'e' || *c == 'E') {
        c += c[1] == '+' || c[1] == '-' ? 2 : 1;
        const size_t exponent = strspn(c, "0123456789");
        return exponent > 0 && c[exponent] == '\0';
    }
    return point && *c == '\0';
}

/* The base of an integer without its sign; 0 when it is none. */
static int integer_base(const char *text)
{
    static const struct {
        const char *prefix;
        const char *digits;
        int base;
    } kinds[] = {
        { "0b", "01_", 2 },
        { "0x", "0123456789abcdefABCDEF_", 16 },
        { "0", "01234567_", 8 },
    };

    if (text[0] == '0' && text[1] == '\0')
        return 10;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        const size_t prefix = strlen(kinds[i].prefix);
        if (strncmp(text, kinds[i].prefix, prefix) == 0 && text[prefix] &&
            text[prefix + strspn(text + prefix, kinds[i].digits)] == '\0')
            return kinds[i].base;
    }
    return text[0] >= '1' && text[0] <= '9' && text[count_digits(text)] == '\0' ? 10 : 0;
}

/* Digits to base 2, 8 or 16; 0b and 0x are skipped. Beyond 2^53 the option tables refuse. */
static double integer_value(const char *text, int base)
{
    double value = 0.0;

    for (const char *c = base == 8 ? text : text + 2; *c; c++)
        value = value * base + (*c <= '9' ? *c - '0' : (*c | 0x20) - 'a' + 10);
    return value;
}

/* True when a plain text is a number. */
static bool resolve_number(double *value, const char *text)
{
    char digits[MAX_NUMBER_CHARS + 1];
    size_t n = 0;
    const bool negative = *text == '-';
    const char *body = text + (*text == '-' || *text == '+');
    const int base = integer_base(body);

    if ((!base && !is_fraction(body)) || strlen(body) > MAX_NUMBER_CHARS)
        return false;
    for (const char *c = body; *c; c++)
        if (*c != '_')
            digits[n++] = *c;
    digits[n] = '\0';
    if (base && base != 10)
        *value = integer_value(digits, base);
    else if (!mcvdi_text_to_real(value, digits))
        return false;
    if (negative)
        *value = -*value;
    return true;
}

/* 1:30 is 90 in YAML 1.1, and a surprise to everybody. */
static bool is_base_60(const char *text)
{
    const char *body = text + (*text == '-' || *text == '+');

    return isdigit((unsigned char)*body) && strchr(body, ':') &&
           body[strspn(body, "0123456789_:.")] == '\0';
}

static cJSON *resolve(const char *text)
{
    static const char *const yes[] = { "yes",  "Yes", "YES", "true", "True",
                                       "TRUE", "on",  "On",  "ON",   NULL };
    static const char *const no[] = { "no",    "No",  "NO",  "false", "False",
                                      "FALSE", "off", "Off", "OFF",   NULL };
    static const char *const null[] = { "", "~", "null", "Null", "NULL", NULL };
    double value;

    if (is_one_of(text, yes))
        return cJSON_CreateTrue();
    if (is_one_of(text, no))
        return cJSON_CreateFalse();
    if (is_one_of(text, null))
        return cJSON_CreateNull();
    return resolve_number(&value, text) ? cJSON_CreateNumber(value) : cJSON_CreateString(text);
}

/* ---- the tree ------------------------------------------------------------------------------ */

static mcvd_status read_value(reader *r, cJSON **out);

static mcvd_status check_properties(const reader *r, const yaml_char_t *anchor,
                                    const yaml_char_t *tag)
{
    if (anchor)
        return refuse(r, "anchor '&%.64s' is refused, write the value where it belongs",
                      (const char *)anchor);
    if (tag)
        return refuse(r, "tag '%.64s' is refused, a value's type follows from its text",
                      (const char *)tag);
    return MCVD_OK;
}

/* The current event is a scalar; its text is checked, so that it may serve as a C string. */
static mcvd_status check_scalar(const reader *r)
{
    const char *text = (const char *)r->event.data.scalar.value;

    if (strlen(text) != r->event.data.scalar.length)
        return refuse(r, "a text with a NUL character");
    return check_properties(r, r->event.data.scalar.anchor, r->event.data.scalar.tag);
}

static mcvd_status read_scalar(reader *r, cJSON **out)
{
    const char *text = (const char *)r->event.data.scalar.value;
    const bool plain = r->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    const mcvd_status st = check_scalar(r);

    if (st < 0)
        return st;
    if (plain && is_base_60(text))
        return refuse(
            r, "%.64s is a number to base 60 in YAML 1.1: write it in decimal, or quote it", text);
    *out = plain ? resolve(text) : cJSON_CreateString(text);
    return *out ? MCVD_OK : fail_memory(r);
}

static mcvd_status read_items(reader *r, cJSON *list)
{
    for (;;) {
        cJSON *item = NULL;
        mcvd_status st = next_event(r);
        if (st < 0 || r->event.type == YAML_SEQUENCE_END_EVENT)
            return st;
        st = read_value(r, &item);
        if (st < 0)
            return st;
        cJSON_AddItemToArray(list, item);
    }
}

/* The current event starts a key. */
static mcvd_status check_key(const reader *r, const cJSON *object)
{
    const char *name = (const char *)r->event.data.scalar.value;

    if (r->event.type == YAML_ALIAS_EVENT)
        return refuse(r, "alias '*%.64s' is refused, write the key itself",
                      (const char *)r->event.data.alias.anchor);
    if (r->event.type != YAML_SCALAR_EVENT)
        return refuse(r, "a list or mapping as a key, expected a name");
    const mcvd_status st = check_scalar(r);
    if (st < 0)
        return st;
    if (strcmp(name, "<<") == 0)
        return refuse(r, "merge key '<<' is refused, write the keys where they belong");
    if (r->event.data.scalar.length > MAX_KEY_BYTES)
        return refuse(r, "a key of more than %d bytes", MAX_KEY_BYTES);
    if (cJSON_GetObjectItemCaseSensitive(object, name))
        return refuse(r, "key '%.64s' appears twice", name);
    return MCVD_OK;
}

static mcvd_status read_members(reader *r, cJSON *object)
{
    for (;;) {
        char name[MAX_KEY_BYTES + 1];
        cJSON *value = NULL;
        mcvd_status st = next_event(r);
        if (st < 0 || r->event.type == YAML_MAPPING_END_EVENT)
            return st;
        st = check_key(r, object);
        if (st < 0)
            return st;
        snprintf(name, sizeof name, "%s", (const char *)r->event.data.scalar.value);
        st = next_event(r);
        if (st >= 0)
            st = read_value(r, &value);
        if (st < 0)
            return st;
        if (!cJSON_AddItemToObject(object, name, value)) {
            cJSON_Delete(value);
            return fail_memory(r);
        }
    }
}

/* A list or mapping, from its start event to its end event. */
static mcvd_status read_collection(reader *r, cJSON **out, bool is_list)
{
    const yaml_event_t *e = &r->event;
    mcvd_status st =
        is_list ? check_properties(r, e->data.sequence_start.anchor, e->data.sequence_start.tag)
                : check_properties(r, e->data.mapping_start.anchor, e->data.mapping_start.tag);

    if (st < 0)
        return st;
    if (r->depth == MAX_DEPTH)
        return refuse(r, "more than %d levels", MAX_DEPTH);
    cJSON *tree = is_list ? cJSON_CreateArray() : cJSON_CreateObject();
    if (!tree)
        return fail_memory(r);
    r->depth++;
    st = is_list ? read_items(r, tree) : read_members(r, tree);
    r->depth--;
    if (st < 0) {
        cJSON_Delete(tree);
        return st;
    }
    *out = tree;
    return MCVD_OK;
}

/* The value that starts at the current event; *out stays NULL on failure. */
static mcvd_status read_value(reader *r, cJSON **out)
{
    if (++r->num_values > MAX_VALUES)
        return refuse(r, "more than %d values", MAX_VALUES);
    switch (r->event.type) {
    case YAML_SCALAR_EVENT:
        return read_scalar(r, out);
    case YAML_SEQUENCE_START_EVENT:
        return read_collection(r, out, true);
    case YAML_MAPPING_START_EVENT:
        return read_collection(r, out, false);
    case YAML_ALIAS_EVENT:
        return refuse(r, "alias '*%.64s' is refused, write the value where it belongs",
                      (const char *)r->event.data.alias.anchor);
    default:
        return refuse(r, "expected a value");
    }
}

/* From the start of the stream to its end. */
static mcvd_status read_document(reader *r, cJSON **out)
{
    mcvd_status st = next_event(r); /* start of the stream */

    if (st >= 0)
        st = next_event(r);
    if (st < 0)
        return st;
    if (r->event.type == YAML_STREAM_END_EVENT) {
        *out = cJSON_CreateNull();
        return *out ? MCVD_OK : fail_memory(r);
    }
    st = next_event(r); /* the document has started */
    if (st >= 0)
        st = read_value(r, out);
    if (st >= 0)
        st = next_event(r); /* its end */
    if (st >= 0)
        st = next_event(r);
    if (st >= 0 && r->event.type != YAML_STREAM_END_EVENT)
        st = refuse(r, "a second document, expected the end of the text");
    return st;
}

mcvd_status mcvdi_yaml_parse(cJSON **out, const char *text, size_t bytes, const char *origin)
{
    static const char byte_order_mark[] = "\xEF\xBB\xBF";
    const size_t skipped = bytes >= 3 && memcmp(text, byte_order_mark, 3) == 0 ? 3 : 0;
    reader r = { .text = text, .bytes = bytes, .origin = origin };
    cJSON *tree = NULL;

    *out = NULL;
    if (bytes > MAX_TEXT_BYTES)
        return mcvdi_fail(MCVD_E_CONFIG, "%s: %zu bytes of YAML, at most %d are read", origin,
                          bytes, MAX_TEXT_BYTES);
    if (!yaml_parser_initialize(&r.parser))
        return fail_memory(&r);
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text + skipped, bytes - skipped);
    const mcvd_status st = read_document(&r, &tree);
    yaml_event_delete(&r.event);
    yaml_parser_delete(&r.parser);
    if (st < 0) {
        cJSON_Delete(tree);
        return st;
    }
    *out = tree;
    return MCVD_OK;
}
