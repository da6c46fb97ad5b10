/* Size arithmetic on numbers that came from outside. */
#ifndef MCVDI_CHECKED_H
#define MCVDI_CHECKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* *out = a * b; false (and *out untouched) when it does not fit. */
static inline bool mcvdi_mul_size(size_t *out, size_t a, size_t b)
{
    size_t product;

    if (__builtin_mul_overflow(a, b, &product))
        return false;
    *out = product;
    return true;
}

/* *out = a + b; false (and *out untouched) when it does not fit. */
static inline bool mcvdi_add_size(size_t *out, size_t a, size_t b)
{
    size_t sum;

    if (__builtin_add_overflow(a, b, &sum))
        return false;
    *out = sum;
    return true;
}

/* *out = the whole text as a decimal number: digits only, no sign, no spaces, at most 2^64 - 1. */
static inline bool mcvdi_decimal_u64(uint64_t *out, const char *text)
{
    uint64_t value = 0;

    for (const char *c = text; *c; c++)
        if (*c < '0' || *c > '9' || __builtin_mul_overflow(value, (uint64_t)10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*c - '0'), &value))
            return false;
    if (!*text)
        return false;
    *out = value;
    return true;
}

#endif
