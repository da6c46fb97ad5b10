/* A list of video files as clips: what KTH and UCF-101 share. */
#ifndef MCVDI_FILE_CLIPS_H
#define MCVDI_FILE_CLIPS_H

#include <pthread.h>

#include "data/clip_source.h"

typedef struct mcvdi_file_clip {
    char *path;
    const char *name; /* the path from `skip` on */
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
/* Takes path over, also on failure; name begins at path + skip. */
mcvd_status mcvdi_file_clips_add(mcvdi_file_clips *clips, char *path, size_t skip);
void mcvdi_file_clips_release(mcvdi_file_clips *clips);

/* The frames of a file are counted when they are asked for; one that cannot be read has 0, and a
 * warning says why. */
mcvd_status mcvdi_file_clips_info(mcvdi_file_clips *clips, size_t clip, mcvdi_clip_info *info);

#endif
