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
 *     dx  = rstd (gain dz - M1 - xhat M2),  M1 = sum over the group of gain S1 / m, M2 of gain S2 /
 * m
 *
 * Forward and backward are two sweeps over x each: per-channel sums, vectorised across channels,
 * then a per-channel linear map. Sums come in fixed pieces of rows, combined in order in double.
 * A few channels do not fill vectors: then `fold` rows count as one row of fold * c channels, with
 * repeated coefficients.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/threads.h"
#include "ops/elementwise.h"
#include "ops/kernels.h"
#include "ops/ops.h"

enum { PIECE_FLOATS = 1 << 16, NUM_COEFS = 6, LANES = 16, WIDE_ENOUGH = 128 };

typedef struct norm_attrs {
    size_t groups;
    double norm_eps;
    bool silu;
    bool affine;
    bool modulated; /* input 1 is [scale | shift] */
} norm_attrs;

/* Where things are in scratch, and how rows are cut. */
typedef struct norm_plan {
    size_t n, rows, c;
    size_t fold, wide;         /* wide = fold c */
    size_t piece_rows, pieces; /* piece_rows is a multiple of fold */
    double *parts;             /* [n][pieces][2][wide] */
    double *sums;              /* [n][2][c] */
    float *coefs;              /* [n][NUM_COEFS][wide] */
} norm_plan;

static size_t double_sums(const norm_plan *p)
{
    return p->n * 2 * (p->pieces * p->wide + p->c);
}

/* The least number of rows that makes whole vectors, repeated until they are wide enough. */
static size_t choose_fold(size_t c, size_t rows)
{
    size_t fold = 1;

    if (c >= WIDE_ENOUGH)
        return 1;
    while (fold * c % LANES)
        fold *= 2;
    fold *= (WIDE_ENOUGH + fold * c - 1) / (fold * c);
    return mcvdi_min_size(fold, rows);
}

static norm_plan make_plan(const mcvdi_node *node)
{
    const mcvdi_dims x = node->x_dims[0];
    norm_plan p = { .n = x.n, .rows = x.h * x.w, .c = x.c };

    p.fold = choose_fold(p.c, p.rows);
    p.wide = p.fold * p.c;
    p.piece_rows = 8 * p.fold;
    while (2 * p.piece_rows * p.c <= PIECE_FLOATS)
        p.piece_rows *= 2;
    p.pieces = mcvdi_pieces(p.rows, p.piece_rows);
    p.parts = node->scratch;
    if (p.parts) {
        p.sums = p.parts + p.n * p.pieces * 2 * p.wide;
        p.coefs = (float *)(p.parts + double_sums(&p));
    }
    return p;
}

static mcvd_status norm_setup(mcvdi_node *node, mcvdi_graph_mode mode)
{
    const norm_attrs *attrs = node->attrs;
    const norm_plan p = make_plan(node);

    (void)mode;
    node->scratch_bytes =
        double_sums(&p) * sizeof(double) + p.n * NUM_COEFS * p.wide * sizeof(float);
    node->saved_bytes = p.n * attrs->groups * 2 * sizeof(double);
    return MCVD_OK;
}

static float *coef(const norm_plan *p, size_t n, size_t which)
{
    return p->coefs + (n * NUM_COEFS + which) * p->wide;
}

/* Coefficient `which` of channel i, in every fold. */
static void set_coef(const norm_plan *p, size_t n, size_t which, size_t i, double value)
{
    float *to = coef(p, n, which) + i;

    for (size_t f = 0; f < p->fold; f++)
        to[f * p->c] = (float)value;
}

static mcvdi_norm_coefs norm_coefs(const norm_plan *p, size_t n)
{
    return (mcvdi_norm_coefs) { .a = coef(p, n, 0),
                                .b = coef(p, n, 1),
                                .r = coef(p, n, 2),
                                .q = coef(p, n, 3),
                                .u = coef(p, n, 4),
                                .v = coef(p, n, 5) };
}

/* Piece `piece` of sample n of x and, in backward, of dy: its folded rows, or the rest, which is
 * not empty only at the end of a sample. */
