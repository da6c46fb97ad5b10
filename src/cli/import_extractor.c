/* Public weights of the networks that judge videos become their model files. */
#include "cli/import_extractor.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <mcvd/import.h>

#include "cli/fail.h"
#include "cli/figures.h"
#include "cli/parse.h"
#include "cli/path.h"

enum { PATH_BYTES = 4096 };

typedef struct extractor_args {
    const char *source;
    const char *output;
    const char *heads;
    double bn_eps;
    bool force;
    bool json;
} extractor_args;

#define ARG_OUT                                                                               \
    {                                                                                         \
        .name = "--out", .short_name = "-o", .type = MCVDI_ARG_TEXT, .value = "FILE",         \
        .help = "file to write; default: where the program looks for it, in $MCVD_FEATURES, " \
                "$XDG_DATA_HOME/mcvd or ~/.local/share/mcvd",                                 \
        .offset = offsetof(extractor_args, output)                                            \
    }
#define ARG_FORCE                                                                      \
    {                                                                                  \
        .name = "--force", .type = MCVDI_ARG_FLAG, .help = "replace an existing file", \
        .offset = offsetof(extractor_args, force)                                      \
    }
#define ARG_JSON                                                                           \
    {                                                                                      \
        .name = "--json", .type = MCVDI_ARG_FLAG, .help = "the result as one JSON object", \
        .offset = offsetof(extractor_args, json)                                           \
    }

static const mcvdi_arg i3d_args[] = {
    { .name = "FILE",
      .type = MCVDI_ARG_TEXT,
      .required = true,
      .help =
          "weights of I3D (Kinetics-400, RGB): i3d_torchscript.pt, a state dictionary of either "
          "PyTorch port, or safetensors",
      .offset = offsetof(extractor_args, source) },
    ARG_OUT,
    { .name = "--bn-eps",
      .type = MCVDI_ARG_REAL,
      .value = "E",
      .min = 1e-12,
      .max = 1.0,
      .help = "the small constant of its batch norms; default: what a TorchScript archive's code "
              "or the metadata of safetensors say, else 1e-5",
      .offset = offsetof(extractor_args, bn_eps) },
    ARG_FORCE,
    ARG_JSON,
};

static const mcvdi_arg alexnet_args[] = {
    { .name = "FILE",
      .type = MCVDI_ARG_TEXT,
      .required = true,
      .help = "weights of torchvision's AlexNet: alexnet-owt-7be5be79.pth, or safetensors",
      .offset = offsetof(extractor_args, source) },
    { .name = "--heads",
      .type = MCVDI_ARG_TEXT,
      .value = "FILE",
      .help = "the learned heads of LPIPS v0.1: alex.pth, or safetensors; LPIPS needs them",
      .offset = offsetof(extractor_args, heads) },
    ARG_OUT,
    ARG_FORCE,
    ARG_JSON,
};

static const mcvdi_arg_table i3d_table = {
    "import i3d",
    "Make the model file of I3D, whose features FVD compares, of public weights. Nothing in them "
    "is\n"
    "executed. The published tables used i3d_torchscript.pt of\n"
    "https://www.dropbox.com/s/ge9e5ujwgetktms/i3d_torchscript.pt (add ?dl=1 where a page comes\n"
    "instead of the file).",
    i3d_args,
    sizeof i3d_args / sizeof *i3d_args,
    "  mcvd import i3d i3d_torchscript.pt",
};

static const mcvdi_arg_table alexnet_table = {
    "import alexnet",
    "Make the model file of AlexNet with LPIPS' learned heads of public weights. Nothing in them "
    "is\n"
    "executed. https://download.pytorch.org/models/alexnet-owt-7be5be79.pth has the network;\n"
    "lpips/weights/v0.1/alex.pth of https://github.com/richzhang/PerceptualSimilarity the heads.",
    alexnet_args,
    sizeof alexnet_args / sizeof *alexnet_args,
    "  mcvd import alexnet alexnet-owt-7be5be79.pth --heads alex.pth",
};

bool mcvdi_extractor_from_word(mcvd_extractor_kind *kind, const char *word)
{
    static const mcvd_extractor_kind kinds[] = { MCVD_EXTRACTOR_I3D, MCVD_EXTRACTOR_ALEXNET };

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(word, mcvd_extractor_name(kinds[i])) == 0) {
            *kind = kinds[i];
            return true;
        }
    return false;
}

