/*
 * A norm whose result is modulated per position by maps, then per sample, and activated:
 *
 *     xhat = (x - mean) rstd,   rstd = 1 / sqrt(variance + norm_eps), biased variance
 *     m    = xhat (1 + gamma) + beta
 *     z    = m (1 + scale) + shift
 *     y    = SiLU(z)  or  z
 *
 * With dz = dy SiLU'(z), dm = (1 + scale) dz, dxhat = dm (1 + gamma), and a group of n values:
 *
 *     dbeta = dm,   dgamma = dm xhat,   dscale = sum of dz m,   dshift = sum of dz
 *     dx    = rstd (dxhat - M1 - xhat M2),
 *     M1    = sum over the group of dxhat / n,   M2 = of dxhat xhat / n
 *
 * Two sweeps each way (norm_statistics.h).
 */
#include "core/threads.h"
#include "ops/elementwise.h"
#include "ops/kernels.h"
#include "ops/norm_statistics.h"
#include "ops/ops.h"

enum { X, GAMMA, BETA, SCALE_SHIFT };
enum { FORWARD_SUMS = 2, FORWARD_COEFS = 4, BACKWARD_SUMS = 4, BACKWARD_COEFS = 6 };

typedef struct spade_attrs {
    double norm_eps;
    bool silu;
    bool modulated; /* input SCALE_SHIFT is there */
    int threads;    /* set by setup */
} spade_attrs;

static mcvdi_norm_plan forward_plan(const mcvdi_node *node)
{
    const spade_attrs *attrs = node->attrs;
    return mcvdi_norm_plan_make(node, FORWARD_SUMS, FORWARD_COEFS, attrs->threads);
}

static mcvdi_norm_plan backward_plan(const mcvdi_node *node)
{
    const spade_attrs *attrs = node->attrs;
    return mcvdi_norm_plan_make(node, BACKWARD_SUMS, BACKWARD_COEFS, attrs->threads);
}

static mcvd_status spade_setup(mcvdi_node *node, mcvdi_graph_mode mode)
{
    spade_attrs *attrs = node->attrs;

    attrs->threads = mcvdi_threads_count();
    const mcvdi_norm_plan p = mode == MCVDI_TRAIN ? backward_plan(node) : forward_plan(node);
    node->scratch_bytes = mcvdi_norm_scratch_bytes(&p);
    node->saved_bytes = mcvdi_norm_saved_bytes(&p);
    return MCVD_OK;
}

static mcvdi_spade_coefs spade_coefs(const mcvdi_norm_sample *s)
{
    const bool backward = s->plan->num_coefs == BACKWARD_COEFS;

    return (mcvdi_spade_coefs) { .r = mcvdi_norm_coef(s, 0),
                                 .q = mcvdi_norm_coef(s, 1),
                                 .s = mcvdi_norm_coef(s, 2),
                                 .h = mcvdi_norm_coef(s, 3),
                                 .u = backward ? mcvdi_norm_coef(s, 4) : NULL,
                                 .v = backward ? mcvdi_norm_coef(s, 5) : NULL };
}

static mcvdi_spade_rows spade_rows(const mcvdi_node *node, const mcvdi_norm_span *span)
{
    return (mcvdi_spade_rows) { .x = node->x[X] + span->at,
                                .gamma = node->x[GAMMA] + span->at,
                                .beta = node->x[BETA] + span->at,
                                .dy = node->dy ? node->dy + span->at : NULL,
                                .rows = span->rows,
                                .channels = span->channels,
                                .silu = ((const spade_attrs *)node->attrs)->silu };
}

/* 1 + scale and shift of channel i of sample n. */
static void modulation(const mcvdi_node *node, size_t n, size_t i, double *scale, double *shift)
{
    const spade_attrs *attrs = node->attrs;
    const size_t c = node->y_dims.c;
    const float *map = attrs->modulated ? node->x[SCALE_SHIFT] + n * 2 * c : NULL;

    *scale = map ? 1.0 + (double)map[i] : 1.0;
    *shift = map ? (double)map[c + i] : 0.0;
}

static void set_forward_coefs(const mcvdi_node *node, const mcvdi_norm_sample *s)
{
    const mcvdi_norm_plan *p = s->plan;
    const size_t width = p->c / p->groups;
    const double *stats = mcvdi_norm_saved(node, p, s->n);

    for (size_t i = 0; i < p->c; i++) {
        const double mean = stats[i / width * 2];
        const double rstd = stats[i / width * 2 + 1];
        double scale;
        double shift;

        modulation(node, s->n, i, &scale, &shift);
        mcvdi_norm_set_coef(s, 0, i, rstd);
        mcvdi_norm_set_coef(s, 1, i, -rstd * mean);
        mcvdi_norm_set_coef(s, 2, i, scale);
        mcvdi_norm_set_coef(s, 3, i, shift);
    }
}

static void finish_statistics(const mcvdi_node *node, const mcvdi_norm_sample *s)
{
    mcvdi_norm_finish_statistics(node, s, ((const spade_attrs *)node->attrs)->norm_eps);
    set_forward_coefs(node, s);
}

static void forward_apply(const mcvdi_node *node, const mcvdi_norm_sample *s, size_t piece)
{
    const mcvdi_spade_coefs k = spade_coefs(s);

    for (int rest = 0; rest < 2; rest++) {
        const mcvdi_norm_span span = mcvdi_norm_span_of(s, piece, rest);
        const mcvdi_spade_rows in = spade_rows(node, &span);
        mcvdi_kernels_get()->spade_apply(node->y + span.at, &in, &k);
    }
}

