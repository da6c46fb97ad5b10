#include "data/prepare_folder.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/fileio.h"

enum { MAX_SETTINGS = 1 << 16 };

static const char manifest[] = "manifest.json";
static const char settings_file[] = "settings.json";
static const char *const frame_files[] = { "train.frames", "train.actions", "train.index",
                                           "test.frames",  "test.actions",  "test.index" };

enum { NUM_FILES = sizeof frame_files / sizeof *frame_files };

static mcvd_status no_memory(void)
{
    return mcvdi_fail(MCVD_E_NOMEM, "prepare: out of memory");
}

static bool has(const mcvdi_prepare_folder *folder, const char *name)
{
    char *path = mcvdi_sprintf("%s/%s", folder->path, name);
    const bool found = path && mcvdi_path_exists(path);

    mcvdi_free(path);
    return found;
}

static mcvd_status remove_file(const mcvdi_prepare_folder *folder, const char *name)
{
    char *path = mcvdi_sprintf("%s/%s", folder->path, name);
    mcvd_status st = path ? MCVD_OK : no_memory();

    if (st >= 0 && unlink(path) != 0 && errno != ENOENT)
        st = mcvdi_fail(MCVD_E_IO, "%s: %s", path, strerror(errno));
    mcvdi_free(path);
    return st;
}

/* The manifest first: without it the rest is no store. */
static mcvd_status clear(const mcvdi_prepare_folder *folder)
{
    mcvd_status st = remove_file(folder, manifest);

    for (size_t i = 0; st >= 0 && i < NUM_FILES; i++)
        st = remove_file(folder, frame_files[i]);
    return st < 0 ? st : remove_file(folder, settings_file);
}

static mcvd_status compare_settings(const mcvdi_prepare_folder *folder, const char *path,
                                    const char *settings)
{
    char *there = NULL;
    size_t bytes = 0;
    mcvd_status st = mcvdi_file_read(&there, &bytes, path, MAX_SETTINGS);

    if (st >= 0 && strcmp(there, settings) != 0)
        st =
            mcvdi_fail(MCVD_E_EXISTS, "%s: was begun with other settings: %.300s; --force drops it",
                       folder->path, there);
    mcvdi_free(there);
    return st;
}

/* Files of these names that no preparation wrote are not ours to cut. */
static mcvd_status refuse_foreign(const mcvdi_prepare_folder *folder)
{
    for (size_t i = 0; i < NUM_FILES; i++)
        if (has(folder, frame_files[i]))
            return mcvdi_fail(MCVD_E_EXISTS,
                              "%s/%s: is there without %s, not of mcvd prepare; --force drops it",
                              folder->path, frame_files[i], settings_file);
    return MCVD_OK;
}

static mcvd_status check(const mcvdi_prepare_folder *folder, const char *settings)
{
    char *path = mcvdi_sprintf("%s/%s", folder->path, settings_file);
    mcvd_status st = path ? MCVD_OK : no_memory();

    if (st >= 0 && has(folder, manifest))
        st = mcvdi_fail(MCVD_E_EXISTS, "%s: holds a finished store; --force makes it anew",
                        folder->path);
    if (st >= 0 && mcvdi_path_exists(path)) {
        st = compare_settings(folder, path, settings);
    } else if (st >= 0) {
        st = refuse_foreign(folder);
        if (st >= 0)
            st = mcvdi_file_write(path, settings, strlen(settings), false);
    }
    mcvdi_free(path);
    return st;
}

mcvd_status mcvdi_prepare_folder_open(mcvdi_prepare_folder *folder, const char *path,
                                      const char *settings, bool force)
{
    *folder = (mcvdi_prepare_folder) { .path = path, .lock = -1 };
    mcvd_status st = mcvdi_make_folders(path);

    if (st >= 0)
        st = mcvdi_folder_lock(&folder->lock, path, "prepares there");
    if (st >= 0 && force)
        st = clear(folder);
    return st < 0 ? st : check(folder, settings);
}

void mcvdi_prepare_folder_close(mcvdi_prepare_folder *folder)
{
    if (folder->lock >= 0)
        close(folder->lock);
    folder->lock = -1;
}
