/*
 * With cell size s, for r, q in [0, s):
 *
 *     space to depth:  y[n, i, j, (r s + q) C + c] = x[n, i s + r, j s + q, c]
 *     depth to space:  the inverse; each is the other's backward
 *
 * The s C floats of one row of a cell are contiguous on both sides.
 */
#include "ops/elementwise.h"
#include "ops/ops.h"

typedef struct cell_attrs {
    size_t cell;
    bool to_depth;
} cell_attrs;

/* deep [N,h,w,s*s*C] and wide [N,h*s,w*s,C]: move run by run in one direction. */
typedef struct cell_move {
    mcvdi_dims deep;
    size_t cell;
    bool to_depth;
    bool add;
} cell_move;

static void move_cells(float *dst, const float *src, const cell_move *m)
{
    const size_t s = m->cell;
    const size_t run = m->deep.c / s; /* s C */

#pragma omp parallel for schedule(static)
    for (size_t row = 0; row < m->deep.n * m->deep.h * s; row++) {
        for (size_t j = 0; j < m->deep.w; j++) {
            const size_t wide = (row * m->deep.w + j) * run;
            const size_t deep = ((row / s * m->deep.w + j) * s + row % s) * run;
            if (m->to_depth)
                mcvdi_give_row(dst + deep, src + wide, run, m->add);
            else
                mcvdi_give_row(dst + wide, src + deep, run, m->add);
        }
    }
}

static mcvd_status cells_forward(mcvdi_node *node)
{
    const cell_attrs *attrs = node->attrs;
    const cell_move m = { .deep = attrs->to_depth ? node->y_dims : node->x_dims[0],
                          .cell = attrs->cell,
                          .to_depth = attrs->to_depth };

    move_cells(node->y, node->x[0], &m);
    return MCVD_OK;
}

static mcvd_status cells_backward(mcvdi_node *node)
{
    const cell_attrs *attrs = node->attrs;
    const cell_move m = { .deep = attrs->to_depth ? node->y_dims : node->x_dims[0],
                          .cell = attrs->cell,
                          .to_depth = !attrs->to_depth,
                          .add = node->dx_add[0] };

    if (node->dx[0])
        move_cells(node->dx[0], node->dy, &m);
    return MCVD_OK;
}

static const mcvdi_op space_to_depth_op = {
    .name = "space_to_depth",
    .forward = cells_forward,
    .backward = cells_backward,
};

static const mcvdi_op depth_to_space_op = {
    .name = "depth_to_space",
    .forward = cells_forward,
    .backward = cells_backward,
};

static mcvdi_value_id refuse_cell(mcvdi_graph *g, mcvdi_dims x, size_t cell)
{
    if (!mcvdi_graph_ok(g))
        return -1;
    return mcvdi_graph_build_failed(
        g, mcvdi_fail(MCVD_E_SHAPE, "cells of %zu x %zu pixels do not fit [%zu, %zu, %zu, %zu]",
                      cell, cell, x.n, x.h, x.w, x.c));
}

mcvdi_value_id mcvdi_space_to_depth(mcvdi_graph *g, mcvdi_value_id x, size_t cell)
{
    const mcvdi_dims in = mcvdi_graph_dims(g, x);
    const cell_attrs attrs = { cell, true };
    const mcvdi_plain_node plain = { .op = &space_to_depth_op,
                                     .num_inputs = 1,
                                     .inputs = { x },
                                     .attrs = &attrs,
                                     .attrs_bytes = sizeof attrs };

    if (!cell || in.h % cell || in.w % cell)
        return refuse_cell(g, in, cell);
    return mcvdi_add_plain(g, &plain,
                           (mcvdi_dims) { in.n, in.h / cell, in.w / cell, in.c * cell * cell });
}

mcvdi_value_id mcvdi_depth_to_space(mcvdi_graph *g, mcvdi_value_id x, size_t cell)
{
    const mcvdi_dims in = mcvdi_graph_dims(g, x);
    const cell_attrs attrs = { cell, false };
    const mcvdi_plain_node plain = { .op = &depth_to_space_op,
                                     .num_inputs = 1,
                                     .inputs = { x },
                                     .attrs = &attrs,
                                     .attrs_bytes = sizeof attrs };

    if (!cell || in.c % (cell * cell))
        return refuse_cell(g, in, cell);
    return mcvdi_add_plain(g, &plain,
                           (mcvdi_dims) { in.n, in.h * cell, in.w * cell, in.c / (cell * cell) });
}
