/*
 * Group norm, affine map, modulation and SiLU in one operator. Per sample and group of m values:
 *
 *     xhat = (x - mean) rstd,   rstd = 1 / sqrt(variance + norm_eps), biased variance
 *     z    = (w xhat + b) (1 + scale) + shift = gain xhat + offset
 *     y    = SiLU(z)  or  z
 *
 * With dz = dy SiLU'(z), S1 = sum of dz and S2 = sum of dz xhat over a channel of a sample:
 *
 *     dw += (1 + scale) S2,   db += (1 + scale) S1,   dscale = w S2 + b S1,   dshift = S1
 *     dx  = rstd (gain dz - M1 - xhat M2),
 *     M1  = sum over the group of gain S1 / m,   M2 = of gain S2 / m
 *
 * Forward and backward are two sweeps over x each (norm_statistics.h).
 */
#include <stdio.h>

#include "core/threads.h"
#include "ops/elementwise.h"
#include "ops/kernels.h"
#include "ops/norm_statistics.h"
#include "ops/ops.h"

enum { NUM_SUMS = 2, NUM_COEFS = 6 };

typedef struct norm_attrs {
    double norm_eps;
    bool silu;
    bool affine;
    bool modulated; /* input 1 is [scale | shift] */
    int threads;    /* set by setup */
} norm_attrs;

static mcvdi_norm_plan make_plan(const mcvdi_node *node)
{
    const norm_attrs *attrs = node->attrs;
    return mcvdi_norm_plan_make(node, NUM_SUMS, NUM_COEFS, attrs->threads);
}

static mcvd_status norm_setup(mcvdi_node *node, mcvdi_graph_mode mode)
{
    norm_attrs *attrs = node->attrs;

    (void)mode;
    attrs->threads = mcvdi_threads_count();
    const mcvdi_norm_plan p = make_plan(node);
    node->scratch_bytes = mcvdi_norm_scratch_bytes(&p);
    node->saved_bytes = mcvdi_norm_saved_bytes(&p);
    return MCVD_OK;
}

static mcvdi_norm_coefs norm_coefs(const mcvdi_norm_sample *s)
{
    return (mcvdi_norm_coefs) { .a = mcvdi_norm_coef(s, 0),
                                .b = mcvdi_norm_coef(s, 1),
                                .r = mcvdi_norm_coef(s, 2),
                                .q = mcvdi_norm_coef(s, 3),
                                .u = mcvdi_norm_coef(s, 4),
                                .v = mcvdi_norm_coef(s, 5) };
}

static mcvdi_norm_rows norm_rows(const mcvdi_node *node, const mcvdi_norm_span *span)
{
    return (mcvdi_norm_rows) { .x = node->x[0] + span->at,
                               .dy = node->dy ? node->dy + span->at : NULL,
                               .rows = span->rows,
                               .channels = span->channels,
                               .silu = ((const norm_attrs *)node->attrs)->silu };
}

/* gain and offset of channel i of sample n. */
static void gain_offset(const mcvdi_node *node, size_t n, size_t i, double *gain, double *offset)
{
    const norm_attrs *attrs = node->attrs;
    const size_t c = node->y_dims.c;

    *gain = attrs->affine ? (double)node->w[0][i] : 1.0;
    *offset = attrs->affine ? (double)node->w[1][i] : 0.0;
    if (attrs->modulated) {
        const float *modulation = node->x[1] + n * 2 * c;
        const double scale = 1.0 + (double)modulation[i];
        *gain *= scale;
        *offset = *offset * scale + (double)modulation[c + i];
    }
}

/* a, b: z = a x + b. r, q: xhat = r x + q. */
static void set_forward_coefs(const mcvdi_node *node, const mcvdi_norm_sample *s)
{
    const mcvdi_norm_plan *p = s->plan;
    const size_t width = p->c / p->groups;
    const double *stats = mcvdi_norm_saved(node, p, s->n);

    for (size_t g = 0, i = 0; g < p->groups; g++) {
        const double mean = stats[2 * g];
        const double rstd = stats[2 * g + 1];
        for (; i < (g + 1) * width; i++) {
            double gain;
            double offset;

            gain_offset(node, s->n, i, &gain, &offset);
            mcvdi_norm_set_coef(s, 0, i, gain * rstd);
            mcvdi_norm_set_coef(s, 1, i, offset - gain * rstd * mean);
            mcvdi_norm_set_coef(s, 2, i, rstd);
            mcvdi_norm_set_coef(s, 3, i, -rstd * mean);
        }
    }
}

static void finish_statistics(const mcvdi_node *node, const mcvdi_norm_sample *s)
{
    mcvdi_norm_finish_statistics(node, s, ((const norm_attrs *)node->attrs)->norm_eps);
    set_forward_coefs(node, s);
}

static void forward_apply(const mcvdi_node *node, const mcvdi_norm_sample *s, size_t piece)
{
    for (int rest = 0; rest < 2; rest++) {
        const mcvdi_norm_span span = mcvdi_norm_span_of(s, piece, rest);
        const mcvdi_norm_rows in = norm_rows(node, &span);
        mcvdi_kernels_get()->norm_apply(node->y + span.at, &in, mcvdi_norm_coef(s, 0),
                                        mcvdi_norm_coef(s, 1));
    }
}

static double gain_of(const mcvdi_node *node, size_t n, size_t i)
{
    double gain;
    double offset;

    gain_offset(node, n, i, &gain, &offset);
    return gain;
}

static void set_backward_coefs(const mcvdi_node *node, const mcvdi_norm_sample *s)
{
    mcvdi_norm_set_backward_coefs(node, s, gain_of);
}

