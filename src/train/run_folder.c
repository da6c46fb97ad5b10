#include "train/run_folder.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/checked.h"
#include "core/fileio.h"

struct mcvdi_run_folder {
    char *path;
    int lock; /* file descriptor, -1 before locking */
};

char *mcvdi_run_folder_path(const mcvdi_run_folder *folder, const char *name)
{
    return mcvdi_sprintf("%s/%s", folder->path, name);
}

char *mcvdi_run_folder_checkpoint_path(const mcvdi_run_folder *folder, uint64_t step)
{
    return mcvdi_sprintf("%s/checkpoints/step-%08" PRIu64 ".safetensors", folder->path, step);
}

static mcvd_status no_memory(void)
{
    return mcvdi_fail(MCVD_E_NOMEM, "run folder: out of memory");
}

/* "step-00001000.safetensors" -> 1000; only the name that is written for that number. */
static bool checkpoint_step(const char *name, uint64_t *step)
{
    char digits[24];
    char written[64];
    const size_t length = strncmp(name, "step-", 5) == 0 ? strspn(name + 5, "0123456789") : 0;

    if (length == 0 || length >= sizeof digits)
        return false;
    memcpy(digits, name + 5, length);
    digits[length] = '\0';
    if (!mcvdi_decimal_u64(step, digits))
        return false;
    snprintf(written, sizeof written, "step-%08" PRIu64 ".safetensors", *step);
    return strcmp(name, written) == 0;
}

static int newest_first(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a;
    const uint64_t y = *(const uint64_t *)b;

    return x < y ? 1 : x > y ? -1 : 0;
}

mcvd_status mcvdi_run_folder_checkpoints(const mcvdi_run_folder *folder, uint64_t **steps,
                                         size_t *count)
{
    char **names = NULL;
    size_t num_names = 0;
    char *path = mcvdi_run_folder_path(folder, "checkpoints");
    mcvd_status st = MCVD_OK;

    *count = 0;
    *steps = NULL;
    if (!path)
        return no_memory();
    if (mcvdi_path_exists(path))
        st = mcvdi_folder_names(&names, &num_names, path);
    mcvdi_free(path);
    if (st < 0)
        return st;
    *steps = mcvdi_calloc(num_names + 1, sizeof **steps);
    if (*steps) {
        for (size_t i = 0; i < num_names; i++)
            if (checkpoint_step(names[i], &(*steps)[*count]))
                ++*count;
        qsort(*steps, *count, sizeof **steps, newest_first);
    }
    mcvdi_names_free(&names, num_names);
    return *steps ? MCVD_OK : no_memory();
}

static mcvd_status remove_file(const char *path)
{
    if (unlink(path) != 0 && errno != ENOENT)
        return mcvdi_fail(MCVD_E_IO, "%s: %s", path, strerror(errno));
    return MCVD_OK;
}

static mcvd_status remove_checkpoints(const mcvdi_run_folder *folder, size_t keep)
{
    uint64_t *steps = NULL;
    size_t count = 0;
    mcvd_status st = mcvdi_run_folder_checkpoints(folder, &steps, &count);

    for (size_t i = keep; st >= 0 && i < count; i++) {
        char *path = mcvdi_run_folder_checkpoint_path(folder, steps[i]);
        st = path ? remove_file(path) : no_memory();
        mcvdi_free(path);
    }
    mcvdi_free(steps);
    return st;
}

mcvd_status mcvdi_run_folder_commit(const mcvdi_run_folder *folder, uint64_t step, size_t keep)
{
    char name[64];
    char *path = mcvdi_run_folder_path(folder, "latest");

    if (!path)
        return no_memory();
    snprintf(name, sizeof name, "checkpoints/step-%08" PRIu64 ".safetensors\n", step);
    mcvd_status st = mcvdi_file_write(path, name, strlen(name), true);
    mcvdi_free(path);
    return st < 0 ? st : remove_checkpoints(folder, keep);
}

mcvd_status mcvdi_run_folder_set_aside(const mcvdi_run_folder *folder, uint64_t step)
{
    char *path = mcvdi_run_folder_checkpoint_path(folder, step);
    char *aside = path ? mcvdi_sprintf("%s.damaged", path) : NULL;
    mcvd_status st = aside ? MCVD_OK : no_memory();

    if (st >= 0 && rename(path, aside) != 0)
        st = mcvdi_fail(MCVD_E_IO, "%s: %s", path, strerror(errno));
    mcvdi_free(aside);
    mcvdi_free(path);
    return st;
}

static mcvd_status make_subfolder(const mcvdi_run_folder *folder, const char *name)
{
    char *path = mcvdi_run_folder_path(folder, name);
    const mcvd_status st = path ? mcvdi_make_folders(path) : no_memory();

    mcvdi_free(path);
    return st;
}

/* Remove the files of a subfolder whose names start and end so. */
static mcvd_status remove_matching(const mcvdi_run_folder *folder, const char *name,
                                   const char *start, const char *end)
{
    mcvd_status st = MCVD_OK;
    char *path = mcvdi_run_folder_path(folder, name);
    DIR *dir = path ? opendir(path) : NULL;

    if (path && !dir)
        st = mcvdi_fail(MCVD_E_IO, "%s: %s", path, strerror(errno));
    for (const struct dirent *e = dir ? readdir(dir) : NULL; st >= 0 && e; e = readdir(dir)) {
        const size_t length = strlen(e->d_name);
        if (strncmp(e->d_name, start, strlen(start)) != 0 || length < strlen(end) ||
            strcmp(e->d_name + length - strlen(end), end) != 0)
            continue;
        char *file = mcvdi_sprintf("%s/%s", path, e->d_name);
        st = file ? remove_file(file) : no_memory();
        mcvdi_free(file);
    }
    if (dir)
        closedir(dir);
    if (!path)
        return no_memory();
    mcvdi_free(path);
    return st;
}

