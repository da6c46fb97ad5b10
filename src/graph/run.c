/* Forward and reverse execution of a compiled graph. */
#include "graph/internal.h"

static mcvd_status run_nodes(mcvdi_graph *graph, size_t first, size_t end)
{
    for (size_t i = first; i < end; i++) {
        const mcvd_status st = graph->nodes[i]->op->forward(graph->nodes[i]);
        if (st < 0)
            return st;
    }
    return MCVD_OK;
}

mcvd_status mcvdi_graph_forward(mcvdi_graph *graph)
{
    if (!graph->compiled)
        return mcvdi_fail(MCVD_E_STATE, "graph: forward before compile");
    if (graph->stale) {
        const mcvd_status st = run_nodes(graph, 0, graph->num_held);
        if (st < 0)
            return st;
        graph->stale = false;
    }
    return run_nodes(graph, graph->num_held, graph->num_nodes);
}

/* A node takes part in backward when its output has a gradient and it has someone to give to. */
mcvd_status mcvdi_graph_backward(mcvdi_graph *graph)
{
    if (!graph->compiled || graph->options.mode != MCVDI_TRAIN)
        return mcvdi_fail(MCVD_E_STATE, "graph: backward needs a compiled training graph");
    for (size_t i = graph->num_nodes; i-- > 0;) {
        mcvdi_node *node = graph->nodes[i];
        if (!node->dy || !node->op->backward)
            continue;
        const mcvd_status st = node->op->backward(node);
        if (st < 0)
            return st;
    }
    return MCVD_OK;
}