/* --out, or the usual place. */
static mcvd_status choose_output(char path[PATH_BYTES], mcvd_extractor_kind kind,
                                 const extractor_args *a)
{
    mcvd_status st = a->output ? mcvdi_path(path, PATH_BYTES, "%s", a->output)
                               : mcvd_extractor_path(path, PATH_BYTES, kind, NULL);

    if (st == MCVD_E_INPUT)
        st = MCVD_OK; /* nothing there yet */
    if (st < 0)
        return st;
    if (mcvdi_path_same(a->source, path) || (a->heads && mcvdi_path_same(a->heads, path)))
        return mcvdi_cli_fail(MCVD_E_USAGE, "%s: is to be read and to be written", path);
    if (!a->force && access(path, F_OK) == 0)
        return mcvdi_cli_fail(MCVD_E_EXISTS, "%s: exists already; --force replaces it", path);
    return MCVD_OK;
}

static const char *eps_origin(const mcvd_extractor_import_result *r)
{
    return strcmp(r->container, "safetensors") == 0 ? "metadata" : "code";
}

static void print_result(mcvd_extractor_kind kind, const extractor_args *a, const char *path,
                         const mcvd_extractor_import_result *r)
{
    mcvdi_figure figures[12] = {
        { "file", MCVDI_FIGURE_TEXT, 0.0, path },
        { "extractor", MCVDI_FIGURE_TEXT, 0.0, mcvd_extractor_name(kind) },
        { "source", MCVDI_FIGURE_TEXT, 0.0, a->source },
        { "source_sha256", MCVDI_FIGURE_TEXT, 0.0, r->source_sha256 },
        { "container", MCVDI_FIGURE_TEXT, 0.0, r->container },
        { "matched_by", MCVDI_FIGURE_TEXT, 0.0, r->matched_by },
        { "num_tensors", MCVDI_FIGURE_COUNT, (double)r->num_tensors, NULL },
        { "params", MCVDI_FIGURE_COUNT, (double)r->num_params, NULL },
        { "left_out", MCVDI_FIGURE_COUNT, (double)r->num_left_out, NULL },
    };
    size_t count = 9;

    if (kind == MCVD_EXTRACTOR_I3D) {
        figures[count++] = (mcvdi_figure) { "bn_eps", MCVDI_FIGURE_NUMBER, r->bn_eps, NULL };
        figures[count++] = (mcvdi_figure) { "bn_eps_from", MCVDI_FIGURE_TEXT, 0.0,
                                            r->bn_eps_read  ? eps_origin(r)
                                            : a->bn_eps > 0 ? "--bn-eps"
                                                            : "default" };
    } else {
        figures[count++] =
            (mcvdi_figure) { "heads", MCVDI_FIGURE_TEXT, 0.0, r->heads ? a->heads : "" };
    }
    mcvdi_figures_print(figures, count, a->json);
}

mcvd_status mcvdi_cmd_import_extractor(mcvd_extractor_kind kind, int argc, char **argv)
{
    const mcvdi_arg_table *table = kind == MCVD_EXTRACTOR_I3D ? &i3d_table : &alexnet_table;
    extractor_args a = { 0 };
    mcvd_extractor_import_result result;
    char path[PATH_BYTES];
    mcvd_status st = mcvdi_args_parse(table, argc, argv, &a);

    if (st != MCVD_OK)
        return st;
    st = choose_output(path, kind, &a);
    if (st < 0)
        return st;
    const mcvd_extractor_import_options options = { .heads = a.heads,
                                                    .bn_eps = a.bn_eps,
                                                    .overwrite = a.force };
    st = mcvd_import_extractor(kind, a.source, path, &options, &result);
    if (st < 0)
        return st;
    print_result(kind, &a, path, &result);
    if (kind == MCVD_EXTRACTOR_I3D && !result.bn_eps_read && a.bn_eps == 0.0)
        mcvdi_cli_warn("%s does not say the eps of its batch norms: %g is taken; weights that were "
                       "trained or ported with DeepMind's 0.001 need --bn-eps 0.001",
                       a.source, result.bn_eps);
    if (kind == MCVD_EXTRACTOR_ALEXNET && !result.heads)
        mcvdi_cli_warn("%s: without the learned heads; LPIPS needs them: --heads alex.pth", path);
    return st;
}
