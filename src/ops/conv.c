/*
 * Convolution (cross-correlation), stride 1, zero padding p = kernel / 2:
 *
 *     y[n,i,j,o]  = b[o] + sum_{u,v,c} w[o,c,u,v] x[n, i+u-p, j+v-p, c]
 *     dx[n,i,j,c] = sum_{u,v,o} w[o,c,u,v] dy[n, i-u+p, j-v+p, o]
 *     dw[o,c,u,v] = sum_{n,i,j} dy[n,i,j,o] x[n, i+u-p, j+v-p, c],   db[o] = sum dy[n,i,j,o]
 */
#include <stdio.h>

#include "ops/conv.h"
#include "ops/ops.h"

typedef struct conv_attrs {
    size_t kernel;
    const mcvdi_conv_backend *backend;
} conv_attrs;

static mcvdi_conv_shape conv_shape(const mcvdi_node *node)
{
    const mcvdi_dims x = node->x_dims[0];
    const conv_attrs *attrs = node->attrs;

    return (mcvdi_conv_shape) { x.n, x.h, x.w, x.c, node->y_dims.c, attrs->kernel };
}

static mcvd_status conv_setup(mcvdi_node *node, mcvdi_graph_mode mode)
{
    const conv_attrs *attrs = node->attrs;
    const mcvdi_conv_shape shape = conv_shape(node);
    mcvdi_conv_plan plan = { 0, 0 };
    const mcvd_status st = attrs->backend->create(&node->state, &shape, mode, &plan);

    if (st < 0)
        return st;
    node->scratch_bytes = plan.scratch_bytes;
    if (mode == MCVDI_INFER) {
        node->packed_bytes = plan.packed_bytes;
        node->packs = 1u; /* the weight; the bias stays plain */
    }
    return MCVD_OK;
}

static mcvdi_conv_buffers conv_buffers(const mcvdi_node *node)
{
    return (mcvdi_conv_buffers) {
        .x = node->x[0],
        .y = node->y,
        .dy = node->dy,
        .dx = node->dx[0],
        .dx_add = node->dx_add[0],
        .weight = node->w[0],
        .bias = node->w[1],
        .dweight = node->dw[0],
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
    (void)slot;
    return ((const conv_attrs *)node->attrs)->backend->pack(node->state, plain, node->packed);
}

static void conv_release(mcvdi_node *node)
{
    if (node->state)
        ((const conv_attrs *)node->attrs)->backend->release(node->state);
    node->state = NULL;
}

static double conv_macs(const mcvdi_node *node)
{
    const mcvdi_conv_shape s = conv_shape(node);
    return (double)(s.n * s.h * s.w) * (double)(s.in * s.out * s.kernel * s.kernel);
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

mcvdi_value_id mcvdi_conv(mcvdi_graph *g, mcvdi_value_id x, const mcvdi_conv_spec *spec)
{
    char weight[160];
    char bias[160];
    const mcvdi_dims in = mcvdi_graph_dims(g, x);
    const size_t k = (size_t)spec->kernel;
    const conv_attrs attrs = { k, choose_backend(g) };

    if (!mcvdi_graph_ok(g))
        return -1;
    snprintf(weight, sizeof weight, "%s.weight", spec->name);
    snprintf(bias, sizeof bias, "%s.bias", spec->name);
    const mcvdi_param_spec w = { .name = weight,
                                 .ndim = 4,
                                 .shape = { spec->out_channels, in.c, k, k },
                                 .init = MCVDI_INIT_UNIFORM,
                                 .init_scale = spec->init_scale,
                                 .fan_sum = (double)((in.c + spec->out_channels) * k * k) };
    const mcvdi_param_spec b = {
        .name = bias, .ndim = 1, .shape = { spec->out_channels }, .init = MCVDI_INIT_ZERO
    };
    const mcvdi_param_id weight_id = mcvdi_graph_param(g, &w);
    const mcvdi_param_id bias_id = mcvdi_graph_param(g, &b);
    const mcvdi_node_spec node = { .op = &conv_op,
                                   .num_inputs = 1,
                                   .inputs = { x },
                                   .num_params = 2,
                                   .params = { weight_id, bias_id },
                                   .attrs = &attrs,
                                   .attrs_bytes = sizeof attrs,
                                   .y_dims = { in.n, in.h, in.w, spec->out_channels } };
    return mcvdi_graph_add(g, &node);
}
