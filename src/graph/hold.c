/*
 * Held inputs: the part of a forward pass that depends on them alone runs first, and only when
 * they changed. One time line serves both parts, so that what the first part no longer needs is
 * the second part's memory; what crosses the border is pinned (plan.c).
 */
#include <string.h>

#include "graph/internal.h"

void mcvdi_graph_hold(mcvdi_graph *g, mcvdi_value_id input)
{
    if (!mcvdi_graph_ok(g))
        return;
    if (input < 0 || (size_t)input >= g->num_values ||
        g->values[g->values[input].root].producer >= 0) {
        mcvdi_graph_build_failed(g, mcvdi_fail(MCVD_E_STATE, "graph: only inputs can be held"));
        return;
    }
    g->values[g->values[input].root].held = true;
}

void mcvdi_graph_held_changed(mcvdi_graph *graph)
{
    graph->stale = true;
}

static bool depends_on_held_alone(const mcvdi_graph *g, const mcvdi_node *node)
{
    bool held = node->num_inputs > 0;

    for (int i = 0; i < node->num_inputs; i++)
        held &= g->values[node->inputs[i]].held;
    return held;
}

void mcvdi_graph_split_held(mcvdi_graph *g)
{
    g->stale = true;
    if (g->options.mode != MCVDI_INFER)
        return;
    for (size_t i = 0; i < g->num_nodes; i++) {
        mcvdi_node *node = g->nodes[i];
        if (!depends_on_held_alone(g, node))
            continue;
        g->values[node->output].held = true;
        memmove(g->nodes + g->num_held + 1, g->nodes + g->num_held,
                (i - g->num_held) * sizeof *g->nodes);
        g->nodes[g->num_held++] = node;
    }
    for (size_t i = 0; i < g->num_nodes; i++) {
        g->nodes[i]->index = (int)i;
        g->values[g->nodes[i]->output].producer = (int)i;
    }
}
