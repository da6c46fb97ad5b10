/* What the tests of `mcvd rollout` share: a folder with a model and a clip, and running it there.
 */
#ifndef TESTS_SUPPORT_ROLLOUT_CLI_H
#define TESTS_SUPPORT_ROLLOUT_CLI_H

#include <mcvd/video.h>

#include "support/folder.h"
#include "support/program.h"
#include "support/random_model.h"

enum { CLIP_SIZE = 16, CLIP_BYTES = CLIP_SIZE * CLIP_SIZE, CLIP_FRAMES = 12 };

/* The tests work inside `folder`; what the runner itself writes goes to `scratch`. */
typedef struct rollout_place {
    char folder[TEST_PATH_BYTES];
    char scratch[TEST_PATH_BYTES];
    char model[TEST_PATH_BYTES + 32];
    char log[TEST_PATH_BYTES + 32];
} rollout_place;

static rollout_place place;

static inline uint8_t clip_pixel(int frame, int pixel)
{
    return hashed_byte("clip", (uint32_t)(frame * CLIP_BYTES + pixel));
}

static inline void write_clip(const char *path, int frames)
{
    uint8_t frame[CLIP_BYTES];
    mcvd_video_writer *writer = NULL;
    mcvd_video_writer_config config = mcvd_video_writer_config_default();

    config.width = config.height = CLIP_SIZE;
    config.channels = 1;
    config.fps_num = 10;
    config.force = true;
    CHECK_OK(mcvd_video_writer_open(&writer, path, &config));
    for (int f = 0; f < frames; f++) {
        for (int p = 0; p < CLIP_BYTES; p++)
            frame[p] = clip_pixel(f, p);
        CHECK_OK(mcvd_video_writer_write(writer, frame));
    }
    CHECK_OK(mcvd_video_writer_finish(writer));
    mcvd_video_writer_free(&writer);
}

/* 2 past, 2 new, 1 future frame; the clip is gray and lossless. */
static inline int rollout_set_up(void **state)
{
    const mcvd_config config = window_config((window_shape) { 2, 2, 1, 1, false });

    (void)state;
    make_test_folder(place.folder);
    make_test_folder(place.scratch);
    snprintf(place.model, sizeof place.model, "%s/model.safetensors", place.scratch);
    snprintf(place.log, sizeof place.log, "%s/log", place.scratch);
    write_random_model(&config, place.model);
    CHECK_EQ(setenv("MCVD_MODEL", place.model, 1), 0);
    CHECK_EQ(setenv("OMP_NUM_THREADS", "1", 1), 0);
    CHECK_EQ(chdir(place.folder), 0);
    write_clip("clip.mkv", CLIP_FRAMES);
    return 0;
}

static inline int rollout_tear_down(void **state)
{
    (void)state;
    CHECK_EQ(chdir("/"), 0);
    remove_test_folder(place.folder);
    remove_test_folder(place.scratch);
    return 0;
}

/* "--frames 5 -o x.mkv": split at blanks. `first` (or NULL) comes before, as it is. */
static inline pid_t start_rollout(const program_run *run, const char *first, const char *arguments)
{
    char text[1024];
    char *argv[PROGRAM_MAX_ARGS] = { (char *)MCVD_TEST_PROGRAM, (char *)"rollout" };
    int argc = 2;
    char *rest = NULL;

    CHECK_TRUE(strlen(arguments) < sizeof text);
    strcpy(text, arguments);
    if (first)
        argv[argc++] = (char *)(uintptr_t)first;
    for (char *word = strtok_r(text, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        CHECK_TRUE(argc + 1 < PROGRAM_MAX_ARGS);
        argv[argc++] = word;
    }
    argv[argc] = NULL;
    return program_start(run, argv, place.log);
}

static inline program_run rollout(const char *arguments)
{
    program_run run = { 0 };

    program_wait(&run, start_rollout(&run, NULL, arguments), place.log);
    return run;
}

static inline program_run rollout_ok(const char *arguments)
{
    const program_run run = rollout(arguments);

    if (run.status != 0)
        fail_msg("mcvd rollout %s: exit %d, %s", arguments, run.status, run.err);
    return run;
}

static inline mcvd_video_clip read_gray(const char *path)
{
    mcvd_video_reader_config config = mcvd_video_reader_config_default();
    mcvd_video_clip clip;

    config.channels = 1;
    CHECK_OK(mcvd_video_read_all(&clip, path, &config));
    return clip;
}

#endif
