/* Shape checks and loops that several operators share. */
#ifndef MCVDI_ELEMENTWISE_H
#define MCVDI_ELEMENTWISE_H

#include "graph/graph.h"

/* One piece of work of a parallel elementwise loop: fixed, so that results do not depend on the
 * number of threads. A multiple of every vector length. */
enum { MCVDI_PIECE = 16384 };

static inline size_t mcvdi_min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

static inline size_t mcvdi_pieces(size_t n, size_t piece)
{
    return (n + piece - 1) / piece;
}

static inline bool mcvdi_dims_equal(mcvdi_dims a, mcvdi_dims b)
{
    return a.n == b.n && a.h == b.h && a.w == b.w && a.c == b.c;
}

/* Fail the build with the shapes that do not fit; returns -1. */
int mcvdi_refuse_shapes(mcvdi_graph *g, const char *op, mcvdi_dims a, mcvdi_dims b);

/* A node without parameters: y_dims from the inputs, attrs copied. */
typedef struct mcvdi_plain_node {
    const mcvdi_op *op;
    int num_inputs;
    mcvdi_value_id inputs[MCVDI_MAX_INPUTS];
    const void *attrs;
    size_t attrs_bytes;
} mcvdi_plain_node;
mcvdi_value_id mcvdi_add_plain(mcvdi_graph *g, const mcvdi_plain_node *plain, mcvdi_dims y_dims);

/* dst = scale * src, or dst += scale * src; all threads. */
void mcvdi_give_scaled(float *dst, const float *src, float scale, size_t n, bool add);

/* Copy or add `n` floats; one thread. */
void mcvdi_give_row(float *dst, const float *src, size_t n, bool add);

#endif
