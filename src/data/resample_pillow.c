#include "data/resample_pillow.h"

#include <math.h>
#include <string.h>

#include "core/alloc.h"
#include "core/checked.h"

enum { MAX_SIZE = 65535, MAX_CHANNELS = 4, WEIGHT_BITS = 22 };

static const double pi = 3.14159265358979323846;

/* Output o is the weighted sum of count[o] inputs from first[o] on. */
typedef struct taps {
    size_t num_out;
    size_t max_taps;
    size_t *first;   /* [num_out] */
    size_t *count;   /* [num_out] */
    int32_t *weight; /* [num_out, max_taps], 2^22 is one */
} taps;

struct mcvdi_pillow {
    mcvdi_pillow_shape shape;
    taps horizontal; /* num_out = 0: the pass is skipped */
    taps vertical;
};

static double bilinear(double x)
{
    x = fabs(x);
    return x < 1.0 ? 1.0 - x : 0.0;
}

static double sinc(double x)
{
    if (x == 0.0)
        return 1.0;
    x *= pi;
    return sin(x) / x;
}

static double lanczos(double x)
{
    return x >= -3.0 && x < 3.0 ? sinc(x) * sinc(x / 3.0) : 0.0;
}

typedef struct kernel {
    double (*value)(double x);
    double support;
} kernel;

static const kernel kernels[] = {
    [MCVDI_PILLOW_BILINEAR] = { bilinear, 1.0 },
    [MCVDI_PILLOW_LANCZOS] = { lanczos, 3.0 },
};

static void taps_release(taps *t)
{
    mcvdi_free(t->first);
    mcvdi_free(t->count);
    mcvdi_free(t->weight);
    memset(t, 0, sizeof *t);
}

/* With s = n/m, k = max(s, 1), r = support * k, c = (o + 1/2) s: inputs from trunc(c - r + 1/2) to
 * trunc(c + r + 1/2), weights ~ filter((x - c + 1/2) / k) with sum 1, rounded half away from 0. */
static void fill_taps(taps *t, const kernel *filter, size_t n, double *real)
{
    const double scale = (double)n / (double)t->num_out;
    const double stretch = scale < 1.0 ? 1.0 : scale;
    const double radius = filter->support * stretch;
    const double inverse = 1.0 / stretch;

    for (size_t o = 0; o < t->num_out; o++) {
        const double centre = ((double)o + 0.5) * scale;
        const double low = centre - radius + 0.5;
        const double high = centre + radius + 0.5;
        const size_t first = low > 0.0 ? (size_t)low : 0;
        const size_t last = high < (double)n ? (size_t)high : n;
        double sum = 0.0;

        t->first[o] = first;
        t->count[o] = last - first;
        for (size_t i = 0; i < last - first; i++) {
            real[i] = filter->value(((double)(first + i) - centre + 0.5) * inverse);
            sum += real[i];
        }
        for (size_t i = 0; i < last - first; i++) {
            const double w = (sum != 0.0 ? real[i] / sum : real[i]) * (double)(1 << WEIGHT_BITS);
            t->weight[o * t->max_taps + i] = (int32_t)(w < 0.0 ? w - 0.5 : w + 0.5);
        }
    }
}

static mcvd_status taps_create(taps *t, const kernel *filter, size_t n, size_t m)
{
    const double scale = (double)n / (double)m;
    size_t num_weights = 0;
    double *real = NULL;

    t->num_out = m;
    t->max_taps = 2 * (size_t)ceil(filter->support * (scale < 1.0 ? 1.0 : scale)) + 1;
    if (!mcvdi_mul_size(&num_weights, m, t->max_taps))
        return mcvdi_fail(MCVD_E_RANGE, "resampling %zu to %zu: too many weights", n, m);
    t->first = mcvdi_calloc(m, sizeof *t->first);
    t->count = mcvdi_calloc(m, sizeof *t->count);
    t->weight = mcvdi_calloc(num_weights, sizeof *t->weight);
    real = mcvdi_calloc(t->max_taps, sizeof *real);
    if (!t->first || !t->count || !t->weight || !real) {
        mcvdi_free(real);
        return mcvdi_fail(MCVD_E_NOMEM, "resampling %zu to %zu: %zu weights", n, m, num_weights);
    }
    fill_taps(t, filter, n, real);
    mcvdi_free(real);
    return MCVD_OK;
}

