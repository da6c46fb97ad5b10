/* A model for the authors' PyTorch code: checkpoint.pt, and config.yml beside it. */
#include "cli/cmd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <mcvd/torch_export.h>

#include "cli/fail.h"
#include "cli/figures.h"
#include "cli/parse.h"
#include "cli/path.h"
#include "cli/settings.h"
#include "cli/signals.h"

enum { PATH_BYTES = 4096 };

typedef struct export_args {
    const char *model;
    const char *output;
    const char *config;
    bool force;
    bool json;
} export_args;

static const mcvdi_arg args[] = {
    { .name = "MODEL",
      .type = MCVDI_ARG_TEXT,
      .required = true,
      .help = "model file, training checkpoint or run folder; bare weights with --config",
      .offset = offsetof(export_args, model) },
    { .name = "--out",
      .short_name = "-o",
      .type = MCVDI_ARG_TEXT,
      .value = "FILE",
      .required = true,
      .help = "PyTorch file to write, checkpoint.pt for the authors' programs",
      .offset = offsetof(export_args, output) },
    { .name = "--config",
      .type = MCVDI_ARG_TEXT,
      .value = "FILE",
      .help = "configuration of bare weights; default: the one inside MODEL",
      .offset = offsetof(export_args, config) },
    { .name = "--force",
      .type = MCVDI_ARG_FLAG,
      .help = "replace FILE, and config.yml beside it, when they exist",
      .offset = offsetof(export_args, force) },
    { .name = "--json",
      .type = MCVDI_ARG_FLAG,
      .help = "the result as one JSON object",
      .offset = offsetof(export_args, json) },
};

static const mcvdi_arg_table table = {
    "export",
    "Write a model as a checkpoint that the authors' PyTorch code loads, and config.yml beside "
    "it.\n"
    "A training checkpoint, or a run folder by its newest one, keeps the optimiser's state, so "
    "that\n"
    "their training can resume; a model file can be sampled from and trained on from step 0.\n"
    "Networks with options of this program alone (model.prediction = v, model.space_to_depth) are\n"
    "refused.",
    args,
    sizeof args / sizeof args[0],
    "  mcvd export run -o exported/checkpoint.pt\n"
    "  mcvd export model.safetensors -o exported/checkpoint.pt",
};

/* What became of config.yml. */
typedef enum yaml_fate { YAML_WRITTEN, YAML_SAME, YAML_KEPT } yaml_fate;

static bool go_on(void *user, size_t done, size_t total)
{
    (void)user;
    (void)done;
    (void)total;
    return *mcvdi_signals_flag() == 0;
}

/* config.yml in the folder of the output. */
static mcvd_status yaml_path(char *path, size_t bytes, const char *output)
{
    const char *slash = strrchr(output, '/');

    return slash ? mcvdi_path(path, bytes, "%.*s/config.yml", (int)(slash - output), output)
                 : mcvdi_path(path, bytes, "config.yml");
}

/* Whether a file holds exactly this text. Opening a pipe would wait for a writer. */
static bool holds(const char *path, const char *text)
{
    const size_t length = strlen(text);
    struct stat info;

    if (stat(path, &info) != 0 || !S_ISREG(info.st_mode))
        return false;
    char *found = malloc(length + 1);
    FILE *file = fopen(path, "rb");
    const size_t got = found && file ? fread(found, 1, length + 1, file) : 0;
    const bool same = found && file && got == length && memcmp(found, text, length) == 0;

    if (file)
        fclose(file);
    free(found);
    return same;
}

static mcvd_status fail_write(const char *path)
{
    return mcvdi_cli_fail(MCVD_E_IO, "%s: cannot write: %s", path,
                          errno == ENOSPC ? "disk full" : strerror(errno));
}

/* The text under a temporary name first, then in place of what is there. */
static mcvd_status write_yaml(const char *path, const char *text)
{
    char temporary[PATH_BYTES];
    const size_t length = strlen(text);
    mcvd_status st = mcvdi_path(temporary, sizeof temporary, "%s.tmp-%ld", path, (long)getpid());

    if (st < 0)
        return st;
    FILE *file = fopen(temporary, "wbx");
    if (!file)
        return fail_write(path);
    const bool put =
        fwrite(text, 1, length, file) == length && fflush(file) == 0 && fsync(fileno(file)) == 0;
    if (!put)
        st = fail_write(path);
    if (fclose(file) != 0 && st >= 0)
        st = fail_write(path);
    if (st >= 0 && rename(temporary, path) != 0)
        st = fail_write(path);
    if (st < 0)
        unlink(temporary);
    return st;
}

