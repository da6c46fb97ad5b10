#include "ops/norm_statistics.h"

#include <math.h>
#include <omp.h>
#include <string.h>

#include "core/threads.h"
#include "ops/elementwise.h"
#include "ops/kernels.h"
#include "ops/ops.h"

enum { PIECE_FLOATS = 1 << 16, LANES = 16, WIDE_ENOUGH = 128, FEW_FOLDS = 4 };

size_t mcvdi_group_count(size_t channels)
{
    size_t groups = channels / 4 < 32 ? channels / 4 : 32;

    while (groups > 1 && channels % groups)
        groups--;
    return groups ? groups : 1;
}

/* The least number of rows that makes whole vectors, repeated until they are wide enough. Folding
 * costs a pass over the coefficients of a sample, which few rows do not repay. */
static size_t choose_fold(size_t c, size_t rows)
{
    size_t fold = 1;

    if (c >= WIDE_ENOUGH)
        return 1;
    while (fold * c % LANES)
        fold *= 2;
    fold *= (WIDE_ENOUGH + fold * c - 1) / (fold * c);
    return rows >= FEW_FOLDS * fold ? fold : 1;
}

mcvdi_norm_plan mcvdi_norm_plan_make(const mcvdi_node *node, size_t num_sums, size_t num_coefs,
                                     int slots)
{
    const mcvdi_dims x = node->x_dims[0];
    mcvdi_norm_plan p = { .n = x.n,
                          .rows = x.h * x.w,
                          .c = x.c,
                          .groups = mcvdi_group_count(x.c),
                          .num_sums = num_sums,
                          .num_coefs = num_coefs,
                          .slots = (size_t)slots };

    p.fold = choose_fold(p.c, p.rows);
    p.wide = p.fold * p.c;
    p.piece_rows = 8 * p.fold;
    while (2 * p.piece_rows * p.c <= PIECE_FLOATS)
        p.piece_rows *= 2;
    p.pieces = mcvdi_pieces(p.rows, p.piece_rows);
    p.sums = node->scratch;
    if (p.sums) {
        p.parts = p.sums + p.n * num_sums * p.c;
        p.coefs = (float *)(p.parts + p.slots * p.pieces * num_sums * p.wide);
    }
    return p;
}

size_t mcvdi_norm_scratch_bytes(const mcvdi_norm_plan *p)
{
    const size_t doubles = p->num_sums * (p->n * p->c + p->slots * p->pieces * p->wide);
    return doubles * sizeof(double) + p->slots * p->num_coefs * p->wide * sizeof(float);
}

size_t mcvdi_norm_saved_bytes(const mcvdi_norm_plan *p)
{
    return p->n * p->groups * 2 * sizeof(double);
}

double *mcvdi_norm_saved(const mcvdi_node *node, const mcvdi_norm_plan *p, size_t n)
{
    return (double *)node->saved + n * p->groups * 2;
}

mcvdi_norm_span mcvdi_norm_span_of(const mcvdi_norm_sample *s, size_t piece, bool rest)
{
    const mcvdi_norm_plan *p = s->plan;
    const size_t first = piece * p->piece_rows;
    const size_t rows = mcvdi_min_size(p->piece_rows, p->rows - first);
    const size_t folded = rows / p->fold;
    const size_t skip = rest ? folded * p->fold : 0;

    return (mcvdi_norm_span) { .at = (s->n * p->rows + first + skip) * p->c,
                               .rows = rest ? rows - skip : folded,
                               .channels = rest ? p->c : p->wide };
}

double *mcvdi_norm_clear_part(const mcvdi_norm_sample *s, size_t piece)
{
    const size_t count = s->plan->num_sums * s->plan->wide;
    double *part = s->parts + piece * count;

    memset(part, 0, count * sizeof *part);
    return part;
}

void mcvdi_norm_add_parts(const mcvdi_norm_sample *s)
{
    const mcvdi_norm_plan *p = s->plan;
    const double *part = s->parts;

    memset(s->sums, 0, p->num_sums * p->c * sizeof *s->sums);
    for (size_t piece = 0; piece < p->pieces; piece++) {
        for (size_t sum = 0; sum < p->num_sums; sum++) {
            double *to = s->sums + sum * p->c;
            for (size_t fold = 0; fold < p->fold; fold++, part += p->c)
                for (size_t i = 0; i < p->c; i++)
                    to[i] += part[i];
        }
    }
}

const float *mcvdi_norm_coef(const mcvdi_norm_sample *s, size_t which)
{
    return s->coefs + which * s->plan->wide;
}

void mcvdi_norm_set_coef(const mcvdi_norm_sample *s, size_t which, size_t i, double value)
{
    float *to = s->coefs + which * s->plan->wide + i;

    for (size_t f = 0; f < s->plan->fold; f++)
        to[f * s->plan->c] = (float)value;
}

