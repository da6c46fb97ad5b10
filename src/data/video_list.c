#include "data/video_list.h"

#include <stdbool.h>
#include <string.h>

#include "core/alloc.h"
#include "core/fileio.h"
#include "video/names.h"

static bool is_video_name(const char *name)
{
    static const char *const suffixes[] = { ".mp4", ".m4v",  ".mov",  ".mkv", ".webm", ".avi",
                                            ".mpg", ".mpeg", ".ts",   ".mts", ".m2ts", ".vob",
                                            ".wmv", ".asf",  ".flv",  ".ogv", ".3gp",  ".mxf",
                                            ".nut", ".gif",  ".apng", ".y4m" };

    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++)
        if (mcvdi_has_suffix(name, suffixes[i]))
            return true;
    return false;
}

/* Takes path over; false out of memory (then it is freed). */
static bool append(mcvdi_video_list *list, char *path)
{
    if (path && list->count == list->capacity) {
        const size_t larger = list->capacity ? 2 * list->capacity : 16;
        char **moved = mcvdi_realloc(list->paths, larger * sizeof *moved);
        if (!moved) {
            mcvdi_free(path);
            return false;
        }
        list->paths = moved;
        list->capacity = larger;
    }
    if (path)
        list->paths[list->count++] = path;
    return path != NULL;
}

static mcvd_status add_folder(mcvdi_video_list *list, const char *path, int depth);

/* One entry of a folder; pictures are only counted. */
static mcvd_status add_entry(mcvdi_video_list *list, const char *folder, const char *name,
                             int depth)
{
    char *path = mcvdi_sprintf("%s/%s", folder, name);

    if (!path)
        return mcvdi_fail(MCVD_E_NOMEM, "%s: a path", folder);
    if (mcvdi_path_is_folder(path)) {
        const mcvd_status st = depth > 0 ? add_folder(list, path, depth - 1) : MCVD_OK;
        mcvdi_free(path);
        return st;
    }
    if (!is_video_name(name)) {
        mcvdi_free(path);
        return MCVD_OK;
    }
    return append(list, path) ? MCVD_OK : mcvdi_fail(MCVD_E_NOMEM, "%s: a path", folder);
}

static mcvd_status add_folder(mcvdi_video_list *list, const char *path, int depth)
{
    const size_t before = list->count;
    bool has_pictures = false;
    char **names = NULL;
    size_t count = 0;

    mcvd_status st = mcvdi_folder_names(&names, &count, path);
    for (size_t i = 0; st >= 0 && i < count; i++) {
        has_pictures = has_pictures || mcvdi_is_picture_name(names[i]);
        st = add_entry(list, path, names[i], depth);
    }
    mcvdi_names_free(&names, count);
    if (st >= 0 && list->count == before && has_pictures && !append(list, mcvdi_strdup(path)))
        st = mcvdi_fail(MCVD_E_NOMEM, "%s: a path", path);
    return st;
}

mcvd_status mcvdi_video_list_create(mcvdi_video_list *list, const char *path)
{
    mcvd_status st = MCVD_OK;

    *list = (mcvdi_video_list) { 0 };
    if (mcvdi_path_is_folder(path))
        st = add_folder(list, path, 1);
    else if (!append(list, mcvdi_strdup(path)))
        st = mcvdi_fail(MCVD_E_NOMEM, "%s: a path", path);
    if (st >= 0 && list->count == 0)
        st = mcvdi_fail(MCVD_E_INPUT,
                        "%s: expected videos, pictures or folders of them, found none", path);
    if (st < 0)
        mcvdi_video_list_release(list);
    return st;
}

void mcvdi_video_list_release(mcvdi_video_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        mcvdi_free(list->paths[i]);
    mcvdi_free(list->paths);
    *list = (mcvdi_video_list) { 0 };
}
