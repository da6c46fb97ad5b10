#include "cli/parse.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/fail.h"

enum { MAX_WORD = 64, MAX_NAMES = 128, HELP_COLUMN = 26 };

typedef struct parser {
    const mcvdi_arg_table *table;
    void *object;
    int argc;
    char **argv;
    int next;              /* index into argv */
    size_t num_plain;      /* arguments without a flag seen so far */
    bool options_ended;    /* after "--" */
    bool given[MAX_NAMES]; /* by row */
} parser;

static bool is_option(const mcvdi_arg *arg)
{
    return arg->name[0] == '-';
}

/* ---- values -----------------------------------------------------------------------------------
 */

static mcvd_status fail_value(const parser *p, const mcvdi_arg *arg, const char *expected,
                              const char *found)
{
    return mcvdi_cli_fail(MCVD_E_USAGE, "%s: %s: expected %s, found '%s'", p->table->command,
                          arg->name, expected, found);
}

static void describe_range(char *text, size_t bytes, const mcvdi_arg *arg, const char *kind)
{
    if (arg->min < arg->max)
        snprintf(text, bytes, "%s in %.15g..%.15g", kind, arg->min, arg->max);
    else
        snprintf(text, bytes, "%s", kind);
}

static bool in_range(const mcvdi_arg *arg, double value)
{
    return arg->min >= arg->max || (value >= arg->min && value <= arg->max);
}

static mcvd_status store_int(const parser *p, const mcvdi_arg *arg, const char *text)
{
    char expected[96];
    char *end = NULL;

    errno = 0;
    const long long value = strtoll(text, &end, 10);
    describe_range(expected, sizeof expected, arg, "an integer");
    if (end == text || *end || errno || !in_range(arg, (double)value))
        return fail_value(p, arg, expected, text);
    const int64_t stored = value;
    memcpy((char *)p->object + arg->offset, &stored, sizeof stored);
    return MCVD_OK;
}

static mcvd_status store_real(const parser *p, const mcvdi_arg *arg, const char *text)
{
    char expected[96];
    char *end = NULL;
    const double value = strtod(text, &end); /* the program never leaves the C locale */

    describe_range(expected, sizeof expected, arg, "a number");
    if (end == text || *end || !isfinite(value) || !in_range(arg, value))
        return fail_value(p, arg, expected, text);
    memcpy((char *)p->object + arg->offset, &value, sizeof value);
    return MCVD_OK;
}

enum { MAX_CHOICES = 32, CHOICE_BYTES = 512 };

/* The words of a CHOICE, cut out of *text where they are one string. */
typedef struct choice_list {
    char text[CHOICE_BYTES];
    const char *words[MAX_CHOICES];
    size_t count;
} choice_list;

static void list_choices(choice_list *list, const mcvdi_arg *arg)
{
    list->count = 0;
    if (arg->choice_name) {
        while (list->count < MAX_CHOICES && arg->choice_name(list->count)) {
            list->words[list->count] = arg->choice_name(list->count);
            list->count++;
        }
        return;
    }
    snprintf(list->text, sizeof list->text, "%s", arg->choices);
    for (char *word = list->text; word && list->count < MAX_CHOICES;) {
        char *bar = strchr(word, '|');
        if (bar)
            *bar = '\0';
        list->words[list->count++] = word;
        word = bar ? bar + 1 : NULL;
    }
}

static mcvd_status fail_choice(const parser *p, const mcvdi_arg *arg, const choice_list *list,
                               const char *text)
{
    char expected[CHOICE_BYTES] = "";
    size_t used = 0;

    for (size_t i = 0; i < list->count && used < sizeof expected; i++)
        used += (size_t)snprintf(expected + used, sizeof expected - used, "%s%s", i ? "|" : "",
                                 list->words[i]);
    return mcvdi_cli_fail(MCVD_E_USAGE, "%s: %s: expected one of %s, found '%s', the nearest is %s",
                          p->table->command, arg->name, expected, text,
                          mcvdi_nearest_name(text, list->words, list->count));
}

static mcvd_status store_text(const parser *p, const mcvdi_arg *arg, const char *text)
{
    choice_list list = { .count = 0 };
    bool known = arg->type == MCVDI_ARG_TEXT;

    if (!known)
        list_choices(&list, arg);
    for (size_t i = 0; i < list.count; i++)
        known = known || strcmp(list.words[i], text) == 0;
    if (!known)
        return fail_choice(p, arg, &list, text);
    memcpy((char *)p->object + arg->offset, &text, sizeof text);
    return MCVD_OK;
}