static void backward_sums(const mcvdi_node *node, const mcvdi_norm_sample *s, size_t piece)
{
    const mcvdi_norm_coefs k = norm_coefs(s);
    double *part = mcvdi_norm_clear_part(s, piece);

    for (int rest = 0; rest < 2; rest++) {
        const mcvdi_norm_span span = mcvdi_norm_span_of(s, piece, rest);
        const mcvdi_norm_rows in = norm_rows(node, &span);
        mcvdi_kernels_get()->norm_back_sums(part, part + s->plan->wide, &in, &k);
    }
}

static void backward_apply(const mcvdi_node *node, const mcvdi_norm_sample *s, size_t piece)
{
    const mcvdi_norm_coefs k = norm_coefs(s);

    for (int rest = 0; node->dx[0] && rest < 2; rest++) {
        const mcvdi_norm_span span = mcvdi_norm_span_of(s, piece, rest);
        const mcvdi_norm_rows in = norm_rows(node, &span);
        mcvdi_kernels_get()->norm_back_apply(node->dx[0] + span.at, &in, &k, node->dx_add[0]);
    }
}

static mcvd_status norm_forward(mcvdi_node *node)
{
    static const mcvdi_norm_sweeps sweeps = { .sums = mcvdi_norm_square_sums,
                                              .between = finish_statistics,
                                              .apply = forward_apply };
    const mcvdi_norm_plan p = make_plan(node);

    mcvdi_norm_sweep(node, &p, &sweeps);
    return MCVD_OK;
}

static void affine_backward(mcvdi_node *node, const mcvdi_norm_plan *p)
{
    const norm_attrs *attrs = node->attrs;

    for (size_t n = 0; n < p->n; n++) {
        const double *sums = p->sums + n * 2 * p->c;
        for (size_t i = 0; i < p->c; i++) {
            const double scale =
                attrs->modulated ? 1.0 + (double)node->x[1][n * 2 * p->c + i] : 1.0;
            node->dw[0][i] += (float)(scale * sums[p->c + i]);
            node->dw[1][i] += (float)(scale * sums[i]);
        }
    }
}

static void modulation_backward(mcvdi_node *node, const mcvdi_norm_plan *p)
{
    const norm_attrs *attrs = node->attrs;

    for (size_t n = 0; n < p->n; n++) {
        const double *sums = p->sums + n * 2 * p->c;
        float *d = node->dx[1] + n * 2 * p->c;
        for (size_t i = 0; i < p->c; i++) {
            const double w = attrs->affine ? (double)node->w[0][i] : 1.0;
            const double b = attrs->affine ? (double)node->w[1][i] : 0.0;
            const float dscale = (float)(w * sums[p->c + i] + b * sums[i]);
            const float dshift = (float)sums[i];
            d[i] = node->dx_add[1] ? d[i] + dscale : dscale;
            d[p->c + i] = node->dx_add[1] ? d[p->c + i] + dshift : dshift;
        }
    }
}

static mcvd_status norm_backward(mcvdi_node *node)
{
    static const mcvdi_norm_sweeps sweeps = { .before = set_forward_coefs,
                                              .sums = backward_sums,
                                              .between = set_backward_coefs,
                                              .apply = backward_apply };
    const mcvdi_norm_plan p = make_plan(node);
    const norm_attrs *attrs = node->attrs;

    mcvdi_norm_sweep(node, &p, &sweeps);
    if (attrs->affine && node->dw[0])
        affine_backward(node, &p);
    if (attrs->modulated && node->dx[1])
        modulation_backward(node, &p);
    return MCVD_OK;
}

static const mcvdi_op norm_op = {
    .name = "group_norm",
    .backward_needs = MCVDI_NEEDS_X(0) | MCVDI_NEEDS_X(1),
    .setup = norm_setup,
    .forward = norm_forward,
    .backward = norm_backward,
};

static void add_affine(mcvdi_graph *g, const char *name, size_t c, mcvdi_param_id ids[2])
{
    char weight[160];
    char bias[160];

    snprintf(weight, sizeof weight, "%s.weight", name);
    snprintf(bias, sizeof bias, "%s.bias", name);
    const mcvdi_param_spec w = {
        .name = weight, .ndim = 1, .shape = { c }, .init = MCVDI_INIT_ONE
    };
    const mcvdi_param_spec b = { .name = bias, .ndim = 1, .shape = { c }, .init = MCVDI_INIT_ZERO };
    ids[0] = mcvdi_graph_param(g, &w);
    ids[1] = mcvdi_graph_param(g, &b);
}

mcvdi_value_id mcvdi_group_norm(mcvdi_graph *g, mcvdi_value_id x, const mcvdi_group_norm_spec *spec)
{
    const mcvdi_dims in = mcvdi_graph_dims(g, x);
    const mcvdi_dims modulation = mcvdi_graph_dims(g, spec->scale_shift);
    const bool modulated = spec->scale_shift >= 0;
    const norm_attrs attrs = { .norm_eps = spec->norm_eps,
                               .silu = spec->silu,
                               .affine = spec->name != NULL,
                               .modulated = modulated };
    mcvdi_node_spec node = { .op = &norm_op,
                             .num_inputs = modulated ? 2 : 1,
                             .inputs = { x, spec->scale_shift },
                             .num_params = spec->name ? 2 : 0,
                             .attrs = &attrs,
                             .attrs_bytes = sizeof attrs,
                             .y_dims = in };

    if (!mcvdi_graph_ok(g))
        return -1;
    if (in.c < 4 ||
        (modulated && !mcvdi_dims_equal(modulation, (mcvdi_dims) { in.n, 1, 1, 2 * in.c })))
        return mcvdi_refuse_shapes(g, "group norm", in, modulation);
    if (spec->name)
        add_affine(g, spec->name, in.c, node.params);
    return mcvdi_graph_add(g, &node);
}
