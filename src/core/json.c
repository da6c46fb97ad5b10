#include "core/json.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/fileio.h"

/*
 * cJSON builds the tree, a strict scanner of ours goes first: it knows line and column, refuses
 * what cJSON lets pass (raw control characters, numbers like 01, text cut off by \u0000), and caps
 * depth and number of values, since a tree takes some 30 times the bytes of its text.
 *
 * cJSON keeps its own malloc: cJSON_InitHooks is one setting for the whole process, and a program
 * that embeds this library may hold trees of its own. Trees are therefore outside our counters;
 * none lives in a hot loop.
 */
enum {
    MAX_DEPTH = 64,
    MAX_VALUES = 1000000,
    MAX_NUMBER_CHARS = 63, /* what cJSON converts */
    MAX_FILE_BYTES = 16 << 20
};

typedef struct scanner {
    const char *text;
    size_t bytes;
    size_t at;
    int depth;
    size_t num_values;
    const char *origin;
} scanner;

static mcvd_status scan_value(scanner *s);

static int peek(const scanner *s)
{
    return s->at < s->bytes ? (unsigned char)s->text[s->at] : -1;
}

static mcvd_status fail_at(const scanner *s, const char *expected)
{
    size_t line = 1;
    size_t column = 1;
    char found[16] = "the end";
    const int c = peek(s);

    for (size_t i = 0; i < s->at; i++) {
        column = s->text[i] == '\n' ? 1 : column + 1;
        line += s->text[i] == '\n';
    }
    if (c > 0x20 && c < 0x7f)
        snprintf(found, sizeof found, "'%c'", c);
    else if (c >= 0)
        snprintf(found, sizeof found, "byte 0x%02x", (unsigned)c);
    return mcvdi_fail(MCVD_E_FORMAT, "%s: line %zu, column %zu: expected %s, found %s", s->origin,
                      line, column, expected, found);
}

static void skip_space(scanner *s)
{
    int c = peek(s);

    while (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
        s->at++;
        c = peek(s);
    }
}

static mcvd_status scan_word(scanner *s, const char *word)
{
    for (; *word; word++, s->at++)
        if (peek(s) != *word)
            return fail_at(s, "a value (true, false or null)");
    return MCVD_OK;
}

static bool scan_digits(scanner *s)
{
    const size_t start = s->at;

    while (peek(s) >= '0' && peek(s) <= '9')
        s->at++;
    return s->at > start;
}

static mcvd_status scan_number(scanner *s)
{
    const size_t start = s->at;

    if (peek(s) == '-')
        s->at++;
    if (peek(s) == '0')
        s->at++;
    else if (!scan_digits(s))
        return fail_at(s, "a digit");
    if (peek(s) == '.') {
        s->at++;
        if (!scan_digits(s))
            return fail_at(s, "a digit");
    }
    if (peek(s) == 'e' || peek(s) == 'E') {
        s->at++;
        if (peek(s) == '+' || peek(s) == '-')
            s->at++;
        if (!scan_digits(s))
            return fail_at(s, "a digit");
    }
    if (s->at - start > MAX_NUMBER_CHARS) {
        s->at = start;
        return fail_at(s, "a number of at most 63 characters");
    }
    return MCVD_OK;
}

static mcvd_status scan_hex4(scanner *s, unsigned *code)
{
    *code = 0;
    for (int i = 0; i < 4; i++, s->at++) {
        const int c = peek(s);
        if (c < 0 || !isxdigit(c))
            return fail_at(s, "four hexadecimal digits");
        const int digit = c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
        *code = *code * 16 + (unsigned)digit;
    }
    return MCVD_OK;
}

/* After "\u". A NUL would cut the C string short; half a surrogate pair is no character. */
static mcvd_status scan_unicode(scanner *s)
{
    const size_t start = s->at;
    unsigned code;
    unsigned low;
    mcvd_status st = scan_hex4(s, &code);

    if (st < 0)
        return st;
    if (code == 0 || (code >= 0xDC00 && code <= 0xDFFF)) {
        s->at = start;
        return fail_at(s, "the code of a character");
    }
    if (code < 0xD800 || code > 0xDBFF)
        return MCVD_OK;
    for (const char *c = "\\u"; *c; c++, s->at++)
        if (peek(s) != *c)
            return fail_at(s, "the second half of a surrogate pair");
    st = scan_hex4(s, &low);
    if (st >= 0 && (low < 0xDC00 || low > 0xDFFF)) {
        s->at -= 4;
        st = fail_at(s, "the second half of a surrogate pair");
    }
    return st;
}

static mcvd_status scan_string(scanner *s)
{
    if (peek(s) != '"')
        return fail_at(s, "'\"'");
    s->at++;
    while (peek(s) != '"') {
        const int c = peek(s);
        if (c < 0x20)
            return fail_at(s, "the rest of a string");
        s->at++;
        if (c != '\\')
            continue;
        const int escape = peek(s);
        if (escape <= 0 || !strchr("\"\\/bfnrtu", escape))
            return fail_at(s, "an escape such as \\n");
        s->at++;
        if (escape == 'u') {
            const mcvd_status st = scan_unicode(s);
            if (st < 0)
                return st;
        }
    }
    s->at++;
    return MCVD_OK;
}

