/* Video files, or stretches of them, as clips: what KTH and UCF-101 share. */
#ifndef MCVDI_FILE_CLIPS_H
#define MCVDI_FILE_CLIPS_H

#include <pthread.h>

#include "data/clip_source.h"

typedef struct mcvdi_file_clip {
    char *path;
    char *name;    /* of a stretch; NULL: path from `skip` on */
    size_t skip;   /* bytes of path that are not told */
    size_t first;  /* frame of the file that is the clip's first */
    size_t wanted; /* frames; 0: all to the file's end */
    size_t num_frames;
    bool counted;
} mcvdi_file_clip;

typedef struct mcvdi_file_clips {
    mcvdi_file_clip *items;
    size_t count, capacity;
    pthread_mutex_t mutex; /* of counting */
    bool has_mutex;
} mcvdi_file_clips;

mcvd_status mcvdi_file_clips_init(mcvdi_file_clips *clips);
/* Takes path over, also on failure; the clip's name begins at path + skip. */
mcvd_status mcvdi_file_clips_add(mcvdi_file_clips *clips, char *path, size_t skip);
/* Frames first .. first + count - 1 of a file; the name says so. */
mcvd_status mcvdi_file_clips_add_stretch(mcvdi_file_clips *clips, char *path, size_t skip,
                                         size_t first, size_t count);
void mcvdi_file_clips_release(mcvdi_file_clips *clips);

/* The frames of a file are counted when they are asked for; one that cannot be read has 0, and a
 * warning says why. A stretch ends with its file, and a warning says so. */
mcvd_status mcvdi_file_clips_info(mcvdi_file_clips *clips, size_t clip, mcvdi_clip_info *info);

#endif
