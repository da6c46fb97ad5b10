/* Shifts of hues against values of another program: Python's colorsys in double precision,
 * rgb_to_hsv, (h + turns) % 1, hsv_to_rgb, rounded to bytes (rows within 0.01 of a half level are
 * left out). */
#include "data/hue.h"
#include "support/check.h"

typedef struct row {
    uint8_t rgb[3];
    float turns;
    uint8_t shifted[3];
} row;

static void test_equals_another_program(void **state)
{
    static const row rows[] = {
        { { 255, 0, 0 }, 0.5f, { 0, 255, 255 } },
        { { 255, 255, 0 }, 0.333333333f, { 0, 255, 255 } },
        { { 255, 0, 255 }, -0.5f, { 0, 255, 0 } },
        { { 0, 255, 255 }, 0.125f, { 0, 64, 255 } },
        { { 12, 200, 77 }, 0.0f, { 12, 200, 77 } },
        { { 1, 2, 3 }, 0.2f, { 2, 1, 3 } },
        { { 254, 255, 253 }, -0.2f, { 255, 254, 253 } },
        { { 200, 10, 10 }, -0.02f, { 200, 10, 33 } },
        { { 10, 10, 200 }, 0.02f, { 33, 10, 200 } },
        { { 120, 155, 52 }, 0.221f, { 52, 155, 121 } },
        { { 245, 79, 46 }, -0.433f, { 46, 132, 245 } },
        { { 205, 148, 30 }, -0.278f, { 205, 30, 204 } },
        { { 184, 141, 88 }, 0.327f, { 88, 184, 137 } },
        { { 134, 109, 13 }, 0.329f, { 13, 134, 106 } },
        { { 133, 139, 99 }, -0.335f, { 139, 99, 133 } },
        { { 148, 190, 44 }, 0.345f, { 44, 138, 190 } },
        { { 172, 198, 127 }, -0.322f, { 198, 127, 167 } },
        { { 242, 143, 45 }, 0.445f, { 45, 209, 242 } },
        { { 153, 3, 149 }, 0.072f, { 153, 3, 84 } },
        { { 159, 99, 211 }, -0.076f, { 108, 99, 211 } },
        { { 147, 220, 231 }, -0.339f, { 223, 231, 147 } },
        { { 156, 132, 22 }, -0.419f, { 63, 22, 156 } },
        { { 236, 143, 241 }, 0.201f, { 241, 158, 143 } },
        { { 74, 100, 34 }, -0.087f, { 100, 92, 34 } },
        { { 103, 225, 141 }, -0.316f, { 225, 154, 103 } },
        { { 223, 164, 101 }, 0.404f, { 101, 223, 216 } },
        { { 51, 31, 117 }, -0.223f, { 31, 117, 108 } },
        { { 121, 62, 169 }, 0.435f, { 152, 169, 62 } },
        { { 148, 235, 13 }, -0.457f, { 157, 13, 235 } },
        { { 147, 164, 78 }, 0.275f, { 78, 164, 151 } },
        { { 210, 39, 150 }, 0.118f, { 210, 49, 39 } },
        { { 227, 149, 69 }, -0.25f, { 227, 69, 226 } },
        { { 81, 169, 4 }, -0.137f, { 169, 121, 4 } },
        { { 232, 86, 186 }, 0.284f, { 229, 232, 86 } },
        { { 185, 148, 49 }, -0.061f, { 185, 98, 49 } },
        { { 106, 217, 106 }, -0.386f, { 217, 106, 141 } },
        { { 31, 28, 86 }, 0.096f, { 64, 28, 86 } },
        { { 76, 20, 251 }, 0.083f, { 191, 20, 251 } },
        { { 164, 18, 62 }, 0.335f, { 61, 164, 18 } },
        { { 149, 209, 102 }, -0.022f, { 163, 209, 102 } },
        { { 123, 224, 210 }, -0.008f, { 123, 224, 205 } },
        { { 112, 215, 227 }, -0.251f, { 158, 227, 112 } },
        { { 219, 110, 255 }, -0.312f, { 110, 255, 238 } },
        { { 18, 130, 129 }, -0.258f, { 80, 130, 18 } },
        { { 106, 118, 213 }, 0.37f, { 213, 118, 106 } },
        { { 72, 166, 26 }, 0.391f, { 28, 26, 166 } },
        { { 161, 59, 206 }, 0.463f, { 137, 206, 59 } },
        { { 20, 253, 198 }, -0.407f, { 253, 95, 20 } },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint8_t pixel[3] = { rows[i].rgb[0], rows[i].rgb[1], rows[i].rgb[2] };
        mcvdi_hue_shift(pixel, 1, rows[i].turns);
        for (size_t c = 0; c < 3; c++)
            CHECK_EQ(pixel[c], rows[i].shifted[c]);
    }
}

static void test_gray_stays_gray(void **state)
{
    uint8_t pixels[256 * 3];

    (void)state;
    for (int turns = -5; turns <= 5; turns++) {
        for (size_t i = 0; i < sizeof pixels; i++)
            pixels[i] = (uint8_t)(i / 3);
        mcvdi_hue_shift(pixels, 256, 0.1f * (float)turns);
        for (size_t i = 0; i < sizeof pixels; i++)
            CHECK_EQ(pixels[i], i / 3);
    }
}

/* No shift changes nothing, and no colour leaves the range between its channels. */
static void test_every_colour(void **state)
{
    static const float turns[] = { 0.0f, -0.5f, 0.5f, 1e-9f, -1e-9f, 0.37f };

    (void)state;
    for (size_t t = 0; t < sizeof turns / sizeof *turns; t++)
        for (unsigned rgb = 0; rgb < 1u << 24; rgb += 251) {
            const uint8_t was[3] = { (uint8_t)(rgb >> 16), (uint8_t)(rgb >> 8), (uint8_t)rgb };
            uint8_t is[3] = { was[0], was[1], was[2] };
            unsigned most = 0;
            unsigned least = 255;
            mcvdi_hue_shift(is, 1, turns[t]);
            for (size_t c = 0; c < 3; c++) {
                most = was[c] > most ? was[c] : most;
                least = was[c] < least ? was[c] : least;
            }
            for (size_t c = 0; c < 3; c++) {
                CHECK_TRUE(is[c] >= least && is[c] <= most);
                CHECK_TRUE(t > 0 || is[c] == was[c]);
            }
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equals_another_program),
        cmocka_unit_test(test_gray_stays_gray),
        cmocka_unit_test(test_every_colour),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
