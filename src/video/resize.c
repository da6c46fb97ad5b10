#include "video/resize.h"

#include <math.h>
#include <string.h>

#include "core/alloc.h"
#include "core/checked.h"

enum { MAX_SIDE = 65536 };

/* Output i of an axis is the sum over j of weights[i * max_taps + j] * input[first[i] + j],
 * divided by `total`. */
typedef struct axis {
    size_t src;
    size_t dst;
    size_t max_taps;
    uint32_t *first;
    uint32_t *count;
    double *weights;
    double total;
} axis;

struct mcvdi_resizer {
    axis x;
    axis y;
    size_t channels;
    bool exact;   /* area: integer weights, integer arithmetic in rows */
    double *rows; /* [src_h, dst_w * C]: every source row after the horizontal pass */
    double *sums; /* [dst_w * C] */
};

/* Output i covers [i * src, (i + 1) * src) in units of 1 / dst of an input pixel; input j covers
 * [j * dst, (j + 1) * dst). The overlap is the weight, and the weights of an output sum to src. */
static void fill_area(axis *a)
{
    a->total = (double)a->src;
    for (size_t i = 0; i < a->dst; i++) {
        const size_t begin = i * a->src;
        const size_t end = begin + a->src;
        const size_t first = begin / a->dst;
        const size_t last = (end - 1) / a->dst;

        a->first[i] = (uint32_t)first;
        a->count[i] = (uint32_t)(last - first + 1);
        for (size_t j = first; j <= last; j++) {
            const size_t lo = j * a->dst > begin ? j * a->dst : begin;
            const size_t hi = (j + 1) * a->dst < end ? (j + 1) * a->dst : end;
            a->weights[i * a->max_taps + (j - first)] = (double)(hi - lo);
        }
    }
}

/* Keys 1981, "Cubic convolution interpolation for digital image processing", a = -1/2. */
static double cubic(double x)
{
    x = fabs(x);
    if (x < 1.0)
        return (1.5 * x - 2.5) * x * x + 1.0;
    if (x < 2.0)
        return ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0;
    return 0.0;
}

/* Pixel centres at i + 1/2; the kernel is stretched by src / dst when shrinking; taps outside the
 * picture are dropped and the rest is normalised. */
static void fill_bicubic(axis *a)
{
    const double scale = (double)a->src / (double)a->dst;
    const double stretch = scale > 1.0 ? scale : 1.0;

    a->total = 1.0;
    for (size_t i = 0; i < a->dst; i++) {
        const double centre = ((double)i + 0.5) * scale;
        const double lo = floor(centre - 2.0 * stretch);
        const double hi = ceil(centre + 2.0 * stretch);
        const size_t first = lo > 0.0 ? (size_t)lo : 0;
        const size_t end = hi < (double)a->src ? (size_t)hi : a->src;
        double *w = a->weights + i * a->max_taps;
        double sum = 0.0;

        a->first[i] = (uint32_t)first;
        a->count[i] = (uint32_t)(end - first);
        for (size_t j = first; j < end; j++) {
            w[j - first] = cubic(((double)j + 0.5 - centre) / stretch);
            sum += w[j - first];
        }
        for (size_t j = first; j < end; j++)
            w[j - first] /= sum;
    }
}

static void axis_free(axis *a)
{
    mcvdi_free(a->first);
    mcvdi_free(a->count);
    mcvdi_free(a->weights);
}

static mcvd_status axis_create(axis *a, mcvd_resize method, size_t src, size_t dst)
{
    const double scale = (double)src / (double)dst;
    const double support = method == MCVD_RESIZE_AREA ? 0.5 : 2.0;
    size_t numel = 0;

    a->src = src;
    a->dst = dst;
    a->max_taps = (size_t)ceil(2.0 * support * (scale > 1.0 ? scale : 1.0)) + 2;
    if (!mcvdi_mul_size(&numel, a->max_taps, dst))
        return mcvdi_fail(MCVD_E_RANGE, "resize from %zu to %zu", src, dst);
    a->first = mcvdi_calloc(dst, sizeof *a->first);
    a->count = mcvdi_calloc(dst, sizeof *a->count);
    a->weights = mcvdi_calloc(numel, sizeof *a->weights);
    if (!a->first || !a->count || !a->weights)
        return mcvdi_fail(MCVD_E_NOMEM, "resize: %zu weights", numel);
    if (method == MCVD_RESIZE_AREA)
        fill_area(a);
    else
        fill_bicubic(a);
    return MCVD_OK;
}

mcvd_status mcvdi_resizer_create(mcvdi_resizer **out, mcvd_resize method, const size_t src_hwc[3],
                                 const size_t dst_hw[2])
{
    const size_t sides[4] = { src_hwc[0], src_hwc[1], dst_hw[0], dst_hw[1] };

    *out = NULL;
    for (int i = 0; i < 4; i++) {
        if (sides[i] < 1 || sides[i] > MAX_SIDE)
            return mcvdi_fail(MCVD_E_RANGE, "resize from %zux%zu to %zux%zu, sides are 1..%d",
                              src_hwc[1], src_hwc[0], dst_hw[1], dst_hw[0], MAX_SIDE);
    }
    mcvdi_resizer *r = mcvdi_calloc(1, sizeof *r);
    if (!r)
        return mcvdi_fail(MCVD_E_NOMEM, "resize: %zu bytes", sizeof *r);
    r->channels = src_hwc[2];
    r->exact = method == MCVD_RESIZE_AREA;
    const size_t row = dst_hw[1] * r->channels;
    mcvd_status st = axis_create(&r->y, method, src_hwc[0], dst_hw[0]);
    if (st >= 0)
        st = axis_create(&r->x, method, src_hwc[1], dst_hw[1]);
    if (st >= 0) {
        r->rows = mcvdi_calloc(src_hwc[0] * row, sizeof *r->rows);
        r->sums = mcvdi_calloc(row, sizeof *r->sums);
        if (!r->rows || !r->sums)
            st = mcvdi_fail(MCVD_E_NOMEM, "resize: %zu rows of %zu values", src_hwc[0], row);
    }
    if (st < 0) {
        mcvdi_resizer_free(&r);
        return st;
    }
    *out = r;
    return MCVD_OK;
}

