/*
 * Convolution (cross-correlation) with stride s and zero padding p over images of frames x rows x
 * columns:
 *
 *     y[n,q,o]  = b[o] + sum_{u,c} w[o,c,u] x[n, s q+u-p, c]    q, u: (frame, row, column)
 *
 * Training knows s = 1 and p = kernel / 2 alone:
 *
 *     dx[n,q,c] = sum_{u,o} w[o,c,u] dy[n, q-u+p, o]
 *     dw[o,c,u] = sum_{n,q} dy[n,q,o] x[n, q+u-p, c],           db[o] = sum_{n,q} dy[n,q,o]
 *
 * The three kinds are this one with other kernels: over frames, rows and columns, over frames
 * alone, or over rows and columns, where every frame is an image of its own.
 */
#include <stdio.h>

#include "ops/conv.h"
#include "ops/elementwise.h"
#include "ops/ops.h"
#include "ops/window.h"

typedef struct conv_attrs {
    mcvdi_conv_shape shape;
    size_t first_in; /* of the weight's input channels */
    const mcvdi_conv_backend *backend;
} conv_attrs;

mcvd_status mcvdi_conv_refuse_training(void)
{
    return mcvdi_fail(MCVD_E_UNSUPPORTED,
                      "convolution: training knows strides of 1 and padding of half a kernel only");
}

static mcvd_status conv_setup(mcvdi_node *node, mcvdi_graph_mode mode)
{
    const conv_attrs *attrs = node->attrs;
    mcvdi_conv_plan plan = { 0, 0 };
    const mcvd_status st = attrs->backend->create(&node->state, &attrs->shape, mode, &plan);

    if (st < 0)
        return st;
    node->scratch_bytes = plan.scratch_bytes;
    if (mode == MCVDI_INFER) {
        node->packed_bytes = plan.packed_bytes;
        node->packs = 1u; /* the weight; the bias stays plain */
    }
    return MCVD_OK;
}

/* Floats of a plain weight before the first input channel in use. */
static size_t weight_start(const conv_attrs *attrs)
{
    return attrs->first_in * mcvdi_conv_taps(&attrs->shape);
}

static mcvdi_conv_buffers conv_buffers(const mcvdi_node *node)
{
    const size_t start = weight_start(node->attrs);

    return (mcvdi_conv_buffers) {
        .x = node->x[0],
        .y = node->y,
        .dy = node->dy,
        .dx = node->dx[0],
        .dx_add = node->dx_add[0],
        .weight = node->w[0] ? node->w[0] + start : NULL,
        .bias = node->w[1],
        .dweight = node->dw[0] ? node->dw[0] + start : NULL,
        .dbias = node->dw[1],
        .packed = node->packed,
        .scratch = node->scratch,
    };
}

static mcvd_status conv_forward(mcvdi_node *node)
{
    const mcvdi_conv_buffers b = conv_buffers(node);
    return ((const conv_attrs *)node->attrs)->backend->forward(node->state, &b);
}

static mcvd_status conv_backward(mcvdi_node *node)
{
    const mcvdi_conv_buffers b = conv_buffers(node);
    return ((const conv_attrs *)node->attrs)->backend->backward(node->state, &b);
}

static mcvd_status conv_pack(mcvdi_node *node, int slot, const float *plain)
{
    const conv_attrs *attrs = node->attrs;

    (void)slot;
    return attrs->backend->pack(node->state, plain + weight_start(attrs), node->packed);
}

static void conv_release(mcvdi_node *node)
{
    if (node->state)
        ((const conv_attrs *)node->attrs)->backend->release(node->state);
    node->state = NULL;
}

static double conv_macs(const mcvdi_node *node)
{
    const mcvdi_conv_shape *s = &((const conv_attrs *)node->attrs)->shape;
    return (double)mcvdi_conv_outputs(s) * (double)(s->in * s->out * mcvdi_conv_taps(s));
}

static const mcvdi_op conv_op = {
    .name = "conv",
    .backward_needs = MCVDI_NEEDS_X(0),
    .setup = conv_setup,
    .forward = conv_forward,
    .backward = conv_backward,
    .pack = conv_pack,
    .release = conv_release,
    .macs = conv_macs,
};

static const mcvdi_conv_backend *choose_backend(const mcvdi_graph *g)
{
#if MCVD_HAVE_ONEDNN
    if (!mcvdi_graph_get_options(g)->no_onednn)
        return &mcvdi_conv_backend_onednn;
#endif
    (void)g;
    return &mcvdi_conv_backend_gemm;
}

