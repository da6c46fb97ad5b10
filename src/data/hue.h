/* Shifting the hues of a clip: data.color_jitter. */
#ifndef MCVDI_HUE_H
#define MCVDI_HUE_H

#include <stddef.h>
#include <stdint.h>

/* RGB bytes [num_pixels, 3], in place: each hue turns by `turns` of the circle, -1/2 .. 1/2;
 * saturation and value stay, and gray stays gray. Computed as torchvision's adjust_hue does with
 * float images in [0, 1], in float32, and rounded to the nearest level. */
void mcvdi_hue_shift(uint8_t *pixels, size_t num_pixels, float turns);

#endif
