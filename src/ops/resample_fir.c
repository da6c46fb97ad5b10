/*
 * Resampling by 2 with the taps 1-3-3-1 along H and along W, zero outside:
 *
 *     down:  y[i]  = (x[2i-1] + 3 x[2i] + 3 x[2i+1] + x[2i+2]) / 8
 *     up:    y[2i] = (x[i-1] + 3 x[i]) / 4,  y[2i+1] = (3 x[i] + x[i+1]) / 4
 *
 * Per axis the transpose of down is up / 2 and the transpose of up is 2 down, so each backward is
 * the other forward with another factor. An output row is made in two steps: a mix of source rows
 * into a line with one zero pixel on each side, then the same along that line.
 */
#include <omp.h>
#include <string.h>

#include "core/threads.h"
#include "ops/elementwise.h"
#include "ops/kernels.h"
#include "ops/ops.h"

typedef struct fir_attrs {
    int threads; /* lines in scratch, set by setup */
} fir_attrs;

typedef struct fir_job {
    float *dst;
    const float *src;
    mcvdi_dims from; /* of src */
    float scale;
    bool add;
    int threads;
    float *scratch; /* one zero row, then a line per thread */
} fir_job;

static size_t round_line(size_t floats)
{
    return (floats + 15) & ~(size_t)15;
}

static size_t line_floats(size_t width, size_t channels)
{
    return round_line((width + 2) * channels);
}

static mcvd_status fir_setup(mcvdi_node *node, mcvdi_graph_mode mode)
{
    fir_attrs *attrs = node->attrs;
    const size_t wide = node->x_dims[0].w > node->y_dims.w ? node->x_dims[0].w : node->y_dims.w;

    (void)mode;
    attrs->threads = mcvdi_threads_count();
    node->scratch_bytes =
        ((size_t)attrs->threads + 1) * line_floats(wide, node->y_dims.c) * sizeof(float);
    return MCVD_OK;
}

/* Row `row - 1` of an image, the zero row where that is outside. */
static const float *row_before(const fir_job *j, const float *image, size_t row)
{
    const size_t floats = j->from.w * j->from.c;
    return row >= 1 && row <= j->from.h ? image + (row - 1) * floats : j->scratch;
}

/* Output row i of one image. */
static void make_row(const fir_job *j, bool down, const float *image, size_t i, float *line)
{
    const mcvdi_kernels *k = mcvdi_kernels_get();
    const size_t floats = j->from.w * j->from.c;
    const size_t out_h = down ? j->from.h / 2 : j->from.h * 2;
    const size_t out_row = (size_t)(image - j->src) / (j->from.h * floats) * out_h + i;

    if (down) {
        const float *const rows[4] = { row_before(j, image, 2 * i), row_before(j, image, 2 * i + 1),
                                       row_before(j, image, 2 * i + 2),
                                       row_before(j, image, 2 * i + 3) };
        k->fir_mix4(line + j->from.c, rows, floats);
        k->fir_down_row(j->dst + out_row * floats / 2, line, j->from.w / 2, j->from.c, j->scale,
                        j->add);
    } else {
        const size_t near = i / 2 + 1; /* counted as in row_before */
        const size_t far = i % 2 ? near + 1 : near - 1;
        k->fir_mix2(line + j->from.c, row_before(j, image, far), row_before(j, image, near),
                    floats);
        k->fir_up_row(j->dst + out_row * floats * 2, line, j->from.w, j->from.c, j->scale, j->add);
    }
}

static void resample(const fir_job *j, bool down)
{
    const size_t line = line_floats(j->from.w, j->from.c);
    const size_t out_h = down ? j->from.h / 2 : j->from.h * 2;
    const size_t image = j->from.h * j->from.w * j->from.c;
    const int threads = j->threads < mcvdi_threads_count() ? j->threads : mcvdi_threads_count();

    memset(j->scratch, 0, ((size_t)threads + 1) * line * sizeof(float));
#pragma omp parallel for schedule(static) num_threads(threads)
    for (size_t row = 0; row < j->from.n * out_h; row++)
        make_row(j, down, j->src + row / out_h * image, row % out_h,
                 j->scratch + ((size_t)omp_get_thread_num() + 1) * line);
}

static mcvd_status fir_forward(mcvdi_node *node, bool down)
{
    const fir_attrs *attrs = node->attrs;
    const fir_job job = { .dst = node->y,
                          .src = node->x[0],
                          .from = node->x_dims[0],
                          .scale = down ? 1.0f / 64.0f : 1.0f / 16.0f,
                          .threads = attrs->threads,
                          .scratch = node->scratch };

    resample(&job, down);
    return MCVD_OK;
}

static mcvd_status fir_backward(mcvdi_node *node, bool down)
{
    const fir_attrs *attrs = node->attrs;
    const fir_job job = { .dst = node->dx[0],
                          .src = node->dy,
                          .from = node->y_dims,
                          .scale = down ? 1.0f / 64.0f : 1.0f / 16.0f,
                          .add = node->dx_add[0],
                          .threads = attrs->threads,
                          .scratch = node->scratch };

    if (node->dx[0])
        resample(&job, !down);
    return MCVD_OK;
}

static mcvd_status down_forward(mcvdi_node *node)
{
    return fir_forward(node, true);
}

static mcvd_status down_backward(mcvdi_node *node)
{
    return fir_backward(node, true);
}

static mcvd_status up_forward(mcvdi_node *node)
{
    return fir_forward(node, false);
}

static mcvd_status up_backward(mcvdi_node *node)
{
    return fir_backward(node, false);
}

static const mcvdi_op down_op = {
    .name = "fir_down",
    .setup = fir_setup,
    .forward = down_forward,
    .backward = down_backward,
};

static const mcvdi_op up_op = {
    .name = "fir_up",
    .setup = fir_setup,
    .forward = up_forward,
    .backward = up_backward,
};

static mcvdi_value_id add_fir(mcvdi_graph *g, mcvdi_value_id x, const mcvdi_op *op, mcvdi_dims out)
{
    const fir_attrs attrs = { 1 };
    const mcvdi_plain_node plain = {
        .op = op, .num_inputs = 1, .inputs = { x }, .attrs = &attrs, .attrs_bytes = sizeof attrs
    };
    return mcvdi_add_plain(g, &plain, out);
}

mcvdi_value_id mcvdi_fir_down(mcvdi_graph *g, mcvdi_value_id x)
{
    const mcvdi_dims in = mcvdi_graph_dims(g, x);
    const mcvdi_dims out = { in.n, in.h / 2, in.w / 2, in.c };

    if (in.h % 2 || in.w % 2)
        return mcvdi_refuse_shapes(g, "fir_down", in, out);
    return add_fir(g, x, &down_op, out);
}

mcvdi_value_id mcvdi_fir_up(mcvdi_graph *g, mcvdi_value_id x)
{
    const mcvdi_dims in = mcvdi_graph_dims(g, x);
    return add_fir(g, x, &up_op, (mcvdi_dims) { in.n, in.h * 2, in.w * 2, in.c });
}
