/*
 * Command lines from tables: one row per option or argument. The parser, the error messages and
 * `mcvd help COMMAND` read the same row.
 */
#ifndef MCVDI_CLI_PARSE_H
#define MCVDI_CLI_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mcvd/status.h>

/* How often --set may be given, and how many files a command may take. */
enum { MCVDI_ARG_LIST_MAX = 256 };

typedef struct mcvdi_arg_list {
    int count;
    const char *values[MCVDI_ARG_LIST_MAX];
} mcvdi_arg_list;

typedef enum mcvdi_arg_type {
    MCVDI_ARG_FLAG,   /* bool, takes no value */
    MCVDI_ARG_INT,    /* int64_t in [min, max] */
    MCVDI_ARG_REAL,   /* double, finite, in [min, max] */
    MCVDI_ARG_TEXT,   /* const char * into argv */
    MCVDI_ARG_CHOICE, /* const char *, one of choices ("a|b|c") or of a list */
    MCVDI_ARG_LIST    /* mcvdi_arg_list: may be repeated */
} mcvdi_arg_type;

typedef struct mcvdi_arg {
    const char *name;       /* "--frames", or "INPUT" for an argument without a flag */
    const char *short_name; /* "-o", or NULL */
    mcvdi_arg_type type;
    const char *value; /* word for the value in the help: "N", "FILE"; NULL for INPUT and flags */
    double min;
    double max;
    const char *choices;
    const char *(*choice_name)(size_t i); /* instead of choices: NULL past the last, */
    const char *(*choice_help)(size_t i); /* and a line for each in the help */
    bool required;
    const char *fallback; /* default, parsed like a given value; NULL leaves the field alone, and
                           * the caller can set a value that means "not given" before */
    const char *help;
    size_t offset; /* into the struct */
} mcvdi_arg;

/* Rows that several commands have; the field of `args_type` is named after the option. */
#define MCVDI_ARG_MODEL(args_type)                                                               \
    {                                                                                            \
        .name = "--model", .type = MCVDI_ARG_TEXT, .value = "FILE",                              \
        .help =                                                                                  \
            "model file, checkpoint or run folder; default: $MCVD_MODEL, or the one that ships " \
            "with the program",                                                                  \
        .offset = offsetof(args_type, model)                                                     \
    }
#define MCVDI_ARG_CONFIG(args_type)                                                           \
    {                                                                                         \
        .name = "--config", .type = MCVDI_ARG_TEXT, .value = "FILE",                          \
        .help = "configuration in JSON, for bare weights; default: the one inside the model", \
        .offset = offsetof(args_type, config_file)                                            \
    }
#define MCVDI_ARG_SEED(args_type, what)                                  \
    {                                                                    \
        .name = "--seed", .type = MCVDI_ARG_INT, .value = "S", .min = 0, \
        .max = 9007199254740991.0, .help = what "; default: 0",          \
        .offset = offsetof(args_type, seed)                              \
    }
#define MCVDI_ARG_THREADS(args_type)                                                          \
    {                                                                                         \
        .name = "--threads", .type = MCVDI_ARG_INT, .value = "N", .min = 1, .max = 1024,      \
        .help = "threads for computing; default: all", .offset = offsetof(args_type, threads) \
    }
#define MCVDI_ARG_SET(args_type, what)                                               \
    {                                                                                \
        .name = "--set", .type = MCVDI_ARG_LIST, .value = "KEY=VALUE", .help = what, \
        .offset = offsetof(args_type, sets)                                          \
    }

typedef struct mcvdi_arg_table {
    const char *command; /* "rollout" */
    const char *about;   /* what it does, for the help; may hold several lines */
    const mcvdi_arg *args;
    size_t num_args;
    const char *examples; /* indented lines, or NULL */
} mcvdi_arg_table;

/*
 * Fill *object from argv[1..argc-1]: `--x v`, `--x=v`, `-x v`, flags, and the arguments without a
 * flag in table order, a LIST taking all that follow. `--` ends the options; `-` is an argument.
 *
 * @return MCVD_OK
 *         MCVD_EOF      --help or -h: the help was printed, there is nothing to do
 *         MCVD_E_USAGE  kept with mcvdi_cli_fail: names the option, what it takes and what it got
 */
mcvd_status mcvdi_args_parse(const mcvdi_arg_table *table, int argc, char **argv, void *object);

/* The name with the smallest edit distance to word; NULL for an empty list. */
const char *mcvdi_nearest_name(const char *word, const char *const *names, size_t count);

#endif
