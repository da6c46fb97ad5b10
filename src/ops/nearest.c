/*
 * Nearest neighbour by a whole factor f takes the first pixel of each cell:
 *
 *     y[n, i, j, :] = x[n, i f, j f, :],    backward: there dy, elsewhere nothing
 */
#include <string.h>

#include "ops/elementwise.h"
#include "ops/ops.h"

static mcvd_status nearest_forward(mcvdi_node *node)
{
    const mcvdi_dims y = node->y_dims;
    const size_t factor = *(const size_t *)node->attrs;

#pragma omp parallel for schedule(static)
    for (size_t row = 0; row < y.n * y.h; row++) {
        const float *from = node->x[0] + row * factor * node->x_dims[0].w * y.c;
        float *to = node->y + row * y.w * y.c;
        for (size_t j = 0; j < y.w; j++)
            mcvdi_give_row(to + j * y.c, from + j * factor * y.c, y.c, false);
    }
    return MCVD_OK;
}

static mcvd_status nearest_backward(mcvdi_node *node)
{
    const mcvdi_dims y = node->y_dims;
    const size_t factor = *(const size_t *)node->attrs;
    const size_t cell_row = factor * node->x_dims[0].w * y.c; /* factor rows of x */

    if (!node->dx[0])
        return MCVD_OK;
#pragma omp parallel for schedule(static)
    for (size_t row = 0; row < y.n * y.h; row++) {
        const float *from = node->dy + row * y.w * y.c;
        float *to = node->dx[0] + row * cell_row;
        if (!node->dx_add[0])
            memset(to, 0, cell_row * sizeof *to);
        for (size_t j = 0; j < y.w; j++)
            mcvdi_give_row(to + j * factor * y.c, from + j * y.c, y.c, node->dx_add[0]);
    }
    return MCVD_OK;
}

static const mcvdi_op nearest_op = {
    .name = "nearest_down",
    .forward = nearest_forward,
    .backward = nearest_backward,
};

mcvdi_value_id mcvdi_nearest_down(mcvdi_graph *g, mcvdi_value_id x, size_t factor)
{
    const mcvdi_dims in = mcvdi_graph_dims(g, x);
    const mcvdi_plain_node plain = { .op = &nearest_op,
                                     .num_inputs = 1,
                                     .inputs = { x },
                                     .attrs = &factor,
                                     .attrs_bytes = sizeof factor };

    if (!mcvdi_graph_ok(g))
        return -1;
    if (!factor || in.h % factor || in.w % factor)
        return mcvdi_graph_build_failed(
            g, mcvdi_fail(MCVD_E_SHAPE, "nearest: factor %zu does not divide [%zu, %zu, %zu, %zu]",
                          factor, in.n, in.h, in.w, in.c));
    return mcvdi_add_plain(g, &plain, (mcvdi_dims) { in.n, in.h / factor, in.w / factor, in.c });
}
