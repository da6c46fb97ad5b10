#include "core/options.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mcvd/config.h>

#include "core/log.h"
#include "core/real_text.h"

/* JSON numbers are doubles: from 2^53 on, neighbours would be taken for each other. */
#define MAX_EXACT_INT ((INT64_C(1) << 53) - 1)

enum { MAX_KEY = 96 };

/* ---- fields ------------------------------------------------------------------------------- */

static void *field_of(const mcvdi_option *row, void *object)
{
    return (char *)object + row->offset;
}

static const void *const_field_of(const mcvdi_option *row, const void *object)
{
    return (const char *)object + row->offset;
}

static mcvd_status fail_type(const mcvdi_option *row, const char *expected, const char *found)
{
    return mcvdi_fail(MCVD_E_CONFIG, "%s.%s: expected %s, found '%s'", row->section, row->name,
                      expected, found);
}

static mcvd_status check_range(const mcvdi_option *row, double value, const char *found)
{
    char low[32];
    char high[32];

    if (value >= row->min && value <= row->max)
        return MCVD_OK;
    mcvdi_real_to_text(low, sizeof low, row->min);
    mcvdi_real_to_text(high, sizeof high, row->max);
    return mcvdi_fail(MCVD_E_CONFIG, "%s.%s: %s is outside %s..%s", row->section, row->name, found,
                      low, high);
}

static mcvd_status store_int(const mcvdi_option *row, void *object, int64_t value)
{
    char found[32];

    snprintf(found, sizeof found, "%" PRId64, value);
    if (value > MAX_EXACT_INT || value < -MAX_EXACT_INT)
        return mcvdi_fail(MCVD_E_CONFIG, "%s.%s: %s is beyond 2^53, where numbers lose digits",
                          row->section, row->name, found);
    const mcvd_status st = check_range(row, (double)value, found);
    if (st >= 0)
        memcpy(field_of(row, object), &value, sizeof value);
    return st;
}

static mcvd_status store_real(const mcvdi_option *row, void *object, double value)
{
    char found[32];

    mcvdi_real_to_text(found, sizeof found, value);
    if (!isfinite(value))
        return fail_type(row, "a finite number", found);
    const mcvd_status st = check_range(row, value, found);
    if (st >= 0)
        memcpy(field_of(row, object), &value, sizeof value);
    return st;
}

static bool is_choice(const char *choices, const char *text)
{
    const size_t length = strlen(text);

    for (const char *c = choices;; c++) {
        const size_t word = strcspn(c, "|");
        if (word == length && memcmp(c, text, length) == 0)
            return true;
        c += word;
        if (!*c)
            return false;
    }
}

static mcvd_status store_text(const mcvdi_option *row, void *object, const char *text)
{
    const size_t length = strlen(text);

    if (row->type == MCVDI_OPT_CHOICE && !is_choice(row->choices, text))
        return mcvdi_fail(MCVD_E_CONFIG, "%s.%s: expected one of %s, found '%s'", row->section,
                          row->name, row->choices, text);
    if (length >= MCVD_CONFIG_TEXT)
        return mcvdi_fail(MCVD_E_CONFIG, "%s.%s: a text of %zu bytes, at most %d are allowed",
                          row->section, row->name, length, MCVD_CONFIG_TEXT - 1);
    char *field = field_of(row, object);
    memset(field, 0, MCVD_CONFIG_TEXT); /* equal configurations are equal byte for byte */
    memcpy(field, text, length);
    return MCVD_OK;
}

static mcvd_status append_int(const mcvdi_option *row, mcvd_int_list *list, int64_t value)
{
    char found[32];

    snprintf(found, sizeof found, "%" PRId64, value);
    if (list->count >= MCVD_CONFIG_LIST)
        return mcvdi_fail(MCVD_E_CONFIG, "%s.%s: more than %d elements", row->section, row->name,
                          MCVD_CONFIG_LIST);
    const mcvd_status st = check_range(row, (double)value, found);
    if (st >= 0)
        list->values[list->count++] = (int)value;
    return st;
}

/* ---- values from text: defaults and the command line ---------------------------------------- */

static mcvd_status text_to_int(const mcvdi_option *row, int64_t *out, const char *text)
{
    char *end = NULL;

    errno = 0;
    const long long value = strtoll(text, &end, 10);
    if (end == text || *end)
        return fail_type(row, "an integer", text);
    if (errno == ERANGE)
        return mcvdi_fail(MCVD_E_CONFIG, "%s.%s: %s is beyond 2^53, where numbers lose digits",
                          row->section, row->name, text);
    *out = value;
    return MCVD_OK;
}

