#include "data/native_frames.h"

static mcvd_status read_frames(mcvd_video_reader *reader, size_t first, size_t count,
                               mcvdi_native_frame_fn fn, void *user)
{
    mcvd_frame frame;
    mcvd_status st = first ? mcvd_video_reader_seek(reader, (int64_t)first) : MCVD_OK;

    for (size_t i = 0; st == MCVD_OK && i < count; i++) {
        st = mcvd_video_reader_next(reader, &frame);
        if (st == MCVD_OK)
            st = fn(user, i, &frame);
    }
    return st;
}

mcvd_status mcvdi_native_frames(const char *path, size_t first, size_t count,
                                mcvdi_native_frame_fn fn, void *user)
{
    mcvd_video_reader_config config = mcvd_video_reader_config_default();
    mcvd_video_reader *reader = NULL;

    config.channels = 3;
    mcvd_status st = mcvd_video_reader_open(&reader, path, &config);
    if (st >= 0)
        st = read_frames(reader, first, count, fn, user);
    mcvd_video_reader_free(&reader);
    if (st == MCVD_E_RANGE) /* frames to be had and their size are the file's own */
        return mcvdi_fail_context(MCVD_E_DECODE, "%s", path);
    if (st == MCVD_EOF)
        return mcvdi_fail(MCVD_E_DECODE, "%s: ends before frame %zu", path, first + count - 1);
    return st;
}

mcvd_status mcvdi_native_frame_count(const char *path, size_t *count)
{
    mcvd_video_reader *reader = NULL;
    mcvd_status st = mcvd_video_reader_open(&reader, path, NULL);

    *count = 0;
    if (st < 0)
        return st;
    const int64_t claimed = mcvd_video_reader_info(reader)->num_frames;
    mcvd_video_reader_free(&reader);
    if (claimed > 0) {
        *count = (size_t)claimed;
        return MCVD_OK;
    }
    return mcvd_video_count_frames(path, count);
}
