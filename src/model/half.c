#include "model/half.h"

#include <math.h>
#include <string.h>

static float bits_to_float(uint32_t bits)
{
    float value;

    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint32_t float_to_bits(float value)
{
    uint32_t bits;

    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static float half_to_float(uint16_t half)
{
    const uint32_t sign = (uint32_t)(half & 0x8000u) << 16;
    const uint32_t exponent = half >> 10 & 31u;
    const uint32_t mantissa = half & 1023u;

    if (exponent == 31u)
        return bits_to_float(sign | 0x7f800000u | mantissa << 13);
    if (exponent == 0u) /* zero and subnormals: mantissa * 2^-24 */
        return bits_to_float(sign | float_to_bits((float)mantissa * 0x1p-24f));
    return bits_to_float(sign | (exponent + 112u) << 23 | mantissa << 13);
}

static uint16_t float_to_half(float value)
{
    const uint32_t bits = float_to_bits(value);
    const uint32_t sign = bits >> 16 & 0x8000u;
    const float magnitude = fabsf(value);

    if (isnan(value))
        return (uint16_t)(sign | 0x7e00u);
    if (magnitude >= 65520.0f)
        return (uint16_t)(sign | 0x7c00u);
    if (magnitude < 0x1p-14f) /* subnormal: a multiple of 2^-24 */
        return (uint16_t)(sign | (uint32_t)nearbyintf(magnitude * 0x1p24f));
    const uint32_t rest = (bits & 0x7fffffffu) - (112u << 23);
    return (uint16_t)(sign | ((rest + 0xfffu + (rest >> 13 & 1u)) >> 13));
}

void mcvdi_f16_to_f32(float *to, const uint16_t *from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] = half_to_float(from[i]);
}

void mcvdi_bf16_to_f32(float *to, const uint16_t *from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] = bits_to_float((uint32_t)from[i] << 16);
}

void mcvdi_f32_to_f16(uint16_t *to, const float *from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] = float_to_half(from[i]);
}
