/*
 * A linear map along frames, the same for each of the P = H W c values of a frame:
 *
 *     y[f'] = sum over f of w[f', f] x[f] + b[f']
 *     dx[f] = sum over f' of w[f', f] dy[f'],   dw[f', f] += dy[f'] . x[f],   db[f'] += sum dy[f']
 *
 * Samples are cut into fixed pieces of a frame's values, which run in parallel; what the pieces
 * say about dw and db is added in order, in double.
 */
#include <stdio.h>
#include <string.h>

#include "ops/elementwise.h"
#include "ops/gemm.h"
#include "ops/kernels.h"
#include "ops/ops.h"

enum { PIECE = 2048 };

typedef struct mix_attrs {
    size_t in, out; /* frames */
} mix_attrs;

typedef struct mix_plan {
    size_t in, out;
    size_t values; /* P */
    size_t pieces; /* of one sample */
    size_t tasks;  /* samples x pieces */
    double *db;    /* [tasks][out] */
    float *dw;     /* [tasks][out][in] */
} mix_plan;

static mix_plan make_plan(const mcvdi_node *node)
{
    const mix_attrs *attrs = node->attrs;
    mix_plan p = { .in = attrs->in,
                   .out = attrs->out,
                   .values = node->y_dims.h / attrs->out * node->y_dims.w * node->y_dims.c };

    p.pieces = mcvdi_pieces(p.values, PIECE);
    p.tasks = node->y_dims.n * p.pieces;
    p.db = node->scratch;
    if (p.db)
        p.dw = (float *)(p.db + p.tasks * p.out);
    return p;
}

static mcvd_status mix_setup(mcvdi_node *node, mcvdi_graph_mode mode)
{
    const mix_plan p = make_plan(node);

    if (mode == MCVDI_TRAIN)
        node->scratch_bytes = p.tasks * p.out * (sizeof(double) + p.in * sizeof(float));
    return MCVD_OK;
}

/* Where a piece starts in a tensor of `frames` frames a sample. */
static size_t piece_start(const mix_plan *p, size_t task, size_t frames)
{
    return task / p->pieces * frames * p->values + task % p->pieces * PIECE;
}

static size_t piece_length(const mix_plan *p, size_t task)
{
    return mcvdi_min_size(PIECE, p->values - task % p->pieces * PIECE);
}

static void forward_piece(const mcvdi_node *node, const mix_plan *p, size_t task)
{
    const mcvdi_kernels *k = mcvdi_kernels_get();
    const float *x = node->x[0] + piece_start(p, task, p->in);
    float *y = node->y + piece_start(p, task, p->out);
    const size_t n = piece_length(p, task);

    for (size_t o = 0; o < p->out; o++, y += p->values) {
        for (size_t i = 0; i < n; i++)
            y[i] = node->w[1][o];
        for (size_t f = 0; f < p->in; f++)
            k->add_scaled(y, x + f * p->values, node->w[0][o * p->in + f], n);
    }
}

static mcvd_status mix_forward(mcvdi_node *node)
{
    const mix_plan p = make_plan(node);

#pragma omp parallel for schedule(static)
    for (size_t task = 0; task < p.tasks; task++)
        forward_piece(node, &p, task);
    return MCVD_OK;
}

static void give_piece(const mcvdi_node *node, const mix_plan *p, size_t task)
{
    const mcvdi_kernels *k = mcvdi_kernels_get();
    const float *dy = node->dy + piece_start(p, task, p->out);
    float *dx = node->dx[0] + piece_start(p, task, p->in);
    const size_t n = piece_length(p, task);

    for (size_t f = 0; f < p->in; f++, dx += p->values) {
        for (size_t o = 0; o < p->out; o++) {
            const bool add = node->dx_add[0] || o > 0;
            (add ? k->add_scaled : k->copy_scaled)(dx, dy + o * p->values,
                                                   node->w[0][o * p->in + f], n);
        }
    }
}