void mcvdi_norm_square_sums(const mcvdi_node *node, const mcvdi_norm_sample *s, size_t piece)
{
    double *part = mcvdi_norm_clear_part(s, piece);

    for (int rest = 0; rest < 2; rest++) {
        const mcvdi_norm_span in = mcvdi_norm_span_of(s, piece, rest);
        if (in.rows)
            mcvdi_kernels_get()->column_sums(part, part + s->plan->wide, node->x[0] + in.at,
                                             in.rows, in.channels);
    }
}

void mcvdi_norm_finish_statistics(const mcvdi_node *node, const mcvdi_norm_sample *s,
                                  double norm_eps)
{
    const mcvdi_norm_plan *p = s->plan;
    const size_t width = p->c / p->groups;
    const double count = (double)(p->rows * width);
    double *stats = mcvdi_norm_saved(node, p, s->n);

    mcvdi_norm_add_parts(s);
    for (size_t g = 0; g < p->groups; g++) {
        double sum = 0.0;
        double squares = 0.0;
        for (size_t i = g * width; i < (g + 1) * width; i++) {
            sum += s->sums[i];
            squares += s->sums[p->c + i];
        }
        const double mean = sum / count;
        const double variance = squares / count - mean * mean;
        stats[2 * g] = mean;
        stats[2 * g + 1] = 1.0 / sqrt((variance > 0.0 ? variance : 0.0) + norm_eps);
    }
}

static mcvdi_norm_sample sample_of(const mcvdi_norm_plan *p, size_t n, size_t slot)
{
    return (mcvdi_norm_sample) { .plan = p,
                                 .n = n,
                                 .sums = p->sums + n * p->num_sums * p->c,
                                 .parts = p->parts + slot * p->pieces * p->num_sums * p->wide,
                                 .coefs = p->coefs + slot * p->num_coefs * p->wide };
}

static void sweep_sample(const mcvdi_node *node, const mcvdi_norm_sweeps *sweeps,
                         const mcvdi_norm_sample *s)
{
    if (sweeps->before)
        sweeps->before(node, s);
    for (size_t piece = 0; piece < s->plan->pieces; piece++)
        sweeps->sums(node, s, piece);
    sweeps->between(node, s);
    for (size_t piece = 0; piece < s->plan->pieces; piece++)
        sweeps->apply(node, s, piece);
}

/* All threads on one sample; each applies the pieces it has just read. */
static void sweep_sample_parallel(const mcvdi_node *node, const mcvdi_norm_sweeps *sweeps,
                                  const mcvdi_norm_sample *s)
{
    if (sweeps->before)
        sweeps->before(node, s);
#pragma omp parallel
    {
#pragma omp for schedule(static)
        for (size_t piece = 0; piece < s->plan->pieces; piece++)
            sweeps->sums(node, s, piece);
#pragma omp single
        sweeps->between(node, s);
#pragma omp for schedule(static)
        for (size_t piece = 0; piece < s->plan->pieces; piece++)
            sweeps->apply(node, s, piece);
    }
}

void mcvdi_norm_sweep(const mcvdi_node *node, const mcvdi_norm_plan *p,
                      const mcvdi_norm_sweeps *sweeps)
{
    const size_t threads = mcvdi_min_size((size_t)mcvdi_threads_count(), p->slots);

    if (p->n % threads != 0 && p->pieces > 1) {
        for (size_t n = 0; n < p->n; n++) {
            const mcvdi_norm_sample s = sample_of(p, n, 0);
            sweep_sample_parallel(node, sweeps, &s);
        }
        return;
    }
#pragma omp parallel for schedule(static) num_threads((int)threads)
    for (size_t n = 0; n < p->n; n++) {
        const mcvdi_norm_sample s = sample_of(p, n, (size_t)omp_get_thread_num());
        sweep_sample(node, sweeps, &s);
    }
}

void mcvdi_norm_set_backward_coefs(const mcvdi_node *node, const mcvdi_norm_sample *s,
                                   double (*gain)(const mcvdi_node *node, size_t n, size_t i))
{
    const mcvdi_norm_plan *p = s->plan;
    const size_t width = p->c / p->groups;
    const double count = (double)(p->rows * width);
    const double *stats = mcvdi_norm_saved(node, p, s->n);

    mcvdi_norm_add_parts(s);
    for (size_t g = 0; g < p->groups; g++) {
        const double mean = stats[2 * g];
        const double rstd = stats[2 * g + 1];
        double m1 = 0.0;
        double m2 = 0.0;
        for (size_t i = g * width; i < (g + 1) * width; i++) {
            const double of_group = gain(node, s->n, i);
            m1 += of_group * s->sums[i] / count;
            m2 += of_group * s->sums[p->c + i] / count;
        }
        for (size_t i = g * width; i < (g + 1) * width; i++) {
            mcvdi_norm_set_coef(s, 4, i, -rstd * rstd * m2);
            mcvdi_norm_set_coef(s, 5, i, rstd * (rstd * mean * m2 - m1));
        }
    }
}
