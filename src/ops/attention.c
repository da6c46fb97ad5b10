/*
 * Attention over the L = H W positions of a sample, head by head, d channels a head:
 *
 *     S = Q K' / sqrt(d),   P = softmax of the rows of S,   O = P V
 *     dV = P' dO,   dP = dO V',   dS = P (dP - row sums of P dP) / sqrt(d)
 *     dQ = dS K,   dK = dS' Q
 *
 * Only a tile of rows of S exists at a time; backward recomputes it. Heads and samples run in
 * parallel, in backward too, where a head's dK and dV grow tile by tile in order.
 * Heads of a few positions (attention over time has thousands) are a kernel call each.
 */
#include <math.h>
#include <omp.h>
#include <string.h>

#include "core/threads.h"
#include "ops/elementwise.h"
#include "ops/gemm.h"
#include "ops/kernels.h"
#include "ops/ops.h"

enum { TILE_FLOATS = 1 << 17, MAX_TILE_ROWS = 128, MIN_TILE_ROWS = 16 };
/* Up to here one kernel call a head beats its products (measured with 24 to 96 channels). */
enum { FEW_POSITIONS = 12 };
_Static_assert((int)FEW_POSITIONS <= (int)MCVDI_SHORT_LENGTH, "the kernels take no more");
enum { Q, K, V };

typedef struct attention_attrs {
    size_t heads;
    int threads; /* tiles in scratch, set by setup */
} attention_attrs;

typedef struct attention_plan {
    size_t length;   /* L */
    size_t channels; /* stride between positions */
    size_t d;
    size_t tasks;     /* samples x heads */
    size_t tile_rows; /* queries a tile */
    float scale;
    int threads;
} attention_plan;

static attention_plan make_plan(const mcvdi_node *node)
{
    const attention_attrs *attrs = node->attrs;
    const mcvdi_dims y = node->y_dims;
    attention_plan p = {
        .length = y.h * y.w, .channels = y.c, .d = y.c / attrs->heads, .tasks = y.n * attrs->heads
    };
    const int now = mcvdi_threads_count();

    p.tile_rows = TILE_FLOATS / p.length;
    if (p.tile_rows < MIN_TILE_ROWS)
        p.tile_rows = MIN_TILE_ROWS;
    p.tile_rows = mcvdi_min_size(mcvdi_min_size(p.tile_rows, MAX_TILE_ROWS), p.length);
    p.scale = (float)(1.0 / sqrt((double)p.d));
    p.threads = attrs->threads < now ? attrs->threads : now;
    return p;
}

static bool is_short(const attention_plan *p)
{
    return p->length <= FEW_POSITIONS;
}

static size_t tile_floats(const attention_plan *p)
{
    return (p->tile_rows * p->length + 15) & ~(size_t)15;
}

static mcvd_status attention_setup(mcvdi_node *node, mcvdi_graph_mode mode)
{
    attention_attrs *attrs = node->attrs;

    attrs->threads = mcvdi_threads_count();
    const attention_plan p = make_plan(node);
    if (is_short(&p))
        return MCVD_OK;
    node->scratch_bytes =
        (size_t)attrs->threads * tile_floats(&p) * sizeof(float) * (mode == MCVDI_TRAIN ? 2 : 1);
    return MCVD_OK;
}

/* Where head `task` starts in a [N, L, heads, d] tensor. */
static size_t head_offset(const attention_plan *p, size_t task)
{
    const size_t heads = p->channels / p->d;
    return task / heads * p->length * p->channels + task % heads * p->d;
}

/* tile = a b', rows x L: a is rows x d, b is L x d, both with stride `channels`. */
static void times_transposed(const attention_plan *p, float *tile, const float *a, const float *b,
                             size_t rows)
{
    mcvdi_gemm(&(mcvdi_gemm_args) { .trans_b = true,
                                    .m = rows,
                                    .n = p->length,
                                    .k = p->d,
                                    .alpha = 1.0f,
                                    .a = a,
                                    .lda = p->channels,
                                    .b = b,
                                    .ldb = p->channels,
                                    .c = tile,
                                    .ldc = p->length });
}

