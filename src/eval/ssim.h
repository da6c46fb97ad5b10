/* SSIM with the caller's scratch, so that scoring a video allocates once. */
#ifndef MCVDI_SSIM_H
#define MCVDI_SSIM_H

#include <stddef.h>
#include <stdint.h>

enum { MCVDI_SSIM_WINDOW = 11 };

/* Doubles of scratch for a picture whose sides are at least MCVDI_SSIM_WINDOW. */
size_t mcvdi_ssim_scratch(size_t height, size_t width);

/* See mcvd_ssim_u8. a, b: [height, width] */
double mcvdi_ssim(const uint8_t *a, const uint8_t *b, size_t height, size_t width, double *scratch);

#endif