/* What one piece says about dw and db. */
static void weigh_piece(const mcvdi_node *node, const mix_plan *p, size_t task)
{
    const mcvdi_kernels *k = mcvdi_kernels_get();
    const float *dy = node->dy + piece_start(p, task, p->out);
    const size_t n = piece_length(p, task);
    double *db = p->db + task * p->out;

    mcvdi_gemm(&(mcvdi_gemm_args) { .trans_b = true,
                                    .m = p->out,
                                    .n = p->in,
                                    .k = n,
                                    .alpha = 1.0f,
                                    .a = dy,
                                    .lda = p->values,
                                    .b = node->x[0] + piece_start(p, task, p->in),
                                    .ldb = p->values,
                                    .c = p->dw + task * p->out * p->in,
                                    .ldc = p->in });
    memset(db, 0, p->out * sizeof *db);
    for (size_t o = 0; o < p->out; o++)
        k->column_sums(db + o, NULL, dy + o * p->values, n, 1);
}

static void add_pieces(const mcvdi_node *node, const mix_plan *p)
{
    const size_t weights = p->out * p->in;

    for (size_t i = 0; i < weights; i++) {
        double total = 0.0;
        for (size_t task = 0; task < p->tasks; task++)
            total += (double)p->dw[task * weights + i];
        node->dw[0][i] += (float)total;
    }
    for (size_t o = 0; o < p->out; o++) {
        double total = 0.0;
        for (size_t task = 0; task < p->tasks; task++)
            total += p->db[task * p->out + o];
        node->dw[1][o] += (float)total;
    }
}

static mcvd_status mix_backward(mcvdi_node *node)
{
    const mix_plan p = make_plan(node);

#pragma omp parallel for schedule(static)
    for (size_t task = 0; task < p.tasks; task++) {
        if (node->dw[0])
            weigh_piece(node, &p, task);
        if (node->dx[0])
            give_piece(node, &p, task);
    }
    if (node->dw[0])
        add_pieces(node, &p);
    return MCVD_OK;
}

static double mix_macs(const mcvdi_node *node)
{
    const mix_plan p = make_plan(node);
    return (double)node->y_dims.n * (double)p.values * (double)p.in * (double)p.out;
}

static const mcvdi_op mix_op = {
    .name = "frame_mix",
    .backward_needs = MCVDI_NEEDS_X(0),
    .setup = mix_setup,
    .forward = mix_forward,
    .backward = mix_backward,
    .macs = mix_macs,
};

static void add_params(mcvdi_graph *g, const mcvdi_frame_mix_spec *spec, mcvdi_param_id ids[2])
{
    char weight[160];
    char bias[160];

    snprintf(weight, sizeof weight, "%s.weight", spec->name);
    snprintf(bias, sizeof bias, "%s.bias", spec->name);
    const mcvdi_param_spec w = { .name = weight,
                                 .ndim = spec->weight_ndim,
                                 .shape = { spec->out_frames, spec->in_frames, 1, 1, 1 },
                                 .init = MCVDI_INIT_UNIFORM,
                                 .init_scale = 1.0,
                                 .fan_sum = (double)(spec->in_frames + spec->out_frames) };
    const mcvdi_param_spec b = {
        .name = bias, .ndim = 1, .shape = { spec->out_frames }, .init = MCVDI_INIT_ZERO
    };
    ids[0] = mcvdi_graph_param(g, &w);
    ids[1] = mcvdi_graph_param(g, &b);
}

mcvdi_value_id mcvdi_frame_mix(mcvdi_graph *g, mcvdi_value_id x, const mcvdi_frame_mix_spec *spec)
{
    const mcvdi_dims in = mcvdi_graph_dims(g, x);
    const mix_attrs attrs = { spec->in_frames, spec->out_frames };
    mcvdi_node_spec node = { .op = &mix_op,
                             .num_inputs = 1,
                             .inputs = { x },
                             .num_params = 2,
                             .attrs = &attrs,
                             .attrs_bytes = sizeof attrs };

    if (!mcvdi_graph_ok(g))
        return -1;
    if (!attrs.in || !attrs.out || in.h % attrs.in)
        return mcvdi_graph_build_failed(
            g, mcvdi_fail(MCVD_E_SHAPE, "%s: [%zu, %zu, %zu, %zu] as %zu frames to %zu frames",
                          spec->name, in.n, in.h, in.w, in.c, attrs.in, attrs.out));
    node.y_dims = (mcvdi_dims) { in.n, in.h / attrs.in * attrs.out, in.w, in.c };
    add_params(g, spec, node.params);
    return mcvdi_graph_add(g, &node);
}
