/* File names of pictures. */
#ifndef MCVDI_VIDEO_NAMES_H
#define MCVDI_VIDEO_NAMES_H

#include <stdbool.h>
#include <stddef.h>

/* Order of two names as people count: digit runs compare as numbers, so f2 < f10. Equal numbers
 * with different zeros, and everything else, compare as bytes. <0, 0, >0. */
int mcvdi_natural_compare(const char *a, const char *b);

/* The name ends in .png .jpg .jpeg .bmp .ppm .pgm, any case. */
bool mcvdi_is_picture_name(const char *name);

/* The name ends in `suffix`, any case. */
bool mcvdi_has_suffix(const char *name, const char *suffix);

#endif
