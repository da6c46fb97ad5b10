#include <mcvd/video.h>

#include "support/hashed.h"
#include "support/video_clips.h"

static void fill_hashed(uint8_t *data, size_t n, const char *key)
{
    for (size_t i = 0; i < n; i++)
        data[i] = hashed_byte(key, (uint32_t)i);
}

/* Length of the overlap of [a, a + n) and [b, b + m). */
static double overlap(double a, double n, double b, double m)
{
    const double lo = a > b ? a : b;
    const double hi = a + n < b + m ? a + n : b + m;

    return hi > lo ? hi - lo : 0.0;
}

/* The mean over the source area of one output pixel, straight from the definition. */
static double area_mean(const mcvd_image *src, int width, int height, int at[3])
{
    const double w = (double)src->width / width;
    const double h = (double)src->height / height;
    double sum = 0.0;

    for (int y = 0; y < src->height; y++) {
        for (int x = 0; x < src->width; x++) {
            const double weight =
                overlap(at[0] * h, h, y, 1.0) * overlap(at[1] * w, w, x, 1.0) / (w * h);
            sum += weight * src->data[(y * src->width + x) * src->channels + at[2]];
        }
    }
    return sum;
}

static const int sizes[][5] = { /* source h, w, C, target h, w */
                                { 48, 64, 3, 16, 16 }, { 37, 53, 3, 16, 11 }, { 17, 9, 1, 5, 7 },
                                { 5, 7, 1, 11, 13 },   { 1, 1, 3, 4, 4 },     { 64, 1, 1, 3, 1 }
};

static void area_is_the_mean_over_the_area(void **state)
{
    uint8_t data[48 * 64 * 3];
    uint8_t out[16 * 16 * 3];

    (void)state;
    fill_hashed(data, sizeof data, "area");
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const int *s = sizes[i];
        const mcvd_image src = { data, s[1], s[0], s[2] };
        CHECK_OK(mcvd_image_resize(out, s[4], s[3], &src, MCVD_RESIZE_AREA));
        for (int k = 0; k < s[3] * s[4] * s[2]; k++) {
            int at[3] = { k / s[2] / s[4], k / s[2] % s[4], k % s[2] };
            /* half a level of rounding, and the rounding of this sum */
            CHECK_CLOSE(out[k], area_mean(&src, s[4], s[3], at), 0.5 + 1e-9);
        }
    }
}

static void halves_round_up(void **state)
{
    static const uint8_t data[4] = { 0, 1, 2, 4 };
    const mcvd_image src = { data, 4, 1, 1 };
    uint8_t out[2];

    (void)state;
    CHECK_OK(mcvd_image_resize(out, 2, 1, &src, MCVD_RESIZE_AREA));
    CHECK_EQ(out[0], 1);
    CHECK_EQ(out[1], 3);
}

static void constants_and_same_size_stay(void **state)
{
    uint8_t data[20 * 30 * 3];
    uint8_t out[20 * 30 * 3];
    const mcvd_image src = { data, 30, 20, 3 };

    (void)state;
    for (int method = MCVD_RESIZE_AREA; method <= MCVD_RESIZE_BICUBIC; method++) {
        memset(data, 201, sizeof data);
        CHECK_OK(mcvd_image_resize(out, 7, 19, &src, (mcvd_resize)method));
        for (int i = 0; i < 7 * 19 * 3; i++)
            CHECK_EQ(out[i], 201);
        fill_hashed(data, sizeof data, "same");
        CHECK_OK(mcvd_image_resize(out, 30, 20, &src, (mcvd_resize)method));
        assert_memory_equal(out, data, sizeof data);
    }
}

static double keys(double x)
{
    x = fabs(x);
    return x < 1.0   ? 1.5 * x * x * x - 2.5 * x * x + 1.0
           : x < 2.0 ? -0.5 * x * x * x + 2.5 * x * x - 4.0 * x + 2.0
                     : 0.0;
}

/* One output of a row by the definition: centres at + 1/2, kernel widened by the scale. */
static double bicubic_at(const uint8_t *row, int n, int m, int i)
{
    const double scale = (double)n / m;
    const double wide = scale > 1.0 ? scale : 1.0;
    double sum = 0.0;
    double total = 0.0;

    for (int j = 0; j < n; j++) {
        const double w = keys((j + 0.5 - (i + 0.5) * scale) / wide);
        sum += w * row[j];
        total += w;
    }
    return sum / total;
}

