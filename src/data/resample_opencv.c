/*
 * Output o of n -> m pixels lies at f = (o + 1/2) n / m - 1/2 in single precision, between pixels
 * i = floor(f) and i + 1 with the weights round((1 - g) 2^11) and round(g 2^11), g = f - i; beyond
 * the border the border pixel counts alone. Rows S0, S1 of horizontal sums are then mixed by
 *
 *     (((w0 (S0 >> 4)) >> 16) + ((w1 (S1 >> 4)) >> 16) + 2) >> 2
 */
#include "data/resample_opencv.h"

#include <math.h>

#include "core/alloc.h"

enum { MAX_SIDE = 65535, ONE = 2048 };

typedef struct tap {
    size_t first, second;
    int w0, w1;
} tap;

void mcvdi_opencv_gray(uint8_t *gray, const uint8_t *rgb, size_t pixels)
{
    for (size_t i = 0; i < pixels; i++) {
        const uint8_t *p = rgb + 3 * i;
        gray[i] = (uint8_t)((3735 * p[2] + 19235 * p[1] + 9798 * p[0] + (1 << 14)) >> 15);
    }
}

static tap tap_of(size_t o, size_t n, size_t m)
{
    const double scale = (double)n / (double)m;
    float f = (float)(((double)o + 0.5) * scale - 0.5);
    ptrdiff_t i = (ptrdiff_t)floorf(f);

    f -= (float)i;
    if (i < 0) {
        i = 0;
        f = 0.0f;
    }
    if (i >= (ptrdiff_t)n - 1) {
        i = (ptrdiff_t)n - 1;
        f = 0.0f;
    }
    return (tap) { .first = (size_t)i,
                   .second = (size_t)i + 1 < n ? (size_t)i + 1 : (size_t)i,
                   .w0 = (int)lrintf((1.0f - f) * (float)ONE),
                   .w1 = (int)lrintf(f * (float)ONE) };
}

static void mix_row(int *sums, const uint8_t *row, const tap *columns, size_t width)
{
    for (size_t x = 0; x < width; x++)
        sums[x] = row[columns[x].first] * columns[x].w0 + row[columns[x].second] * columns[x].w1;
}

mcvd_status mcvdi_opencv_bilinear(uint8_t *out, const uint8_t *in, const mcvdi_opencv_shape *shape)
{
    const size_t width = shape->out_width;
    const size_t sides[] = { shape->in_height, shape->in_width, shape->out_height, width };

    for (size_t i = 0; i < 4; i++)
        if (sides[i] < 1 || sides[i] > MAX_SIDE)
            return mcvdi_fail(MCVD_E_RANGE, "resize: a side of %zu pixels", sides[i]);
    tap *columns = mcvdi_calloc(width, sizeof *columns);
    int *sums = mcvdi_calloc(2 * width, sizeof *sums);
    if (!columns || !sums) {
        mcvdi_free(columns);
        mcvdi_free(sums);
        return mcvdi_fail(MCVD_E_NOMEM, "resize: out of memory");
    }
    for (size_t x = 0; x < width; x++)
        columns[x] = tap_of(x, shape->in_width, width);
    for (size_t y = 0; y < shape->out_height; y++) {
        const tap row = tap_of(y, shape->in_height, shape->out_height);
        mix_row(sums, in + row.first * shape->in_width, columns, width);
        mix_row(sums + width, in + row.second * shape->in_width, columns, width);
        for (size_t x = 0; x < width; x++)
            out[y * width + x] = (uint8_t)((((row.w0 * (sums[x] >> 4)) >> 16) +
                                            ((row.w1 * (sums[width + x] >> 4)) >> 16) + 2) >>
                                           2);
    }
    mcvdi_free(columns);
    mcvdi_free(sums);
    return MCVD_OK;
}
