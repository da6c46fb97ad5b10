/*
 * What group norm and SPADE norm share. Statistics are per sample and group of channels, over all
 * rows. A pass is two sweeps over a sample with a step between them: per-channel sums, vectorised
 * across channels, then a map with per-channel coefficients.
 *
 * Sums come in fixed pieces of rows, combined in order in double, so that they do not depend on
 * the number of threads. A few channels do not fill vectors: then `fold` rows count as one row of
 * wide = fold * c channels, with repeated coefficients.
 */
#ifndef MCVDI_NORM_STATISTICS_H
#define MCVDI_NORM_STATISTICS_H

#include "graph/graph.h"

/* How rows are cut, and where things are in scratch. */
typedef struct mcvdi_norm_plan {
    size_t n, rows, c, groups;
    size_t fold, wide;         /* wide = fold c */
    size_t piece_rows, pieces; /* piece_rows is a multiple of fold */
    size_t num_sums, num_coefs;
    size_t slots;  /* samples at work at a time */
    double *sums;  /* [n][num_sums][c], they outlive the pass */
    double *parts; /* [slots][pieces][num_sums][wide] */
    float *coefs;  /* [slots][num_coefs][wide] */
} mcvdi_norm_plan;

/* num_sums and num_coefs of the pass; `slots` is the number of threads when setup ran. */
mcvdi_norm_plan mcvdi_norm_plan_make(const mcvdi_node *node, size_t num_sums, size_t num_coefs,
                                     int slots);
size_t mcvdi_norm_scratch_bytes(const mcvdi_norm_plan *plan);
/* Mean and 1 / sqrt(variance + norm_eps) of every group of every sample, in doubles. */
size_t mcvdi_norm_saved_bytes(const mcvdi_norm_plan *plan);
/* Those of sample n: [groups][2]. */
double *mcvdi_norm_saved(const mcvdi_node *node, const mcvdi_norm_plan *plan, size_t n);

/* A sample at work. */
typedef struct mcvdi_norm_sample {
    const mcvdi_norm_plan *plan;
    size_t n;
    double *sums;  /* [num_sums][c] */
    double *parts; /* [pieces][num_sums][wide] */
    float *coefs;  /* [num_coefs][wide] */
} mcvdi_norm_sample;

/* The folded rows of a piece, or the rest, which is not empty only at the end of a sample. */
typedef struct mcvdi_norm_span {
    size_t at; /* the first value, from the start of the tensor */
    size_t rows, channels;
} mcvdi_norm_span;
mcvdi_norm_span mcvdi_norm_span_of(const mcvdi_norm_sample *s, size_t piece, bool rest);

/* A piece's own sums [num_sums][wide], zeroed. */
double *mcvdi_norm_clear_part(const mcvdi_norm_sample *s, size_t piece);
/* sums = the parts, added in order. */
void mcvdi_norm_add_parts(const mcvdi_norm_sample *s);

const float *mcvdi_norm_coef(const mcvdi_norm_sample *s, size_t which);
/* Coefficient `which` of channel i, in every fold. */
void mcvdi_norm_set_coef(const mcvdi_norm_sample *s, size_t which, size_t i, double value);

/* Forward's first sweep: sums 0 and 1 become those of x and x^2. */
void mcvdi_norm_square_sums(const mcvdi_node *node, const mcvdi_norm_sample *s, size_t piece);
/* After it: add the parts, fill the sample's mcvdi_norm_saved. */
void mcvdi_norm_finish_statistics(const mcvdi_node *node, const mcvdi_norm_sample *s,
                                  double norm_eps);

typedef struct mcvdi_norm_sweeps {
    void (*before)(const mcvdi_node *node, const mcvdi_norm_sample *s); /* may be NULL */
    void (*sums)(const mcvdi_node *node, const mcvdi_norm_sample *s, size_t piece);
    void (*between)(const mcvdi_node *node, const mcvdi_norm_sample *s);
    void (*apply)(const mcvdi_node *node, const mcvdi_norm_sample *s, size_t piece);
} mcvdi_norm_sweeps;

/* All samples, all threads. */
void mcvdi_norm_sweep(const mcvdi_node *node, const mcvdi_norm_plan *plan,
                      const mcvdi_norm_sweeps *sweeps);

/* With the backward sums S1, S2 of a sample's channels, M1 = sum over a group of gain S1 / m and M2
 * of gain S2 / m become coefficients 4 and 5, u and v of dx = .. + u x + v. */
void mcvdi_norm_set_backward_coefs(const mcvdi_node *node, const mcvdi_norm_sample *s,
                                   double (*gain)(const mcvdi_node *node, size_t n, size_t i));

#endif
