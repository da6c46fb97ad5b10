/*
 * What a public data set is to us: a list of clips per split, each some frames at the size that the
 * model wants. One file per set; clips.c cuts windows from any of them, prepare.c stores any of
 * them.
 */
#ifndef MCVDI_CLIP_SOURCE_H
#define MCVDI_CLIP_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mcvd/data.h>

#include "core/status.h"

typedef struct mcvdi_clip_source_config {
    const char *path;
    mcvd_split split;
    size_t image_size; /* height of the frames; width too, but for sets with a random crop */
    size_t channels;
    const mcvd_data_config *data; /* the options that the kind names; NULL: any, of a store only */
} mcvdi_clip_source_config;

typedef struct mcvdi_clip_source_facts {
    size_t num_clips;
    size_t height; /* of a frame */
    size_t width;  /* above height: a window is cropped, see test_left */
    size_t channels;
    size_t test_left;     /* first column of the crop of the test split */
    size_t test_step;     /* the test set takes every n-th clip; 1 */
    size_t test_declared; /* M of the published index rule; 0: all clips */
    size_t action_dim;    /* numbers per frame beside the picture; 0: none */
    bool may_flip;        /* and change its hues */
    const char *set;      /* of which data set the clips are, where that is not the kind's name */
    char *describe;       /* one line, from core/alloc.h; the owner of the facts frees it */
} mcvdi_clip_source_facts;

typedef struct mcvdi_clip_info {
    const char *name; /* within the set, for messages and manifests; the source's */
    size_t num_frames;
} mcvdi_clip_info;

typedef struct mcvdi_clip_source_kind {
    const char *name; /* as data.dataset says it: "BAIR" */
    const char *help;
    const char *const *options; /* keys of data.* that decide its clips, up to NULL; or NULL */
    /* Whether a path that exists is such a set, by its layout. */
    bool (*accepts)(const char *path);
    mcvd_status (*open)(void **state, mcvdi_clip_source_facts *facts,
                        const mcvdi_clip_source_config *config);
    void (*free)(void **state);
    mcvd_status (*info)(void *state, size_t clip, mcvdi_clip_info *info);
    /* Frames first .. first + count - 1 into frames [count, height, width, channels] and, unless
     * NULL, actions [count, action_dim]. Safe from several threads. A failure for which
     * mcvdi_clip_is_damaged is the clip's, and others can be read nevertheless. */
    mcvd_status (*read)(void *state, size_t clip, size_t first, size_t count, uint8_t *frames,
                        float *actions);
} mcvdi_clip_source_kind;

/* Of a failed info or read: one clip is left out; any other failure ends the work. */
static inline bool mcvdi_clip_is_damaged(mcvd_status st)
{
    return st == MCVD_E_FORMAT || st == MCVD_E_DECODE || st == MCVD_E_INPUT ||
           st == MCVD_E_UNSUPPORTED; /* a codec that this FFmpeg does not have */
}

extern const mcvdi_clip_source_kind mcvdi_clip_source_bair;       /* TFRecords */
extern const mcvdi_clip_source_kind mcvdi_clip_source_cityscapes; /* folders of PNGs */
extern const mcvdi_clip_source_kind mcvdi_clip_source_kth;        /* avi files */
extern const mcvdi_clip_source_kind mcvdi_clip_source_ucf101;     /* avi files, split lists */
extern const mcvdi_clip_source_kind mcvdi_clip_source_videos;     /* whole videos, to be stored */
extern const mcvdi_clip_source_kind mcvdi_clip_source_store;      /* what `mcvd prepare` made */
extern const mcvdi_clip_source_kind mcvdi_clip_source_hdf5;       /* the authors' shards */

#endif
