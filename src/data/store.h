/*
 * A prepared data set, a folder of
 *
 *     manifest.json      what it is, frame size, the set's options, per split: clips, frames,
 *                        SHA-256 of its index
 *     <split>.frames     uint8 frames of all clips, one behind the other, [height, width, channels]
 *     <split>.actions    float32 [frames, action_dim], little-endian; only with actions
 *     <split>.index      a line of JSON per clip of the source, in its order:
 *                        {"name":..., "frames":n, "crc32c":c} or {"name":..., "skipped":why}
 *
 * The manifest is written last: a folder without it is unfinished, and going on means to read the
 * whole lines of the index, compare what they say with the other files and the source, cut the
 * files to what is right, and take the next clip.
 */
#ifndef MCVDI_STORE_H
#define MCVDI_STORE_H

#include "data/clip_source.h"

enum { MCVDI_STORE_FORMAT = 1, MCVDI_STORE_MAX_FRAMES = 1 << 24 /* of a clip */ };

/* One line of an index. */
typedef struct mcvdi_store_clip {
    char *name;
    uint64_t first_frame; /* of all frames of the split */
    size_t num_frames;    /* 0: left out */
    uint32_t crc;         /* of its frames' bytes, then of its actions' */
    bool skipped;
    size_t end; /* bytes of the index up to the end of its line */
} mcvdi_store_clip;

typedef struct mcvdi_store_index {
    mcvdi_store_clip *clips; /* of the source, also those left out */
    size_t count, capacity;
    uint64_t num_frames;
    size_t num_skipped;
    size_t bytes; /* of the whole lines; behind them may be a broken one */
} mcvdi_store_index;

/* MCVD_E_FORMAT (a line that is none, but the last one may be cut off), MCVD_E_INPUT, MCVD_E_NOMEM.
 * A missing file is an empty index. */
mcvd_status mcvdi_store_index_read(mcvdi_store_index *index, const char *path);
/* Keep the first `count` clips. */
void mcvdi_store_index_cut(mcvdi_store_index *index, size_t count);
void mcvdi_store_index_release(mcvdi_store_index *index);

/* Which splits the manifest of a store has, by mcvd_split. MCVD_E_INPUT, MCVD_E_FORMAT,
 * MCVD_E_NOMEM. */
mcvd_status mcvdi_store_splits(bool there[2], const char *folder);

/* "train" or "test" */
const char *mcvdi_store_split(mcvd_split split);

#endif