/* "1,2,2", "[1, 2, 2]", "[]" or nothing at all. */
static mcvd_status set_list(const mcvdi_option *row, void *object, const char *text)
{
    mcvd_int_list list = { 0 };
    char copy[MCVD_CONFIG_TEXT];
    size_t length = strlen(text);
    const bool bracketed = length >= 2 && text[0] == '[' && text[length - 1] == ']';

    if (bracketed) {
        text++;
        length -= 2;
    }
    if (length >= sizeof copy)
        return fail_type(row, "a list of integers", text);
    memcpy(copy, text, length);
    copy[length] = '\0';
    for (char *item = copy; length;) {
        char *comma = strchr(item, ',');
        int64_t value;
        if (comma)
            *comma = '\0';
        mcvd_status st = text_to_int(row, &value, item);
        if (st >= 0)
            st = append_int(row, &list, value);
        if (st < 0)
            return st;
        if (!comma)
            break;
        item = comma + 1;
    }
    memcpy(field_of(row, object), &list, sizeof list);
    return MCVD_OK;
}

static mcvd_status set_bool(const mcvdi_option *row, void *object, const char *text)
{
    const bool yes = strcmp(text, "true") == 0 || strcmp(text, "True") == 0;

    if (!yes && strcmp(text, "false") != 0 && strcmp(text, "False") != 0)
        return fail_type(row, "true or false", text);
    memcpy(field_of(row, object), &yes, sizeof yes);
    return MCVD_OK;
}

/* A key without effect whose value asks for one deserves more than a note. */
static bool asks_for_effect(const mcvdi_option *row, const char *value)
{
    return row->fallback && value && strcmp(row->fallback, value) != 0;
}

static mcvd_status set_value(const mcvdi_option *row, void *object, const char *text)
{
    int64_t integer;
    double real;
    mcvd_status st;

    switch (row->type) {
    case MCVDI_OPT_BOOL:
        return set_bool(row, object, text);
    case MCVDI_OPT_INT:
        st = text_to_int(row, &integer, text);
        return st < 0 ? st : store_int(row, object, integer);
    case MCVDI_OPT_REAL:
        if (!mcvdi_text_to_real(&real, text))
            return fail_type(row, "a number", text);
        return store_real(row, object, real);
    case MCVDI_OPT_TEXT:
    case MCVDI_OPT_CHOICE:
        return store_text(row, object, text);
    case MCVDI_OPT_INT_LIST:
        return set_list(row, object, text);
    case MCVDI_OPT_IGNORED:
        break;
    }
    return MCVD_OK;
}

mcvd_status mcvdi_options_defaults(const mcvdi_option_table *table, void *object)
{
    for (size_t i = 0; i < table->num_rows; i++) {
        const mcvdi_option *row = &table->rows[i];
        if (row->type == MCVDI_OPT_IGNORED)
            continue;
        const mcvd_status st = set_value(row, object, row->fallback);
        if (st < 0)
            return st;
    }
    return MCVD_OK;
}

/* ---- known and unknown keys ----------------------------------------------------------------- */

/* "*" in a row stands for every name of its section. */
static const mcvdi_option *find_row(const mcvdi_option_table *table, const char *section,
                                    const char *name)
{
    for (size_t i = 0; i < table->num_rows; i++) {
        const mcvdi_option *row = &table->rows[i];
        if (strcmp(row->section, section) == 0 &&
            (strcmp(row->name, name) == 0 || strcmp(row->name, "*") == 0))
            return row;
    }
    return NULL;
}

static bool is_section(const mcvdi_option_table *table, const char *name)
{
    for (size_t i = 0; i < table->num_rows; i++)
        if (strcmp(table->rows[i].section, name) == 0)
            return true;
    return false;
}

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Levenshtein distance of the first MAX_KEY characters. */
static size_t edit_distance(const char *a, const char *b)
{
    size_t row[MAX_KEY + 1];
    const size_t na = min_size(strlen(a), MAX_KEY);
    const size_t nb = min_size(strlen(b), MAX_KEY);

    for (size_t j = 0; j <= nb; j++)
        row[j] = j;
    for (size_t i = 1; i <= na; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= nb; j++) {
            const size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            row[j] = min_size(replaced, min_size(row[j], row[j - 1]) + 1);
        }
    }
    return row[nb];
}