static size_t num_frames(const mcvdi_conv_spec *spec)
{
    return spec->frames ? spec->frames : 1;
}

/* The images of a kind; x is [N, D*H, W, in]. Frames that do not meet are images apart. */
static mcvdi_conv_shape image_shape(mcvdi_dims x, const mcvdi_conv_spec *spec)
{
    const size_t k = (size_t)spec->kernel;
    const size_t d = num_frames(spec);
    const bool meet = k > 1 && spec->kind != MCVDI_CONV_2D;
    const size_t across = spec->kind == MCVDI_CONV_TIME ? 1 : k;

    mcvdi_conv_shape s = { .n = meet ? x.n : x.n * d,
                           .d = meet ? d : 1,
                           .h = x.h / d,
                           .w = x.w,
                           .kd = meet ? k : 1,
                           .kh = across,
                           .kw = across,
                           .sd = 1,
                           .sh = 1,
                           .sw = 1 };
    s.pd = s.kd / 2;
    s.ph = s.kh / 2;
    s.pw = s.kw / 2;
    s.yd = s.d;
    s.yh = s.h;
    s.yw = s.w;
    return s;
}

/* The parameters of a convolution of `in` channels. */
typedef struct conv_params {
    size_t in;
    mcvdi_param_id weight, bias;
} conv_params;

static conv_params add_params(mcvdi_graph *g, size_t in, const mcvdi_conv_spec *spec)
{
    char weight[160];
    char bias[160];
    const size_t k = (size_t)spec->kernel;
    const int axes = spec->kind == MCVDI_CONV_3D ? 3 : spec->kind == MCVDI_CONV_2D ? 2 : 1;
    const size_t positions = axes == 3 ? k * k * k : axes == 2 ? k * k : k;

    snprintf(weight, sizeof weight, "%s.weight", spec->name);
    snprintf(bias, sizeof bias, "%s.bias", spec->name);
    mcvdi_param_spec w = { .name = weight,
                           .ndim = 2 + axes,
                           .shape = { spec->out_channels, in },
                           .init = MCVDI_INIT_UNIFORM,
                           .init_scale = spec->init_scale,
                           .fan_sum = (double)((in + spec->out_channels) * positions) };
    const mcvdi_param_spec b = {
        .name = bias, .ndim = 1, .shape = { spec->out_channels }, .init = MCVDI_INIT_ZERO
    };
    for (int a = 0; a < axes; a++)
        w.shape[2 + a] = k;
    const mcvdi_param_id weight_id = mcvdi_graph_param(g, &w);
    return (conv_params) { in, weight_id, mcvdi_graph_param(g, &b) };
}

/* The share of the input channels from first_in on, as many as x has. */
static mcvdi_value_id add_share(mcvdi_graph *g, mcvdi_value_id x, const mcvdi_conv_spec *spec,
                                const conv_params *params, size_t first_in)
{
    const mcvdi_dims in = mcvdi_graph_dims(g, x);
    conv_attrs attrs = { image_shape(in, spec), first_in, choose_backend(g) };
    const bool bias = first_in == 0; /* the first share brings it */

    attrs.shape.in = in.c;
    attrs.shape.out = spec->out_channels;
    attrs.shape.weight_in = params->in;
    attrs.shape.bias = bias;
    const mcvdi_node_spec node = { .op = &conv_op,
                                   .num_inputs = 1,
                                   .inputs = { x },
                                   .num_params = bias ? 2 : 1,
                                   .params = { params->weight, params->bias },
                                   .attrs = &attrs,
                                   .attrs_bytes = sizeof attrs,
                                   .y_dims = { in.n, in.h, in.w, spec->out_channels } };
    return mcvdi_graph_add(g, &node);
}

static bool frames_fit(mcvdi_graph *g, mcvdi_dims x, const mcvdi_conv_spec *spec)
{
    if (x.h % num_frames(spec) == 0)
        return true;
    mcvdi_graph_build_failed(
        g, mcvdi_fail(MCVD_E_SHAPE, "convolution %s: %zu rows cannot be %zu frames of one height",
                      spec->name, x.h, num_frames(spec)));
    return false;
}

