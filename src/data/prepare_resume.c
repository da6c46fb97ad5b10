#include "data/prepare_resume.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/crc32c.h"
#include "core/log.h"

enum { CHUNK = 1 << 20 };

/* The checksum goes on with the bytes [offset, offset + bytes) of a file; *whole tells whether the
 * file has them. */
static mcvd_status add_stretch(int fd, uint64_t offset, uint64_t bytes, uint32_t *crc, bool *whole)
{
    uint8_t *chunk = mcvdi_malloc(CHUNK);
    mcvd_status st = chunk ? MCVD_OK : mcvdi_fail(MCVD_E_NOMEM, "prepare: %d bytes", (int)CHUNK);

    while (st >= 0 && *whole && bytes > 0) {
        const size_t wanted = bytes < CHUNK ? (size_t)bytes : CHUNK;
        const ssize_t n = pread(fd, chunk, wanted, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            st = mcvdi_fail(MCVD_E_IO, "prepare: cannot read back: %s", strerror(errno));
        *whole = n > 0;
        if (n > 0) {
            *crc = mcvdi_crc32c(*crc, chunk, (size_t)n);
            offset += (uint64_t)n;
            bytes -= (uint64_t)n;
        }
    }
    mcvdi_free(chunk);
    return st;
}

static mcvd_status is_stored(const mcvdi_prepare_found *found, const mcvdi_store_clip *c,
                             bool *stored)
{
    const mcvdi_clip_source_facts *f = found->facts;
    const uint64_t frame = (uint64_t)f->height * f->width * f->channels;
    const uint64_t row = f->action_dim * sizeof(float);
    uint32_t crc = 0;

    *stored = true;
    mcvd_status st =
        add_stretch(found->frames, c->first_frame * frame, c->num_frames * frame, &crc, stored);
    if (st >= 0 && row && *stored)
        st = add_stretch(found->actions, c->first_frame * row, c->num_frames * row, &crc, stored);
    *stored = *stored && crc == c->crc;
    return st;
}

/* The source still has this clip at this place. */
static mcvd_status check_source(const mcvdi_prepare_found *found, size_t clip)
{
    const mcvdi_store_clip *c = &found->index->clips[clip];
    mcvdi_clip_info info = { "", 0 };
    const mcvd_status st = found->kind->info(found->state, clip, &info);

    if (st == MCVD_E_NOMEM)
        return st;
    if (strcmp(info.name, c->name) == 0 && (c->skipped || info.num_frames == c->num_frames))
        return MCVD_OK;
    return mcvdi_fail(MCVD_E_EXISTS,
                      "%s: was begun from another source: its clip %zu is %s of %zu frames, now it "
                      "is %s of %zu; --force begins anew",
                      found->folder, clip, c->name, c->num_frames, info.name, info.num_frames);
}

mcvd_status mcvdi_prepare_keep(const mcvdi_prepare_found *found)
{
    mcvdi_store_index *index = found->index;
    mcvd_status st = MCVD_OK;
    bool stored = true;

    if (index->count > found->facts->num_clips)
        return mcvdi_fail(MCVD_E_EXISTS,
                          "%s: was begun from another source: its index has %zu clips, the source "
                          "%zu; --force begins anew",
                          found->folder, index->count, found->facts->num_clips);
    for (size_t i = 0; st >= 0 && i < index->count; i++)
        st = check_source(found, i);
    for (size_t i = 0; st >= 0 && i < index->count; i++) {
        st = is_stored(found, &index->clips[i], &stored);
        if (st < 0 || stored)
            continue;
        mcvdi_log(MCVD_LOG_WARNING,
                  "%s: clip %zu of its index is not whole in its files: made again from there on",
                  found->folder, i);
        mcvdi_store_index_cut(index, i);
    }
    return st;
}