static mcvdi_norm_rows norm_rows(const mcvdi_node *node, const norm_plan *p, size_t n, size_t piece,
                                 bool rest)
{
    const size_t first = piece * p->piece_rows;
    const size_t rows = mcvdi_min_size(p->piece_rows, p->rows - first);
    const size_t folded = rows / p->fold;
    const size_t skip = rest ? folded * p->fold : 0;
    const size_t at = (n * p->rows + first + skip) * p->c;

    return (mcvdi_norm_rows) { .x = node->x[0] + at,
                               .dy = node->dy ? node->dy + at : NULL,
                               .rows = rest ? rows - skip : folded,
                               .channels = rest ? p->c : p->wide,
                               .silu = ((const norm_attrs *)node->attrs)->silu };
}

/* sums[n] = the parts of sample n, added in order. */
static const double *add_parts(const norm_plan *p, size_t n)
{
    double *sums = p->sums + n * 2 * p->c;

    memset(sums, 0, 2 * p->c * sizeof *sums);
    for (size_t piece = 0; piece < p->pieces; piece++) {
        const double *part = p->parts + (n * p->pieces + piece) * 2 * p->wide;
        for (size_t i = 0; i < p->wide; i++) {
            sums[i % p->c] += part[i];
            sums[p->c + i % p->c] += part[p->wide + i];
        }
    }
    return sums;
}

