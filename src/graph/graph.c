/* Building a graph: values, parameters, nodes, and the weights behind them. */
#include <string.h>

#include "core/alloc.h"
#include "core/checked.h"
#include "graph/internal.h"

mcvd_status mcvdi_graph_create(mcvdi_graph **out, const mcvdi_graph_options *options)
{
    *out = NULL;
    mcvdi_graph *g = mcvdi_calloc(1, sizeof *g);
    if (!g)
        return mcvdi_fail(MCVD_E_NOMEM, "graph: out of memory");
    g->options = *options;
    *out = g;
    return MCVD_OK;
}

static void free_node(mcvdi_node *node)
{
    if (node->op->release)
        node->op->release(node);
    mcvdi_free(node->attrs);
    mcvdi_free(node);
}

void mcvdi_graph_free(mcvdi_graph **graph)
{
    mcvdi_graph *g = *graph;

    if (!g)
        return;
    for (size_t i = 0; i < g->num_nodes; i++)
        free_node(g->nodes[i]);
    for (size_t i = 0; i < g->num_params; i++)
        mcvdi_free(g->params[i].name);
    mcvdi_free(g->nodes);
    mcvdi_free(g->params);
    mcvdi_free(g->values);
    mcvdi_free(g->resident);
    mcvdi_free_aligned(g->param_values);
    mcvdi_free_aligned(g->param_grads);
    mcvdi_free_aligned(g->arena);
    mcvdi_free_aligned(g->packed);
    mcvdi_free(g);
    *graph = NULL;
}

const mcvdi_graph_options *mcvdi_graph_get_options(const mcvdi_graph *graph)
{
    return &graph->options;
}

int mcvdi_graph_build_failed(mcvdi_graph *graph, mcvd_status status)
{
    if (graph->build_status >= 0)
        graph->build_status = status;
    return -1;
}

bool mcvdi_graph_ok(const mcvdi_graph *graph)
{
    return graph->build_status >= 0;
}

mcvd_status mcvdi_graph_build_status(const mcvdi_graph *graph)
{
    return graph->build_status;
}

/* Room for one more element; array is a pointer to the array pointer. */
static bool grow(void *array, size_t *capacity, size_t count, size_t element_bytes)
{
    void *old;

    if (count < *capacity)
        return true;
    const size_t bigger = *capacity ? 2 * *capacity : 32;
    memcpy(&old, array, sizeof old);
    void *moved = mcvdi_realloc(old, bigger * element_bytes);
    if (!moved)
        return false;
    memcpy(array, &moved, sizeof moved);
    *capacity = bigger;
    return true;
}

static int out_of_memory(mcvdi_graph *g)
{
    return mcvdi_graph_build_failed(g, mcvdi_fail(MCVD_E_NOMEM, "graph: out of memory"));
}

/* Libraries count in int, so a tensor has at most 2^31 - 1 values; sums of sizes then fit easily.
 */
static bool dims_fit(mcvdi_dims d)
{
    size_t numel = d.n;

    return d.n && d.h && d.w && d.c && mcvdi_mul_size(&numel, numel, d.h) &&
           mcvdi_mul_size(&numel, numel, d.w) && mcvdi_mul_size(&numel, numel, d.c) &&
           numel <= INT32_MAX;
}

static mcvdi_value_id add_value(mcvdi_graph *g, mcvdi_dims dims, int producer)
{
    if (!mcvdi_graph_ok(g))
        return -1;
    if (!dims_fit(dims))
        return mcvdi_graph_build_failed(
            g, mcvdi_fail(MCVD_E_SHAPE,
                          "a tensor of %zu x %zu x %zu x %zu (samples, height, width, channels) is "
                          "too large: lower the batch, data.image_size or model.ngf",
                          dims.n, dims.h, dims.w, dims.c));
    if (!grow(&g->values, &g->cap_values, g->num_values, sizeof *g->values))
        return out_of_memory(g);
    const mcvdi_value_id id = (mcvdi_value_id)g->num_values;
    g->values[id] = (graph_value) { .dims = dims, .root = id, .producer = producer };
    g->num_values++;
    return id;
}

mcvdi_value_id mcvdi_graph_input(mcvdi_graph *graph, mcvdi_dims dims)
{
    return add_value(graph, dims, -1);
}

