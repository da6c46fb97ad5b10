#include "data/file_clips.h"

#include <string.h>

#include "core/alloc.h"
#include "core/log.h"
#include "data/native_frames.h"

mcvd_status mcvdi_file_clips_init(mcvdi_file_clips *clips)
{
    memset(clips, 0, sizeof *clips);
    clips->has_mutex = pthread_mutex_init(&clips->mutex, NULL) == 0;
    return clips->has_mutex ? MCVD_OK : mcvdi_fail(MCVD_E_NOMEM, "clips: a mutex");
}

mcvd_status mcvdi_file_clips_add(mcvdi_file_clips *clips, char *path, size_t skip)
{
    if (path && clips->count == clips->capacity) {
        const size_t larger = clips->capacity ? 2 * clips->capacity : 256;
        mcvdi_file_clip *moved = mcvdi_realloc(clips->items, larger * sizeof *moved);
        if (!moved) {
            mcvdi_free(path);
            return mcvdi_fail(MCVD_E_NOMEM, "a list of %zu clips", larger);
        }
        clips->items = moved;
        clips->capacity = larger;
    }
    if (!path)
        return mcvdi_fail(MCVD_E_NOMEM, "a path: out of memory");
    clips->items[clips->count++] = (mcvdi_file_clip) { .path = path, .name = path + skip };
    return MCVD_OK;
}

void mcvdi_file_clips_release(mcvdi_file_clips *clips)
{
    for (size_t i = 0; i < clips->count; i++)
        mcvdi_free(clips->items[i].path);
    mcvdi_free(clips->items);
    if (clips->has_mutex)
        pthread_mutex_destroy(&clips->mutex);
    memset(clips, 0, sizeof *clips);
}

static mcvd_status count(mcvdi_file_clip *c)
{
    const mcvd_status st = mcvdi_native_frame_count(c->path, &c->num_frames);

    if (st == MCVD_E_NOMEM)
        return st;
    if (st < 0) {
        mcvdi_log(MCVD_LOG_WARNING, "left out: %s", mcvd_last_error());
        c->num_frames = 0;
    }
    c->counted = true;
    return MCVD_OK;
}

mcvd_status mcvdi_file_clips_info(mcvdi_file_clips *clips, size_t clip, mcvdi_clip_info *info)
{
    mcvdi_file_clip *c = &clips->items[clip];

    pthread_mutex_lock(&clips->mutex);
    const mcvd_status st = c->counted ? MCVD_OK : count(c);
    pthread_mutex_unlock(&clips->mutex);
    *info = (mcvdi_clip_info) { c->name, c->num_frames };
    return st;
}
