/*
 * Marsaglia and Tsang 2000, "A simple method for generating gamma variables". With d = k - 1/3,
 * c = 1 / sqrt(9 d), x normal, u uniform, v = (1 + c x)^3: accept g = d v when v > 0 and
 *
 *     log u < x^2 / 2 + d - d v + d log v
 *
 * For k < 1: Gamma(k) = Gamma(k + 1) u^(1 / k). k reaches 1e10 and more, where g - k is a small
 * difference of large numbers, so v - 1 = c x (3 + 3 c x + (c x)^2) is what is computed.
 */
#include "diffusion/gamma.h"

#include <math.h>

enum { CHUNK = 256, MAX_ATTEMPTS = 16, NUMBERS_PER_RETRY = 8 };

/* Parts of a stream: first normals, first uniforms, those of the second and later attempts, and
 * the power of small shapes. */
static const uint64_t uniforms_at = UINT64_C(1) << 40;
static const uint64_t retries_at = UINT64_C(2) << 40;
static const uint64_t powers_at = UINT64_C(3) << 40;

static const double theta_0 = 0.001;
static const double normal_from = 1e12; /* skewness 2e-6: float32 sees a normal distribution */

typedef struct shape_constants {
    double d;
    double c;
} shape_constants;

/* v - 1 */
static double excess(const shape_constants *s, double x)
{
    const double y = s->c * x;
    return y * (3.0 + y * (3.0 + y));
}

static bool accepts(const shape_constants *s, double x, double u)
{
    const double y = s->c * x;

    if (!(y > -1.0))
        return false;
    if (u < 1.0 - 0.0331 * (x * x) * (x * x)) /* inside the region, without logarithms */
        return true;
    return log(u) < 0.5 * x * x - s->d * excess(s, x) + 3.0 * s->d * log1p(y);
}

/* Attempts 1, 2, ... of element i; the last one counts whatever it is (probability below 1e-20). */
static double try_again(mcvd_rng_key key, uint64_t i, const shape_constants *s)
{
    float x[4];
    float u[4];

    for (uint64_t k = 1;; k++) {
        const uint64_t at = retries_at + (i * MAX_ATTEMPTS + k) * NUMBERS_PER_RETRY;
        mcvd_rng_normal(key, at, x, 4);
        mcvd_rng_uniform(key, at + 4, u, 4);
        if (k == MAX_ATTEMPTS - 1)
            return fmax((double)x[0], -0.5 / s->c);
        if (accepts(s, (double)x[0], (double)u[0] + 0x1p-25))
            return (double)x[0];
    }
}

/* From d v to z. */
static double standardised(mcvd_rng_key key, uint64_t i, double shape, double d_excess)
{
    float u[4];

    if (shape >= 1.0)
        return (d_excess - 1.0 / 3.0) / sqrt(shape);
    mcvd_rng_uniform(key, powers_at + 4 * i, u, 4);
    const double g = (shape + 2.0 / 3.0 + d_excess) * pow((double)u[0] + 0x1p-25, 1.0 / shape);
    return (g - shape) / sqrt(shape);
}

void mcvdi_gamma_noise(mcvd_rng_key key, double shape, float *out, size_t n)
{
    const double d = (shape < 1.0 ? shape + 1.0 : shape) - 1.0 / 3.0;
    const shape_constants s = { d, 1.0 / sqrt(9.0 * d) };
    float u[CHUNK];

    mcvd_rng_normal(key, 0, out, n);
    if (!(shape < normal_from))
        return;
    for (size_t first = 0; first < n; first += CHUNK) {
        const size_t count = n - first < CHUNK ? n - first : CHUNK;
        mcvd_rng_uniform(key, uniforms_at + first, u, count);
        for (size_t i = 0; i < count; i++) {
            double x = (double)out[first + i];
            if (!accepts(&s, x, (double)u[i] + 0x1p-25))
                x = try_again(key, first + i, &s);
            out[first + i] = (float)standardised(key, first + i, shape, d * excess(&s, x));
        }
    }
}

double mcvd_schedule_gamma_shape(const mcvd_schedule *sched, int t)
{
    const mcvd_level level = mcvd_schedule_level(sched, t);
    const double ratio = level.s / (level.a * theta_0);

    return ratio * ratio;
}
