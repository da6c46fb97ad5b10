/*
 * The memory plan. Time runs over one step: node i executes forward at time i and, in training,
 * backward at time 2 * num_nodes - 1 - i. Every buffer has a lifetime [first, last]; buffers whose
 * lifetimes do not meet share addresses. Largest first, each at the lowest free offset.
 */
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "graph/internal.h"

typedef struct planned_buffer {
    size_t bytes;
    size_t first;
    size_t last;
    size_t offset;
    void **where; /* receives arena + offset */
} planned_buffer;

typedef struct planner {
    mcvdi_graph *g;
    planned_buffer *buffers;
    size_t count;
    size_t end; /* the last moment of a step */
} planner;

static size_t round_up(size_t bytes)
{
    return (bytes + MCVDI_ALIGNMENT - 1) & ~(size_t)(MCVDI_ALIGNMENT - 1);
}

static void add_buffer(planner *p, size_t bytes, size_t first, size_t last, void *where)
{
    if (bytes)
        p->buffers[p->count++] = (planned_buffer) { round_up(bytes), first, last, 0, where };
}

static size_t backward_time(const mcvdi_graph *g, size_t node)
{
    return 2 * g->num_nodes - 1 - node;
}

/* Gradients come from outputs: a value that no output depends on gets none. */
static void drop_unused_gradients(mcvdi_graph *g)
{
    for (size_t v = g->num_values; v-- > 0;) {
        if (g->values[v].output || g->values[v].producer < 0)
            continue;
        bool used = false;
        for (size_t i = (size_t)g->values[v].producer + 1; !used && i < g->num_nodes; i++)
            for (int k = 0; k < g->nodes[i]->num_inputs; k++)
                used |= g->nodes[i]->inputs[k] == (mcvdi_value_id)v &&
                        g->values[g->nodes[i]->output].has_grad;
        g->values[v].has_grad &= used;
    }
}

/* A value needs a gradient when a parameter or a watched input lies behind it, and an output
 * before it. */
static void find_gradients(mcvdi_graph *g)
{
    if (g->options.mode != MCVDI_TRAIN)
        return;
    for (size_t v = 0; v < g->num_values; v++)
        g->values[v].has_grad = g->values[v].producer < 0 && g->options.input_gradient &&
                                !g->values[v].no_grad && g->values[v].root == (mcvdi_value_id)v;
    for (size_t i = 0; i < g->num_nodes; i++) {
        const mcvdi_node *node = g->nodes[i];
        bool needed = node->params[0] >= 0 && !g->options.no_param_gradient;
        for (int k = 0; k < node->num_inputs; k++)
            needed |= g->values[node->inputs[k]].has_grad;
        g->values[node->output].has_grad = needed && node->op->backward;
    }
    drop_unused_gradients(g);
}

static void plan_value(planner *p, mcvdi_value_id id)
{
    mcvdi_graph *g = p->g;
    graph_value *value = &g->values[id];
    const size_t bytes = mcvdi_dims_numel(value->dims) * sizeof(float);
    size_t first = value->producer < 0 ? 0 : (size_t)value->producer;
    size_t last = first;
    size_t grad_first = p->end; /* first writer in backward order: the last consumer */

    for (size_t i = 0; i < g->num_nodes; i++) {
        const mcvdi_node *node = g->nodes[i];
        for (int k = 0; k < node->num_inputs; k++) {
            if (node->inputs[k] != id)
                continue;
            size_t use = i;
            if (g->options.mode == MCVDI_TRAIN) {
                if (node->op->backward_needs & MCVDI_NEEDS_X(k))
                    use = backward_time(g, i);
                if (backward_time(g, i) < grad_first)
                    grad_first = backward_time(g, i);
            }
            if (use > last)
                last = use;
        }
    }
    if (g->options.mode == MCVDI_TRAIN && value->producer >= 0 &&
        (g->nodes[value->producer]->op->backward_needs & MCVDI_NEEDS_Y))
        last = backward_time(g, (size_t)value->producer);
    const bool pinned = g->options.keep_all || value->output || value->producer < 0 ||
                        (first < g->num_held && last >= g->num_held);
    add_buffer(p, bytes, pinned ? 0 : first, pinned ? p->end : last, &value->data);
    if (!value->has_grad)
        return;
    const bool watched = value->output || value->producer < 0;
    const size_t grad_last = value->producer < 0 ? p->end : backward_time(g, (size_t)first);
    add_buffer(p, bytes, watched ? 0 : grad_first, watched ? p->end : grad_last, &value->grad);
}