static mcvd_status put_yaml(const export_args *a, const mcvd_config *config, const char *path,
                            yaml_fate *fate)
{
    char *text = mcvd_config_yaml(config);
    mcvd_status st = MCVD_OK;

    if (!text)
        return MCVD_E_NOMEM;
    *fate = YAML_WRITTEN;
    if (holds(path, text))
        *fate = YAML_SAME;
    else if (!a->force && access(path, F_OK) == 0)
        *fate = YAML_KEPT;
    else
        st = write_yaml(path, text);
    if (*fate == YAML_KEPT)
        mcvdi_cli_warn("%s says something else than this model's configuration and is left alone; "
                       "--force replaces it",
                       path);
    mcvd_text_free(text);
    return st;
}

static void print_result(const export_args *a, const mcvd_torch_export_result *r, const char *yaml,
                         yaml_fate fate)
{
    static const char *const fates[] = { "written", "the same already", "left alone" };
    const mcvdi_figure figures[] = {
        { "file", MCVDI_FIGURE_TEXT, 0.0, a->output },
        { "source", MCVDI_FIGURE_TEXT, 0.0, r->source },
        { "content", MCVDI_FIGURE_TEXT, 0.0,
          r->training_state ? "weights and training state" : "weights" },
        { "ema", MCVDI_FIGURE_TEXT, 0.0, r->ema ? "yes" : "no" },
        { "step", MCVDI_FIGURE_COUNT, (double)r->step, NULL },
        { "params", MCVDI_FIGURE_COUNT, (double)r->num_params, NULL },
        { "num_tensors", MCVDI_FIGURE_COUNT, (double)r->num_tensors, NULL },
        { "bytes", MCVDI_FIGURE_COUNT, (double)r->bytes, NULL },
        { "config", MCVDI_FIGURE_TEXT, 0.0, yaml },
        { "config_state", MCVDI_FIGURE_TEXT, 0.0, fates[fate] },
    };

    mcvdi_figures_print(figures, sizeof figures / sizeof *figures, a->json);
}

static mcvd_status check_output(const export_args *a, const char *yaml)
{
    struct stat info;

    if (a->force && stat(yaml, &info) == 0 && !S_ISREG(info.st_mode))
        return mcvdi_cli_fail(MCVD_E_USAGE,
                              "--out %s: %s beside it is no file that could be "
                              "replaced",
                              a->output, yaml);
    if (mcvdi_path_same(a->model, a->output))
        return mcvdi_cli_fail(MCVD_E_USAGE, "--out %s: is the model itself", a->output);
    if (strcmp(a->output, yaml) == 0)
        return mcvdi_cli_fail(MCVD_E_USAGE, "--out %s: this name is the configuration's beside it",
                              a->output);
    return MCVD_OK;
}

mcvd_status mcvdi_cmd_export(int argc, char **argv)
{
    export_args a = { 0 };
    mcvd_config config;
    static mcvd_torch_export_result result;
    char yaml[PATH_BYTES];
    yaml_fate fate = YAML_WRITTEN;
    mcvd_torch_export_options options = { .progress = go_on };
    mcvd_status st = mcvdi_args_parse(&table, argc, argv, &a);

    if (st != MCVD_OK)
        return st;
    st = yaml_path(yaml, sizeof yaml, a.output);
    if (st >= 0)
        st = check_output(&a, yaml);
    if (st >= 0 && a.config) {
        st = mcvdi_settings_load(&config, a.config, NULL, NULL);
        options.config = &config;
    }
    if (st < 0)
        return st;
    options.overwrite = a.force;
    mcvdi_signals_install();
    st = mcvd_torch_export(a.model, a.output, &options, &result);
    if (st >= 0)
        st = put_yaml(&a, &result.config, yaml, &fate);
    if (st >= 0)
        print_result(&a, &result, yaml, fate);
    return st;
}
