/* The authors' checkpoints become model files. */
#include "cli/cmd.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <mcvd/import.h>

#include "cli/fail.h"
#include "cli/figures.h"
#include "cli/import_extractor.h"
#include "cli/parse.h"
#include "cli/path.h"
#include "cli/progress.h"
#include "cli/settings.h"
#include "cli/signals.h"

enum { PATH_BYTES = 4096, BIG_PARAMS = 20 * 1000 * 1000 };

typedef struct import_args {
    const char *checkpoint;
    const char *output;
    const char *config;
    const char *weights;
    const char *dtype;
    mcvdi_arg_list sets;
    bool force;
    bool json;
} import_args;

static const mcvdi_arg args[] = {
    { .name = "CHECKPOINT",
      .type = MCVDI_ARG_TEXT,
      .required = true,
      .help = "PyTorch file of the authors' programs (checkpoint.pt), or a saved state dictionary",
      .offset = offsetof(import_args, checkpoint) },
    { .name = "--out",
      .short_name = "-o",
      .type = MCVDI_ARG_TEXT,
      .value = "FILE",
      .required = true,
      .help = "model file to write",
      .offset = offsetof(import_args, output) },
    { .name = "--config",
      .type = MCVDI_ARG_TEXT,
      .value = "FILE",
      .help = "its configuration, YAML or JSON; default: config.yml or config.json beside it",
      .offset = offsetof(import_args, config) },
    MCVDI_ARG_SET(import_args, "change one key of the configuration"),
    { .name = "--weights",
      .type = MCVDI_ARG_CHOICE,
      .value = "WHICH",
      .choices = "ema|raw",
      .help = "averaged or raw weights; default: averaged where there are some",
      .offset = offsetof(import_args, weights) },
    { .name = "--dtype",
      .type = MCVDI_ARG_CHOICE,
      .value = "TYPE",
      .choices = "F32|F16",
      .fallback = "F32",
      .help = "numbers of the model file; F16 halves it and rounds; default: F32",
      .offset = offsetof(import_args, dtype) },
    { .name = "--force",
      .type = MCVDI_ARG_FLAG,
      .help = "replace FILE when it exists",
      .offset = offsetof(import_args, force) },
    { .name = "--json",
      .type = MCVDI_ARG_FLAG,
      .help = "the result as one JSON object",
      .offset = offsetof(import_args, json) },
};

static const mcvdi_arg_table table = {
    "import",
    "Make a model file of a checkpoint that the authors' PyTorch code wrote. Nothing in it is\n"
    "executed: its pickle is read by a list of what is allowed. Every name and shape is compared\n"
    "with the configuration first. Where that is silent the model samples as the authors' program\n"
    "does: sampling.denoise_label=count.\n"
    "The public weights of the networks that judge videos: mcvd import i3d FILE, mcvd import\n"
    "alexnet FILE; `mcvd import i3d --help` tells more.",
    args,
    sizeof args / sizeof args[0],
    "  mcvd import logs/checkpoint.pt -o model.safetensors\n"
    "  mcvd import checkpoint_140000.pt --config bair_big.yml --weights raw -o model.safetensors\n"
    "  mcvd import i3d i3d_torchscript.pt\n"
    "  mcvd import alexnet alexnet-owt-7be5be79.pth --heads alex.pth",
};

/* What the library calls back for. */
typedef struct import_view {
    const char *checkpoint;
    const char *config;
    mcvdi_progress progress;
    bool noted;
    bool shown; /* the progress has begun */
} import_view;

static void print_note(void *user, const char *line)
{
    import_view *view = user;

    if (!view->noted)
        fprintf(stderr, "%s does not fit %s:\n", view->checkpoint, view->config);
    view->noted = true;
    fprintf(stderr, "%s\n", line);
}

static bool go_on(void *user, size_t done, size_t total)
{
    import_view *view = user;

    if (total >= BIG_PARAMS && !view->shown) {
        view->progress = (mcvdi_progress) { .label = "importing",
                                            .unit = "parameters",
                                            .total = (int64_t)total };
        mcvdi_progress_start(&view->progress);
        view->shown = true;
    }
    if (view->shown)
        mcvdi_progress_update(&view->progress, (int64_t)done, NULL);
    return *mcvdi_signals_flag() == 0;
}

