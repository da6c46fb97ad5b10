/*
 * Pooling over windows of frames x rows x columns, channel by channel:
 *
 *     max   y[q, c] = max over u of x[s q + u - p, c], with 0 beyond the image
 *     mean  y[q, c] = mean over u of x[s q + u, c]
 */
#include <string.h>

#include "ops/elementwise.h"
#include "ops/window.h"

typedef struct pool_attrs {
    mcvdi_window window;
    mcvdi_pool_kind kind;
} pool_attrs;

static size_t outputs(size_t size, const mcvdi_window *w, int axis)
{
    const size_t room = size + w->before[axis] + w->after[axis];

    if (!w->stride[axis] || !w->kernel[axis] || room < w->kernel[axis])
        return 0;
    return (room - w->kernel[axis]) / w->stride[axis] + 1;
}

static size_t frames_of(const mcvdi_window *w)
{
    return w->frames ? w->frames : 1;
}

size_t mcvdi_window_frames(const mcvdi_window *window)
{
    return outputs(frames_of(window), window, 0);
}

mcvdi_dims mcvdi_window_output(mcvdi_dims x, const mcvdi_window *window)
{
    const size_t frames = frames_of(window);

    if (x.h % frames)
        return (mcvdi_dims) { x.n, 0, 0, x.c };
    return (mcvdi_dims) { x.n, mcvdi_window_frames(window) * outputs(x.h / frames, window, 1),
                          outputs(x.w, window, 2), x.c };
}

mcvdi_window mcvdi_window_same(mcvdi_dims x, size_t frames, const size_t kernel[3],
                               const size_t stride[3])
{
    const size_t sizes[3] = { frames ? frames : 1, x.h / (frames ? frames : 1), x.w };
    mcvdi_window w = { .frames = frames };

    for (int a = 0; a < 3; a++) {
        const size_t covered = sizes[a] % stride[a] ? sizes[a] % stride[a] : stride[a];
        const size_t total = kernel[a] > covered ? kernel[a] - covered : 0;
        w.kernel[a] = kernel[a];
        w.stride[a] = stride[a];
        w.before[a] = total / 2;
        w.after[a] = total - total / 2;
    }
    return w;
}

/* The part of a window that lies inside the image along one axis. */
typedef struct reach {
    size_t first, end; /* of the image */
    bool beyond;       /* some of it lies outside */
} reach;

static reach reach_of(const mcvdi_window *w, int axis, size_t place, size_t size)
{
    const size_t start = place * w->stride[axis]; /* shifted by the padding before */
    const size_t end = start + w->kernel[axis];
    const size_t before = w->before[axis];
    const size_t first = start > before ? start - before : 0;
    const size_t last = end > before ? mcvdi_min_size(end - before, size) : 0;

    return (reach) { mcvdi_min_size(first, last), last, start < before || end - before > size };
}

static void take_larger(float *y, const float *x, size_t channels)
{
    for (size_t c = 0; c < channels; c++)
        y[c] = x[c] > y[c] ? x[c] : y[c];
}

static void add_to(float *y, const float *x, size_t channels)
{
    for (size_t c = 0; c < channels; c++)
        y[c] += x[c];
}

static void pool_place(const mcvdi_node *node, const float *image, const reach at[3], float *y)
{
    const pool_attrs *a = node->attrs;
    const size_t channels = node->y_dims.c;
    const size_t height = node->x_dims[0].h / frames_of(&a->window);
    const size_t width = node->x_dims[0].w;
    const size_t *k = a->window.kernel;
    const bool zeros = a->kind == MCVDI_POOL_MEAN || at[0].beyond || at[1].beyond || at[2].beyond;
    bool started = zeros;

    if (zeros)
        memset(y, 0, channels * sizeof *y);
    for (size_t f = at[0].first; f < at[0].end; f++)
        for (size_t r = at[1].first; r < at[1].end; r++)
            for (size_t c = at[2].first; c < at[2].end; c++) {
                const float *x = image + ((f * height + r) * width + c) * channels;
                if (!started)
                    memcpy(y, x, channels * sizeof *y);
                else if (a->kind == MCVDI_POOL_MAX)
                    take_larger(y, x, channels);
                else
                    add_to(y, x, channels);
                started = true;
            }
    if (a->kind == MCVDI_POOL_MEAN)
        for (size_t c = 0; c < channels; c++)
            y[c] /= (float)(k[0] * k[1] * k[2]);
}

static mcvd_status pool_forward(mcvdi_node *node)
{
    const mcvdi_window *w = &((const pool_attrs *)node->attrs)->window;
    const mcvdi_dims x = node->x_dims[0];
    const mcvdi_dims y = node->y_dims;
    const size_t frames = frames_of(w);
    const size_t y_rows = y.h / mcvdi_window_frames(w);

#pragma omp parallel for schedule(static)
    for (size_t row = 0; row < y.n * y.h; row++) {
        const float *image = node->x[0] + row / y.h * x.h * x.w * x.c;
        const size_t line = row % y.h;
        reach at[3] = { reach_of(w, 0, line / y_rows, frames),
                        reach_of(w, 1, line % y_rows, x.h / frames) };
        for (size_t column = 0; column < y.w; column++) {
            at[2] = reach_of(w, 2, column, x.w);
            pool_place(node, image, at, node->y + (row * y.w + column) * y.c);
        }
    }
    return MCVD_OK;
}

static mcvd_status pool_setup(mcvdi_node *node, mcvdi_graph_mode mode)
{
    (void)node;
    return mode == MCVDI_INFER ? MCVD_OK
                               : mcvdi_fail(MCVD_E_UNSUPPORTED, "pooling: not for training");
}

static mcvd_status pool_backward(mcvdi_node *node)
{
    (void)node;
    return mcvdi_fail(MCVD_E_UNSUPPORTED, "pooling: not for training");
}

static const mcvdi_op pool_op = {
    .name = "pool", .setup = pool_setup, .forward = pool_forward, .backward = pool_backward
};

mcvdi_value_id mcvdi_pool(mcvdi_graph *g, mcvdi_value_id x, mcvdi_pool_kind kind,
                          const mcvdi_window *window)
{
    const mcvdi_dims in = mcvdi_graph_dims(g, x);
    const pool_attrs attrs = { *window, kind };
    const mcvdi_plain_node plain = { .op = &pool_op,
                                     .num_inputs = 1,
                                     .inputs = { x },
                                     .attrs = &attrs,
                                     .attrs_bytes = sizeof attrs };

    if (!mcvdi_graph_ok(g))
        return -1;
    const mcvdi_dims y = mcvdi_window_output(in, window);
    if (!y.h || !y.w)
        return mcvdi_refuse_shapes(g, "pooling", in, y);
    return mcvdi_add_plain(g, &plain, y);
}
