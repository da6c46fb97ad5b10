/* Tiles side by side: input | prediction | truth. */
#include <string.h>

#include <mcvd/video.h>

#include "core/status.h"

enum { MAX_TILES = 256, MAX_SIDE = 16384, MAX_ZOOM = 64, MAX_GAP = 1024 };

mcvd_grid_config mcvd_grid_config_default(void)
{
    return (mcvd_grid_config) {
        .rows = 1, .cols = 1, .channels = 3, .gap = 2, .zoom = 1, .background = 128
    };
}

static int side(int tiles, int tile, int zoom, int gap)
{
    const long long n = (long long)tiles * tile * zoom + (long long)(tiles - 1) * gap;

    return n <= MAX_SIDE ? (int)n : 0;
}

mcvd_status mcvd_grid_size(const mcvd_grid_config *config, int *width, int *height)
{
    const mcvd_grid_config *c = config;

    *width = 0;
    *height = 0;
    if (c->rows < 1 || c->rows > MAX_TILES || c->cols < 1 || c->cols > MAX_TILES)
        return mcvdi_fail(MCVD_E_RANGE, "grid of %dx%d tiles, expected 1..%d", c->cols, c->rows,
                          MAX_TILES);
    if (c->zoom < 1 || c->zoom > MAX_ZOOM || c->gap < 0 || c->gap > MAX_GAP ||
        (c->channels != 1 && c->channels != 3))
        return mcvdi_fail(MCVD_E_RANGE,
                          "grid zoom %d, gap %d, channels %d, expected 1..%d, 0..%d, 1 or 3",
                          c->zoom, c->gap, c->channels, MAX_ZOOM, MAX_GAP);
    if (c->tile_width < 1 || c->tile_width > MAX_SIDE || c->tile_height < 1 ||
        c->tile_height > MAX_SIDE)
        return mcvdi_fail(MCVD_E_RANGE, "grid tiles of %dx%d, expected 1..%d", c->tile_width,
                          c->tile_height, MAX_SIDE);
    const int w = side(c->cols, c->tile_width, c->zoom, c->gap);
    const int h = side(c->rows, c->tile_height, c->zoom, c->gap);
    if (!w || !h)
        return mcvdi_fail(MCVD_E_RANGE, "grid of %dx%d tiles of %dx%d, zoom %d: sides above %d",
                          c->cols, c->rows, c->tile_width, c->tile_height, c->zoom, MAX_SIDE);
    *width = w;
    *height = h;
    return MCVD_OK;
}

/* One tile, zoomed, its top left corner at dst. */
static void put_tile(uint8_t *dst, size_t stride, const mcvd_grid_config *c, const uint8_t *tile)
{
    const size_t channels = (size_t)c->channels;
    const size_t zoom = (size_t)c->zoom;
    const size_t width = (size_t)c->tile_width;

    for (size_t y = 0; y < (size_t)c->tile_height; y++) {
        uint8_t *row = dst + y * zoom * stride;
        uint8_t *p = row;
        for (size_t x = 0; x < width; x++) {
            for (size_t z = 0; z < zoom; z++, p += channels)
                memcpy(p, tile + (y * width + x) * channels, channels);
        }
        for (size_t z = 1; z < zoom; z++)
            memcpy(row + z * stride, row, width * zoom * channels);
    }
}

mcvd_status mcvd_grid_compose(uint8_t *dst, const mcvd_grid_config *config,
                              const uint8_t *const *tiles)
{
    int width = 0;
    int height = 0;

    const mcvd_status st = mcvd_grid_size(config, &width, &height);
    if (st < 0)
        return st;
    const size_t stride = (size_t)width * (size_t)config->channels;
    const size_t step_x =
        (size_t)(config->tile_width * config->zoom + config->gap) * (size_t)config->channels;
    const size_t step_y = (size_t)(config->tile_height * config->zoom + config->gap) * stride;
    memset(dst, config->background, (size_t)height * stride);
    for (size_t row = 0; row < (size_t)config->rows; row++) {
        for (size_t col = 0; col < (size_t)config->cols; col++) {
            const uint8_t *tile = tiles[row * (size_t)config->cols + col];
            if (tile)
                put_tile(dst + row * step_y + col * step_x, stride, config, tile);
        }
    }
    return MCVD_OK;
}
