/* make_clip OUT FRAMES [CLIP]: a clip of the fixed test set of moving digits as a video. The demo
 * clip and the inputs of system tests come from here. */
#include <stdio.h>
#include <stdlib.h>

#include <mcvd/data.h>
#include <mcvd/video.h>

static mcvd_status write_clip(const char *path, const uint8_t *frames, size_t n, size_t bytes)
{
    mcvd_video_writer *writer = NULL;
    mcvd_video_writer_config wc = mcvd_video_writer_config_default();

    wc.width = wc.height = 64;
    wc.channels = 1;
    wc.fps_num = 10;
    wc.quality = 90;
    wc.force = true;
    mcvd_status st = mcvd_video_writer_open(&writer, path, &wc);
    for (size_t f = 0; st >= 0 && f < n; f++)
        st = mcvd_video_writer_write(writer, frames + f * bytes);
    if (st >= 0)
        st = mcvd_video_writer_finish(writer);
    mcvd_video_writer_free(&writer);
    return st;
}

int main(int argc, char **argv)
{
    const size_t n = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
    const uint64_t clip = argc > 3 ? strtoull(argv[3], NULL, 10) : 0;
    const size_t bytes = (size_t)64 * 64;
    mcvd_config config;
    mcvd_dataset *data = NULL;

    if (n < 1 || n > 10000) {
        fputs("usage: make_clip OUT FRAMES [CLIP]\n", stderr);
        return 2;
    }
    mcvd_config_default(&config);
    mcvd_dataset_config dc = mcvd_dataset_config_default(&config.data);
    dc.split = MCVD_SPLIT_TEST;
    dc.num_frames = n;
    dc.num_test_clips = (size_t)clip + 1;
    uint8_t *frames = calloc(n, bytes);
    mcvd_status st = mcvd_dataset_open(&data, &dc);
    if (st >= 0 && frames)
        st = mcvd_dataset_window(data, clip, frames);
    if (st >= 0 && frames)
        st = write_clip(argv[1], frames, n, bytes);
    if (st < 0)
        fprintf(stderr, "make_clip: %s\n", mcvd_last_error());
    mcvd_dataset_free(&data);
    free(frames);
    return st < 0 ? 1 : 0;
}