/* y = tile b (+ y): y is rows x d, b is L x d. */
static void tile_times(const attention_plan *p, const float *tile, const float *b, float *y,
                       size_t rows, bool add)
{
    mcvdi_gemm(&(mcvdi_gemm_args) { .m = rows,
                                    .n = p->d,
                                    .k = p->length,
                                    .alpha = 1.0f,
                                    .a = tile,
                                    .lda = p->length,
                                    .b = b,
                                    .ldb = p->channels,
                                    .beta = add ? 1.0f : 0.0f,
                                    .c = y,
                                    .ldc = p->channels });
}

/* y = tile' b (+ y): y is L x d, b is rows x d. */
static void transposed_tile_times(const attention_plan *p, const float *tile, const float *b,
                                  float *y, size_t rows, bool add)
{
    mcvdi_gemm(&(mcvdi_gemm_args) { .trans_a = true,
                                    .m = p->length,
                                    .n = p->d,
                                    .k = rows,
                                    .alpha = 1.0f,
                                    .a = tile,
                                    .lda = p->length,
                                    .b = b,
                                    .ldb = p->channels,
                                    .beta = add ? 1.0f : 0.0f,
                                    .c = y,
                                    .ldc = p->channels });
}

static void make_weights(const mcvdi_node *node, const attention_plan *p, size_t head, size_t first,
                         float *tile)
{
    const mcvdi_kernels *k = mcvdi_kernels_get();
    const size_t rows = mcvdi_min_size(p->tile_rows, p->length - first);

    times_transposed(p, tile, node->x[Q] + head + first * p->channels, node->x[K] + head, rows);
    for (size_t r = 0; r < rows; r++)
        k->softmax_row(tile + r * p->length, p->scale, p->length);
}

static void forward_tile(const mcvdi_node *node, const attention_plan *p, size_t head, size_t first,
                         float *tile)
{
    const size_t rows = mcvdi_min_size(p->tile_rows, p->length - first);

    make_weights(node, p, head, first, tile);
    tile_times(p, tile, node->x[V] + head, node->y + head + first * p->channels, rows, false);
}

static mcvdi_short_head short_head(const mcvdi_node *node, const attention_plan *p, size_t head)
{
    return (mcvdi_short_head) { .length = p->length,
                                .d = p->d,
                                .stride = p->channels,
                                .scale = p->scale,
                                .q = node->x[Q] + head,
                                .k = node->x[K] + head,
                                .v = node->x[V] + head };
}

static void forward_short(const mcvdi_node *node, const attention_plan *p)
{
    const mcvdi_kernels *k = mcvdi_kernels_get();

#pragma omp parallel for schedule(static)
    for (size_t t = 0; t < p->tasks; t++) {
        const size_t head = head_offset(p, t);
        mcvdi_short_head h = short_head(node, p, head);
        h.y = node->y + head;
        k->short_attention(&h);
    }
}

static mcvd_status attention_forward(mcvdi_node *node)
{
    const attention_plan p = make_plan(node);
    const size_t tiles = mcvdi_pieces(p.length, p.tile_rows);

    if (is_short(&p)) {
        forward_short(node, &p);
        return MCVD_OK;
    }
#pragma omp parallel for schedule(static) num_threads(p.threads)
    for (size_t t = 0; t < p.tasks * tiles; t++)
        forward_tile(node, &p, head_offset(&p, t / tiles), t % tiles * p.tile_rows,
                     (float *)node->scratch + (size_t)omp_get_thread_num() * tile_floats(&p));
    return MCVD_OK;
}

/* All of one head; add[i] tells whether dx[i] already holds something. */
static void backward_head(const mcvdi_node *node, const attention_plan *p, size_t head,
                          const bool add[3], float *tile)
{
    const mcvdi_kernels *k = mcvdi_kernels_get();
    float *dtile = tile + tile_floats(p);

    for (size_t first = 0; first < p->length; first += p->tile_rows) {
        const size_t rows = mcvdi_min_size(p->tile_rows, p->length - first);
        const size_t at = head + first * p->channels;
        make_weights(node, p, head, first, tile);
        if (node->dx[V])
            transposed_tile_times(p, tile, node->dy + at, node->dx[V] + head, rows,
                                  add[V] || first > 0);
        if (!node->dx[Q] && !node->dx[K])
            continue;
        times_transposed(p, dtile, node->dy + at, node->x[V] + head, rows);
        for (size_t r = 0; r < rows; r++)
            k->softmax_back_row(dtile + r * p->length, tile + r * p->length, p->scale, p->length);
        if (node->dx[Q])
            tile_times(p, dtile, node->x[K] + head, node->dx[Q] + at, rows, add[Q]);
        if (node->dx[K])
            transposed_tile_times(p, dtile, node->x[Q] + at, node->dx[K] + head, rows,
                                  add[K] || first > 0);
    }
}

