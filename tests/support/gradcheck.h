/*
 * Forward and backward of an operator against an independent double-precision forward.
 *
 * A case names the shapes, builds the operator in a graph and computes the same thing plainly in
 * double. gradcheck_run fills inputs and parameters with hashed numbers, takes loss = sum of
 * seed * y with a hashed seed, and checks
 *
 *   - y against the double forward,
 *   - every gradient against central differences of the double forward: element by element at
 *     hashed positions, and along hashed directions of +-1 that touch every element,
 *
 * on all CPU levels of the kernels, with 1 and 2 threads, with gradients that start empty and that
 * start with something (dx_add), and that a second run gives the same bytes without allocating.
 */
#ifndef TESTS_SUPPORT_GRADCHECK_H
#define TESTS_SUPPORT_GRADCHECK_H

#include "graph/graph.h"

enum { GRADCHECK_MAX_TENSORS = MCVDI_MAX_INPUTS + 4 };

typedef struct gradcheck_case gradcheck_case;

struct gradcheck_case {
    const char *name; /* of the case; keys its numbers */
    int num_inputs;
    mcvdi_dims x[MCVDI_MAX_INPUTS];
    mcvdi_dims y;
    mcvdi_value_id (*build)(mcvdi_graph *g, const mcvdi_value_id *x, const gradcheck_case *c);
    /* y in double; w in the order in which the operator makes its parameters. */
    void (*reference)(double *y, const double *const *x, const double *const *w,
                      const gradcheck_case *c);
    const void *config;
    double x_offset; /* added to the standard normal inputs */
    double w_scale;  /* of the standard normal parameters; 0 means 1 */
    size_t terms;    /* of the longest sum, for the tolerance */
    bool no_onednn;
    bool inference; /* forward only, packed weights */
};

/* Tolerance relative to the largest value: a sum of k products carries k rounding errors of half
 * an ulp each; 32 more for the elementwise part (an exponential counts for about 10). */
double gradcheck_tolerance(const gradcheck_case *c);

void gradcheck_run(const gradcheck_case *c);

/* The run that random operators see, here and in the reference. */
extern const mcvdi_run gradcheck_the_run;

#endif