void mcvdi_resizer_free(mcvdi_resizer **resizer)
{
    mcvdi_resizer *r = *resizer;

    if (!r)
        return;
    axis_free(&r->x);
    axis_free(&r->y);
    mcvdi_free(r->rows);
    mcvdi_free(r->sums);
    mcvdi_free(r);
    *resizer = NULL;
}

/* Area: only the first and the last pixel have weights of their own; those between weigh dst.
 * At most 255 * src, so 32 bits hold it and the double is exact. */
static void area_pixels(double *dst, const axis *a, const uint8_t *src, size_t channels)
{
    const uint32_t full = (uint32_t)a->dst;

    for (size_t i = 0; i < a->dst; i++) {
        const double *w = a->weights + i * a->max_taps;
        const size_t last = a->count[i] - 1;
        const uint8_t *p = src + a->first[i] * channels;

        for (size_t c = 0; c < channels; c++) {
            uint32_t inner = 0;
            uint32_t sum = (uint32_t)w[0] * p[c];
            for (size_t j = 1; j < last; j++)
                inner += p[j * channels + c];
            if (last > 0)
                sum += (uint32_t)w[last] * p[last * channels + c];
            *dst++ = (double)(sum + inner * full);
        }
    }
}

/* The three sums run side by side: a chain of additions each is what takes the time. */
static void weigh_rgb(double *dst, const axis *a, const uint8_t *src)
{
    for (size_t i = 0; i < a->dst; i++, dst += 3) {
        const double *w = a->weights + i * a->max_taps;
        const uint8_t *p = src + a->first[i] * (size_t)3;
        double r = 0.0;
        double g = 0.0;
        double b = 0.0;

        for (size_t j = 0; j < a->count[i]; j++, p += 3) {
            r += w[j] * p[0];
            g += w[j] * p[1];
            b += w[j] * p[2];
        }
        dst[0] = r;
        dst[1] = g;
        dst[2] = b;
    }
}

static void weigh_pixels(double *dst, const axis *a, const uint8_t *src, size_t channels)
{
    for (size_t i = 0; i < a->dst; i++) {
        const double *w = a->weights + i * a->max_taps;
        const uint8_t *p = src + a->first[i] * channels;

        for (size_t c = 0; c < channels; c++) {
            double sum = 0.0;
            for (size_t j = 0; j < a->count[i]; j++)
                sum += w[j] * p[j * channels + c];
            *dst++ = sum;
        }
    }
}

/* Integers up to 255 * 2^32 are exact in a double, so an area mean is rounded once, half up. */
static void store_row(uint8_t *dst, const double *sums, size_t n, double total)
{
    for (size_t i = 0; i < n; i++) {
        const double v = floor(sums[i] / total + 0.5);
        dst[i] = (uint8_t)(v < 0.0 ? 0.0 : v > 255.0 ? 255.0 : v);
    }
}

void mcvdi_resizer_run(mcvdi_resizer *resizer, uint8_t *dst, const mcvdi_pixels *src)
{
    const axis *y = &resizer->y;
    const size_t row = resizer->x.dst * resizer->channels;

    for (size_t i = 0; i < y->src; i++) {
        double *to = resizer->rows + i * row;
        const uint8_t *from = src->data + i * src->stride;
        if (resizer->exact)
            area_pixels(to, &resizer->x, from, resizer->channels);
        else if (resizer->channels == 3)
            weigh_rgb(to, &resizer->x, from);
        else
            weigh_pixels(to, &resizer->x, from, resizer->channels);
    }
    for (size_t i = 0; i < y->dst; i++) {
        const double *w = y->weights + i * y->max_taps;
        memset(resizer->sums, 0, row * sizeof *resizer->sums);
        for (size_t j = 0; j < y->count[i]; j++) {
            const double *from = resizer->rows + (y->first[i] + j) * row;
            for (size_t k = 0; k < row; k++)
                resizer->sums[k] += w[j] * from[k];
        }
        store_row(dst + i * row, resizer->sums, row, resizer->x.total * y->total);
    }
}

static bool image_ok(const mcvd_image *image)
{
    return image->data && image->width > 0 && image->height > 0 &&
           (image->channels == 1 || image->channels == 3);
}

mcvd_status mcvd_image_resize(uint8_t *dst, int width, int height, const mcvd_image *src,
                              mcvd_resize method)
{
    mcvdi_resizer *resizer = NULL;

    if (!image_ok(src) || width < 1 || height < 1)
        return mcvdi_fail(MCVD_E_RANGE, "resize from %dx%dx%d to %dx%d", src->width, src->height,
                          src->channels, width, height);
    const size_t hwc[3] = { (size_t)src->height, (size_t)src->width, (size_t)src->channels };
    const size_t hw[2] = { (size_t)height, (size_t)width };
    const mcvd_status st = mcvdi_resizer_create(&resizer, method, hwc, hw);
    if (st < 0)
        return st;
    const mcvdi_pixels pixels = { src->data, hwc[1] * hwc[2], hwc[1], hwc[0], hwc[2] };
    mcvdi_resizer_run(resizer, dst, &pixels);
    mcvdi_resizer_free(&resizer);
    return MCVD_OK;
}
