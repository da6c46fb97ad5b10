/* Clips for the tests of src/video, made on the spot, and a folder to make them in. */
#ifndef TESTS_SUPPORT_VIDEO_CLIPS_H
#define TESTS_SUPPORT_VIDEO_CLIPS_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <mcvd/video.h>

#include "support/check.h"

static char clip_folder[] = "/tmp/mcvd-test-XXXXXX";

static inline int make_clip_folder(void **state)
{
    (void)state;
    return mkdtemp(clip_folder) ? 0 : -1;
}

static inline int remove_clip_folder(void **state)
{
    char command[128];

    (void)state;
    (void)snprintf(command, sizeof command, "rm -rf '%s'", clip_folder);
    return system(command);
}

/* A path in the folder; four of them live at once. */
static inline const char *clip_path(const char *name)
{
    static char paths[4][512];
    static int next;
    char *path = paths[next++ % 4];

    (void)snprintf(path, sizeof paths[0], "%s/%s", clip_folder, name);
    return path;
}

/* Pixel of frame f: smooth, coloured, different in every frame, full range. */
static inline uint8_t clip_pixel(int f, int y, int x, int c)
{
    const int v = 3 * x * (c + 1) + 5 * y + 11 * f + 40 * c;
    const int wave = v % 510;

    return (uint8_t)(wave < 256 ? wave : 510 - wave);
}

static inline void fill_clip_frame(uint8_t *data, const mcvd_video_writer_config *c, int f)
{
    for (int y = 0; y < c->height; y++) {
        for (int x = 0; x < c->width; x++) {
            for (int k = 0; k < c->channels; k++)
                *data++ = clip_pixel(f, y, x, k);
        }
    }
}

static inline mcvd_video_writer_config clip_config(int width, int height, int channels)
{
    mcvd_video_writer_config c = mcvd_video_writer_config_default();

    c.width = width;
    c.height = height;
    c.channels = channels;
    return c;
}

/* Write num_frames frames of clip_pixel. */
static inline void write_clip(const char *path, const mcvd_video_writer_config *c, int num_frames)
{
    mcvd_video_writer *writer = NULL;
    uint8_t *data = malloc((size_t)c->width * (size_t)c->height * (size_t)c->channels);

    CHECK_TRUE(data);
    CHECK_OK(mcvd_video_writer_open(&writer, path, c));
    for (int f = 0; f < num_frames; f++) {
        fill_clip_frame(data, c, f);
        CHECK_OK(mcvd_video_writer_write(writer, data));
    }
    CHECK_OK(mcvd_video_writer_finish(writer));
    mcvd_video_writer_free(&writer);
    free(data);
}

static inline void write_bytes(const char *path, const void *data, size_t bytes)
{
    FILE *file = fopen(path, "wb");

    CHECK_TRUE(file);
    CHECK_EQ(fwrite(data, 1, bytes, file), bytes);
    CHECK_EQ(fclose(file), 0);
}

/* Largest difference between frame f as delivered and as written. */
static inline int clip_difference(const mcvd_frame *frame, const mcvd_video_writer_config *c, int f)
{
    const uint8_t *p = frame->data;
    int worst = 0;

    for (int y = 0; y < c->height; y++) {
        for (int x = 0; x < frame->width; x++) {
            for (int k = 0; k < c->channels; k++) {
                const int diff = abs((int)*p++ - (int)clip_pixel(f, y, x, k));
                if (x < c->width && diff > worst)
                    worst = diff;
            }
        }
    }
    return worst;
}

#endif