static mcvd_status append_text(const parser *p, const mcvdi_arg *arg, const char *text)
{
    mcvdi_arg_list *list = (mcvdi_arg_list *)(void *)((char *)p->object + arg->offset);

    if (list->count >= MCVDI_ARG_LIST_MAX)
        return mcvdi_cli_fail(MCVD_E_USAGE, "%s: %s is given more than %d times", p->table->command,
                              arg->name, MCVDI_ARG_LIST_MAX);
    list->values[list->count++] = text;
    return MCVD_OK;
}

static mcvd_status store(const parser *p, const mcvdi_arg *arg, const char *text)
{
    const bool yes = true;

    switch (arg->type) {
    case MCVDI_ARG_FLAG:
        memcpy((char *)p->object + arg->offset, &yes, sizeof yes);
        return MCVD_OK;
    case MCVDI_ARG_INT:
        return store_int(p, arg, text);
    case MCVDI_ARG_REAL:
        return store_real(p, arg, text);
    case MCVDI_ARG_TEXT:
    case MCVDI_ARG_CHOICE:
        return store_text(p, arg, text);
    case MCVDI_ARG_LIST:
        return append_text(p, arg, text);
    }
    return MCVD_OK;
}

/* ---- names ------------------------------------------------------------------------------------
 */

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Levenshtein distance of the first MAX_WORD characters. The library has one for keys, but the
 * program sees public headers only. */
