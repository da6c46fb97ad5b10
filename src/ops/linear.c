/*
 * A linear map of the last axis, rows = N H W. W is [out, in] (Linear) or [in, out] (NIN):
 *
 *     y = x W' + b          or  y = x W + b
 *     dx = dy W             or  dx = dy W'
 *     dW += dy' x           or  dW += x' dy,      db += column sums of dy
 */
#include <stdio.h>
#include <string.h>

#include "ops/elementwise.h"
#include "ops/gemm.h"
#include "ops/kernels.h"
#include "ops/ops.h"

enum { BIAS_ROWS = 512 }; /* rows of one partial column sum */

typedef struct linear_attrs {
    mcvdi_linear_layout layout;
} linear_attrs;

static size_t num_rows(const mcvdi_node *node)
{
    return node->y_dims.n * node->y_dims.h * node->y_dims.w;
}

static bool weight_is_out_in(const mcvdi_node *node)
{
    return ((const linear_attrs *)node->attrs)->layout == MCVDI_LINEAR_OUT_IN;
}

static mcvd_status linear_setup(mcvdi_node *node, mcvdi_graph_mode mode)
{
    if (mode == MCVDI_TRAIN)
        node->scratch_bytes =
            mcvdi_pieces(num_rows(node), BIAS_ROWS) * node->y_dims.c * sizeof(double);
    return MCVD_OK;
}

static mcvd_status linear_forward(mcvdi_node *node)
{
    const size_t rows = num_rows(node);
    const size_t in = node->x_dims[0].c;
    const size_t out = node->y_dims.c;
    const bool out_in = weight_is_out_in(node);

#pragma omp parallel for schedule(static) if (rows * out > MCVDI_PIECE)
    for (size_t r = 0; r < rows; r++)
        memcpy(node->y + r * out, node->w[1], out * sizeof(float));
    mcvdi_gemm(&(mcvdi_gemm_args) { .trans_b = out_in,
                                    .m = rows,
                                    .n = out,
                                    .k = in,
                                    .alpha = 1.0f,
                                    .a = node->x[0],
                                    .lda = in,
                                    .b = node->w[0],
                                    .ldb = out_in ? in : out,
                                    .beta = 1.0f,
                                    .c = node->y,
                                    .ldc = out });
    return MCVD_OK;
}

/* db += column sums of dy: partial sums of fixed pieces, added in order. */
static void bias_backward(mcvdi_node *node)
{
    const mcvdi_kernels *k = mcvdi_kernels_get();
    const size_t rows = num_rows(node);
    const size_t out = node->y_dims.c;
    const size_t pieces = mcvdi_pieces(rows, BIAS_ROWS);
    double *sums = node->scratch;

#pragma omp parallel for schedule(static) if (pieces > 1)
    for (size_t p = 0; p < pieces; p++) {
        const size_t first = p * BIAS_ROWS;
        memset(sums + p * out, 0, out * sizeof *sums);
        k->column_sums(sums + p * out, NULL, node->dy + first * out,
                       mcvdi_min_size(BIAS_ROWS, rows - first), out);
    }
    for (size_t o = 0; o < out; o++) {
        double total = 0.0;
        for (size_t p = 0; p < pieces; p++)
            total += sums[p * out + o];
        node->dw[1][o] += (float)total;
    }
}

static void weight_backward(mcvdi_node *node)
{
    const size_t in = node->x_dims[0].c;
    const size_t out = node->y_dims.c;
    const bool out_in = weight_is_out_in(node);

    mcvdi_gemm(&(mcvdi_gemm_args) { .trans_a = true,
                                    .m = out_in ? out : in,
                                    .n = out_in ? in : out,
                                    .k = num_rows(node),
                                    .alpha = 1.0f,
                                    .a = out_in ? node->dy : node->x[0],
                                    .lda = out_in ? out : in,
                                    .b = out_in ? node->x[0] : node->dy,
                                    .ldb = out_in ? in : out,
                                    .beta = 1.0f,
                                    .c = node->dw[0],
                                    .ldc = out_in ? in : out });
}

static mcvd_status linear_backward(mcvdi_node *node)
{
    const size_t in = node->x_dims[0].c;
    const size_t out = node->y_dims.c;
    const bool out_in = weight_is_out_in(node);

    if (node->dw[0]) {
        weight_backward(node);
        bias_backward(node);
    }
    if (!node->dx[0])
        return MCVD_OK;
    mcvdi_gemm(&(mcvdi_gemm_args) { .trans_b = !out_in,
                                    .m = num_rows(node),
                                    .n = in,
                                    .k = out,
                                    .alpha = 1.0f,
                                    .a = node->dy,
                                    .lda = out,
                                    .b = node->w[0],
                                    .ldb = out_in ? in : out,
                                    .beta = node->dx_add[0] ? 1.0f : 0.0f,
                                    .c = node->dx[0],
                                    .ldc = in });
    return MCVD_OK;
}

static double linear_macs(const mcvdi_node *node)
{
    return (double)num_rows(node) * (double)node->x_dims[0].c * (double)node->y_dims.c;
}

static const mcvdi_op linear_op = {
    .name = "linear",
    .backward_needs = MCVDI_NEEDS_X(0),
    .setup = linear_setup,
    .forward = linear_forward,
    .backward = linear_backward,
    .macs = linear_macs,
};

mcvdi_value_id mcvdi_linear(mcvdi_graph *g, mcvdi_value_id x, const mcvdi_linear_spec *spec)
{
    char weight[160];
    char bias[160];
    const mcvdi_dims in = mcvdi_graph_dims(g, x);
    const size_t out = spec->out_channels;
    const bool out_in = spec->layout == MCVDI_LINEAR_OUT_IN;
    const linear_attrs attrs = { spec->layout };

    if (!mcvdi_graph_ok(g))
        return -1;
    snprintf(weight, sizeof weight, "%s.%s", spec->name, out_in ? "weight" : "W");
    snprintf(bias, sizeof bias, "%s.%s", spec->name, out_in ? "bias" : "b");
    const mcvdi_param_spec w = { .name = weight,
                                 .ndim = 2,
                                 .shape = { out_in ? out : in.c, out_in ? in.c : out },
                                 .init = MCVDI_INIT_UNIFORM,
                                 .init_scale = spec->init_scale,
                                 .fan_sum = (double)(in.c + out) };
    const mcvdi_param_spec b = {
        .name = bias, .ndim = 1, .shape = { out }, .init = MCVDI_INIT_ZERO
    };
    const mcvdi_param_id weight_id = mcvdi_graph_param(g, &w);
    const mcvdi_param_id bias_id = mcvdi_graph_param(g, &b);
    const mcvdi_node_spec node = { .op = &linear_op,
                                   .num_inputs = 1,
                                   .inputs = { x },
                                   .num_params = 2,
                                   .params = { weight_id, bias_id },
                                   .attrs = &attrs,
                                   .attrs_bytes = sizeof attrs,
                                   .y_dims = { in.n, in.h, in.w, out } };
    return mcvdi_graph_add(g, &node);
}
