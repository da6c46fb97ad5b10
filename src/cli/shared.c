#include "cli/shared.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/fail.h"
#include "cli/path.h"

enum { PATH_BYTES = 4096 };

static const char shipped_model[] = "configs/mnist_general.safetensors";

static int readable(const char *path)
{
    return access(path, R_OK) == 0;
}

/* The folder of this program's file; "" when the system does not tell, or it does not fit. */
static void program_folder(char *folder, size_t bytes)
{
    const ssize_t n = readlink("/proc/self/exe", folder, bytes - 1);

    folder[n > 0 && (size_t)n < bytes - 1 ? n : 0] = '\0';
    char *slash = strrchr(folder, '/');
    if (slash)
        *slash = '\0';
}

mcvd_status mcvdi_shared_path(char *path, size_t bytes, const char *name)
{
    char program[PATH_BYTES];
    char beside[PATH_BYTES + 32];

    program_folder(program, sizeof program);
    snprintf(beside, sizeof beside, "%s/../share/mcvd", program);
    const char *const roots[] = { beside, MCVD_SHARE_FOLDER, MCVD_SOURCE_FOLDER };
    for (size_t i = 0; i < sizeof roots / sizeof *roots; i++) {
        const int n = snprintf(path, bytes, "%s/%s", roots[i], name);
        if (n > 0 && (size_t)n < bytes && readable(path))
            return MCVD_OK;
    }
    return mcvdi_cli_fail(MCVD_E_INPUT,
                          "%s: not found beside the program, under %s, or in the "
                          "source tree",
                          name, MCVD_SHARE_FOLDER);
}

mcvd_status mcvdi_model_path(char *path, size_t bytes, const char *named)
{
    const char *usual = getenv("MCVD_MODEL");

    if (named)
        return mcvdi_path(path, bytes, "%s", named);
    if (usual && *usual)
        return mcvdi_path(path, bytes, "%s", usual);
    const mcvd_status st = mcvdi_shared_path(path, bytes, shipped_model);
    return st < 0 ? mcvdi_cli_fail(MCVD_E_MODEL, "no model: give --model FILE or set MCVD_MODEL "
                                                 "(the shipped one is not installed)")
                  : st;
}

size_t mcvdi_digit_folders(const char *const **folders)
{
    static char *from_environment; /* of any length, kept until the end */
    static const char *list[3];
    const char *root = getenv("MCVD_DATA");
    size_t count = 0;

    if (root && *root) {
        const size_t bytes = strlen(root) + sizeof "/mnist";
        free(from_environment);
        from_environment = malloc(bytes);
        if (from_environment) {
            snprintf(from_environment, bytes, "%s/mnist", root);
            list[count++] = from_environment;
        }
    }
    list[count++] = "data/mnist";
    list[count++] = MCVD_SOURCE_FOLDER "/data/mnist"; /* where scripts/fetch_mnist.sh puts them */
    *folders = list;
    return count;
}
