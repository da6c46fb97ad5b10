/* Forward and reverse execution of a compiled graph. */
#include "graph/internal.h"

mcvd_status mcvdi_graph_forward(mcvdi_graph *graph)
{
    if (!graph->compiled)
        return mcvdi_fail(MCVD_E_STATE, "graph: forward before compile");
    for (size_t i = 0; i < graph->num_nodes; i++) {
        const mcvd_status st = graph->nodes[i]->op->forward(graph->nodes[i]);
        if (st < 0)
            return st;
    }
    return MCVD_OK;
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
