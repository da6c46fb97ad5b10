#include "ops/elementwise.h"

#include <string.h>

#include "ops/kernels.h"

int mcvdi_refuse_shapes(mcvdi_graph *g, const char *op, mcvdi_dims a, mcvdi_dims b)
{
    if (!mcvdi_graph_ok(g))
        return -1;
    return mcvdi_graph_build_failed(
        g, mcvdi_fail(MCVD_E_SHAPE, "%s: [%zu, %zu, %zu, %zu] and [%zu, %zu, %zu, %zu] do not fit",
                      op, a.n, a.h, a.w, a.c, b.n, b.h, b.w, b.c));
}

mcvdi_value_id mcvdi_add_plain(mcvdi_graph *g, const mcvdi_plain_node *plain, mcvdi_dims y_dims)
{
    mcvdi_node_spec spec = { .op = plain->op,
                             .num_inputs = plain->num_inputs,
                             .attrs = plain->attrs,
                             .attrs_bytes = plain->attrs_bytes,
                             .y_dims = y_dims };

    memcpy(spec.inputs, plain->inputs, sizeof spec.inputs);
    return mcvdi_graph_add(g, &spec);
}

void mcvdi_give_scaled(float *dst, const float *src, float scale, size_t n, bool add)
{
    const mcvdi_kernels *k = mcvdi_kernels_get();

#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < n; i += MCVDI_PIECE) {
        const size_t count = mcvdi_min_size(MCVDI_PIECE, n - i);
        (add ? k->add_scaled : k->copy_scaled)(dst + i, src + i, scale, count);
    }
}

void mcvdi_give_row(float *dst, const float *src, size_t n, bool add)
{
    if (add)
        mcvdi_kernels_get()->add_scaled(dst, src, 1.0f, n);
    else
        memcpy(dst, src, n * sizeof *dst);
}
