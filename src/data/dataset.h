/* What a kind of dataset implements; one file per kind, one row in the table of dataset.c. */
#ifndef MCVDI_DATASET_H
#define MCVDI_DATASET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mcvd/data.h>

#include "core/status.h"

/* What a kind reports about itself when it is open. */
typedef struct mcvdi_dataset_facts {
    uint64_t num_windows; /* distinct windows of the split, at least 1; UINT64_MAX: endless */
    bool may_flip;        /* pictures: data.random_flip and color_jitter apply */
    size_t action_dim;    /* numbers per frame beside the picture */
    const char *set;      /* of which data set it is, where that is not the kind's name */
    char *describe;       /* one line, from core/alloc.h; the dataset frees it */
} mcvdi_dataset_facts;

typedef struct mcvdi_dataset_kind {
    const char *name;
    const char *help;
    /* Whether a path that exists is a source of this kind. */
    bool (*accepts)(const char *path);
    /* config->num_frames is set; path may be NULL only if opens_without_path. */
    mcvd_status (*open)(void **state, mcvdi_dataset_facts *facts,
                        const mcvd_dataset_config *config);
    void (*free)(void **state);
    /* Training sample `index`, or test clip `index` of num_test_clips. Safe from several threads.
     */
    mcvd_status (*window)(void *state, uint64_t index, size_t num_test_clips, uint8_t *clip);
    bool opens_without_path;
} mcvdi_dataset_kind;

/* Public data sets are not here but clip sources: clip_source.h. */
extern const mcvdi_dataset_kind mcvdi_dataset_smmnist;
extern const mcvdi_dataset_kind mcvdi_dataset_videos;

/* Mirror every frame of a clip [F, H, W, C] left-right, in place. */
void mcvdi_clip_flip(uint8_t *clip, size_t num_rows, size_t width, size_t channels);

/* The configuration that the dataset was opened with; num_frames and seed resolved. */
const mcvd_dataset_config *mcvdi_dataset_config_of(const mcvd_dataset *dataset);

#endif
