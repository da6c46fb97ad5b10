#include "cli/train_folder.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/fail.h"
#include "cli/path.h"

enum { PATH_BYTES = 4096, NAMES_BYTES = 512 };

/* The runs of one configuration. */
typedef struct candidates {
    const char *base; /* the configuration's name */
    size_t length;
    size_t count;
    char first[PATH_BYTES];
    char names[NAMES_BYTES]; /* as many as fit, for the message */
} candidates;

static bool holds_run(const char *folder)
{
    char path[PATH_BYTES];
    const int n = snprintf(path, sizeof path, "%s/config.json", folder);

    return n > 0 && (size_t)n < sizeof path && access(path, R_OK) == 0;
}

/* runs/BASE-TASK with whatever task. */
static void consider(candidates *c, const char *name)
{
    char folder[PATH_BYTES];

    if (strncmp(name, c->base, c->length) != 0 || name[c->length] != '-')
        return;
    snprintf(folder, sizeof folder, "runs/%.255s", name);
    if (!holds_run(folder))
        return;
    const size_t used = strlen(c->names);
    snprintf(c->names + used, sizeof c->names - used, "%s%.255s", used ? ", " : "", folder);
    if (c->count++ == 0)
        memcpy(c->first, folder, sizeof folder);
}

static mcvd_status find_run(char *folder, size_t bytes, const char *base, size_t length)
{
    candidates c = { .base = base, .length = length };
    DIR *runs = opendir("runs");

    for (const struct dirent *e = runs ? readdir(runs) : NULL; e; e = readdir(runs))
        consider(&c, e->d_name);
    if (runs)
        closedir(runs);
    if (c.count == 1)
        return mcvdi_path(folder, bytes, "%s", c.first);
    if (c.count == 0)
        return mcvdi_cli_fail(MCVD_E_INPUT,
                              "--resume: no run in %s, nor in %s-TASK; name it with --out", folder,
                              folder);
    return mcvdi_cli_fail(MCVD_E_INPUT, "--resume: %zu runs, choose one with --out: %s", c.count,
                          c.names);
}

mcvd_status mcvdi_train_folder(char *folder, size_t bytes, const mcvdi_train_folder_wish *wish)
{
    const char *file = wish->config ? wish->config : "mnist_general.json";
    const char *base = strrchr(file, '/') ? strrchr(file, '/') + 1 : file;
    const char *dot = strrchr(base, '.');
    const size_t length = dot && dot != base ? (size_t)(dot - base) : strlen(base);

    if (wish->out)
        return mcvdi_path(folder, bytes, "%s", wish->out);
    const mcvd_status st = mcvdi_path(folder, bytes, "runs/%.*s%s%s", (int)length, base,
                                      wish->task ? "-" : "", wish->task ? wish->task : "");
    if (st < 0 || !wish->resume || wish->task || holds_run(folder))
        return st;
    return find_run(folder, bytes, base, length);
}