mcvdi_value_id mcvdi_graph_view(mcvdi_graph *g, mcvdi_value_id value, mcvdi_dims dims)
{
    if (!mcvdi_graph_ok(g))
        return -1;
    if (value < 0 || (size_t)value >= g->num_values)
        return mcvdi_graph_build_failed(g, mcvdi_fail(MCVD_E_STATE, "graph: a view of nothing"));
    const mcvdi_dims of = g->values[value].dims;
    const mcvdi_value_id root = g->values[value].root;
    const mcvdi_value_id view = add_value(g, dims, -1);
    if (view < 0)
        return -1;
    if (mcvdi_dims_numel(dims) != mcvdi_dims_numel(of))
        return mcvdi_graph_build_failed(
            g, mcvdi_fail(MCVD_E_SHAPE,
                          "graph: a view of %zu x %zu x %zu x %zu cannot be %zu x %zu x %zu x %zu",
                          of.n, of.h, of.w, of.c, dims.n, dims.h, dims.w, dims.c));
    g->values[view].root = root;
    return view;
}

mcvdi_param_id mcvdi_graph_param(mcvdi_graph *g, const mcvdi_param_spec *spec)
{
    size_t numel = 1;

    if (!mcvdi_graph_ok(g))
        return -1;
    for (int d = 0; d < spec->ndim; d++)
        if (!spec->shape[d] || !mcvdi_mul_size(&numel, numel, spec->shape[d]) || numel > INT32_MAX)
            return mcvdi_graph_build_failed(
                g, mcvdi_fail(MCVD_E_SHAPE, "graph: parameter '%s' has an impossible shape",
                              spec->name));
    if (!grow(&g->params, &g->cap_params, g->num_params, sizeof *g->params))
        return out_of_memory(g);
    mcvdi_param p = { .name = mcvdi_strdup(spec->name),
                      .ndim = spec->ndim,
                      .numel = numel,
                      .offset = g->param_floats,
                      .init = spec->init,
                      .init_scale = spec->init_scale,
                      .fan_sum = spec->fan_sum };
    if (!p.name)
        return out_of_memory(g);
    memcpy(p.shape, spec->shape, sizeof p.shape);
    g->params[g->num_params] = p;
    g->param_floats += numel;
    return (mcvdi_param_id)g->num_params++;
}

static mcvdi_node *new_node(const mcvdi_graph *g, const mcvdi_node_spec *spec)
{
    mcvdi_node *node = mcvdi_calloc(1, sizeof *node);

    if (!node)
        return NULL;
    node->op = spec->op;
    node->index = (int)g->num_nodes;
    node->num_inputs = spec->num_inputs;
    node->y_dims = spec->y_dims;
    for (int i = 0; i < spec->num_inputs; i++) {
        node->inputs[i] = g->values[spec->inputs[i]].root;
        node->x_dims[i] = g->values[spec->inputs[i]].dims;
    }
    for (int i = 0; i < MCVDI_MAX_NODE_PARAMS; i++)
        node->params[i] = i < spec->num_params ? spec->params[i] : -1;
    if (spec->attrs_bytes) {
        node->attrs = mcvdi_malloc(spec->attrs_bytes);
        if (!node->attrs) {
            mcvdi_free(node);
            return NULL;
        }
        memcpy(node->attrs, spec->attrs, spec->attrs_bytes);
    }
    return node;
}

mcvdi_value_id mcvdi_graph_add(mcvdi_graph *g, const mcvdi_node_spec *spec)
{
    if (!mcvdi_graph_ok(g))
        return -1;
    for (int i = 0; i < spec->num_inputs; i++)
        if (spec->inputs[i] < 0 || (size_t)spec->inputs[i] >= g->num_values)
            return mcvdi_graph_build_failed(
                g, mcvdi_fail(MCVD_E_STATE, "graph: %s has no input %d", spec->op->name, i));
    if (!grow(&g->nodes, &g->cap_nodes, g->num_nodes, sizeof *g->nodes))
        return out_of_memory(g);
    mcvdi_node *node = new_node(g, spec);
    if (!node)
        return out_of_memory(g);
    node->output = add_value(g, spec->y_dims, node->index);
    if (node->output < 0) {
        mcvdi_free(node->attrs);
        mcvdi_free(node);
        return -1;
    }
    node->run = &g->run;
    g->nodes[g->num_nodes++] = node;
    return node->output;
}

