#include "cli/rollout_view.h"

#include <stdlib.h>
#include <string.h>

#include "cli/fail.h"

static size_t frame_bytes(const rollout_view *view)
{
    return (size_t)view->config.size * (size_t)view->config.size * (size_t)view->config.channels;
}

mcvd_status rollout_view_open(rollout_view *view, const rollout_view_config *config)
{
    int width = 0;
    int height = 0;

    memset(view, 0, sizeof *view);
    view->config = *config;
    view->grid = mcvd_grid_config_default();
    view->grid.cols = (int)config->samples + config->with_truth;
    view->grid.tile_width = view->grid.tile_height = config->size;
    view->grid.channels = config->channels;
    view->grid.zoom = config->zoom;
    view->grid.gap = view->grid.cols > 1 ? 4 : 0;
    mcvd_status st = mcvd_grid_size(&view->grid, &width, &height);
    if (st < 0)
        return st;
    view->canvas = calloc((size_t)width * (size_t)height, (size_t)config->channels);
    view->tiles = calloc((size_t)view->grid.cols, sizeof *view->tiles);
    if (!view->canvas || !view->tiles)
        return mcvdi_cli_fail(MCVD_E_NOMEM, "rollout: out of memory for the pictures");
    mcvd_video_writer_config writer = mcvd_video_writer_config_default();
    writer.width = width;
    writer.height = height;
    writer.channels = config->channels;
    writer.fps_num = config->fps_num;
    writer.fps_den = config->fps_den;
    writer.force = config->force;
    return mcvd_video_writer_open(&view->writer, config->path, &writer);
}

static mcvd_status write_tiles(rollout_view *view)
{
    mcvd_status st = mcvd_grid_compose(view->canvas, &view->grid, view->tiles);

    if (st >= 0)
        st = mcvd_video_writer_write(view->writer, view->canvas);
    if (st >= 0)
        view->frames++;
    return st;
}

mcvd_status rollout_view_write(rollout_view *view, const uint8_t *truth, const uint8_t *samples)
{
    size_t tile = 0;

    if (view->config.with_truth)
        view->tiles[tile++] = truth;
    for (size_t s = 0; s < view->config.samples; s++)
        view->tiles[tile++] = samples + s * frame_bytes(view);
    return write_tiles(view);
}

mcvd_status rollout_view_write_known(rollout_view *view, const uint8_t *frame)
{
    for (int i = 0; i < view->grid.cols; i++)
        view->tiles[i] = frame;
    return write_tiles(view);
}

mcvd_status rollout_view_finish(rollout_view *view)
{
    return mcvd_video_writer_finish(view->writer);
}

void rollout_view_close(rollout_view *view)
{
    mcvd_video_writer_free(&view->writer);
    free(view->canvas);
    free(view->tiles);
    view->canvas = NULL;
    view->tiles = NULL;
}
