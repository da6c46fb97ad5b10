/*
 *     y = x s with s = 1 / (1 + e^-x),    dx = dy s (1 + x (1 - s))
 */
#include "ops/elementwise.h"
#include "ops/kernels.h"
#include "ops/ops.h"

static mcvd_status silu_forward(mcvdi_node *node)
{
    const mcvdi_kernels *k = mcvdi_kernels_get();
    const size_t n = mcvdi_dims_numel(node->y_dims);

#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < n; i += MCVDI_PIECE)
        k->silu(node->y + i, node->x[0] + i, mcvdi_min_size(MCVDI_PIECE, n - i));
    return MCVD_OK;
}

static mcvd_status silu_backward(mcvdi_node *node)
{
    const mcvdi_kernels *k = mcvdi_kernels_get();
    const size_t n = mcvdi_dims_numel(node->y_dims);

    if (!node->dx[0])
        return MCVD_OK;
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < n; i += MCVDI_PIECE)
        k->silu_back(node->dx[0] + i, node->dy + i, node->x[0] + i,
                     mcvdi_min_size(MCVDI_PIECE, n - i), node->dx_add[0]);
    return MCVD_OK;
}

static const mcvdi_op silu_op = {
    .name = "silu",
    .backward_needs = MCVDI_NEEDS_X(0),
    .forward = silu_forward,
    .backward = silu_backward,
};

mcvdi_value_id mcvdi_silu(mcvdi_graph *g, mcvdi_value_id x)
{
    const mcvdi_plain_node plain = { .op = &silu_op, .num_inputs = 1, .inputs = { x } };
    return mcvdi_add_plain(g, &plain, mcvdi_graph_dims(g, x));
}
