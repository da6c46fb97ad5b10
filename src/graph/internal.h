/* What graph.c, plan.c and run.c share. */
#ifndef MCVDI_GRAPH_INTERNAL_H
#define MCVDI_GRAPH_INTERNAL_H

#include "graph/graph.h"

#define MCVDI_NOT_RESIDENT SIZE_MAX /* every reader of the parameter packs it */

/* Nodes name roots only: a view is other dims for its root, which has the memory. */
typedef struct graph_value {
    mcvdi_dims dims;
    mcvdi_value_id root; /* itself, unless it is a view */
    int producer;        /* node, -1 for an input; of roots only, like the rest */
    bool output;         /* marked, or one of its views is */
    bool held;           /* INFER: a held input, or made from held inputs alone */
    bool has_grad;       /* TRAIN: something needs its gradient */
    bool no_grad;        /* an input whose gradient nobody wants */
    float *data;
    float *grad;
} graph_value;

struct mcvdi_graph {
    mcvdi_graph_options options;
    mcvd_status build_status;
    bool compiled;

    graph_value *values;
    size_t num_values, cap_values;
    mcvdi_node **nodes;
    size_t num_nodes, cap_nodes;
    size_t num_held; /* nodes [0, num_held) depend on held inputs alone */
    bool stale;      /* they must run before the others */
    mcvdi_param *params;
    size_t num_params, cap_params;
    size_t param_floats;

    float *param_values; /* TRAIN: slab; INFER: the parameters that no operator packs */
    float *param_grads;  /* TRAIN */
    size_t *resident;    /* INFER: offset of parameter i in param_values, or MCVDI_NOT_RESIDENT */
    char *arena;         /* activations, gradients, saved, scratch */
    size_t arena_bytes;
    char *packed; /* INFER: all packed weights */
    size_t packed_bytes;
    mcvdi_run run;
};

/* plan.c: place values, gradients, saved and scratch buffers; sets the pointers of all nodes. */
mcvd_status mcvdi_graph_plan(mcvdi_graph *graph);

/* hold.c: move the nodes that depend on held inputs alone to the front, in their order. */
void mcvdi_graph_split_held(mcvdi_graph *graph);

#endif
