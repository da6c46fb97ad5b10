#include "eval/pairing.h"

#include <string.h>

#include "core/alloc.h"
#include "core/fileio.h"
#include "core/log.h"
#include "video/names.h"

static bool is_video_name(const char *name)
{
    static const char *const suffixes[] = {
        ".mp4",  ".m4v", ".mov",  ".mkv", ".webm", ".avi",  ".gif",   ".apng", ".y4m", ".mpg",
        ".mpeg", ".m1v", ".m2v",  ".ts",  ".mts",  ".m2ts", ".flv",   ".f4v",  ".wmv", ".asf",
        ".ogv",  ".ogg", ".3gp",  ".3g2", ".vob",  ".mxf",  ".dv",    ".nut",  ".ivf", ".obu",
        ".h264", ".264", ".h265", ".265", ".hevc", ".mjpg", ".mjpeg",
    };

    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++)
        if (mcvdi_has_suffix(name, suffixes[i]))
            return true;
    return false;
}

/* Length of a file's name without its extension. */
static size_t stem_length(const char *name)
{
    const char *dot = strrchr(name, '.');

    return dot && dot != name ? (size_t)(dot - name) : strlen(name);
}

static void look_for_pictures(mcvdi_video_list *list)
{
    bool pictures = false;
    bool videos = false;

    for (size_t i = 0; i < list->num_names; i++) {
        pictures = pictures || mcvdi_is_picture_name(list->names[i]);
        videos = videos || is_video_name(list->names[i]);
    }
    list->is_one_video = pictures && !videos;
}

static mcvd_status keep_videos(mcvdi_video_list *list)
{
    list->videos = mcvdi_calloc(list->num_names + 1, sizeof *list->videos);
    if (!list->videos)
        return mcvdi_fail(MCVD_E_NOMEM, "%s: its videos", list->path);
    for (size_t i = 0; i < list->num_names; i++) {
        const char *name = list->names[i];
        char *path = mcvdi_sprintf("%s/%s", list->path, name);
        if (!path)
            return mcvdi_fail(MCVD_E_NOMEM, "%s: its videos", list->path);
        const bool is_folder = mcvdi_path_is_folder(path);
        mcvdi_free(path);
        if (is_folder || is_video_name(name)) {
            const size_t stem = is_folder ? strlen(name) : stem_length(name);
            list->videos[list->num_videos++] = (mcvdi_listed_video) { name, stem };
        } else if (list->num_left_out++ == 0) {
            list->left_out = name;
        }
    }
    if (list->num_videos == 0)
        return mcvdi_fail(MCVD_E_INPUT, "%s: neither pictures nor videos in this folder",
                          list->path);
    return MCVD_OK;
}

mcvd_status mcvdi_video_list_open(mcvdi_video_list *list, const char *path)
{
    *list = (mcvdi_video_list) { .path = path };
    const mcvd_status st = mcvdi_folder_names(&list->names, &list->num_names, path);

    if (st < 0)
        return st;
    look_for_pictures(list);
    return list->is_one_video ? MCVD_OK : keep_videos(list);
}

void mcvdi_video_list_free(mcvdi_video_list *list)
{
    mcvdi_names_free(&list->names, list->num_names);
    mcvdi_free(list->videos);
    *list = (mcvdi_video_list) { 0 };
}

void mcvdi_video_list_warn(const mcvdi_video_list *list)
{
    if (list->num_left_out == 1)
        mcvdi_log(MCVD_LOG_WARNING, "%s/%s: no video by its name, left out", list->path,
                  list->left_out);
    else if (list->num_left_out > 1)
        mcvdi_log(MCVD_LOG_WARNING, "%s: %zu files are no videos by their names, left out: %s, ...",
                  list->path, list->num_left_out, list->left_out);
}

char *mcvdi_listed_path(const mcvdi_video_list *list, size_t video)
{
    return mcvdi_sprintf("%s/%s", list->path, list->videos[video].name);
}

/* The one video of `in` with the same stem as `of`, which is in `folder`. */
static mcvd_status find_counterpart(const mcvdi_video_list *in, const char *folder,
                                    const mcvdi_listed_video *of, size_t *found)
{
    size_t count = 0;

    for (size_t i = 0; i < in->num_videos; i++) {
        const mcvdi_listed_video *other = &in->videos[i];
        if (other->stem != of->stem || memcmp(other->name, of->name, of->stem) != 0)
            continue;
        if (count++)
            return mcvdi_fail(MCVD_E_INPUT, "%s: both '%s' and '%s' fit to %s/%s", in->path,
                              in->videos[*found].name, other->name, folder, of->name);
        *found = i;
    }
    if (!count)
        return mcvdi_fail(MCVD_E_INPUT,
                          "%s/%s has no counterpart in %s; --unpaired compares them as sets",
                          folder, of->name, in->path);
    return MCVD_OK;
}

mcvd_status mcvdi_video_lists_match(const mcvdi_video_list lists[2], size_t *partner)
{
    size_t found = 0;

    for (int side = 0; side < 2; side++)
        for (size_t i = 0; i < lists[side].num_videos; i++) {
            const mcvd_status st = find_counterpart(&lists[1 - side], lists[side].path,
                                                    &lists[side].videos[i], &found);
            if (st < 0)
                return st;
            if (side == 0)
                partner[i] = found;
        }
    return MCVD_OK;
}