typedef struct candidate {
    size_t distance;
    char key[MAX_KEY];
} candidate;

static void offer(candidate *best, size_t distance, const char *section, const char *name)
{
    if (distance >= best->distance)
        return;
    best->distance = distance;
    snprintf(best->key, sizeof best->key, "%s%s%s", section, *name ? "." : "", name);
}

/* A key without a dot is a section or a bare name. Of equally near keys one with effect wins. */
static candidate nearest_key(const mcvdi_option_table *table, const char *key)
{
    const bool bare = !strchr(key, '.');
    candidate best = { .distance = SIZE_MAX };

    for (size_t i = 0; i < table->num_rows; i++) {
        const mcvdi_option *row = &table->rows[i];
        const size_t malus = row->type == MCVDI_OPT_IGNORED;
        char full[MAX_KEY];
        snprintf(full, sizeof full, "%s.%s", row->section, row->name);
        if (bare)
            offer(&best, 2 * edit_distance(key, row->section) + malus, row->section, "");
        if (strcmp(row->name, "*") != 0)
            offer(&best, 2 * edit_distance(key, bare ? row->name : full) + malus, row->section,
                  row->name);
    }
    return best;
}

static mcvd_status fail_unknown(const mcvdi_option_table *table, const char *key)
{
    const candidate best = nearest_key(table, key);

    return mcvdi_fail(MCVD_E_CONFIG, "unknown key '%.*s', the nearest known key is '%s'", MAX_KEY,
                      key, best.key);
}

mcvd_status mcvdi_options_set(const mcvdi_option_table *table, void *object, const char *assignment)
{
    char key[MAX_KEY];
    const char *equals = strchr(assignment, '=');

    if (!equals)
        return mcvdi_fail(MCVD_E_CONFIG, "expected section.key=value, found '%s'", assignment);
    const size_t length = min_size((size_t)(equals - assignment), sizeof key - 1);
    memcpy(key, assignment, length);
    key[length] = '\0';

    char *name = strchr(key, '.');
    if (!name)
        return fail_unknown(table, key);
    *name = '\0';
    const mcvdi_option *row = find_row(table, key, name + 1);
    *name = '.';
    if (!row)
        return fail_unknown(table, key);
    if (row->type == MCVDI_OPT_IGNORED) {
        if (asks_for_effect(row, equals + 1))
            mcvdi_log(MCVD_LOG_WARNING, "%s = %s has no effect here", key, equals + 1);
        else
            mcvdi_log(MCVD_LOG_INFO, "%s has no effect here", key);
        return MCVD_OK;
    }
    return set_value(row, object, equals + 1);
}

/* ---- values from JSON ----------------------------------------------------------------------- */

