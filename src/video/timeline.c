#include "video/timeline.h"

#include <string.h>

#include "core/alloc.h"

mcvd_status mcvdi_timeline_note(mcvdi_timeline *timeline, int64_t index, int64_t pts, bool valid)
{
    if (timeline->broken || index < 0 || index > (int64_t)timeline->count)
        return MCVD_OK;
    if (index < (int64_t)timeline->count) { /* known: it must not have been wrong */
        timeline->broken = !valid || timeline->pts[index] != pts;
        return MCVD_OK;
    }
    if (!valid || (timeline->count > 0 && pts <= timeline->pts[timeline->count - 1])) {
        timeline->broken = true;
        return MCVD_OK;
    }
    if (timeline->count == timeline->capacity) {
        const size_t capacity = timeline->capacity ? timeline->capacity * 2 : 256;
        int64_t *grown = mcvdi_realloc(timeline->pts, capacity * sizeof *grown);
        if (!grown)
            return mcvdi_fail(MCVD_E_NOMEM, "timestamps of %zu frames", capacity);
        timeline->pts = grown;
        timeline->capacity = capacity;
    }
    timeline->pts[timeline->count++] = pts;
    return MCVD_OK;
}

bool mcvdi_timeline_find(const mcvdi_timeline *timeline, int64_t index, int64_t *pts)
{
    if (timeline->broken || index < 0 || index >= (int64_t)timeline->count)
        return false;
    *pts = timeline->pts[index];
    return true;
}

void mcvdi_timeline_free(mcvdi_timeline *timeline)
{
    mcvdi_free(timeline->pts);
    memset(timeline, 0, sizeof *timeline);
}

bool mcvdi_timeline_agrees(const mcvdi_timeline *timeline, const mcvdi_timeline *prefix)
{
    return !timeline->broken && !prefix->broken && timeline->count >= prefix->count &&
           (prefix->count == 0 ||
            memcmp(timeline->pts, prefix->pts, prefix->count * sizeof *prefix->pts) == 0);
}
