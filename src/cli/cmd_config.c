#include "cli/cmd.h"

#include <stdio.h>

#include "cli/fail.h"
#include "cli/parse.h"
#include "cli/settings.h"

typedef struct config_args {
    const char *file;
    mcvdi_arg_list sets;
    const char *task;
    bool keys;
} config_args;

static const mcvdi_arg args[] = {
    { .name = "FILE",
      .type = MCVDI_ARG_TEXT,
      .help = "configuration in JSON or YAML",
      .offset = offsetof(config_args, file) },
    { .name = "--set",
      .type = MCVDI_ARG_LIST,
      .value = "KEY=VALUE",
      .help = "change one key",
      .offset = offsetof(config_args, sets) },
    { .name = "--task",
      .type = MCVDI_ARG_TEXT,
      .value = "WORDS",
      .help = "predict, predict-past, interp, generate, joined by +: sets the masks",
      .offset = offsetof(config_args, task) },
    { .name = "--keys",
      .type = MCVDI_ARG_FLAG,
      .help = "list every key with its default, range and meaning",
      .offset = offsetof(config_args, keys) },
};

static const mcvdi_arg_table table = {
    "config",
    "Print the configuration that a file, --set and --task add up to, checked, as JSON.\n"
    "Keys are those of the authors' files, and ours beside them; their YAML is read as it is.",
    args,
    sizeof args / sizeof args[0],
    "  mcvd config configs/bair_big.json --set optim.lr=2e-4\n"
    "  mcvd config config.yml --task predict+generate >config.json\n"
    "  mcvd config --keys",
};

static void print_key(void *user, const char *key, const char *fallback, const char *range,
                      const char *help)
{
    (void)user;
    printf("%-32s %-22s %-34s %s\n", key, *fallback ? fallback : "-", range, help);
}

mcvd_status mcvdi_cmd_config(int argc, char **argv)
{
    config_args a = { 0 };
    mcvd_config config;
    mcvd_status st = mcvdi_args_parse(&table, argc, argv, &a);

    if (st != MCVD_OK)
        return st;
    if (a.keys) {
        printf("%-32s %-22s %-34s %s\n", "key", "default", "range", "meaning");
        mcvd_config_help(print_key, NULL);
        return MCVD_OK;
    }
    st = mcvdi_settings_load(&config, a.file, &a.sets, a.task);
    if (st >= 0)
        st = mcvd_config_check(&config);
    if (st < 0)
        return st;
    char *text = mcvd_config_dump(&config);
    if (!text)
        return MCVD_E_NOMEM;
    fputs(text, stdout);
    mcvd_text_free(text);
    return MCVD_OK;
}
