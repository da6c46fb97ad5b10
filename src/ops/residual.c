/*
 *     y = (x + h) / sqrt(2),    dx = dh = dy / sqrt(2)
 */
#include "ops/elementwise.h"
#include "ops/kernels.h"
#include "ops/ops.h"

static const float half_power = 0.70710678118654752f;

static mcvd_status residual_forward(mcvdi_node *node)
{
    const mcvdi_kernels *k = mcvdi_kernels_get();
    const size_t n = mcvdi_dims_numel(node->y_dims);

#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < n; i += MCVDI_PIECE)
        k->sum_scaled(node->y + i, node->x[0] + i, node->x[1] + i, half_power,
                      mcvdi_min_size(MCVDI_PIECE, n - i));
    return MCVD_OK;
}

static mcvd_status residual_backward(mcvdi_node *node)
{
    const size_t n = mcvdi_dims_numel(node->y_dims);

    for (int i = 0; i < 2; i++)
        if (node->dx[i])
            mcvdi_give_scaled(node->dx[i], node->dy, half_power, n, node->dx_add[i]);
    return MCVD_OK;
}

static const mcvdi_op residual_op = {
    .name = "residual",
    .forward = residual_forward,
    .backward = residual_backward,
};

mcvdi_value_id mcvdi_residual(mcvdi_graph *g, mcvdi_value_id x, mcvdi_value_id h)
{
    const mcvdi_dims dims = mcvdi_graph_dims(g, x);
    const mcvdi_plain_node plain = { .op = &residual_op, .num_inputs = 2, .inputs = { x, h } };

    if (!mcvdi_dims_equal(dims, mcvdi_graph_dims(g, h)))
        return mcvdi_refuse_shapes(g, "residual", dims, mcvdi_graph_dims(g, h));
    return mcvdi_add_plain(g, &plain, dims);
}
