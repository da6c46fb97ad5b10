/*
 * A learned vector for "past given" (1) and one for "past masked" (0):
 *
 *     y[n] = table[mask[n]],     dtable[mask[n]] += dy[n]
 */
#include <stdio.h>
#include <string.h>

#include "ops/ops.h"

static size_t table_row(float mask)
{
    return mask >= 0.5f ? 1 : 0;
}

static mcvd_status mask_embedding_forward(mcvdi_node *node)
{
    const size_t width = node->y_dims.c;

    for (size_t n = 0; n < node->y_dims.n; n++)
        memcpy(node->y + n * width, node->w[0] + table_row(node->x[0][n]) * width,
               width * sizeof(float));
    return MCVD_OK;
}

static mcvd_status mask_embedding_backward(mcvdi_node *node)
{
    const size_t width = node->y_dims.c;

    for (size_t n = 0; n < node->y_dims.n; n++) {
        float *row = node->dw[0] ? node->dw[0] + table_row(node->x[0][n]) * width : NULL;
        for (size_t i = 0; row && i < width; i++)
            row[i] += node->dy[n * width + i];
        if (node->dx[0] && !node->dx_add[0])
            node->dx[0][n] = 0.0f; /* a choice has no derivative */
    }
    return MCVD_OK;
}

static const mcvdi_op mask_embedding_op = {
    .name = "mask_embedding",
    .backward_needs = MCVDI_NEEDS_X(0),
    .forward = mask_embedding_forward,
    .backward = mask_embedding_backward,
};

mcvdi_value_id mcvdi_mask_embedding(mcvdi_graph *g, mcvdi_value_id mask, const char *name,
                                    size_t width)
{
    char weight[160];
    const mcvdi_dims in = mcvdi_graph_dims(g, mask);

    snprintf(weight, sizeof weight, "%s.weight", name);
    const mcvdi_param_spec table = {
        .name = weight, .ndim = 2, .shape = { 2, width }, .init = MCVDI_INIT_NORMAL
    };
    const mcvdi_node_spec node = { .op = &mask_embedding_op,
                                   .num_inputs = 1,
                                   .inputs = { mask },
                                   .num_params = 1,
                                   .params = { mcvdi_graph_param(g, &table) },
                                   .y_dims = { in.n, 1, 1, width } };
    return mcvdi_graph_add(g, &node);
}