static mcvd_status scan_member(scanner *s)
{
    skip_space(s);
    const mcvd_status st = scan_string(s);
    if (st < 0)
        return st;
    skip_space(s);
    if (peek(s) != ':')
        return fail_at(s, "':'");
    s->at++;
    return scan_value(s);
}

/* An array or object, from its opening to its closing bracket. */
static mcvd_status scan_container(scanner *s, int closing)
{
    if (++s->depth > MAX_DEPTH)
        return fail_at(s, "at most 64 nested brackets");
    s->at++;
    skip_space(s);
    if (peek(s) != closing) {
        for (;;) {
            const mcvd_status st = closing == '}' ? scan_member(s) : scan_value(s);
            if (st < 0)
                return st;
            if (peek(s) != ',')
                break;
            s->at++;
        }
    }
    if (peek(s) != closing)
        return fail_at(s, closing == '}' ? "',' or '}'" : "',' or ']'");
    s->at++;
    s->depth--;
    return MCVD_OK;
}

/* A value with the white space around it. */
static mcvd_status scan_value(scanner *s)
{
    mcvd_status st;

    if (++s->num_values > MAX_VALUES)
        return fail_at(s, "at most 1000000 values");
    skip_space(s);
    switch (peek(s)) {
    case '{':
        st = scan_container(s, '}');
        break;
    case '[':
        st = scan_container(s, ']');
        break;
    case '"':
        st = scan_string(s);
        break;
    case 't':
        st = scan_word(s, "true");
        break;
    case 'f':
        st = scan_word(s, "false");
        break;
    case 'n':
        st = scan_word(s, "null");
        break;
    default:
        st = peek(s) == '-' || (peek(s) >= '0' && peek(s) <= '9') ? scan_number(s)
                                                                  : fail_at(s, "a value");
    }
    if (st >= 0)
        skip_space(s);
    return st;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Sorting keeps a hostile object with many keys cheap. */
static mcvd_status refuse_duplicates_in(const cJSON *object, const char *origin)
{
    const size_t count = (size_t)cJSON_GetArraySize(object);
    size_t n = 0;
    mcvd_status st = MCVD_OK;

    if (count < 2)
        return MCVD_OK;
    const char **names = mcvdi_calloc(count, sizeof *names);
    if (!names)
        return mcvdi_fail(MCVD_E_NOMEM, "%s: %zu keys", origin, count);
    for (const cJSON *item = object->child; item; item = item->next)
        names[n++] = item->string;
    qsort(names, count, sizeof *names, compare_names);
    for (size_t i = 1; i < count && st >= 0; i++)
        if (strcmp(names[i - 1], names[i]) == 0)
            st = mcvdi_fail(MCVD_E_FORMAT, "%s: key '%s%s%s' appears twice", origin,
                            object->string ? object->string : "", object->string ? "." : "",
                            names[i]);
    mcvdi_free(names);
    return st;
}

/* The scanner has capped the depth of the recursion. */
static mcvd_status refuse_duplicates(const cJSON *tree, const char *origin)
{
    mcvd_status st = cJSON_IsObject(tree) ? refuse_duplicates_in(tree, origin) : MCVD_OK;

    for (const cJSON *item = tree->child; item && st >= 0; item = item->next)
        if (item->child)
            st = refuse_duplicates(item, origin);
    return st;
}

mcvd_status mcvdi_json_parse(cJSON **out, const char *text, size_t bytes, const char *origin)
{
    static const char byte_order_mark[] = "\xEF\xBB\xBF";
    scanner s = { .text = text, .bytes = bytes, .origin = origin };

    *out = NULL;
    if (bytes >= 3 && memcmp(text, byte_order_mark, 3) == 0) {
        s.text += 3;
        s.bytes -= 3;
    }
    mcvd_status st = scan_value(&s);
    if (st >= 0 && s.at < s.bytes)
        st = fail_at(&s, "the end of the text");
    if (st < 0)
        return st;
    cJSON *tree = cJSON_ParseWithLength(s.text, s.bytes);
    if (!tree) /* the text is sound, as the scanner found */
        return mcvdi_fail(MCVD_E_NOMEM, "%s: no memory for %zu values", origin, s.num_values);
    st = refuse_duplicates(tree, origin);
    if (st < 0) {
        cJSON_Delete(tree);
        return st;
    }
    *out = tree;
    return MCVD_OK;
}

mcvd_status mcvdi_json_read(cJSON **out, const char *path)
{
    char *text = NULL;
    size_t bytes = 0;

    *out = NULL;
    mcvd_status st = mcvdi_file_read(&text, &bytes, path, MAX_FILE_BYTES);
    if (st < 0)
        return st;
    st = mcvdi_json_parse(out, text, bytes, path);
    mcvdi_free(text);
    return st;
}
