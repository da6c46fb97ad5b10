/* Deterministic numbers from a name and an index, as tests/golden/pipeline/README.md defines. */
#ifndef TESTS_SUPPORT_HASHED_H
#define TESTS_SUPPORT_HASHED_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

static inline uint32_t hash24(const char *key, uint32_t i)
{
    uint32_t h = 2166136261u;

    for (const unsigned char *c = (const unsigned char *)key; *c; c++)
        h = (h ^ *c) * 16777619u;
    uint32_t z = h + i * 0x9E3779B9u;
    z = (z ^ (z >> 16)) * 0x85EBCA6Bu;
    z = (z ^ (z >> 13)) * 0xC2B2AE35u;
    return (z ^ (z >> 16)) >> 8;
}

static inline float hashed_uniform(const char *key, uint32_t i, double lo, double hi)
{
    return (float)(lo + (hi - lo) * (double)hash24(key, i) / 16777216.0);
}

static inline float hashed_gauss(const char *key, uint32_t i)
{
    double sum = 0.0;

    for (uint32_t j = 0; j < 4; j++)
        sum += (double)hash24(key, 4u * i + j);
    return (float)((sum / 16777216.0 - 2.0) * sqrt(3.0));
}

static inline uint8_t hashed_byte(const char *key, uint32_t i)
{
    return (uint8_t)(hash24(key, i) >> 16);
}

#endif