static int by_size(const void *a, const void *b)
{
    const planned_buffer *x = a;
    const planned_buffer *y = b;

    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? 1 : -1;
    return x->first < y->first ? -1 : x->first > y->first;
}

static bool meet(const planned_buffer *a, const planned_buffer *b)
{
    return a->first <= b->last && b->first <= a->last;
}

/* Lowest offset at which buffer i overlaps none of the placed buffers [0, i) that it meets. The
 * loop restarts after each move; a move only goes up, so it ends. */
static void place(planned_buffer *buffers, size_t i)
{
    bool moved = true;

    buffers[i].offset = 0;
    while (moved) {
        moved = false;
        for (size_t j = 0; j < i; j++) {
            if (meet(&buffers[i], &buffers[j]) &&
                buffers[i].offset < buffers[j].offset + buffers[j].bytes &&
                buffers[j].offset < buffers[i].offset + buffers[i].bytes) {
                buffers[i].offset = buffers[j].offset + buffers[j].bytes;
                moved = true;
            }
        }
    }
}

static mcvd_status place_all(planner *p, size_t scratch_bytes)
{
    mcvdi_graph *g = p->g;
    size_t top = round_up(scratch_bytes);

    qsort(p->buffers, p->count, sizeof *p->buffers, by_size);
    for (size_t i = 0; i < p->count; i++) {
        place(p->buffers, i);
        const size_t end = round_up(scratch_bytes) + p->buffers[i].offset + p->buffers[i].bytes;
        if (end > top)
            top = end;
    }
    g->arena = mcvdi_alloc_aligned(top ? top : MCVDI_ALIGNMENT);
    if (!g->arena)
        return mcvdi_fail(
            MCVD_E_NOMEM,
            "out of memory: %zu bytes of activations; lower the batch or data.image_size", top);
    g->arena_bytes = top;
    for (size_t i = 0; i < p->count; i++) {
        char *address = g->arena + round_up(scratch_bytes) + p->buffers[i].offset;
        memcpy(p->buffers[i].where, &address, sizeof address);
    }
    return MCVD_OK;
}

static void connect_node(mcvdi_graph *g, mcvdi_node *node, bool *seen)
{
    node->y = g->values[node->output].data;
    node->scratch = g->arena;
    for (int i = 0; i < node->num_inputs; i++)
        node->x[i] = g->values[node->inputs[i]].data;
    if (!g->values[node->output].has_grad)
        return;
    node->dy = g->values[node->output].grad;
    for (int i = 0; i < node->num_inputs; i++) {
        node->dx[i] = g->values[node->inputs[i]].grad;
        node->dx_add[i] = seen[node->inputs[i]];
        seen[node->inputs[i]] = true;
    }
}

/* Backward order decides who writes a gradient first and who adds. */
static mcvd_status connect_nodes(mcvdi_graph *g)
{
    bool *seen = mcvdi_calloc(g->num_values, sizeof *seen);

    if (!seen)
        return mcvdi_fail(MCVD_E_NOMEM, "graph: out of memory");
    for (size_t v = 0; v < g->num_values; v++)
        seen[v] = g->values[v].output && g->values[v].has_grad; /* the caller's seed is in it */
    for (size_t i = g->num_nodes; i-- > 0;)
        connect_node(g, g->nodes[i], seen);
    mcvdi_free(seen);
    return MCVD_OK;
}

mcvd_status mcvdi_graph_plan(mcvdi_graph *g)
{
    planner p = { .g = g, .end = 2 * g->num_nodes };
    size_t scratch_bytes = 0;

    p.buffers = mcvdi_calloc(2 * g->num_values + g->num_nodes + 1, sizeof *p.buffers);
    if (!p.buffers)
        return mcvdi_fail(MCVD_E_NOMEM, "graph: out of memory");
    find_gradients(g);
    for (size_t v = 0; v < g->num_values; v++)
        if (g->values[v].root == (mcvdi_value_id)v)
            plan_value(&p, (mcvdi_value_id)v);
    for (size_t i = 0; i < g->num_nodes; i++) {
        mcvdi_node *node = g->nodes[i];
        const size_t last = g->options.mode == MCVDI_TRAIN ? backward_time(g, i) : i;
        add_buffer(&p, node->saved_bytes, i, last, &node->saved);
        if (node->scratch_bytes > scratch_bytes)
            scratch_bytes = node->scratch_bytes;
    }
    mcvd_status st = place_all(&p, scratch_bytes);
    mcvdi_free(p.buffers);
    if (st >= 0)
        st = connect_nodes(g);
    return st;
}