static void bicubic_is_keys_cubic(void **state)
{
    static const int targets[] = { 3, 10, 29, 31, 64 };
    uint8_t row[30];
    uint8_t out[64];

    (void)state;
    fill_hashed(row, sizeof row, "cubic");
    for (size_t k = 0; k < sizeof targets / sizeof *targets; k++) {
        const mcvd_image wide = { row, 30, 1, 1 };
        const mcvd_image tall = { row, 1, 30, 1 };
        for (int turn = 0; turn < 2; turn++) {
            CHECK_OK(mcvd_image_resize(out, turn ? 1 : targets[k], turn ? targets[k] : 1,
                                       turn ? &tall : &wide, MCVD_RESIZE_BICUBIC));
            for (int i = 0; i < targets[k]; i++) {
                const double v = bicubic_at(row, 30, targets[k], i);
                const double clipped = v < 0.0 ? 0.0 : v > 255.0 ? 255.0 : v;
                CHECK_CLOSE(out[i], clipped, 0.5 + 1e-9);
            }
        }
    }
}

static void wrong_sizes_are_refused(void **state)
{
    uint8_t data[4] = { 0 };
    const mcvd_image good = { data, 2, 2, 1 };
    const mcvd_image bad = { data, 2, 2, 2 };

    (void)state;
    CHECK_STATUS(mcvd_image_resize(data, 0, 2, &good, MCVD_RESIZE_AREA), MCVD_E_RANGE);
    CHECK_STATUS(mcvd_image_resize(data, 70000, 2, &good, MCVD_RESIZE_AREA), MCVD_E_RANGE);
    CHECK_STATUS(mcvd_image_resize(data, 2, 2, &bad, MCVD_RESIZE_AREA), MCVD_E_RANGE);
}

static void grid_places_tiles(void **state)
{
    static const uint8_t a[6] = { 1, 2, 3, 4, 5, 6 };
    static const uint8_t b[6] = { 11, 12, 13, 14, 15, 16 };
    static const uint8_t expected[4 * 14] = {
        1, 1,  2,  2,  3,  3,  9,  9, 11, 11, 12, 12, 13, 13, /* two rows of two rows */
        1, 1,  2,  2,  3,  3,  9,  9, 11, 11, 12, 12, 13, 13, 4, 4,  5,  5,  6,  6,  9,
        9, 14, 14, 15, 15, 16, 16, 4, 4,  5,  5,  6,  6,  9,  9, 14, 14, 15, 15, 16, 16
    };
    mcvd_grid_config c = mcvd_grid_config_default();
    const uint8_t *tiles[4] = { a, b, NULL, b };
    uint8_t out[10 * 14];
    int width = 0;
    int height = 0;

    (void)state;
    c.cols = 2;
    c.tile_width = 3;
    c.tile_height = 2;
    c.channels = 1;
    c.gap = 2;
    c.zoom = 2;
    c.background = 9;
    CHECK_OK(mcvd_grid_size(&c, &width, &height));
    CHECK_EQ(width, 14);
    CHECK_EQ(height, 4);
    CHECK_OK(mcvd_grid_compose(out, &c, tiles));
    assert_memory_equal(out, expected, sizeof expected);
    c.rows = 2;
    CHECK_OK(mcvd_grid_compose(out, &c, tiles));
    assert_memory_equal(out, expected, sizeof expected);
    for (int i = 4 * 14; i < 6 * 14 + 8; i++)
        CHECK_EQ(out[i], 9); /* the gap and the empty tile */
    CHECK_EQ(out[6 * 14 + 8], 11);
    CHECK_EQ(out[10 * 14 - 1], 16);
}

static void grid_refuses(void **state)
{
    mcvd_grid_config c = mcvd_grid_config_default();
    int width = 0;
    int height = 0;

    (void)state;
    CHECK_STATUS(mcvd_grid_size(&c, &width, &height), MCVD_E_RANGE);
    c.tile_width = 64;
    c.tile_height = 64;
    c.cols = 256;
    c.zoom = 8;
    CHECK_STATUS(mcvd_grid_size(&c, &width, &height), MCVD_E_RANGE);
    c.cols = 1;
    c.zoom = 0;
    CHECK_STATUS(mcvd_grid_size(&c, &width, &height), MCVD_E_RANGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(area_is_the_mean_over_the_area),
        cmocka_unit_test(halves_round_up),
        cmocka_unit_test(constants_and_same_size_stay),
        cmocka_unit_test(bicubic_is_keys_cubic),
        cmocka_unit_test(wrong_sizes_are_refused),
        cmocka_unit_test(grid_places_tiles),
        cmocka_unit_test(grid_refuses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
