/*
 * In training runs an element lives with probability 1 - p:
 *
 *     y = m x / (1 - p),  dx = m dy / (1 - p),  m in {0, 1};  otherwise y = x
 *
 * m comes from 16 random bits, so p is rounded to a multiple of 2^-16 (for both uses, which keeps
 * the mean of y at x). The bits of element e of a sample are half e mod 2 of word e / 2 in the
 * stream (seed, MCVD_RNG_DROPOUT, step, sample), from block node * 2^32 on: the mask is never
 * stored, and does not depend on micro-batches or threads.
 */
#include <mcvd/rng.h>

#include "ops/elementwise.h"
#include "ops/kernels.h"
#include "ops/ops.h"

enum { WORDS = 512, WORD_PIECE = 2 * WORDS, WORD_BLOCKS = WORDS / 4 };

typedef struct dropout_attrs {
    mcvdi_dropout_rule rule;
} dropout_attrs;

/* Piece `piece` of one sample. A piece starts at a multiple of 8, the draws of one block. */
static void drop_piece(const mcvdi_node *node, size_t sample, size_t piece, float *dst,
                       const float *src, bool add)
{
    const dropout_attrs *attrs = node->attrs;
    const mcvdi_kernels *k = mcvdi_kernels_get();
    const size_t numel = node->y_dims.h * node->y_dims.w * node->y_dims.c;
    const mcvd_rng_key key = mcvd_rng_key_make(node->run->seed, MCVD_RNG_DROPOUT, node->run->step,
                                               node->run->first_sample + sample);
    const mcvdi_philox_stream stream = {
        .key = { (uint32_t)key.key, (uint32_t)(key.key >> 32) },
        .stream = { (uint32_t)key.stream, (uint32_t)(key.stream >> 32) },
    };
    const uint64_t node_block = (uint64_t)(unsigned)node->index << 32;
    const size_t end = mcvdi_min_size((piece + 1) * MCVDI_PIECE, numel);
    uint32_t words[WORDS];

    for (size_t i = piece * MCVDI_PIECE; i < end; i += WORD_PIECE) {
        const size_t at = sample * numel + i;
        k->philox(words, &stream, node_block + i / 8, WORD_BLOCKS);
        k->dropout(dst + at, src + at, words, attrs->rule, mcvdi_min_size(WORD_PIECE, end - i),
                   add);
    }
}

static void drop(const mcvdi_node *node, float *dst, const float *src, bool add)
{
    const size_t numel = node->y_dims.h * node->y_dims.w * node->y_dims.c;
    const size_t pieces = mcvdi_pieces(numel, MCVDI_PIECE);

#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < node->y_dims.n * pieces; i++)
        drop_piece(node, i / pieces, i % pieces, dst, src, add);
}

static mcvd_status dropout_forward(mcvdi_node *node)
{
    if (node->run->training)
        drop(node, node->y, node->x[0], false);
    else
        mcvdi_give_scaled(node->y, node->x[0], 1.0f, mcvdi_dims_numel(node->y_dims), false);
    return MCVD_OK;
}

static mcvd_status dropout_backward(mcvdi_node *node)
{
    if (!node->dx[0])
        return MCVD_OK;
    if (node->run->training)
        drop(node, node->dx[0], node->dy, node->dx_add[0]);
    else
        mcvdi_give_scaled(node->dx[0], node->dy, 1.0f, mcvdi_dims_numel(node->y_dims),
                          node->dx_add[0]);
    return MCVD_OK;
}

static const mcvdi_op dropout_op = {
    .name = "dropout",
    .forward = dropout_forward,
    .backward = dropout_backward,
};

mcvdi_value_id mcvdi_dropout(mcvdi_graph *g, mcvdi_value_id x, double probability)
{
    const double steps = 65536.0;
    dropout_attrs attrs;
    const mcvdi_plain_node plain = { .op = &dropout_op,
                                     .num_inputs = 1,
                                     .inputs = { x },
                                     .attrs = &attrs,
                                     .attrs_bytes = sizeof attrs };

    if (!(probability >= 0.0 && probability <= 0.999)) {
        if (!mcvdi_graph_ok(g))
            return -1;
        return mcvdi_graph_build_failed(
            g, mcvdi_fail(MCVD_E_RANGE, "dropout: probability %g, allowed 0..0.999", probability));
    }
    if (mcvdi_graph_get_options(g)->mode == MCVDI_INFER)
        return x;
    attrs.rule.threshold = (uint32_t)(probability * steps + 0.5);
    attrs.rule.scale = (float)(steps / (steps - (double)attrs.rule.threshold));
    return mcvdi_add_plain(g, &plain, mcvdi_graph_dims(g, x));
}