/* --- weights --- */

/* INFER: a place for every parameter that some node reads as it is; the floats of all. */
static size_t place_resident(mcvdi_graph *g)
{
    size_t floats = 0;

    for (size_t i = 0; i < g->num_params; i++)
        g->resident[i] = MCVDI_NOT_RESIDENT;
    for (size_t i = 0; i < g->num_nodes; i++) {
        const mcvdi_node *node = g->nodes[i];
        for (int k = 0; k < MCVDI_MAX_NODE_PARAMS; k++) {
            const mcvdi_param_id id = node->params[k];
            if (id < 0 || (node->packs >> k & 1u) || g->resident[id] != MCVDI_NOT_RESIDENT)
                continue;
            g->resident[id] = floats;
            floats += round_up(g->params[id].numel * sizeof(float)) / sizeof(float);
        }
    }
    return floats;
}

/* INFER: parameters that no operator packs stay in a small slab of their own. */
static mcvd_status place_weights(mcvdi_graph *g)
{
    size_t floats = g->param_floats;
    mcvd_status st = MCVD_OK;

    if (g->options.mode == MCVDI_INFER) {
        g->resident = mcvdi_calloc(g->num_params + 1, sizeof *g->resident);
        if (!g->resident)
            return mcvdi_fail(MCVD_E_NOMEM, "graph: out of memory");
        floats = place_resident(g);
        for (size_t i = 0; i < g->num_nodes; i++)
            g->packed_bytes += round_up(g->nodes[i]->packed_bytes);
        g->packed = mcvdi_alloc_aligned(g->packed_bytes + MCVDI_ALIGNMENT);
    } else if (!g->options.no_param_gradient) {
        g->param_grads = mcvdi_alloc_aligned((floats + 1) * sizeof(float));
        st = g->param_grads ? MCVD_OK : MCVD_E_NOMEM;
    }
    g->param_values = mcvdi_alloc_aligned((floats + 1) * sizeof(float));
    if (st < 0 || !g->param_values || (g->options.mode == MCVDI_INFER && !g->packed))
        return mcvdi_fail(MCVD_E_NOMEM, "out of memory: %zu bytes of weights; lower model.ngf",
                          floats * sizeof(float));
    return MCVD_OK;
}

static void connect_weights(mcvdi_graph *g)
{
    char *packed = g->packed;

    for (size_t i = 0; i < g->num_nodes; i++) {
        mcvdi_node *node = g->nodes[i];
        for (int k = 0; k < MCVDI_MAX_NODE_PARAMS; k++) {
            const mcvdi_param_id id = node->params[k];
            if (id < 0)
                continue;
            if (g->options.mode == MCVDI_TRAIN) {
                node->w[k] = g->param_values + g->params[id].offset;
                node->dw[k] = g->param_grads ? g->param_grads + g->params[id].offset : NULL;
            } else if (!(node->packs >> k & 1u)) {
                node->w[k] = g->param_values + g->resident[id];
            }
        }
        node->packed = packed;
        if (packed)
            packed += round_up(node->packed_bytes);
    }
}

mcvd_status mcvdi_graph_compile(mcvdi_graph *g)
{
    if (g->build_status < 0)
        return g->build_status;
    if (g->compiled)
        return mcvdi_fail(MCVD_E_STATE, "graph: compiled already");
    mcvdi_graph_split_held(g);
    for (size_t i = 0; i < g->num_nodes; i++) {
        mcvdi_node *node = g->nodes[i];
        const mcvd_status st = node->op->setup ? node->op->setup(node, g->options.mode) : MCVD_OK;
        if (st < 0)
            return st;
    }
    mcvd_status st = mcvdi_graph_plan(g);
    if (st >= 0)
        st = place_weights(g);
    if (st < 0)
        return st;
    connect_weights(g);
    g->compiled = true;
    return MCVD_OK;
}