/* Forget an old run, but only files that a run makes. */
static mcvd_status forget_run(const mcvdi_run_folder *folder)
{
    static const char *const files[] = { "journal.jsonl",      "latest",
                                         "config.json",        "run.json",
                                         "model.safetensors",  MCVDI_DISTILL_FILE,
                                         MCVDI_DISTILL_TEACHER };
    mcvd_status st = remove_checkpoints(folder, 0);

    if (st >= 0)
        st = remove_matching(folder, "checkpoints", "step-", ".safetensors.damaged");
    if (st >= 0)
        st = remove_matching(folder, "samples", "step-", ".png");
    if (st >= 0)
        st = remove_matching(folder, ".", "stage-", "-steps.safetensors");
    for (size_t i = 0; st >= 0 && i < sizeof files / sizeof *files; i++) {
        char *path = mcvdi_run_folder_path(folder, files[i]);
        st = path ? remove_file(path) : no_memory();
        mcvdi_free(path);
    }
    return st;
}

bool mcvdi_run_folder_is_distillation(const char *path)
{
    char *file = mcvdi_sprintf("%s/" MCVDI_DISTILL_FILE, path);
    const bool exists = file && mcvdi_path_exists(file);

    mcvdi_free(file);
    return exists;
}

static bool has_entry(const mcvdi_run_folder *folder, const char *name)
{
    char *path = mcvdi_run_folder_path(folder, name);
    const bool exists = path && mcvdi_path_exists(path);

    mcvdi_free(path);
    return exists;
}

/* What the folder holds, from nothing to results that must not be lost. */
typedef enum folder_state {
    NO_RUN,   /* nothing of a run */
    NOT_OURS, /* a config.json without our lock: somebody's, who knows */
    BEGUN,    /* a run that ended before its first checkpoint */
    HAS_RESULTS
} folder_state;

static mcvd_status find_state(const mcvdi_run_folder *folder, folder_state *state)
{
    uint64_t *steps = NULL;
    size_t count = 0;
    const mcvd_status st = mcvdi_run_folder_checkpoints(folder, &steps, &count);

    mcvdi_free(steps);
    if (count || has_entry(folder, "model.safetensors"))
        *state = HAS_RESULTS;
    else if (!has_entry(folder, "config.json") && !has_entry(folder, "latest"))
        *state = NO_RUN;
    else
        *state = has_entry(folder, "lock") ? BEGUN : NOT_OURS;
    return st;
}

static mcvd_status check_state(const mcvdi_run_folder *folder, bool resume, bool force,
                               folder_state *state)
{
    const mcvd_status st = find_state(folder, state);

    if (st < 0)
        return st;
    if ((*state == HAS_RESULTS || *state == NOT_OURS) && !resume && !force)
        return mcvdi_fail(MCVD_E_EXISTS,
                          "%s: holds a run already; --resume continues it, --force starts anew",
                          folder->path);
    if (resume && *state == NO_RUN)
        return mcvdi_fail(MCVD_E_INPUT, "%s: no run to resume (no config.json)", folder->path);
    return MCVD_OK;
}

/* Half-written files of a killed process; under the lock nobody is writing them. */
static mcvd_status remove_leftovers(const mcvdi_run_folder *folder)
{
    static const char *const names[] = { ".", "checkpoints", "samples" };
    mcvd_status st = MCVD_OK;

    for (size_t i = 0; st >= 0 && i < sizeof names / sizeof *names; i++)
        st = remove_matching(folder, names[i], ".tmp-", "");
    return st;
}

static mcvd_status prepare(mcvdi_run_folder *folder, bool resume, bool force)
{
    folder_state state = NO_RUN;
    mcvd_status st = check_state(folder, resume, force, &state);

    if (st >= 0)
        st = mcvdi_make_folders(folder->path);
    if (st >= 0)
        st = mcvdi_folder_lock(&folder->lock, folder->path, "is training in this folder");
    if (st >= 0 && state == BEGUN) /* by a process that was still at it, perhaps */
        st = check_state(folder, resume, force, &state);
    if (st >= 0)
        st = make_subfolder(folder, "checkpoints");
    if (st >= 0)
        st = make_subfolder(folder, "samples");
    if (st >= 0)
        st = remove_leftovers(folder);
    if (st >= 0 && state != NO_RUN && !resume)
        st = forget_run(folder);
    return st;
}

mcvd_status mcvdi_run_folder_open(mcvdi_run_folder **out, const char *path, bool resume, bool force)
{
    *out = NULL;
    mcvdi_run_folder *folder = mcvdi_calloc(1, sizeof *folder);
    if (!folder)
        return no_memory();
    folder->lock = -1;
    folder->path = mcvdi_strdup(path);
    const mcvd_status st = folder->path ? prepare(folder, resume, force) : no_memory();
    if (st < 0) {
        mcvdi_run_folder_close(&folder);
        return st;
    }
    *out = folder;
    return MCVD_OK;
}

void mcvdi_run_folder_close(mcvdi_run_folder **folder)
{
    if (!*folder)
        return;
    if ((*folder)->lock >= 0)
        close((*folder)->lock); /* releases the lock */
    mcvdi_free((*folder)->path);
    mcvdi_free(*folder);
    *folder = NULL;
}