static mcvd_status spade_forward(mcvdi_node *node)
{
    static const mcvdi_norm_sweeps sweeps = { .sums = mcvdi_norm_square_sums,
                                              .between = finish_statistics,
                                              .apply = forward_apply };
    const mcvdi_norm_plan p = forward_plan(node);

    mcvdi_norm_sweep(node, &p, &sweeps);
    return MCVD_OK;
}

static void backward_sums(const mcvdi_node *node, const mcvdi_norm_sample *s, size_t piece)
{
    const mcvdi_spade_coefs k = spade_coefs(s);
    double *part = mcvdi_norm_clear_part(s, piece);

    for (int rest = 0; rest < 2; rest++) {
        const mcvdi_norm_span span = mcvdi_norm_span_of(s, piece, rest);
        const mcvdi_spade_rows in = spade_rows(node, &span);
        mcvdi_kernels_get()->spade_back_sums(part, s->plan->wide, &in, &k);
    }
}

static double gain(const mcvdi_node *node, size_t n, size_t i)
{
    double scale;
    double shift;

    modulation(node, n, i, &scale, &shift);
    return scale;
}

static void set_backward_coefs(const mcvdi_node *node, const mcvdi_norm_sample *s)
{
    mcvdi_norm_set_backward_coefs(node, s, gain);
}

static void backward_apply(const mcvdi_node *node, const mcvdi_norm_sample *s, size_t piece)
{
    const mcvdi_spade_coefs k = spade_coefs(s);

    for (int rest = 0; rest < 2; rest++) {
        const mcvdi_norm_span span = mcvdi_norm_span_of(s, piece, rest);
        const mcvdi_spade_rows in = spade_rows(node, &span);
        const mcvdi_spade_gradients to = { .dx = node->dx[X] ? node->dx[X] + span.at : NULL,
                                           .dgamma =
                                               node->dx[GAMMA] ? node->dx[GAMMA] + span.at : NULL,
                                           .dbeta =
                                               node->dx[BETA] ? node->dx[BETA] + span.at : NULL,
                                           .add_x = node->dx_add[X],
                                           .add_gamma = node->dx_add[GAMMA],
                                           .add_beta = node->dx_add[BETA] };
        mcvdi_kernels_get()->spade_back_apply(&to, &in, &k);
    }
}

static void modulation_backward(mcvdi_node *node, const mcvdi_norm_plan *p)
{
    const bool add = node->dx_add[SCALE_SHIFT];

    for (size_t n = 0; n < p->n; n++) {
        const double *dshift = p->sums + (n * p->num_sums + 2) * p->c;
        const double *dscale = dshift + p->c;
        float *d = node->dx[SCALE_SHIFT] + n * 2 * p->c;
        for (size_t i = 0; i < p->c; i++) {
            d[i] = (float)dscale[i] + (add ? d[i] : 0.0f);
            d[p->c + i] = (float)dshift[i] + (add ? d[p->c + i] : 0.0f);
        }
    }
}

static mcvd_status spade_backward(mcvdi_node *node)
{
    static const mcvdi_norm_sweeps sweeps = { .before = set_forward_coefs,
                                              .sums = backward_sums,
                                              .between = set_backward_coefs,
                                              .apply = backward_apply };
    const mcvdi_norm_plan p = backward_plan(node);

    mcvdi_norm_sweep(node, &p, &sweeps);
    if (((const spade_attrs *)node->attrs)->modulated && node->dx[SCALE_SHIFT])
        modulation_backward(node, &p);
    return MCVD_OK;
}

static const mcvdi_op spade_op = {
    .name = "spade_norm",
    .backward_needs =
        MCVDI_NEEDS_X(X) | MCVDI_NEEDS_X(GAMMA) | MCVDI_NEEDS_X(BETA) | MCVDI_NEEDS_X(SCALE_SHIFT),
    .setup = spade_setup,
    .forward = spade_forward,
    .backward = spade_backward,
};

mcvdi_value_id mcvdi_spade_norm(mcvdi_graph *g, mcvdi_value_id x, const mcvdi_spade_norm_spec *spec)
{
    const mcvdi_dims in = mcvdi_graph_dims(g, x);
    const mcvdi_dims gamma = mcvdi_graph_dims(g, spec->gamma);
    const mcvdi_dims beta = mcvdi_graph_dims(g, spec->beta);
    const mcvdi_dims vectors = mcvdi_graph_dims(g, spec->scale_shift);
    const bool modulated = spec->scale_shift >= 0;
    const spade_attrs attrs = {
        .norm_eps = spec->norm_eps, .silu = spec->silu, .modulated = modulated, .threads = 1
    };
    const mcvdi_plain_node plain = { .op = &spade_op,
                                     .num_inputs = modulated ? 4 : 3,
                                     .inputs = { x, spec->gamma, spec->beta, spec->scale_shift },
                                     .attrs = &attrs,
                                     .attrs_bytes = sizeof attrs };

    if (!mcvdi_graph_ok(g))
        return -1;
    if (in.c < 4 || !mcvdi_dims_equal(in, gamma))
        return mcvdi_refuse_shapes(g, "SPADE norm", in, gamma);
    if (!mcvdi_dims_equal(in, beta))
        return mcvdi_refuse_shapes(g, "SPADE norm", in, beta);
    if (modulated && !mcvdi_dims_equal(vectors, (mcvdi_dims) { in.n, 1, 1, 2 * in.c }))
        return mcvdi_refuse_shapes(g, "SPADE norm", in, vectors);
    return mcvdi_add_plain(g, &plain, in);
}