mcvdi_value_id mcvdi_conv(mcvdi_graph *g, mcvdi_value_id x, const mcvdi_conv_spec *spec)
{
    const mcvdi_dims in = mcvdi_graph_dims(g, x);

    if (!mcvdi_graph_ok(g) || !frames_fit(g, in, spec))
        return -1;
    const conv_params params = add_params(g, in.c, spec);
    return add_share(g, x, spec, &params, 0);
}

mcvdi_value_id mcvdi_conv_pair(mcvdi_graph *g, mcvdi_value_id x, mcvdi_value_id held,
                               const mcvdi_conv_spec *spec)
{
    const mcvdi_dims in = mcvdi_graph_dims(g, x);
    const mcvdi_dims beside = mcvdi_graph_dims(g, held);

    if (!mcvdi_graph_ok(g) || !frames_fit(g, in, spec))
        return -1;
    if (in.n != beside.n || in.h != beside.h || in.w != beside.w)
        return mcvdi_refuse_shapes(g, "convolution", in, beside);
    const conv_params params = add_params(g, in.c + beside.c, spec);
    const mcvdi_value_id share = add_share(g, held, spec, &params, in.c);
    return mcvdi_add(g, add_share(g, x, spec, &params, 0), share);
}

/* --- any window --- */

static mcvdi_conv_shape window_shape(mcvdi_dims x, const mcvdi_conv_window_spec *spec)
{
    const mcvdi_window *w = &spec->window;
    const size_t frames = w->frames ? w->frames : 1;
    const mcvdi_dims y = mcvdi_window_output(x, w);
    const size_t y_frames = mcvdi_window_frames(w);

    return (mcvdi_conv_shape) { .n = x.n,
                                .d = frames,
                                .h = x.h / frames,
                                .w = x.w,
                                .in = x.c,
                                .out = spec->out_channels,
                                .kd = w->kernel[0],
                                .kh = w->kernel[1],
                                .kw = w->kernel[2],
                                .sd = w->stride[0],
                                .sh = w->stride[1],
                                .sw = w->stride[2],
                                .pd = w->before[0],
                                .ph = w->before[1],
                                .pw = w->before[2],
                                .yd = y_frames,
                                .yh = y_frames ? y.h / y_frames : 0,
                                .yw = y.w,
                                .weight_in = x.c,
                                .bias = true,
                                .relu = spec->relu };
}

static conv_params add_window_params(mcvdi_graph *g, size_t in, const mcvdi_conv_window_spec *spec)
{
    const size_t *kernel = spec->window.kernel;
    char weight[160];
    char bias[160];

    snprintf(weight, sizeof weight, "%s.weight", spec->name);
    snprintf(bias, sizeof bias, "%s.bias", spec->name);
    mcvdi_param_spec w = { .name = weight,
                           .ndim = spec->flat ? 4 : 5,
                           .shape = { spec->out_channels, in },
                           .init = MCVDI_INIT_ZERO };
    const mcvdi_param_spec b = {
        .name = bias, .ndim = 1, .shape = { spec->out_channels }, .init = MCVDI_INIT_ZERO
    };
    for (int a = 0; a < w.ndim - 2; a++)
        w.shape[2 + a] = kernel[a + (spec->flat ? 1 : 0)];
    const mcvdi_param_id weight_id = mcvdi_graph_param(g, &w);
    return (conv_params) { in, weight_id, mcvdi_graph_param(g, &b) };
}

mcvdi_value_id mcvdi_conv_window(mcvdi_graph *g, mcvdi_value_id x,
                                 const mcvdi_conv_window_spec *spec)
{
    const mcvdi_dims in = mcvdi_graph_dims(g, x);

    if (!mcvdi_graph_ok(g))
        return -1;
    const mcvdi_dims y = mcvdi_window_output(in, &spec->window);
    if (!y.h || !y.w || (spec->flat && spec->window.kernel[0] != 1))
        return mcvdi_refuse_shapes(g, spec->name, in, y);
    const conv_params params = add_window_params(g, in.c, spec);
    const conv_attrs attrs = { window_shape(in, spec), 0, choose_backend(g) };
    const mcvdi_node_spec node = { .op = &conv_op,
                                   .num_inputs = 1,
                                   .inputs = { x },
                                   .num_params = 2,
                                   .params = { params.weight, params.bias },
                                   .attrs = &attrs,
                                   .attrs_bytes = sizeof attrs,
                                   .y_dims = { in.n, y.h, y.w, spec->out_channels } };
    return mcvdi_graph_add(g, &node);
}
