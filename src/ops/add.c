/*
 *     y = a + b,    da = db = dy
 */
#include "ops/elementwise.h"
#include "ops/kernels.h"
#include "ops/ops.h"

static mcvd_status add_forward(mcvdi_node *node)
{
    const mcvdi_kernels *k = mcvdi_kernels_get();
    const size_t n = mcvdi_dims_numel(node->y_dims);

#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < n; i += MCVDI_PIECE)
        k->sum_scaled(node->y + i, node->x[0] + i, node->x[1] + i, 1.0f,
                      mcvdi_min_size(MCVDI_PIECE, n - i));
    return MCVD_OK;
}

static mcvd_status add_backward(mcvdi_node *node)
{
    const size_t n = mcvdi_dims_numel(node->y_dims);

    for (int i = 0; i < 2; i++)
        if (node->dx[i])
            mcvdi_give_scaled(node->dx[i], node->dy, 1.0f, n, node->dx_add[i]);
    return MCVD_OK;
}

static const mcvdi_op add_op = {
    .name = "add",
    .forward = add_forward,
    .backward = add_backward,
};

mcvdi_value_id mcvdi_add(mcvdi_graph *g, mcvdi_value_id a, mcvdi_value_id b)
{
    const mcvdi_dims dims = mcvdi_graph_dims(g, a);
    const mcvdi_plain_node plain = { .op = &add_op, .num_inputs = 2, .inputs = { a, b } };

    if (!mcvdi_dims_equal(dims, mcvdi_graph_dims(g, b)))
        return mcvdi_refuse_shapes(g, "add", dims, mcvdi_graph_dims(g, b));
    return mcvdi_add_plain(g, &plain, dims);
}
