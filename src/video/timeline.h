/* The timestamps of the frames seen so far: which time has frame i. */
#ifndef MCVDI_VIDEO_TIMELINE_H
#define MCVDI_VIDEO_TIMELINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

typedef struct mcvdi_timeline {
    int64_t *pts; /* [count], of frames 0, 1, 2 ... */
    size_t count;
    size_t capacity;
    bool broken; /* a time was missing or did not increase: seeking by time is not exact */
} mcvdi_timeline;

/* Note the time of frame `index`. A known one is compared: a difference breaks the timeline. A gap
 * is ignored. */
mcvd_status mcvdi_timeline_note(mcvdi_timeline *timeline, int64_t index, int64_t pts, bool valid);

/* True and *pts when frame `index` is known and times can be trusted. */
bool mcvdi_timeline_find(const mcvdi_timeline *timeline, int64_t index, int64_t *pts);

/* The first times are those of prefix. */
bool mcvdi_timeline_agrees(const mcvdi_timeline *timeline, const mcvdi_timeline *prefix);

void mcvdi_timeline_free(mcvdi_timeline *timeline);

#endif