static bool size_is_valid(size_t size)
{
    return size >= 1 && size <= MAX_SIZE;
}

mcvd_status mcvdi_pillow_create(mcvdi_pillow **out, mcvdi_pillow_filter filter,
                                const mcvdi_pillow_shape *shape)
{
    *out = NULL;
    if (!size_is_valid(shape->in_height) || !size_is_valid(shape->in_width) ||
        !size_is_valid(shape->out_height) || !size_is_valid(shape->out_width) ||
        shape->channels < 1 || shape->channels > MAX_CHANNELS)
        return mcvdi_fail(MCVD_E_RANGE,
                          "resampling %zux%zu to %zux%zu, %zu channels: sizes are "
                          "1..%d, channels 1..%d",
                          shape->in_width, shape->in_height, shape->out_width, shape->out_height,
                          shape->channels, MAX_SIZE, MAX_CHANNELS);
    mcvdi_pillow *plan = mcvdi_calloc(1, sizeof *plan);
    if (!plan)
        return mcvdi_fail(MCVD_E_NOMEM, "resampling: %zu bytes", sizeof *plan);
    plan->shape = *shape;

    mcvd_status st = MCVD_OK;
    if (shape->in_width != shape->out_width)
        st = taps_create(&plan->horizontal, &kernels[filter], shape->in_width, shape->out_width);
    if (st >= 0 && shape->in_height != shape->out_height)
        st = taps_create(&plan->vertical, &kernels[filter], shape->in_height, shape->out_height);
    if (st < 0) {
        mcvdi_pillow_free(&plan);
        return st;
    }
    *out = plan;
    return MCVD_OK;
}

void mcvdi_pillow_free(mcvdi_pillow **plan)
{
    if (!*plan)
        return;
    taps_release(&(*plan)->horizontal);
    taps_release(&(*plan)->vertical);
    mcvdi_free(*plan);
    *plan = NULL;
}

size_t mcvdi_pillow_scratch_bytes(const mcvdi_pillow *plan)
{
    return plan->shape.in_height * plan->shape.out_width * plan->shape.channels;
}

/* One output value: taps of a line whose elements are `stride` bytes apart. */
static uint8_t weighted_sum(const taps *t, size_t o, const uint8_t *line, size_t stride)
{
    const int32_t *weight = t->weight + o * t->max_taps;
    const uint8_t *p = line + t->first[o] * stride;
    int64_t sum = 1 << (WEIGHT_BITS - 1);

    for (size_t i = 0; i < t->count[o]; i++)
        sum += (int64_t)weight[i] * p[i * stride];
    sum = sum < 0 ? 0 : sum >> WEIGHT_BITS;
    return (uint8_t)(sum > 255 ? 255 : sum);
}

static void horizontal_pass(const mcvdi_pillow *plan, uint8_t *out, const uint8_t *in)
{
    const mcvdi_pillow_shape *s = &plan->shape;

    for (size_t y = 0; y < s->in_height; y++)
        for (size_t x = 0; x < s->out_width; x++)
            for (size_t c = 0; c < s->channels; c++)
                *out++ = weighted_sum(&plan->horizontal, x, in + y * s->in_width * s->channels + c,
                                      s->channels);
}

static void vertical_pass(const mcvdi_pillow *plan, uint8_t *out, const uint8_t *in)
{
    const size_t row = plan->shape.out_width * plan->shape.channels;

    for (size_t y = 0; y < plan->shape.out_height; y++)
        for (size_t x = 0; x < row; x++)
            *out++ = weighted_sum(&plan->vertical, y, in + x, row);
}

void mcvdi_pillow_resize(const mcvdi_pillow *plan, uint8_t *out, const uint8_t *in,
                         uint8_t *scratch)
{
    const bool across = plan->horizontal.num_out != 0;
    const bool down = plan->vertical.num_out != 0;

    if (!across && !down) {
        memcpy(out, in, mcvdi_pillow_scratch_bytes(plan));
        return;
    }
    if (across)
        horizontal_pass(plan, down ? scratch : out, in);
    if (down)
        vertical_pass(plan, out, across ? scratch : in);
}
