/* IEEE half precision and bfloat16, for files only. */
#ifndef MCVDI_HALF_H
#define MCVDI_HALF_H

#include <stddef.h>
#include <stdint.h>

void mcvdi_f16_to_f32(float *to, const uint16_t *from, size_t n);
void mcvdi_bf16_to_f32(float *to, const uint16_t *from, size_t n);
/* Round to nearest even; values beyond 65504 become infinity, as IEEE says. */
void mcvdi_f32_to_f16(uint16_t *to, const float *from, size_t n);

#endif
