/*
 *     y[n,h,w,:] = [a[n,h,w,:], b[n,h,w,:]],    backward: the two halves
 */
#include "ops/elementwise.h"
#include "ops/ops.h"

static mcvd_status concat_forward(mcvdi_node *node)
{
    const size_t rows = node->y_dims.n * node->y_dims.h * node->y_dims.w;
    const size_t ca = node->x_dims[0].c;
    const size_t cb = node->x_dims[1].c;

#pragma omp parallel for schedule(static)
    for (size_t r = 0; r < rows; r++) {
        float *y = node->y + r * (ca + cb);
        mcvdi_give_row(y, node->x[0] + r * ca, ca, false);
        mcvdi_give_row(y + ca, node->x[1] + r * cb, cb, false);
    }
    return MCVD_OK;
}

static mcvd_status concat_backward(mcvdi_node *node)
{
    const size_t rows = node->y_dims.n * node->y_dims.h * node->y_dims.w;
    const size_t ca = node->x_dims[0].c;
    const size_t cb = node->x_dims[1].c;

#pragma omp parallel for schedule(static)
    for (size_t r = 0; r < rows; r++) {
        const float *dy = node->dy + r * (ca + cb);
        if (node->dx[0])
            mcvdi_give_row(node->dx[0] + r * ca, dy, ca, node->dx_add[0]);
        if (node->dx[1])
            mcvdi_give_row(node->dx[1] + r * cb, dy + ca, cb, node->dx_add[1]);
    }
    return MCVD_OK;
}

static const mcvdi_op concat_op = {
    .name = "concat",
    .forward = concat_forward,
    .backward = concat_backward,
};

mcvdi_value_id mcvdi_concat(mcvdi_graph *g, mcvdi_value_id a, mcvdi_value_id b)
{
    const mcvdi_dims da = mcvdi_graph_dims(g, a);
    const mcvdi_dims db = mcvdi_graph_dims(g, b);
    const mcvdi_plain_node plain = { .op = &concat_op, .num_inputs = 2, .inputs = { a, b } };

    if (b < 0)
        return a;
    if (da.n != db.n || da.h != db.h || da.w != db.w)
        return mcvdi_refuse_shapes(g, "concat", da, db);
    return mcvdi_add_plain(g, &plain, (mcvdi_dims) { da.n, da.h, da.w, da.c + db.c });
}