/* --config, or what the authors' programs leave beside a checkpoint. */
static mcvd_status find_config(const import_args *a, char *path, size_t bytes)
{
    static const char *const names[] = { "config.yml", "config.yaml", "config.json" };
    const char *slash = strrchr(a->checkpoint, '/');
    const int folder = slash ? (int)(slash + 1 - a->checkpoint) : 0;

    if (a->config)
        return mcvdi_path(path, bytes, "%s", a->config);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const mcvd_status st = mcvdi_path(path, bytes, "%.*s%s", folder, a->checkpoint, names[i]);
        if (st < 0 || access(path, F_OK) == 0)
            return st;
    }
    return mcvdi_cli_fail(MCVD_E_USAGE,
                          "%s: no config.yml or config.json beside it; give its configuration with "
                          "--config FILE",
                          a->checkpoint);
}

static mcvd_status check_paths(const import_args *a, char *config, size_t bytes)
{
    struct stat info;

    if (stat(a->checkpoint, &info) != 0)
        return mcvdi_cli_fail(MCVD_E_MODEL, "%s: cannot open: %s", a->checkpoint, strerror(errno));
    if (S_ISDIR(info.st_mode)) /* a logs/ folder holds one checkpoint for every snapshot */
        return mcvdi_cli_fail(MCVD_E_MODEL,
                              "%s: a folder, expected a checkpoint in it (checkpoint.pt)",
                              a->checkpoint);
    if (mcvdi_path_same(a->checkpoint, a->output))
        return mcvdi_cli_fail(MCVD_E_USAGE, "--out %s: is the checkpoint itself", a->output);
    if (stat(a->output, &info) == 0 && S_ISDIR(info.st_mode))
        return mcvdi_cli_fail(MCVD_E_USAGE, "--out %s: a folder, expected a file", a->output);
    if (!a->force && access(a->output, F_OK) == 0)
        return mcvdi_cli_fail(MCVD_E_EXISTS, "%s: exists already; --force replaces it", a->output);
    return find_config(a, config, bytes);
}

static mcvd_status load_config(mcvd_config *config, const char *path, const mcvdi_arg_list *sets)
{
    mcvd_import_config_default(config);
    const mcvd_status st = mcvd_config_read(config, path);

    return st < 0 ? st : mcvdi_settings_apply(config, sets, NULL);
}

static void print_result(const import_args *a, const char *config, const mcvd_import_result *r)
{
    mcvdi_figure figures[8] = {
        { "file", MCVDI_FIGURE_TEXT, 0.0, a->output },
        { "source", MCVDI_FIGURE_TEXT, 0.0, a->checkpoint },
        { "config", MCVDI_FIGURE_TEXT, 0.0, config },
        { "weights", MCVDI_FIGURE_TEXT, 0.0, r->ema ? "ema" : "raw" },
        { "params", MCVDI_FIGURE_COUNT, (double)r->num_params, NULL },
        { "num_tensors", MCVDI_FIGURE_COUNT, (double)r->num_tensors, NULL },
    };
    size_t count = 6;

    if (r->step >= 0)
        figures[count++] = (mcvdi_figure) { "step", MCVDI_FIGURE_COUNT, (double)r->step, NULL };
    if (r->epoch >= 0)
        figures[count++] = (mcvdi_figure) { "epoch", MCVDI_FIGURE_COUNT, (double)r->epoch, NULL };
    mcvdi_figures_print(figures, count, a->json);
}

mcvd_status mcvdi_cmd_import(int argc, char **argv)
{
    import_args a = { 0 };
    char config_path[PATH_BYTES];
    mcvd_config config;
    mcvd_import_result result;
    import_view view = { 0 };
    mcvd_import_options options = { .note = print_note, .progress = go_on, .user = &view };
    mcvd_extractor_kind kind;

    if (argc > 1 && mcvdi_extractor_from_word(&kind, argv[1]))
        return mcvdi_cmd_import_extractor(kind, argc - 1, argv + 1);
    mcvd_status st = mcvdi_args_parse(&table, argc, argv, &a);
    if (st != MCVD_OK)
        return st;
    st = check_paths(&a, config_path, sizeof config_path);
    if (st >= 0)
        st = load_config(&config, config_path, &a.sets);
    if (st < 0)
        return st;
    view.checkpoint = a.checkpoint;
    view.config = config_path;
    options.half = strcmp(a.dtype, "F16") == 0;
    options.overwrite = a.force;
    if (a.weights)
        options.weights = strcmp(a.weights, "raw") == 0 ? MCVD_IMPORT_RAW : MCVD_IMPORT_EMA;
    mcvdi_signals_install();
    st = mcvd_import(a.checkpoint, &config, a.output, &options, &result);
    if (view.shown)
        mcvdi_progress_end(&view.progress, NULL);
    if (st >= 0)
        print_result(&a, config_path, &result);
    return st;
}