static size_t edit_distance(const char *a, const char *b)
{
    size_t row[MAX_WORD + 1];
    const size_t na = min_size(strlen(a), MAX_WORD);
    const size_t nb = min_size(strlen(b), MAX_WORD);

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

const char *mcvdi_nearest_name(const char *word, const char *const *names, size_t count)
{
    const char *nearest = NULL;
    size_t best = SIZE_MAX;

    for (size_t i = 0; i < count; i++) {
        const size_t distance = edit_distance(word, names[i]);
        if (distance < best) {
            best = distance;
            nearest = names[i];
        }
    }
    return nearest;
}

static mcvd_status fail_unknown(const parser *p, const char *word)
{
    const char *names[MAX_NAMES];
    size_t count = 0;

    for (size_t i = 0; i < p->table->num_args && count < MAX_NAMES - 1; i++)
        if (is_option(&p->table->args[i]))
            names[count++] = p->table->args[i].name;
    names[count++] = "--help";
    return mcvdi_cli_fail(MCVD_E_USAGE, "%s: unknown option '%s', the nearest is %s",
                          p->table->command, word, mcvdi_nearest_name(word, names, count));
}

/* The row of "--frames", "--frames=3" or "-n"; NULL when there is none. */
static const mcvdi_arg *find_option(const mcvdi_arg_table *table, const char *word)
{
    const size_t length = strcspn(word, "=");

    for (size_t i = 0; i < table->num_args; i++) {
        const mcvdi_arg *arg = &table->args[i];
        if (!is_option(arg))
            continue;
        if (strlen(arg->name) == length && memcmp(arg->name, word, length) == 0)
            return arg;
        if (arg->short_name && strcmp(arg->short_name, word) == 0)
            return arg;
    }
    return NULL;
}

/* ---- the command line -------------------------------------------------------------------------
 */

/* A following option is no value: `--out --force` has forgotten one. */
static mcvd_status take_option(parser *p, const mcvdi_arg *arg, const char *word)
{
    const char *equals = word[1] == '-' ? strchr(word, '=') : NULL;

    p->given[arg - p->table->args] = true;
    if (arg->type == MCVDI_ARG_FLAG) {
        if (equals)
            return mcvdi_cli_fail(MCVD_E_USAGE, "%s: %s takes no value, found '%s'",
                                  p->table->command, arg->name, equals + 1);
        return store(p, arg, NULL);
    }
    if (equals)
        return store(p, arg, equals + 1);
    if (p->next >= p->argc || strncmp(p->argv[p->next], "--", 2) == 0)
        return mcvdi_cli_fail(MCVD_E_USAGE, "%s: %s needs a value: expected %s, found %s",
                              p->table->command, arg->name, arg->value ? arg->value : "one",
                              p->next >= p->argc ? "the end" : p->argv[p->next]);
    return store(p, arg, p->argv[p->next++]);
}

static mcvd_status take_plain(parser *p, const char *word)
{
    size_t place = 0;

    for (size_t i = 0; i < p->table->num_args; i++) {
        const mcvdi_arg *arg = &p->table->args[i];
        if (is_option(arg))
            continue;
        if (place++ < p->num_plain && arg->type != MCVDI_ARG_LIST)
            continue;
        p->num_plain++;
        p->given[i] = true;
        return store(p, arg, word);
    }
    return mcvdi_cli_fail(MCVD_E_USAGE, "%s: unexpected argument '%s'", p->table->command, word);
}

static mcvd_status take_word(parser *p)
{
    const char *word = p->argv[p->next++];

    if (p->options_ended || word[0] != '-' || !word[1])
        return take_plain(p, word);
    if (strcmp(word, "--") == 0) {
        p->options_ended = true;
        return MCVD_OK;
    }
    const mcvdi_arg *arg = find_option(p->table, word);
    return arg ? take_option(p, arg, word) : fail_unknown(p, word);
}

static mcvd_status set_fallbacks(const parser *p)
{
    for (size_t i = 0; i < p->table->num_args; i++) {
        const mcvdi_arg *arg = &p->table->args[i];
        if (!arg->fallback)
            continue;
        const mcvd_status st = store(p, arg, arg->fallback);
        if (st < 0)
            return st;
    }
    return MCVD_OK;
}

static mcvd_status check_required(const parser *p)
{
    for (size_t i = 0; i < p->table->num_args; i++) {
        const mcvdi_arg *arg = &p->table->args[i];
        if (arg->required && !p->given[i])
            return mcvdi_cli_fail(MCVD_E_USAGE, "%s: %s is missing: %s", p->table->command,
                                  arg->name, arg->help);
    }
    return MCVD_OK;
}

/* ---- help -------------------------------------------------------------------------------------
 */

static void print_usage(const mcvdi_arg_table *table)
{
    bool has_options = false;

    printf("usage: mcvd %s", table->command);
    for (size_t i = 0; i < table->num_args; i++) {
        const mcvdi_arg *arg = &table->args[i];
        const char *dots = arg->type == MCVDI_ARG_LIST ? "..." : "";
        if (!is_option(arg))
            printf(arg->required ? " %s%s" : " [%s%s]", arg->name, dots);
        else if (arg->required)
            printf(" %s %s", arg->name, arg->value);
        else
            has_options = true;
    }
    printf("%s\n", has_options ? " [options]" : "");
}

static void print_choices(const mcvdi_arg *arg)
{
    char left[96];

    for (size_t i = 0; arg->choice_name(i); i++) {
        snprintf(left, sizeof left, "  %s", arg->choice_name(i));
        printf("  %-*s  %s\n", HELP_COLUMN, left, arg->choice_help(i));
    }
}

static void print_arg(const mcvdi_arg *arg)
{
    char left[96];

    snprintf(left, sizeof left, "%s%s%s%s%s", arg->short_name ? arg->short_name : "",
             arg->short_name ? ", " : "", arg->name, arg->value ? " " : "",
             arg->value ? arg->value : "");
    printf("  %-*s  %s", HELP_COLUMN, left, arg->help);
    if (arg->choices)
        printf(" (%s)", arg->choices);
    if (arg->type == MCVDI_ARG_LIST && is_option(arg))
        printf(" (may be repeated)");
    if (arg->fallback)
        printf(" [default %s]", arg->fallback);
    putchar('\n');
    if (arg->choice_name)
        print_choices(arg);
}

static void print_help(const mcvdi_arg_table *table)
{
    print_usage(table);
    printf("\n%s\n\n", table->about);
    for (size_t i = 0; i < table->num_args; i++)
        print_arg(&table->args[i]);
    printf("  %-*s  %s\n", HELP_COLUMN, "-h, --help", "print this");
    if (table->examples)
        printf("\nexamples:\n%s\n", table->examples);
}

static bool wants_help(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

mcvd_status mcvdi_args_parse(const mcvdi_arg_table *table, int argc, char **argv, void *object)
{
    parser p = { .table = table, .object = object, .argc = argc, .argv = argv, .next = 1 };

    if (table->num_args >= MAX_NAMES)
        return mcvdi_cli_fail(MCVD_E_USAGE, "%s: too many options in its table", table->command);
    if (wants_help(argc, argv)) {
        print_help(table);
        return MCVD_EOF;
    }
    mcvd_status st = set_fallbacks(&p);
    while (st >= 0 && p.next < argc)
        st = take_word(&p);
    if (st >= 0)
        st = check_required(&p);
    return st;
}
