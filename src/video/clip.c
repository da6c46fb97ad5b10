/* Whole videos: counting, and reading into memory. */
#include <string.h>

#include <mcvd/video.h>

#include "core/alloc.h"
#include "core/checked.h"
#include "core/status.h"

mcvd_status mcvd_video_count_frames(const char *path, size_t *num_frames)
{
    mcvd_video_reader_config config = mcvd_video_reader_config_default();
    mcvd_video_reader *reader = NULL;

    *num_frames = 0;
    config.width = 1; /* the frames are not looked at */
    config.height = 1;
    config.channels = 1;
    config.crop = false;
    mcvd_status st = mcvd_video_reader_open(&reader, path, &config);
    if (st < 0)
        return st;
    st = mcvd_video_reader_seek(reader, INT64_MAX);
    if (st == MCVD_EOF) {
        *num_frames = (size_t)mcvd_video_reader_info(reader)->num_frames;
        st = MCVD_OK;
    }
    mcvd_video_reader_free(&reader);
    return st;
}

void mcvd_video_clip_free(mcvd_video_clip *clip)
{
    mcvdi_free(clip->data);
    memset(clip, 0, sizeof *clip);
}

static mcvd_status append(mcvd_video_clip *clip, size_t *capacity, const mcvd_frame *frame,
                          size_t max_bytes)
{
    const size_t bytes = (size_t)frame->width * (size_t)frame->height * (size_t)frame->channels;
    size_t needed = 0;

    if (!mcvdi_mul_size(&needed, clip->num_frames + 1, bytes) || needed > max_bytes)
        return mcvdi_fail(MCVD_E_RANGE, "%zu frames of %zu bytes are more than %zu bytes",
                          clip->num_frames + 1, bytes, max_bytes);
    if (needed > *capacity) {
        const size_t wanted = needed < max_bytes / 2 ? needed * 2 : max_bytes;
        uint8_t *grown = mcvdi_realloc(clip->data, wanted);
        if (!grown)
            return mcvdi_fail(MCVD_E_NOMEM, "%zu bytes of frames", wanted);
        clip->data = grown;
        *capacity = wanted;
    }
    memcpy(clip->data + clip->num_frames * bytes, frame->data, bytes);
    clip->num_frames++;
    return MCVD_OK;
}

mcvd_status mcvd_video_read_all(mcvd_video_clip *clip, const char *path,
                                const mcvd_video_reader_config *config)
{
    const size_t max_bytes =
        config ? config->max_bytes : mcvd_video_reader_config_default().max_bytes;
    mcvd_video_reader *reader = NULL;
    mcvd_frame frame;
    size_t capacity = 0;

    memset(clip, 0, sizeof *clip);
    mcvd_status st = mcvd_video_reader_open(&reader, path, config);
    if (st < 0)
        return st;
    const mcvd_video_info *info = mcvd_video_reader_info(reader);
    clip->width = info->width;
    clip->height = info->height;
    clip->channels = info->channels;
    clip->fps_num = info->fps_num;
    clip->fps_den = info->fps_den;
    while (st == MCVD_OK) {
        st = mcvd_video_reader_next(reader, &frame);
        if (st != MCVD_OK)
            break;
        st = append(clip, &capacity, &frame, max_bytes);
        if (st < 0)
            st = mcvdi_fail_context(st, "%s", path);
    }
    mcvd_video_reader_free(&reader);
    if (st < 0) {
        mcvd_video_clip_free(clip);
        return st;
    }
    return MCVD_OK;
}