/* A value for messages; texts of a file may hold anything, the terminal must not see it. */
static void describe(char *text, size_t bytes, const cJSON *json)
{
    if (cJSON_IsNumber(json))
        mcvdi_real_to_text(text, bytes, json->valuedouble);
    else if (cJSON_IsString(json))
        snprintf(text, bytes, "%s", json->valuestring);
    else
        snprintf(text, bytes, "%s",
                 cJSON_IsBool(json)    ? cJSON_IsTrue(json) ? "true" : "false"
                 : cJSON_IsNull(json)  ? "null"
                 : cJSON_IsArray(json) ? "a list"
                                       : "an object");
    for (char *c = text; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
}

static mcvd_status json_to_int(const mcvdi_option *row, int64_t *out, const cJSON *json)
{
    char found[MCVD_CONFIG_TEXT];

    describe(found, sizeof found, json);
    if (!cJSON_IsNumber(json) || !isfinite(json->valuedouble) ||
        floor(json->valuedouble) != json->valuedouble)
        return fail_type(row, "an integer", found);
    if (fabs(json->valuedouble) > (double)MAX_EXACT_INT)
        return mcvdi_fail(MCVD_E_CONFIG, "%s.%s: %s is beyond 2^53, where numbers lose digits",
                          row->section, row->name, found);
    *out = (int64_t)json->valuedouble;
    return MCVD_OK;
}

static mcvd_status read_list(const mcvdi_option *row, void *object, const cJSON *json)
{
    mcvd_int_list list = { 0 };
    char found[MCVD_CONFIG_TEXT];

    if (!cJSON_IsArray(json)) {
        describe(found, sizeof found, json);
        return fail_type(row, "a list of integers", found);
    }
    for (const cJSON *item = json->child; item; item = item->next) {
        int64_t value;
        mcvd_status st = json_to_int(row, &value, item);
        if (st >= 0)
            st = append_int(row, &list, value);
        if (st < 0)
            return st;
    }
    memcpy(field_of(row, object), &list, sizeof list);
    return MCVD_OK;
}

static mcvd_status read_value(const mcvdi_option *row, void *object, const cJSON *json)
{
    char found[MCVD_CONFIG_TEXT];
    int64_t integer;
    mcvd_status st;

    describe(found, sizeof found, json);
    switch (row->type) {
    case MCVDI_OPT_BOOL:
        return cJSON_IsBool(json) ? set_bool(row, object, found)
                                  : fail_type(row, "true or false", found);
    case MCVDI_OPT_INT:
        st = json_to_int(row, &integer, json);
        return st < 0 ? st : store_int(row, object, integer);
    case MCVDI_OPT_REAL:
        return cJSON_IsNumber(json) ? store_real(row, object, json->valuedouble)
                                    : fail_type(row, "a number", found);
    case MCVDI_OPT_TEXT:
    case MCVDI_OPT_CHOICE:
        return cJSON_IsString(json) ? store_text(row, object, json->valuestring)
                                    : fail_type(row, "a text", found);
    case MCVDI_OPT_INT_LIST:
        return read_list(row, object, json);
    case MCVDI_OPT_IGNORED:
        break;
    }
    return MCVD_OK;
}

static mcvd_status fail_unknown_key(const mcvdi_option_table *table, const char *section,
                                    const char *name)
{
    char key[2 * MAX_KEY];

    snprintf(key, sizeof key, "%.*s.%.*s", MAX_KEY - 1, section, MAX_KEY - 1, name);
    return fail_unknown(table, key);
}

static mcvd_status read_key(const mcvdi_option_table *table, void *object, const char *section,
                            const cJSON *json)
{
    const mcvdi_option *row = find_row(table, section, json->string);

    if (!row)
        return fail_unknown_key(table, section, json->string);
    return row->type == MCVDI_OPT_IGNORED ? MCVD_OK : read_value(row, object, json);
}

/* Top-level texts about the file, for its readers. */
static bool is_remark(const cJSON *json)
{
    return cJSON_IsString(json) &&
           (strcmp(json->string, "name") == 0 || strcmp(json->string, "about") == 0);
}

/* A section whose keys are all without effect. */
static bool is_ignored_section(const mcvdi_option_table *table, const char *section)
{
    const mcvdi_option *all = find_row(table, section, "*");
    return all && all->type == MCVDI_OPT_IGNORED;
}

static mcvd_status read_section(const mcvdi_option_table *table, void *object, const cJSON *json)
{
    if (is_remark(json))
        return MCVD_OK;
    if (!is_section(table, json->string))
        return fail_unknown(table, json->string);
    if (is_ignored_section(table, json->string))
        return MCVD_OK;
    if (!cJSON_IsObject(json))
        return mcvdi_fail(MCVD_E_CONFIG, "%s: expected an object with the keys of this section",
                          json->string);
    for (const cJSON *item = json->child; item; item = item->next) {
        const mcvd_status st = read_key(table, object, json->string, item);
        if (st < 0)
            return st;
    }
    return MCVD_OK;
}

/* The keys of one file that do nothing, as one line. */
typedef struct ignored_keys {
    char text[900]; /* the authors' files need 780 */
    size_t length;
} ignored_keys;

static void add_ignored(ignored_keys *keys, const char *section, const char *name)
{
    const size_t room = sizeof keys->text - keys->length;
    const int n =
        snprintf(keys->text + keys->length, room, "%s%.*s%s%.*s", keys->length ? ", " : "",
                 MAX_KEY - 1, section, name ? "." : "", MAX_KEY - 1, name ? name : "");

    if (n > 0)
        keys->length = (size_t)n < room ? keys->length + (size_t)n : sizeof keys->text - 1;
}

static void note_section(const mcvdi_option_table *table, const cJSON *section, const char *origin,
                         ignored_keys *keys)
{
    char value[MCVD_CONFIG_TEXT];

    for (const cJSON *item = section->child; item; item = item->next) {
        const mcvdi_option *row = find_row(table, section->string, item->string);
        if (!row || row->type != MCVDI_OPT_IGNORED)
            continue;
        describe(value, sizeof value, item);
        if (asks_for_effect(row, value))
            mcvdi_log(MCVD_LOG_WARNING, "%s: %s.%s = %s has no effect here", origin,
                      section->string, item->string, value);
        else
            add_ignored(keys, section->string, item->string);
    }
}

/* After a file was read without error: what it says in vain. */
static void note_ignored(const mcvdi_option_table *table, const cJSON *json, const char *origin)
{
    ignored_keys keys = { .length = 0 };

    for (const cJSON *section = json->child; section; section = section->next) {
        if (is_ignored_section(table, section->string))
            add_ignored(&keys, section->string, NULL);
        else
            note_section(table, section, origin, &keys);
    }
    if (keys.length)
        mcvdi_log(MCVD_LOG_INFO, "%s: without effect here: %s", origin, keys.text);
}

void mcvdi_options_drop_unknown(const mcvdi_option_table *table, cJSON *json, const char *origin)
{
    if (!cJSON_IsObject(json))
        return;
    for (const cJSON *section = json->child; section; section = section->next) {
        cJSON *next = NULL;
        if (!is_section(table, section->string) || !cJSON_IsObject(section))
            continue;
        for (cJSON *item = section->child; item; item = next) {
            next = item->next;
            if (find_row(table, section->string, item->string))
                continue;
            (void)fail_unknown_key(table, section->string, item->string);
            mcvdi_log(MCVD_LOG_WARNING, "%s: %s; it is left out", origin, mcvd_last_error());
            cJSON_Delete(cJSON_DetachItemViaPointer((cJSON *)section, item));
        }
    }
}

mcvd_status mcvdi_options_read(const mcvdi_option_table *table, void *object, const cJSON *json,
                               const char *origin)
{
    if (!cJSON_IsObject(json))
        return mcvdi_fail(MCVD_E_CONFIG, "%s: expected an object with sections", origin);
    for (const cJSON *section = json->child; section; section = section->next) {
        const mcvd_status st = read_section(table, object, section);
        if (st < 0)
            return mcvdi_fail_context(st, "%s", origin);
    }
    note_ignored(table, json, origin);
    return MCVD_OK;
}

/* ---- values to JSON ---------------------------------------------------------------------------
 */

/* Numbers are raw text, since cJSON prints a double only to within its rounding error. */
static cJSON *value_to_json(const mcvdi_option *row, const void *object)
{
    const void *field = const_field_of(row, object);
    char text[40];
    int64_t integer;
    double real;
    bool yes;

    switch (row->type) {
    case MCVDI_OPT_BOOL:
        memcpy(&yes, field, sizeof yes);
        return cJSON_CreateBool(yes);
    case MCVDI_OPT_INT:
        memcpy(&integer, field, sizeof integer);
        snprintf(text, sizeof text, "%" PRId64, integer);
        return cJSON_CreateRaw(text);
    case MCVDI_OPT_REAL:
        memcpy(&real, field, sizeof real);
        mcvdi_real_to_text(text, sizeof text, real);
        return cJSON_CreateRaw(text);
    case MCVDI_OPT_TEXT:
    case MCVDI_OPT_CHOICE:
        return cJSON_CreateString(field);
    case MCVDI_OPT_INT_LIST:
        return cJSON_CreateIntArray(((const mcvd_int_list *)field)->values,
                                    ((const mcvd_int_list *)field)->count);
    case MCVDI_OPT_IGNORED:
        break;
    }
    return NULL;
}

static bool add_value(cJSON *root, const mcvdi_option *row, const void *object)
{
    cJSON *section = cJSON_GetObjectItemCaseSensitive(root, row->section);

    if (!section)
        section = cJSON_AddObjectToObject(root, row->section);
    if (!section)
        return false;
    cJSON *value = value_to_json(row, object);
    if (value && cJSON_AddItemToObject(section, row->name, value))
        return true;
    cJSON_Delete(value);
    return false;
}

cJSON *mcvdi_options_dump(const mcvdi_option_table *table, const void *object)
{
    cJSON *root = cJSON_CreateObject();

    for (size_t i = 0; root && i < table->num_rows; i++) {
        const mcvdi_option *row = &table->rows[i];
        if (row->type != MCVDI_OPT_IGNORED && !add_value(root, row, object)) {
            cJSON_Delete(root);
            root = NULL;
        }
    }
    return root;
}
