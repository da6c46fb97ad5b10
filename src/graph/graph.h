/*
 * A static graph of operators. Built once for fixed shapes, planned once, then run without any
 * allocation. Activations are channels-last [N, H, W, C] floats. Reverse execution walks the node
 * list backwards; every operator writes or adds its share into the gradients of its inputs.
 *
 *     build:   mcvdi_graph_input / mcvdi_graph_param / an operator's own add function
 *     plan:    mcvdi_graph_compile: operator set-up, liveness, one arena
 *     weights: mcvdi_graph_load_param (or write the slab of a training graph)
 *     run:     fill inputs, mcvdi_graph_forward, then for training mcvdi_graph_backward
 *
 * A build step that fails stores the first status in the graph and returns -1; the following
 * steps do nothing, and mcvdi_graph_compile returns that status.
 */
#ifndef MCVDI_GRAPH_H
#define MCVDI_GRAPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

enum { MCVDI_MAX_INPUTS = 4, MCVDI_MAX_NODE_PARAMS = 2, MCVDI_MAX_PARAM_DIMS = 5 };

typedef int mcvdi_value_id; /* a tensor of the graph; -1 is "none" or "failed" */
typedef int mcvdi_param_id; /* a parameter of the graph; -1 is "none" */

typedef struct mcvdi_dims {
    size_t n, h, w, c; /* a vector per sample has h = w = 1 */
} mcvdi_dims;

static inline size_t mcvdi_dims_numel(mcvdi_dims d)
{
    return d.n * d.h * d.w * d.c;
}

typedef enum mcvdi_graph_mode {
    MCVDI_INFER, /* forward only; activations die early; weights live packed inside operators */
    MCVDI_TRAIN  /* forward and backward; weights and gradients in one slab each */
} mcvdi_graph_mode;

/* How a parameter starts (model.md, section 12). */
typedef enum mcvdi_init {
    MCVDI_INIT_ZERO,
    MCVDI_INIT_ONE,
    MCVDI_INIT_NORMAL, /* standard normal */
    MCVDI_INIT_UNIFORM /* (-a, a), a = sqrt(3 * scale * 2 / (fan_in + fan_out)) */
} mcvdi_init;

typedef struct mcvdi_param {
    char *name; /* the reference's name, without "module." */
    int ndim;
    size_t shape[MCVDI_MAX_PARAM_DIMS]; /* as the reference stores it */
    size_t numel;
    size_t offset; /* in floats, into the slabs of a training graph */
    mcvdi_init init;
    double init_scale;
    double fan_sum; /* fan_in + fan_out */
} mcvdi_param;

typedef struct mcvdi_graph mcvdi_graph;
typedef struct mcvdi_node mcvdi_node;

/* What one run is: operators with randomness key their streams with it. */
typedef struct mcvdi_run {
    uint64_t seed;
    uint64_t step;         /* optimizer step */
    uint64_t first_sample; /* of this micro-batch within the step */
    bool training;         /* dropout is active */
} mcvdi_run;

/* What backward reads of the forward pass; everything else may be overwritten before it runs. */
#define MCVDI_NEEDS_X(i) (1u << (i))
#define MCVDI_NEEDS_Y    (1u << 8)

typedef struct mcvdi_op {
    const char *name;
    unsigned backward_needs;
    /* Check shapes, make library objects, and set node->saved_bytes, node->scratch_bytes and,
     * in MCVDI_INFER for weights that forward reads in another layout, node->packed_bytes. */
    mcvd_status (*setup)(mcvdi_node *node, mcvdi_graph_mode mode);
    /* y from x and the weights. Allocates nothing. */
    mcvd_status (*forward)(mcvdi_node *node);
    /* For each input i with dx[i]: dx[i] = share, or += if dx_add[i]; dw[] always +=. With
     * no_param_gradient every dw[] is NULL and stays out. */
    mcvd_status (*backward)(mcvdi_node *node);
    /* MCVDI_INFER only, may be NULL: keep parameter `slot` in node->packed. */
    mcvd_status (*pack)(mcvdi_node *node, int slot, const float *plain);
    void (*release)(mcvdi_node *node); /* frees node->state; may be NULL */
    /* Multiply-adds of one forward call, may be NULL for memory-bound operators. */
    double (*macs)(const mcvdi_node *node);
} mcvdi_op;

struct mcvdi_node {
    const mcvdi_op *op;
    int index; /* position in the list; keys the random stream of the node */
    int num_inputs;
    mcvdi_value_id inputs[MCVDI_MAX_INPUTS]; /* of a view: the value that it is a view of */
    mcvdi_value_id output;
    mcvdi_param_id params[MCVDI_MAX_NODE_PARAMS];
    mcvdi_dims x_dims[MCVDI_MAX_INPUTS];
    mcvdi_dims y_dims;
    void *attrs; /* copied at add, owned by the node */
    void *state; /* made by setup, freed by release */

    /* Asked for by setup. */
    size_t saved_bytes;   /* from forward to backward (statistics); 0 in MCVDI_INFER is fine */
    size_t scratch_bytes; /* during one call, shared between nodes */
    size_t packed_bytes;  /* weights in the operator's own layout, MCVDI_INFER */
    unsigned packs;       /* bit `slot`: parameter slot goes to op->pack, node->w[slot] is NULL */

    /* Filled by compile; fixed afterwards. All buffers are 64-byte aligned. */
    const float *x[MCVDI_MAX_INPUTS];
    float *y;
    const float *dy;
    float *dx[MCVDI_MAX_INPUTS]; /* NULL: nobody needs this gradient */
    bool dx_add[MCVDI_MAX_INPUTS];
    const float *w[MCVDI_MAX_NODE_PARAMS];
    float *dw[MCVDI_MAX_NODE_PARAMS];
    void *saved;
    void *scratch;
    void *packed;
    const mcvdi_run *run;
};

