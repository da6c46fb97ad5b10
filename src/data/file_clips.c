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

static void free_item(mcvdi_file_clip *item)
{
    mcvdi_free(item->path);
    mcvdi_free(item->name);
}

/* Takes what the item points to over. */
static mcvd_status append(mcvdi_file_clips *clips, mcvdi_file_clip item)
{
    if (!mcvdi_grow(&clips->items, clips->count, &clips->capacity, sizeof item)) {
        free_item(&item);
        return mcvdi_fail(MCVD_E_NOMEM, "a list of %zu clips", clips->count + 1);
    }
    clips->items[clips->count++] = item;
    return MCVD_OK;
}

mcvd_status mcvdi_file_clips_add(mcvdi_file_clips *clips, char *path, size_t skip)
{
    if (!path)
        return mcvdi_fail(MCVD_E_NOMEM, "a path: out of memory");
    return append(clips, (mcvdi_file_clip) { .path = path, .skip = skip });
}

mcvd_status mcvdi_file_clips_add_stretch(mcvdi_file_clips *clips, char *path, size_t skip,
                                         size_t first, size_t count)
{
    mcvdi_file_clip item = { .path = path, .skip = skip, .first = first, .wanted = count };

    if (path) /* counted from 1, as the lists of the sets count */
        item.name = mcvdi_sprintf("%s, frames %zu-%zu", path + skip, first + 1, first + count);
    if (!item.name) {
        free_item(&item);
        return mcvdi_fail(MCVD_E_NOMEM, "a path: out of memory");
    }
    return append(clips, item);
}

void mcvdi_file_clips_release(mcvdi_file_clips *clips)
{
    for (size_t i = 0; i < clips->count; i++)
        free_item(&clips->items[i]);
    mcvdi_free(clips->items);
    if (clips->has_mutex)
        pthread_mutex_destroy(&clips->mutex);
    memset(clips, 0, sizeof *clips);
}

static const char *name_of(const mcvdi_file_clip *c)
{
    return c->name ? c->name : c->path + c->skip;
}

static void cut_stretch(mcvdi_file_clip *c)
{
    const size_t whole = c->num_frames;
    const size_t left = whole > c->first ? whole - c->first : 0;

    c->num_frames = left < c->wanted ? left : c->wanted;
    if (left < c->wanted)
        mcvdi_log(MCVD_LOG_WARNING, "%s: the file has %zu frames: the clip has %zu", name_of(c),
                  whole, c->num_frames);
}

static mcvd_status count(mcvdi_file_clip *c)
{
    const mcvd_status st = mcvdi_native_frame_count(c->path, &c->num_frames);

    if (st == MCVD_E_NOMEM)
        return st;
    if (st < 0) {
        mcvdi_log(MCVD_LOG_WARNING, "left out: %s", mcvd_last_error());
        c->num_frames = 0;
    } else if (c->wanted) {
        cut_stretch(c);
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
    *info = (mcvdi_clip_info) { name_of(c), c->num_frames };
    return st;
}
