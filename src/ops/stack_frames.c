/*
 * D frames of c channels each, side by side in the channels or one below the other:
 *
 *     rows[n, f H + i, j, k] = channels[n, i, j, f c + k]
 *
 * Both directions move runs of c floats; each is the other's backward.
 */
#include "ops/elementwise.h"
#include "ops/ops.h"

typedef struct stack_attrs {
    size_t frames;
    bool to_rows;
} stack_attrs;

typedef struct stack_move {
    mcvdi_dims rows; /* [N, D*H, W, c] */
    size_t frames;
    bool to_rows;
    bool add;
} stack_move;

static void move_run(float *dst, const float *src, size_t n, bool add)
{
    if (n >= 32) {
        mcvdi_give_row(dst, src, n, add);
        return;
    }
    for (size_t i = 0; i < n; i++)
        dst[i] = add ? dst[i] + src[i] : src[i];
}

/* One row of pixels of one frame. */
static void move_row(float *dst, const float *src, const stack_move *m, size_t row)
{
    const size_t c = m->rows.c;
    const size_t height = m->rows.h / m->frames;
    const size_t n = row / m->rows.h;
    const size_t frame = row % m->rows.h / height;
    const size_t i = row % height;
    const size_t channels = ((n * height + i) * m->rows.w * m->frames + frame) * c;

    for (size_t j = 0; j < m->rows.w; j++) {
        const size_t in_rows = (row * m->rows.w + j) * c;
        const size_t in_channels = channels + j * m->frames * c;
        if (m->to_rows)
            move_run(dst + in_rows, src + in_channels, c, m->add);
        else
            move_run(dst + in_channels, src + in_rows, c, m->add);
    }
}

static void move_frames(float *dst, const float *src, const stack_move *m)
{
#pragma omp parallel for schedule(static)
    for (size_t row = 0; row < m->rows.n * m->rows.h; row++)
        move_row(dst, src, m, row);
}

static mcvd_status stack_forward(mcvdi_node *node)
{
    const stack_attrs *attrs = node->attrs;
    const stack_move m = { .rows = attrs->to_rows ? node->y_dims : node->x_dims[0],
                           .frames = attrs->frames,
                           .to_rows = attrs->to_rows };

    move_frames(node->y, node->x[0], &m);
    return MCVD_OK;
}

static mcvd_status stack_backward(mcvdi_node *node)
{
    const stack_attrs *attrs = node->attrs;
    const stack_move m = { .rows = attrs->to_rows ? node->y_dims : node->x_dims[0],
                           .frames = attrs->frames,
                           .to_rows = !attrs->to_rows,
                           .add = node->dx_add[0] };

    if (node->dx[0])
        move_frames(node->dx[0], node->dy, &m);
    return MCVD_OK;
}

static const mcvdi_op frames_to_rows_op = {
    .name = "frames_to_rows",
    .forward = stack_forward,
    .backward = stack_backward,
};

static const mcvdi_op rows_to_frames_op = {
    .name = "rows_to_frames",
    .forward = stack_forward,
    .backward = stack_backward,
};

static mcvdi_value_id refuse_frames(mcvdi_graph *g, mcvdi_dims x, size_t frames)
{
    if (!mcvdi_graph_ok(g))
        return -1;
    return mcvdi_graph_build_failed(g, mcvdi_fail(MCVD_E_SHAPE,
                                                  "[%zu, %zu, %zu, %zu] does not hold %zu frames",
                                                  x.n, x.h, x.w, x.c, frames));
}

mcvdi_value_id mcvdi_frames_to_rows(mcvdi_graph *g, mcvdi_value_id x, size_t frames)
{
    const mcvdi_dims in = mcvdi_graph_dims(g, x);
    const stack_attrs attrs = { frames, true };
    const mcvdi_plain_node plain = { .op = &frames_to_rows_op,
                                     .num_inputs = 1,
                                     .inputs = { x },
                                     .attrs = &attrs,
                                     .attrs_bytes = sizeof attrs };

    if (!frames || in.c % frames)
        return refuse_frames(g, in, frames);
    return mcvdi_add_plain(g, &plain, (mcvdi_dims) { in.n, frames * in.h, in.w, in.c / frames });
}

mcvdi_value_id mcvdi_rows_to_frames(mcvdi_graph *g, mcvdi_value_id x, size_t frames)
{
    const mcvdi_dims in = mcvdi_graph_dims(g, x);
    const stack_attrs attrs = { frames, false };
    const mcvdi_plain_node plain = { .op = &rows_to_frames_op,
                                     .num_inputs = 1,
                                     .inputs = { x },
                                     .attrs = &attrs,
                                     .attrs_bytes = sizeof attrs };

    if (!frames || in.h % frames)
        return refuse_frames(g, in, frames);
    return mcvdi_add_plain(g, &plain, (mcvdi_dims) { in.n, in.h / frames, in.w, frames * in.c });
}