typedef struct mcvdi_graph_options {
    mcvdi_graph_mode mode;
    bool keep_all;          /* no value is overwritten: for stages and tests */
    bool no_onednn;         /* use the im2col convolutions even where oneDNN is built in */
    bool input_gradient;    /* MCVDI_TRAIN: also the gradients of inputs (likelihood, tests) */
    bool no_param_gradient; /* MCVDI_TRAIN: none of parameters; backward costs what inputs need */
} mcvdi_graph_options;

mcvd_status mcvdi_graph_create(mcvdi_graph **out, const mcvdi_graph_options *options);
void mcvdi_graph_free(mcvdi_graph **graph);
const mcvdi_graph_options *mcvdi_graph_get_options(const mcvdi_graph *graph);

/* Remember the first failure of a build step. Returns -1, so that add functions can return it. */
int mcvdi_graph_build_failed(mcvdi_graph *graph, mcvd_status status);
bool mcvdi_graph_ok(const mcvdi_graph *graph);
mcvd_status mcvdi_graph_build_status(const mcvdi_graph *graph);

/* --- build --- */

mcvdi_value_id mcvdi_graph_input(mcvdi_graph *graph, mcvdi_dims dims);

/* The same memory under other dims of the same number of values; costs nothing when it runs. The
 * two names share data and gradient; views of views, of inputs and of outputs are fine. */
mcvdi_value_id mcvdi_graph_view(mcvdi_graph *graph, mcvdi_value_id value, mcvdi_dims dims);

/* MCVDI_TRAIN with input_gradient: this input needs none. */
void mcvdi_graph_no_gradient(mcvdi_graph *graph, mcvdi_value_id input);

/* MCVDI_INFER: this input changes rarely. What depends on held inputs and parameters alone is
 * computed by the first forward and by the first one after mcvdi_graph_held_changed or
 * mcvdi_graph_load_param, and kept in between. MCVDI_TRAIN computes everything every time. */
void mcvdi_graph_hold(mcvdi_graph *graph, mcvdi_value_id input);
void mcvdi_graph_held_changed(mcvdi_graph *graph);

typedef struct mcvdi_param_spec {
    const char *name;
    int ndim;
    size_t shape[MCVDI_MAX_PARAM_DIMS];
    mcvdi_init init;
    double init_scale;
    double fan_sum;
} mcvdi_param_spec;

mcvdi_param_id mcvdi_graph_param(mcvdi_graph *graph, const mcvdi_param_spec *spec);

typedef struct mcvdi_node_spec {
    const mcvdi_op *op;
    int num_inputs;
    mcvdi_value_id inputs[MCVDI_MAX_INPUTS];
    int num_params;
    mcvdi_param_id params[MCVDI_MAX_NODE_PARAMS];
    const void *attrs;
    size_t attrs_bytes;
    mcvdi_dims y_dims;
} mcvdi_node_spec;

mcvdi_value_id mcvdi_graph_add(mcvdi_graph *graph, const mcvdi_node_spec *spec);

/* Keep a value for reading after forward (the output; stages). */
void mcvdi_graph_mark_output(mcvdi_graph *graph, mcvdi_value_id value);

/* --- plan, weights, run --- */

mcvd_status mcvdi_graph_compile(mcvdi_graph *graph);

size_t mcvdi_graph_num_params(const mcvdi_graph *graph);
const mcvdi_param *mcvdi_graph_get_param(const mcvdi_graph *graph, size_t i);
size_t mcvdi_graph_param_floats(const mcvdi_graph *graph); /* sum of numel */

/* Give parameter i its values, in the reference's layout, for every node that reads it. Copies or
 * packs. */
mcvd_status mcvdi_graph_load_param(mcvdi_graph *graph, size_t i, const float *plain);

/* MCVDI_TRAIN: all parameters and all gradients, contiguous, in parameter order; no gradients
 * (NULL) with no_param_gradient. */
float *mcvdi_graph_values(mcvdi_graph *graph);
float *mcvdi_graph_gradients(mcvdi_graph *graph);
void mcvdi_graph_zero_gradients(mcvdi_graph *graph);

mcvdi_dims mcvdi_graph_dims(const mcvdi_graph *graph, mcvdi_value_id value);
float *mcvdi_graph_data(mcvdi_graph *graph, mcvdi_value_id value);
/* Gradient buffer of a value: the seed of an output before backward, an input's after it. */
float *mcvdi_graph_grad(mcvdi_graph *graph, mcvdi_value_id value);

mcvdi_run *mcvdi_graph_run(mcvdi_graph *graph);
mcvd_status mcvdi_graph_forward(mcvdi_graph *graph);
/* The caller has filled the gradient of every marked output that the loss depends on. */
mcvd_status mcvdi_graph_backward(mcvdi_graph *graph);

/* --- figures --- */

double mcvdi_graph_macs(const mcvdi_graph *graph);             /* one forward call */
double mcvdi_graph_held_macs(const mcvdi_graph *graph);        /* the kept part of them */
size_t mcvdi_graph_num_held(const mcvdi_graph *graph);         /* nodes; they come first */
size_t mcvdi_graph_activation_bytes(const mcvdi_graph *graph); /* the planned arena */
size_t mcvdi_graph_num_nodes(const mcvdi_graph *graph);
const mcvdi_node *mcvdi_graph_get_node(const mcvdi_graph *graph, size_t i);

#endif
