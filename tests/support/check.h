/* Asserts that survive release builds and say what differed: both values and the index. */
#ifndef TESTS_SUPPORT_CHECK_H
#define TESTS_SUPPORT_CHECK_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <mcvd/status.h>

#define CHECK_TRUE(condition)                                                \
    do {                                                                     \
        if (!(condition))                                                    \
            fail_msg("%s:%d: not true: %s", __FILE__, __LINE__, #condition); \
    } while (0)

/* The status of a call, with the library's message when it is another one. */
#define CHECK_STATUS(call, expected)                                                             \
    do {                                                                                         \
        const mcvd_status check_st = (call);                                                     \
        if (check_st != (expected))                                                              \
            fail_msg("%s:%d: %s gave %s (%s), expected %s", __FILE__, __LINE__, #call,           \
                     mcvd_status_name(check_st), mcvd_last_error(), mcvd_status_name(expected)); \
    } while (0)

#define CHECK_OK(call) CHECK_STATUS(call, MCVD_OK)

/* The message of the last failure contains a word that tells the user what was wrong. */
#define CHECK_MESSAGE(part)                                                               \
    do {                                                                                  \
        if (!strstr(mcvd_last_error(), part))                                             \
            fail_msg("%s:%d: message \"%s\" does not contain \"%s\"", __FILE__, __LINE__, \
                     mcvd_last_error(), part);                                            \
    } while (0)

#define CHECK_EQ(a, b)                                                                             \
    do {                                                                                           \
        const long long check_a = (long long)(a);                                                  \
        const long long check_b = (long long)(b);                                                  \
        if (check_a != check_b)                                                                    \
            fail_msg("%s:%d: %s = %lld, %s = %lld", __FILE__, __LINE__, #a, check_a, #b, check_b); \
    } while (0)

/* |a - b| <= tolerance; a NaN never passes. */
#define CHECK_CLOSE(a, b, tolerance)                                                        \
    do {                                                                                    \
        const double check_a = (double)(a);                                                 \
        const double check_b = (double)(b);                                                 \
        const double check_t = (double)(tolerance);                                         \
        if (!(fabs(check_a - check_b) <= check_t))                                          \
            fail_msg("%s:%d: %s = %.9g, %s = %.9g, differ by %.3g, allowed %.3g", __FILE__, \
                     __LINE__, #a, check_a, #b, check_b, fabs(check_a - check_b), check_t); \
    } while (0)

/* Every |a[i] - b[i]| <= tolerance; prints the worst index. */
static inline void check_all_close(const char *file, int line, const char *what, const float *a,
                                   const float *b, size_t n, double tolerance)
{
    size_t worst = 0;
    double worst_diff = -1.0;

    for (size_t i = 0; i < n; i++) {
        const double diff = fabs((double)a[i] - (double)b[i]);
        if (!(diff <= worst_diff)) {
            worst_diff = diff;
            worst = i;
            if (isnan(diff))
                break;
        }
    }
    if (n && !(worst_diff <= tolerance))
        fail_msg("%s:%d: %s[%zu] = %.9g, expected %.9g, differ by %.3g, allowed %.3g", file, line,
                 what, worst, (double)a[worst], (double)b[worst], worst_diff, tolerance);
}

#define CHECK_ALL_CLOSE(a, b, n, tolerance) \
    check_all_close(__FILE__, __LINE__, #a, a, b, n, tolerance)

#endif