static double *clear_part(const norm_plan *p, size_t n, size_t piece)
{
    double *part = p->parts + (n * p->pieces + piece) * 2 * p->wide;

    memset(part, 0, 2 * p->wide * sizeof *part);
    return part;
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
static void set_forward_coefs(const mcvdi_node *node, const norm_plan *p, size_t n)
{
    const norm_attrs *attrs = node->attrs;
    const size_t width = p->c / attrs->groups;
    const double *stats = (const double *)node->saved + n * attrs->groups * 2;

    for (size_t i = 0; i < p->c; i++) {
        const double mean = stats[i / width * 2];
        const double rstd = stats[i / width * 2 + 1];
        double gain;
        double offset;

        gain_offset(node, n, i, &gain, &offset);
        set_coef(p, n, 0, i, gain * rstd);
        set_coef(p, n, 1, i, offset - gain * rstd * mean);
        set_coef(p, n, 2, i, rstd);
        set_coef(p, n, 3, i, -rstd * mean);
    }
}

/* Mean and rstd of the groups of sample n, kept for backward. */
static void finish_statistics(const mcvdi_node *node, const norm_plan *p, size_t n)
{
    const norm_attrs *attrs = node->attrs;
    const size_t width = p->c / attrs->groups;
    const double count = (double)(p->rows * width);
    const double *sums = add_parts(p, n);
    double *stats = (double *)node->saved + n * attrs->groups * 2;

    for (size_t g = 0; g < attrs->groups; g++) {
        double sum = 0.0;
        double squares = 0.0;
        for (size_t i = g * width; i < (g + 1) * width; i++) {
            sum += sums[i];
            squares += sums[p->c + i];
        }
        const double mean = sum / count;
        const double variance = squares / count - mean * mean;
        stats[2 * g] = mean;
        stats[2 * g + 1] = 1.0 / sqrt((variance > 0.0 ? variance : 0.0) + attrs->norm_eps);
    }
    set_forward_coefs(node, p, n);
}

static void forward_sums(const mcvdi_node *node, const norm_plan *p, size_t n, size_t piece)
{
    double *part = clear_part(p, n, piece);

    for (int rest = 0; rest < 2; rest++) {
        const mcvdi_norm_rows in = norm_rows(node, p, n, piece, rest);
        mcvdi_kernels_get()->column_sums(part, part + p->wide, in.x, in.rows, in.channels);
    }
}

static void forward_apply(const mcvdi_node *node, const norm_plan *p, size_t n, size_t piece)
{
    for (int rest = 0; rest < 2; rest++) {
        const mcvdi_norm_rows in = norm_rows(node, p, n, piece, rest);
        mcvdi_kernels_get()->norm_apply(node->y + (in.x - node->x[0]), &in, coef(p, n, 0),
                                        coef(p, n, 1));
    }
}

/* M1 and M2 of each group become u, v: dx = a dz + u x + v. */
static void set_backward_coefs(const mcvdi_node *node, const norm_plan *p, size_t n)
{
    const norm_attrs *attrs = node->attrs;
    const size_t width = p->c / attrs->groups;
    const double count = (double)(p->rows * width);
    const double *sums = add_parts(p, n);
    const double *stats = (const double *)node->saved + n * attrs->groups * 2;

    for (size_t g = 0; g < attrs->groups; g++) {
        const double mean = stats[2 * g];
        const double rstd = stats[2 * g + 1];
        double m1 = 0.0;
        double m2 = 0.0;
        for (size_t i = g * width; i < (g + 1) * width; i++) {
            double gain;
            double offset;
            gain_offset(node, n, i, &gain, &offset);
            m1 += gain * sums[i] / count;
            m2 += gain * sums[p->c + i] / count;
        }
        for (size_t i = g * width; i < (g + 1) * width; i++) {
            set_coef(p, n, 4, i, -rstd * rstd * m2);
            set_coef(p, n, 5, i, rstd * (rstd * mean * m2 - m1));
        }
    }
}

static void backward_sums(const mcvdi_node *node, const norm_plan *p, size_t n, size_t piece)
{
    const mcvdi_norm_coefs k = norm_coefs(p, n);
    double *part = clear_part(p, n, piece);

    for (int rest = 0; rest < 2; rest++) {
        const mcvdi_norm_rows in = norm_rows(node, p, n, piece, rest);
        mcvdi_kernels_get()->norm_back_sums(part, part + p->wide, &in, &k);
    }
}

static void backward_apply(const mcvdi_node *node, const norm_plan *p, size_t n, size_t piece)
{
    const mcvdi_norm_coefs k = norm_coefs(p, n);

    for (int rest = 0; node->dx[0] && rest < 2; rest++) {
        const mcvdi_norm_rows in = norm_rows(node, p, n, piece, rest);
        mcvdi_kernels_get()->norm_back_apply(node->dx[0] + (in.x - node->x[0]), &in, &k,
                                             node->dx_add[0]);
    }
}

/* Two sweeps over one sample with a step between them. */
typedef struct norm_sweeps {
    void (*sums)(const mcvdi_node *node, const norm_plan *p, size_t n, size_t piece);
    void (*between)(const mcvdi_node *node, const norm_plan *p, size_t n);
    void (*apply)(const mcvdi_node *node, const norm_plan *p, size_t n, size_t piece);
} norm_sweeps;

static void sweep_sample(const mcvdi_node *node, const norm_plan *p, const norm_sweeps *s, size_t n)
{
    for (size_t piece = 0; piece < p->pieces; piece++)
        s->sums(node, p, n, piece);
    s->between(node, p, n);
    for (size_t piece = 0; piece < p->pieces; piece++)
        s->apply(node, p, n, piece);
}

/* All threads on one sample; each applies the pieces it has just read. */
static void sweep_sample_parallel(const mcvdi_node *node, const norm_plan *p, const norm_sweeps *s,
                                  size_t n)
{
#pragma omp parallel
    {
#pragma omp for schedule(static)
        for (size_t piece = 0; piece < p->pieces; piece++)
            s->sums(node, p, n, piece);
#pragma omp single
        s->between(node, p, n);
#pragma omp for schedule(static)
        for (size_t piece = 0; piece < p->pieces; piece++)
            s->apply(node, p, n, piece);
    }
}

static void sweep(const mcvdi_node *node, const norm_plan *p, const norm_sweeps *s)
{
    if (p->n % (size_t)mcvdi_threads_count() != 0 && p->pieces > 1) {
        for (size_t n = 0; n < p->n; n++)
            sweep_sample_parallel(node, p, s, n);
        return;
    }
#pragma omp parallel for schedule(static)
    for (size_t n = 0; n < p->n; n++)
        sweep_sample(node, p, s, n);
}

static mcvd_status norm_forward(mcvdi_node *node)
{
    static const norm_sweeps sweeps = { forward_sums, finish_statistics, forward_apply };
    const norm_plan p = make_plan(node);

    sweep(node, &p, &sweeps);
    return MCVD_OK;
}

static void affine_backward(mcvdi_node *node, const norm_plan *p)
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

static void modulation_backward(mcvdi_node *node, const norm_plan *p)
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
    static const norm_sweeps sweeps = { backward_sums, set_backward_coefs, backward_apply };
    const norm_plan p = make_plan(node);
    const norm_attrs *attrs = node->attrs;

    for (size_t n = 0; n < p.n; n++)
        set_forward_coefs(node, &p, n);
    sweep(node, &p, &sweeps);
    if (attrs->affine)
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

size_t mcvdi_group_count(size_t channels)
{
    size_t groups = channels / 4 < 32 ? channels / 4 : 32;

    while (groups > 1 && channels % groups)
        groups--;
    return groups ? groups : 1;
}

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
    const norm_attrs attrs = { .groups = mcvdi_group_count(in.c),
                               .norm_eps = spec->norm_eps,
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
