/*
 * Option tables: one row per option. The JSON reader, --set section.key=value, --help, the dump
 * and the metadata of models all read the same row.
 */
#ifndef MCVDI_OPTIONS_H
#define MCVDI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include <cjson/cJSON.h>

#include "core/status.h"

typedef enum mcvdi_option_type {
    MCVDI_OPT_BOOL,     /* bool */
    MCVDI_OPT_INT,      /* int64_t, integer in [min, max] */
    MCVDI_OPT_REAL,     /* double, finite, in [min, max] */
    MCVDI_OPT_TEXT,     /* char[MCVD_CONFIG_TEXT] */
    MCVDI_OPT_CHOICE,   /* char[MCVD_CONFIG_TEXT], one of choices ("a|b|c") */
    MCVDI_OPT_INT_LIST, /* mcvd_int_list, every element in [min, max] */
    MCVDI_OPT_IGNORED   /* a key of the authors' files without effect here: one INFO line, or a
                         * WARNING when its value is not the fallback; kept out of the dump */
} mcvdi_option_type;

typedef struct mcvdi_option {
    const char *section; /* "model" */
    const char *name;    /* "ngf"; "*" in an ignored row stands for the whole section */
    mcvdi_option_type type;
    const char *fallback; /* default as text, parsed like a command-line value */
    double min;           /* of numbers and list elements */
    double max;
    const char *choices; /* "a|b|c"; "|a" allows the empty text too */
    const char *help;
    size_t offset; /* into the struct */
} mcvdi_option;

typedef struct mcvdi_option_table {
    const mcvdi_option *rows;
    size_t num_rows;
} mcvdi_option_table;

/* Parse every fallback into object. */
mcvd_status mcvdi_options_defaults(const mcvdi_option_table *table, void *object);

/* One "section.key=value". Unknown key: MCVD_E_CONFIG naming the nearest known one. */
mcvd_status mcvdi_options_set(const mcvdi_option_table *table, void *object,
                              const char *assignment);

/* All keys of a two-level JSON object; origin names the file in messages. Integers are refused from
 * 2^53 on. Two remarks may stand beside the sections and are skipped: the texts "name" and "about".
 * A failure leaves the keys before it set: read into a copy. */
mcvd_status mcvdi_options_read(const mcvdi_option_table *table, void *object, const cJSON *json,
                               const char *origin);

/* Remove the unknown keys of known sections, each with a warning that names the nearest known one:
 * for files of programs that came before or after the one whose keys the table has. */
void mcvdi_options_drop_unknown(const mcvdi_option_table *table, cJSON *json, const char *origin);

/* A new two-level JSON object with every effective key in table order; NULL out of memory.
 * For printing: numbers are raw items, the shortest text that reads back as the same value. */
cJSON *mcvdi_options_dump(const mcvdi_option_table *table, const void *object);

#endif
