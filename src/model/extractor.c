/* Names of the extractors, and where their files are. */
#include <mcvd/features.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "core/status.h"

typedef struct extractor {
    const char *name;
    const char *file; /* NULL: needs none */
} extractor;

#define EXTRACTOR_ROW(id, name, file) [id] = { name, file },
static const extractor extractors[MCVD_NUM_EXTRACTORS] = { MCVD_EXTRACTOR_LIST(EXTRACTOR_ROW) };

const char *mcvd_extractor_name(mcvd_extractor_kind kind)
{
    return extractors[kind].name;
}

/* What to fetch, and what to type then. */
static const char *how_to_get(mcvd_extractor_kind kind)
{
    if (kind == MCVD_EXTRACTOR_I3D)
        return "fetch https://www.dropbox.com/s/ge9e5ujwgetktms/i3d_torchscript.pt (the link "
               "needs ?dl=1 in some programs), then run: mcvd import i3d i3d_torchscript.pt";
    return "fetch https://download.pytorch.org/models/alexnet-owt-7be5be79.pth and, for its heads, "
           "lpips/weights/v0.1/alex.pth of https://github.com/richzhang/PerceptualSimilarity, then "
           "run: mcvd import alexnet alexnet-owt-7be5be79.pth --heads alex.pth";
}

static const char *set_variable(const char *name)
{
    const char *value = getenv(name);

    return value && *value ? value : NULL;
}

static int print_path(char *path, size_t bytes, const char *folder, const char *file)
{
    const char *features = set_variable("MCVD_FEATURES");
    const char *data = set_variable("XDG_DATA_HOME");
    const char *home = set_variable("HOME");

    if (folder || features)
        return snprintf(path, bytes, "%s/%s", folder ? folder : features, file);
    if (data)
        return snprintf(path, bytes, "%s/mcvd/%s", data, file);
    return snprintf(path, bytes, "%s/.local/share/mcvd/%s", home ? home : ".", file);
}

mcvd_status mcvd_extractor_path(char *path, size_t bytes, mcvd_extractor_kind kind,
                                const char *folder)
{
    struct stat info;
    const extractor *e = &extractors[kind];

    if (bytes)
        *path = '\0';
    if (!e->file)
        return mcvdi_fail(MCVD_E_INPUT, "the extractor '%s' has no file: it needs none", e->name);
    const int length = print_path(path, bytes, folder, e->file);
    if (length < 0 || (size_t)length >= bytes)
        return mcvdi_fail(MCVD_E_RANGE, "the path of %s is longer than %zu bytes", e->file, bytes);
    if (stat(path, &info) == 0 && S_ISREG(info.st_mode))
        return MCVD_OK;
    return mcvdi_fail(MCVD_E_INPUT, "%s: not there; %s%s%s", path, how_to_get(kind),
                      folder ? " -o " : "", folder ? path : "");
}
