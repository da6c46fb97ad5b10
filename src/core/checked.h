/* Size arithmetic on numbers that came from outside. */
#ifndef MCVDI_CHECKED_H
#define MCVDI_CHECKED_H

#include <stdbool.h>
#include <stddef.h>

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

#endif
