/* Which files of two folders are videos, and which of them belong together. */
#ifndef MCVDI_PAIRING_H
#define MCVDI_PAIRING_H

#include <stdbool.h>
#include <stddef.h>

#include "core/status.h"

typedef struct mcvdi_listed_video {
    const char *name; /* in the folder */
    size_t stem;      /* length without the extension; folders have none */
} mcvdi_listed_video;

typedef struct mcvdi_video_list {
    const char *path; /* of the folder, borrowed */
    char **names;     /* all of them, sorted */
    size_t num_names;
    mcvdi_listed_video *videos;
    size_t num_videos;
    size_t num_left_out;
    const char *left_out; /* the first of them, or NULL */
    bool is_one_video;    /* pictures and no video: its frames; videos is empty */
} mcvdi_video_list;

/**
 * Videos and folders (of pictures), in the order of their names. Other files are left out.
 * @return MCVD_OK, MCVD_E_INPUT (neither pictures nor videos), what listing returns; free the list
 *         in any case
 */
mcvd_status mcvdi_video_list_open(mcvdi_video_list *list, const char *path);
void mcvdi_video_list_free(mcvdi_video_list *list);

/* A warning that says so. */
void mcvdi_video_list_warn(const mcvdi_video_list *list);

/**
 * The counterpart of each video of lists[0]: the one in lists[1] with the same stem.
 * @param partner  [lists[0].num_videos], indices into lists[1].videos
 * @return MCVD_OK, MCVD_E_INPUT (a video of either list with no counterpart, or with several)
 */
mcvd_status mcvdi_video_lists_match(const mcvdi_video_list lists[2], size_t *partner);

/* Path of a video; NULL without memory. */
char *mcvdi_listed_path(const mcvdi_video_list *list, size_t video);

#endif
