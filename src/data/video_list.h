/* Which videos a path stands for. */
#ifndef MCVDI_VIDEO_LIST_H
#define MCVDI_VIDEO_LIST_H

#include <stddef.h>

#include "core/status.h"

typedef struct mcvdi_video_list {
    char **paths; /* sorted within each folder */
    size_t count;
    size_t capacity;
} mcvdi_video_list;

/*
 * A file: itself. A folder: its video files (by extension) and what its subfolders hold, one level
 * deep; a folder without videos but with pictures is one video. Nothing is opened.
 *
 * MCVD_E_INPUT (nothing of that kind, unreadable folder), MCVD_E_NOMEM.
 */
mcvd_status mcvdi_video_list_create(mcvdi_video_list *list, const char *path);
void mcvdi_video_list_release(mcvdi_video_list *list);

#endif
