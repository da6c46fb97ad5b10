/*
 * SSIM (Wang et al. 2004) with a Gaussian window. With u, v the local means, and the local
 * population variances and covariance,
 *
 *   SSIM = (2 u v + C1)(2 cov + C2) / ((u^2 + v^2 + C1)(var_a + var_b + C2)),
 *
 * averaged over the windows that lie inside the picture. Definitions that pad (by reflection, say)
 * and then cut the border away again arrive at the same windows.
 */
#include <mcvd/metrics.h>

#include <math.h>

#include "core/alloc.h"
#include "core/checked.h"
#include "core/status.h"
#include "eval/ssim.h"

enum { RADIUS = MCVDI_SSIM_WINDOW / 2, NUM_MOMENTS = 5 };

/* Window sums of a, b, a*a, b*b, a*b. */
typedef struct moments {
    double of[NUM_MOMENTS];
} moments;

static void gaussian_window(double window[MCVDI_SSIM_WINDOW])
{
    const double sigma = 1.5;
    double sum = 0.0;

    for (int i = 0; i < MCVDI_SSIM_WINDOW; i++) {
        const double d = (double)(i - RADIUS);
        window[i] = exp(-0.5 * d * d / (sigma * sigma));
        sum += window[i];
    }
    for (int i = 0; i < MCVDI_SSIM_WINDOW; i++)
        window[i] /= sum;
}

size_t mcvdi_ssim_scratch(size_t height, size_t width)
{
    return height * (width - 2 * RADIUS) * NUM_MOMENTS;
}

/* rows[h, w'] = horizontal window sums around the inner columns. */
static void sum_rows(moments *rows, const uint8_t *a, const uint8_t *b, size_t height, size_t width,
                     const double *window)
{
    const size_t inner = width - 2 * RADIUS;

    for (size_t y = 0; y < height; y++)
        for (size_t x = 0; x < inner; x++) {
            const uint8_t *pa = a + y * width + x;
            const uint8_t *pb = b + y * width + x;
            moments m = { { 0.0 } };

            for (int i = 0; i < MCVDI_SSIM_WINDOW; i++) {
                const double va = pa[i];
                const double vb = pb[i];
                m.of[0] += window[i] * va;
                m.of[1] += window[i] * vb;
                m.of[2] += window[i] * (va * va);
                m.of[3] += window[i] * (vb * vb);
                m.of[4] += window[i] * (va * vb);
            }
            rows[y * inner + x] = m;
        }
}

static double ssim_of_moments(const moments *m)
{
    const double c1 = (0.01 * 255.0) * (0.01 * 255.0);
    const double c2 = (0.03 * 255.0) * (0.03 * 255.0);
    const double u = m->of[0];
    const double v = m->of[1];
    const double var_a = m->of[2] - u * u;
    const double var_b = m->of[3] - v * v;
    const double cov = m->of[4] - u * v;

    return ((2.0 * u * v + c1) * (2.0 * cov + c2)) / ((u * u + v * v + c1) * (var_a + var_b + c2));
}

double mcvdi_ssim(const uint8_t *a, const uint8_t *b, size_t height, size_t width, double *scratch)
{
    const size_t inner_width = width - 2 * RADIUS;
    const size_t inner_height = height - 2 * RADIUS;
    moments *rows = (moments *)(void *)scratch;
    double window[MCVDI_SSIM_WINDOW];
    double sum = 0.0;

    gaussian_window(window);
    sum_rows(rows, a, b, height, width, window);
    for (size_t y = 0; y < inner_height; y++)
        for (size_t x = 0; x < inner_width; x++) {
            moments m = { { 0.0 } };
            for (size_t i = 0; i < MCVDI_SSIM_WINDOW; i++)
                for (int k = 0; k < NUM_MOMENTS; k++)
                    m.of[k] += window[i] * rows[(y + i) * inner_width + x].of[k];
            sum += ssim_of_moments(&m);
        }
    return sum / (double)(inner_height * inner_width);
}

mcvd_status mcvd_ssim_u8(double *ssim, const uint8_t *a, const uint8_t *b, size_t height,
                         size_t width)
{
    size_t bytes;

    if (height < MCVDI_SSIM_WINDOW || width < MCVDI_SSIM_WINDOW)
        return mcvdi_fail(MCVD_E_SHAPE, "SSIM of a %zux%zu frame: its window needs at least %dx%d",
                          width, height, MCVDI_SSIM_WINDOW, MCVDI_SSIM_WINDOW);
    if (!mcvdi_mul_size(&bytes, height, width) || !mcvdi_mul_size(&bytes, bytes, sizeof(moments)))
        return mcvdi_fail(MCVD_E_SHAPE, "SSIM of a %zux%zu frame: too large", width, height);
    bytes = mcvdi_ssim_scratch(height, width) * sizeof(double);

    double *scratch = mcvdi_malloc(bytes);
    if (!scratch)
        return mcvdi_fail(MCVD_E_NOMEM, "SSIM: %zu bytes", bytes);
    *ssim = mcvdi_ssim(a, b, height, width, scratch);
    mcvdi_free(scratch);
    return MCVD_OK;
}

static unsigned luma(unsigned r, unsigned g, unsigned b)
{
    return (19595u * r + 38470u * g + 7471u * b + 32768u) >> 16;
}

/* floor(255 x) in single precision; rounding half to even comes from the default FP mode. */
static unsigned to_8bit(float x, bool binarise)
{
    if (!(x > 0.0f))
        return 0u;
    if (x > 1.0f)
        x = 1.0f;
    if (binarise)
        x = nearbyintf(x);
    return (unsigned)(x * 255.0f);
}

void mcvd_gray_u8(uint8_t *gray, const float *frame, size_t pixels, size_t channels, bool binarise)
{
    for (size_t i = 0; i < pixels; i++) {
        const float *p = frame + i * channels;
        const unsigned r = to_8bit(p[0], binarise);
        gray[i] =
            (uint8_t)(channels == 3 ? luma(r, to_8bit(p[1], binarise), to_8bit(p[2], binarise))
                                    : r);
    }
}
