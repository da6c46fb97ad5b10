/* Settings and folders that the data tests share. */
#ifndef TESTS_SUPPORT_DATA_CONFIG_H
#define TESTS_SUPPORT_DATA_CONFIG_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <mcvd/config.h>

#include "support/check.h"

/* Moving digits 64x64, 5 past, 5 current, 5 future, masks of one half. */
static inline mcvd_data_config digits_config(void)
{
    mcvd_data_config data = { .dataset = "StochasticMovingMNIST",
                              .image_size = 64,
                              .channels = 1,
                              .num_frames = 5,
                              .num_frames_cond = 5,
                              .num_frames_future = 5,
                              .prob_mask_cond = 0.5,
                              .prob_mask_future = 0.5,
                              .rescaled = true,
                              .num_digits = 2,
                              .test_digits = 256,
                              .ucf101_split = 3,
                              .kth_clips = "files",
                              .cityscapes_test = "test",
                              .frame_step = 1,
                              .test_fraction = 0.2,
                              .resize = "area" };
    return data;
}

/* A fresh folder; the caller keeps the text and removes it with remove_folder. */
static inline void make_folder(char *path, size_t capacity)
{
    snprintf(path, capacity, "%s/mcvd-test-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    CHECK_TRUE(mkdtemp(path) != NULL);
}

static inline void write_file(const char *folder, const char *name, const void *data, size_t bytes)
{
    char path[512];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    CHECK_TRUE(file != NULL);
    CHECK_EQ(fwrite(data, 1, bytes, file), bytes);
    CHECK_EQ(fclose(file), 0);
}

static inline void remove_file(const char *folder, const char *name)
{
    char path[512];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    unlink(path);
}

#endif