void mcvdi_graph_mark_output(mcvdi_graph *graph, mcvdi_value_id value)
{
    if (mcvdi_graph_ok(graph) && value >= 0)
        graph->values[graph->values[value].root].output = true;
}

void mcvdi_graph_no_gradient(mcvdi_graph *graph, mcvdi_value_id input)
{
    if (mcvdi_graph_ok(graph) && input >= 0)
        graph->values[graph->values[input].root].no_grad = true;
}

/* --- weights --- */

/* MCVDI_INFER keeps one plain copy at most, for the readers that do not pack. */
mcvd_status mcvdi_graph_load_param(mcvdi_graph *g, size_t i, const float *plain)
{
    mcvd_status st = MCVD_OK;
    bool used = false;

    if (!g->compiled || i >= g->num_params)
        return mcvdi_fail(MCVD_E_STATE, "graph: parameter %zu cannot be loaded", i);
    g->stale = true;
    for (size_t n = 0; st >= 0 && n < g->num_nodes; n++) {
        mcvdi_node *node = g->nodes[n];
        for (int slot = 0; st >= 0 && slot < MCVDI_MAX_NODE_PARAMS; slot++) {
            if (node->params[slot] != (mcvdi_param_id)i)
                continue;
            used = true;
            if (g->options.mode == MCVDI_INFER && (node->packs >> slot & 1u))
                st = node->op->pack(node, slot, plain);
        }
    }
    if (!used)
        return mcvdi_fail(MCVD_E_STATE, "graph: no node uses parameter '%s'", g->params[i].name);
    const size_t offset = g->options.mode == MCVDI_TRAIN ? g->params[i].offset : g->resident[i];
    if (st >= 0 && offset != MCVDI_NOT_RESIDENT)
        memcpy(g->param_values + offset, plain, g->params[i].numel * sizeof(float));
    return st;
}

void mcvdi_graph_zero_gradients(mcvdi_graph *graph)
{
    if (graph->param_grads)
        memset(graph->param_grads, 0, graph->param_floats * sizeof(float));
}

/* --- accessors --- */

size_t mcvdi_graph_num_params(const mcvdi_graph *graph)
{
    return graph->num_params;
}

const mcvdi_param *mcvdi_graph_get_param(const mcvdi_graph *graph, size_t i)
{
    return &graph->params[i];
}

size_t mcvdi_graph_param_floats(const mcvdi_graph *graph)
{
    return graph->param_floats;
}

float *mcvdi_graph_values(mcvdi_graph *graph)
{
    return graph->options.mode == MCVDI_TRAIN ? graph->param_values : NULL;
}

float *mcvdi_graph_gradients(mcvdi_graph *graph)
{
    return graph->param_grads;
}

mcvdi_dims mcvdi_graph_dims(const mcvdi_graph *graph, mcvdi_value_id value)
{
    if (value < 0 || (size_t)value >= graph->num_values)
        return (mcvdi_dims) { 0, 0, 0, 0 };
    return graph->values[value].dims;
}

float *mcvdi_graph_data(mcvdi_graph *graph, mcvdi_value_id value)
{
    return graph->values[graph->values[value].root].data;
}

float *mcvdi_graph_grad(mcvdi_graph *graph, mcvdi_value_id value)
{
    return graph->values[graph->values[value].root].grad;
}

mcvdi_run *mcvdi_graph_run(mcvdi_graph *graph)
{
    return &graph->run;
}

static double macs_of_first(const mcvdi_graph *graph, size_t count)
{
    double macs = 0.0;

    for (size_t i = 0; i < count; i++)
        if (graph->nodes[i]->op->macs)
            macs += graph->nodes[i]->op->macs(graph->nodes[i]);
    return macs;
}

double mcvdi_graph_macs(const mcvdi_graph *graph)
{
    return macs_of_first(graph, graph->num_nodes);
}

double mcvdi_graph_held_macs(const mcvdi_graph *graph)
{
    return macs_of_first(graph, graph->num_held);
}

size_t mcvdi_graph_num_held(const mcvdi_graph *graph)
{
    return graph->num_held;
}

size_t mcvdi_graph_activation_bytes(const mcvdi_graph *graph)
{
    return graph->arena_bytes;
}

size_t mcvdi_graph_num_nodes(const mcvdi_graph *graph)
{
    return graph->num_nodes;
}

const mcvdi_node *mcvdi_graph_get_node(const mcvdi_graph *graph, size_t i)
{
    return graph->nodes[i];
}
