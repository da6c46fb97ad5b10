#include "cli/strip.h"

#include <stdlib.h>
#include <string.h>

#include <mcvd/video.h>

#include "cli/fail.h"

/* Gaps after zoom, and the size that small frames are brought to. */
enum { GAP = 2, WIDE_GAP = 10, SEEN_PIXELS = 96, GREY = 128, WHITE = 255 };

size_t mcvdi_strip_zoom(size_t size)
{
    return size >= SEEN_PIXELS ? 1 : (SEEN_PIXELS + size - 1) / size;
}

static size_t side_of(const mcvdi_strip *s)
{
    return s->size * (s->zoom ? s->zoom : 1);
}

static size_t left_of(const mcvdi_strip *s, size_t col)
{
    size_t x = col * (side_of(s) + GAP);

    for (size_t b = 0; b < sizeof s->breaks / sizeof *s->breaks; b++)
        if (s->breaks[b] > 0 && col >= s->breaks[b])
            x += WIDE_GAP - GAP;
    return x;
}

static size_t top_of(const mcvdi_strip *s, size_t row)
{
    const size_t groups = s->group ? row / s->group : 0;

    return row * (side_of(s) + GAP) + groups * (WIDE_GAP - GAP);
}

/* One frame, or grey; canvas points to its upper left corner, rows are width pixels long. */
static void paint(const mcvdi_strip *s, const uint8_t *frame, uint8_t *canvas, size_t width)
{
    const size_t zoom = s->zoom ? s->zoom : 1;
    const size_t side = side_of(s);
    const size_t c = s->channels;

    for (size_t y = 0; y < side; y++) {
        uint8_t *line = canvas + y * width * c;
        if (!frame) {
            memset(line, GREY, side * c);
            continue;
        }
        for (size_t x = 0; x < side; x++)
            memcpy(line + x * c, frame + (y / zoom * s->size + x / zoom) * c, c);
    }
}

mcvd_status mcvdi_strip_write(const char *path, const mcvdi_strip *s, bool force)
{
    const size_t width = left_of(s, s->cols - 1) + side_of(s);
    const size_t height = top_of(s, s->rows - 1) + side_of(s);
    uint8_t *canvas = malloc(width * height * s->channels);

    if (!canvas)
        return mcvdi_cli_fail(MCVD_E_NOMEM, "%s: out of memory for the picture", path);
    memset(canvas, WHITE, width * height * s->channels);
    for (size_t row = 0; row < s->rows; row++)
        for (size_t col = 0; col < s->cols; col++)
            paint(s, s->at[row * s->cols + col],
                  canvas + (top_of(s, row) * width + left_of(s, col)) * s->channels, width);
    const mcvd_image image = { canvas, (int)width, (int)height, (int)s->channels };
    const mcvd_status st = mcvd_image_write_png(path, &image, force);
    free(canvas);
    return st;
}