static void backward_short(const mcvdi_node *node, const attention_plan *p, const bool add[3])
{
    const mcvdi_kernels *k = mcvdi_kernels_get();

#pragma omp parallel for schedule(static)
    for (size_t t = 0; t < p->tasks; t++) {
        const size_t head = head_offset(p, t);
        mcvdi_short_head h = short_head(node, p, head);
        h.dy = node->dy + head;
        h.dq = node->dx[Q] ? node->dx[Q] + head : NULL;
        h.dk = node->dx[K] ? node->dx[K] + head : NULL;
        h.dv = node->dx[V] ? node->dx[V] + head : NULL;
        h.add_q = add[Q];
        h.add_k = add[K];
        h.add_v = add[V];
        k->short_attention_back(&h);
    }
}

/* Inputs that are the same tensor share a gradient: it starts from zero and everybody adds. */
static void prepare_shared(const mcvdi_node *node, bool add[3])
{
    const size_t bytes = mcvdi_dims_numel(node->y_dims) * sizeof(float);

    for (int i = 0; i < 3; i++)
        add[i] = node->dx_add[i];
    for (int i = 0; i < 3; i++) {
        const bool shared = node->dx[i] && (node->dx[i] == node->dx[(i + 1) % 3] ||
                                            node->dx[i] == node->dx[(i + 2) % 3]);
        if (shared && !add[i])
            memset(node->dx[i], 0, bytes);
        add[i] |= shared;
    }
}

static mcvd_status attention_backward(mcvdi_node *node)
{
    const attention_plan p = make_plan(node);
    float *scratch = node->scratch;
    bool add[3];

    prepare_shared(node, add);
    if (is_short(&p)) {
        backward_short(node, &p, add);
        return MCVD_OK;
    }
    if (p.tasks < (size_t)p.threads) { /* few heads: the products are parallel inside */
        for (size_t t = 0; t < p.tasks; t++)
            backward_head(node, &p, head_offset(&p, t), add, scratch);
        return MCVD_OK;
    }
#pragma omp parallel for schedule(static) num_threads(p.threads)
    for (size_t t = 0; t < p.tasks; t++)
        backward_head(node, &p, head_offset(&p, t), add,
                      scratch + (size_t)omp_get_thread_num() * 2 * tile_floats(&p));
    return MCVD_OK;
}

static double attention_macs(const mcvdi_node *node)
{
    const attention_plan p = make_plan(node);
    return 2.0 * (double)p.tasks * (double)p.length * (double)p.length * (double)p.d;
}

static const mcvdi_op attention_op = {
    .name = "attention",
    .backward_needs = MCVDI_NEEDS_X(Q) | MCVDI_NEEDS_X(K) | MCVDI_NEEDS_X(V),
    .setup = attention_setup,
    .forward = attention_forward,
    .backward = attention_backward,
    .macs = attention_macs,
};

mcvdi_value_id mcvdi_attention(mcvdi_graph *g, mcvdi_value_id q, mcvdi_value_id k, mcvdi_value_id v,
                               size_t num_heads)
{
    const mcvdi_dims dims = mcvdi_graph_dims(g, q);
    const attention_attrs attrs = { num_heads, 1 };
    const mcvdi_plain_node plain = { .op = &attention_op,
                                     .num_inputs = 3,
                                     .inputs = { q, k, v },
                                     .attrs = &attrs,
                                     .attrs_bytes = sizeof attrs };

    if (!mcvdi_dims_equal(dims, mcvdi_graph_dims(g, k)) ||
        !mcvdi_dims_equal(dims, mcvdi_graph_dims(g, v)))
        return mcvdi_refuse_shapes(g, "attention", dims, mcvdi_graph_dims(g, v));
    if (!num_heads || dims.c % num_heads) {
        if (!mcvdi_graph_ok(g))
            return -1;
        return mcvdi_graph_build_failed(
            g, mcvdi_fail(MCVD_E_SHAPE, "attention: %zu channels cannot have %zu heads", dims.c,
                          num_heads));
    }
    return mcvdi_add_plain(g, &plain, dims);
}
