/*
 * RGB -> HSV, h <- (h + turns) mod 1, HSV -> RGB (torchvision, transforms.functional.adjust_hue).
 * With the largest channel v, the smallest m and c = v - m, each channel of the result lies between
 * m and v, and which one by how far is told by the sector of the hue:
 *
 *     sector     0  1  2  3  4  5
 *     red        v  q  p  p  t  v        p = v (1 - s) = m
 *     green      t  v  v  q  p  p        q = v (1 - s f)
 *     blue       p  p  t  v  v  q        t = v (1 - s (1 - f))    s = c / v, f = 6 h - sector
 */
#include "data/hue.h"

/* Into [0, 1), from less than a turn outside of it. */
static float one_turn(float hue)
{
    hue = hue < 0.0f ? hue + 1.0f : hue;
    return hue >= 1.0f ? hue - 1.0f : hue;
}

typedef struct hsv {
    float hue; /* [0, 1) */
    float saturation;
    float value;
} hsv;

static float larger(float a, float b)
{
    return a > b ? a : b;
}

static float smaller(float a, float b)
{
    return a < b ? a : b;
}

/* The colour has a hue: its channels are not all equal. */
static hsv to_hsv(float r, float g, float b)
{
    const float value = larger(larger(r, g), b);
    const float spread = value - smaller(smaller(r, g), b);
    float sixths;

    if (r == value)
        sixths = (g - b) / spread;
    else if (g == value)
        sixths = 2.0f + (b - r) / spread;
    else
        sixths = 4.0f + (r - g) / spread;
    return (hsv) { one_turn(sixths / 6.0f), spread / value, value };
}

static uint8_t to_level(float x)
{
    return (uint8_t)(255.0f * smaller(larger(x, 0.0f), 1.0f) + 0.5f);
}

static void put_rgb(uint8_t *pixel, hsv color)
{
    static const uint8_t places[6][3] = { /* of v, q, p, t in the array below */
                                          { 0, 3, 2 }, { 1, 0, 2 }, { 2, 0, 3 },
                                          { 2, 1, 0 }, { 3, 2, 0 }, { 0, 2, 1 }
    };
    const float sixths = 6.0f * color.hue;
    const int sector = (int)sixths;
    const float f = sixths - (float)sector;
    const float v = color.value;
    const float s = color.saturation;
    const uint8_t levels[4] = { to_level(v), to_level(v * (1.0f - s * f)), to_level(v * (1.0f - s)),
                                to_level(v * (1.0f - s * (1.0f - f))) };
    const uint8_t *place = places[sector % 6];

    for (int c = 0; c < 3; c++)
        pixel[c] = levels[place[c]];
}

void mcvdi_hue_shift(uint8_t *pixels, size_t num_pixels, float turns)
{
    for (size_t i = 0; i < num_pixels; i++) {
        uint8_t *p = pixels + 3 * i;
        if (p[0] == p[1] && p[1] == p[2])
            continue;
        hsv color = to_hsv((float)p[0] / 255.0f, (float)p[1] / 255.0f, (float)p[2] / 255.0f);
        color.hue = one_turn(color.hue + turns);
        put_rgb(p, color);
    }
}
