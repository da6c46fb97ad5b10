/* The pictures that a rollout writes: per frame one row of tiles, truth first, then each sample. */
#ifndef MCVDI_CLI_ROLLOUT_VIEW_H
#define MCVDI_CLI_ROLLOUT_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mcvd/status.h>
#include <mcvd/video.h>

typedef struct rollout_view_config {
    const char *path;
    int size; /* height and width of a tile */
    int channels;
    size_t samples;
    bool with_truth;
    int zoom;
    int fps_num, fps_den;
    bool force;
} rollout_view_config;

typedef struct rollout_view {
    rollout_view_config config;
    mcvd_grid_config grid;
    mcvd_video_writer *writer;
    uint8_t *canvas;
    const uint8_t **tiles;
    uint64_t frames; /* written so far */
} rollout_view;

mcvd_status rollout_view_open(rollout_view *view, const rollout_view_config *config);

/* truth: one frame, NULL when the input has none here; samples: [samples, size, size, channels]. */
mcvd_status rollout_view_write(rollout_view *view, const uint8_t *truth, const uint8_t *samples);

/* A frame of the input: truth and every sample show it. */
mcvd_status rollout_view_write_known(rollout_view *view, const uint8_t *frame);

mcvd_status rollout_view_finish(rollout_view *view);
void rollout_view_close(rollout_view *view); /* discards what was not finished */

#endif
