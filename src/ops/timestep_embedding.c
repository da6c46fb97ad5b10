/*
 * Labels to sinusoids, with h = floor(width / 2), in float32 as the reference computes it:
 *
 *     s = float32(-ln(10000) / (h - 1)),  f_i = expf(i s),  a = label f_i
 *     y = [sin a_0 .. sin a_(h-1), cos a_0 .. cos a_(h-1)], and one 0 when width is odd
 *
 * Rounding matters in f_i and a: near label 1000 one unit of f_i moves the argument by 6e-5.
 */
#include <math.h>

#include "ops/elementwise.h"
#include "ops/ops.h"

static mcvd_status embedding_forward(mcvdi_node *node)
{
    const size_t width = node->y_dims.c;
    const size_t half = width / 2;
    const float s = (float)(-log(10000.0) / (double)(half - 1));

    for (size_t n = 0; n < node->y_dims.n; n++) {
        float *y = node->y + n * width;
        for (size_t i = 0; i < half; i++) {
            const float exponent = (float)i * s;
            const float frequency = (float)exp((double)exponent); /* correctly rounded expf */
            const float angle = node->x[0][n] * frequency;
            y[i] = (float)sin((double)angle);
            y[half + i] = (float)cos((double)angle);
        }
        if (width % 2)
            y[width - 1] = 0.0f;
    }
    return MCVD_OK;
}

static const mcvdi_op embedding_op = {
    .name = "timestep_embedding",
    .forward = embedding_forward,
};

mcvdi_value_id mcvdi_timestep_embedding(mcvdi_graph *g, mcvdi_value_id labels, size_t width)
{
    const mcvdi_dims in = mcvdi_graph_dims(g, labels);
    const mcvdi_dims out = { in.n, 1, 1, width };
    const mcvdi_plain_node plain = { .op = &embedding_op, .num_inputs = 1, .inputs = { labels } };

    if (in.h != 1 || in.w != 1 || in.c != 1 || width < 4)
        return mcvdi_refuse_shapes(g, "timestep embedding", in, out);
    return mcvdi_add_plain(g, &plain, out);
}
