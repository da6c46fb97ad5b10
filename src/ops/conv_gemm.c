/*
 * Convolution as im2col + GEMM, the backend of builds without oneDNN. With the patch matrix
 * col[p, (u,c)] of a band of output rows, u being a kernel position (frame, row, column), and the
 * weight matrix m[(u,c), o]:
 *
 *     y = col m + b,    dcol = dy m',   dm = col' dy
 *
 * Bands keep the patch matrix near a megabyte. A kernel of one position needs no patches. The rows
 * of an image are those of all its frames, one frame below the other.
 */
#include <string.h>

#include "core/alloc.h"
#include "ops/conv.h"
#include "ops/elementwise.h"
#include "ops/gemm.h"

enum { BAND_BYTES = 1 << 20 };

typedef struct gemm_conv {
    mcvdi_conv_shape s;
    size_t taps;      /* kernel positions */
    size_t patch;     /* taps * in */
    size_t rows;      /* of an image's outputs: yd * yh */
    size_t x_floats;  /* of an image */
    bool direct;      /* an output row's patches are the image's own pixels */
    size_t band_rows; /* output rows per patch matrix */
    size_t matrix_floats;
    size_t col_floats;
} gemm_conv;

static size_t round_floats(size_t floats)
{
    return (floats + 15) & ~(size_t)15;
}

static mcvd_status gemm_create(void **state, const mcvdi_conv_shape *shape, mcvdi_graph_mode mode,
                               mcvdi_conv_plan *plan)
{
    *state = NULL;
    if (mode == MCVDI_TRAIN && !mcvdi_conv_is_plain(shape))
        return mcvdi_conv_refuse_training();
    gemm_conv *c = mcvdi_calloc(1, sizeof *c);
    if (!c)
        return mcvdi_fail(MCVD_E_NOMEM, "convolution: out of memory");
    c->s = *shape;
    c->taps = mcvdi_conv_taps(shape);
    c->patch = c->taps * shape->in;
    c->rows = shape->yd * shape->yh;
    c->x_floats = shape->d * shape->h * shape->w * shape->in;
    c->direct = c->taps == 1 && shape->sd == 1 && shape->sh == 1 && shape->sw == 1;
    c->band_rows = BAND_BYTES / (shape->yw * c->patch * sizeof(float));
    if (c->band_rows < 1)
        c->band_rows = 1;
    if (c->band_rows > c->rows)
        c->band_rows = c->rows;
    c->matrix_floats = round_floats(c->patch * shape->out);
    c->col_floats = round_floats(c->band_rows * shape->yw * c->patch);
    plan->packed_bytes = c->matrix_floats * sizeof(float);
    plan->scratch_bytes = (mode == MCVDI_TRAIN ? 2 * c->matrix_floats : 0) * sizeof(float) +
                          (mode == MCVDI_TRAIN ? 2 : 1) * c->col_floats * sizeof(float);
    *state = c;
    return MCVD_OK;
}

static void gemm_release(void *state)
{
    mcvdi_free(state);
}

/* Sixteen outputs at a time: they are one cache line of the matrix and 16 streams of the weight. */
enum { OUT_BLOCK = 16 };

/* [out, weight_in, taps] -> [(u, c), out] */
static void weight_to_matrix(const gemm_conv *c, const float *weight, float *matrix)
{
    const mcvdi_conv_shape *s = &c->s;

#pragma omp parallel for schedule(static)
    for (size_t o0 = 0; o0 < s->out; o0 += OUT_BLOCK) {
        const size_t end = mcvdi_min_size(o0 + OUT_BLOCK, s->out);
        for (size_t i = 0; i < s->in; i++)
            for (size_t t = 0; t < c->taps; t++)
                for (size_t o = o0; o < end; o++)
                    matrix[(t * s->in + i) * s->out + o] =
                        weight[(o * s->weight_in + i) * c->taps + t];
    }
}

static void matrix_add_to_weight(const gemm_conv *c, const float *matrix, float *weight)
{
    const mcvdi_conv_shape *s = &c->s;

#pragma omp parallel for schedule(static)
    for (size_t o0 = 0; o0 < s->out; o0 += OUT_BLOCK) {
        const size_t end = mcvdi_min_size(o0 + OUT_BLOCK, s->out);
        for (size_t i = 0; i < s->in; i++)
            for (size_t t = 0; t < c->taps; t++)
                for (size_t o = o0; o < end; o++)
                    weight[(o * s->weight_in + i) * c->taps + t] +=
                        matrix[(t * s->in + i) * s->out + o];
    }
}

static mcvd_status gemm_pack(void *state, const float *weight, void *packed)
{
    weight_to_matrix(state, weight, packed);
    return MCVD_OK;
}

/* The first position that the kernel of an output pixel sees, in the image with its padding. */
typedef struct kernel_place {
    size_t frame, row, column;
} kernel_place;

/* Output pixel p of a band. */
static kernel_place locate(const mcvdi_conv_shape *s, size_t row, size_t p)
{
    const size_t line = row + p / s->yw;
    return (kernel_place) { line / s->yh * s->sd, line % s->yh * s->sh, p % s->yw * s->sw };
}

/* The source row of kernel position (a, u, any) in the image, false when it is padding. */
static bool source_row(const mcvdi_conv_shape *s, kernel_place q, size_t a, size_t u, size_t *row)
{
    const size_t frame = q.frame + a; /* shifted by the padding, so that nothing is negative */
    const size_t line = q.row + u;

    if (frame < s->pd || frame - s->pd >= s->d || line < s->ph || line - s->ph >= s->h)
        return false;
    *row = (frame - s->pd) * s->h + line - s->ph;
    return true;
}

/* The kernel columns [first, end) that fall inside a row. */
static void inside_columns(const mcvdi_conv_shape *s, size_t column, size_t *first, size_t *end)
{
    const size_t room = column < s->w + s->pw ? s->w + s->pw - column : 0;

    *first = column < s->pw ? mcvdi_min_size(s->pw - column, s->kw) : 0;
    *end = mcvdi_min_size(room, s->kw);
    if (*end < *first)
        *end = *first;
}

/* One row of patches: the kernel columns of one (a, u) lie side by side in the image too. */
static void fill_patch(const gemm_conv *c, const float *image, kernel_place q, float *to)
{
    const mcvdi_conv_shape *s = &c->s;
    const size_t in = s->in;
    size_t first = 0;
    size_t end = 0;
    size_t row = 0;

    inside_columns(s, q.column, &first, &end);
    for (size_t a = 0; a < s->kd; a++) {
        for (size_t u = 0; u < s->kh; u++, to += s->kw * in) {
            if (!source_row(s, q, a, u, &row)) {
                memset(to, 0, s->kw * in * sizeof(float));
                continue;
            }
            const float *from = image + (row * s->w + q.column + first - s->pw) * in;
            memset(to, 0, first * in * sizeof(float));
            memcpy(to + first * in, from, (end - first) * in * sizeof(float));
            memset(to + end * in, 0, (s->kw - end) * in * sizeof(float));
        }
    }
}

/* col[(row, column), (u, c)] of output rows [row0, row0 + rows) of one image. */
static void im2col(const gemm_conv *c, const float *image, size_t row0, size_t rows, float *col)
{
#pragma omp parallel for schedule(static)
    for (size_t p = 0; p < rows * c->s.yw; p++)
        fill_patch(c, image, locate(&c->s, row0, p), col + p * c->patch);
}

/* The reverse of fill_patch: the patch's share of the image's gradient. */
static void add_patch(const gemm_conv *c, const float *from, kernel_place q, float *image)
{
    const mcvdi_conv_shape *s = &c->s;
    size_t first = 0;
    size_t end = 0;
    size_t row = 0;

    inside_columns(s, q.column, &first, &end);
    for (size_t a = 0; a < s->kd; a++) {
        for (size_t u = 0; u < s->kh; u++, from += s->kw * s->in) {
            if (!source_row(s, q, a, u, &row))
                continue;
            float *to = image + (row * s->w + q.column + first - s->pw) * s->in;
            for (size_t i = 0; i < (end - first) * s->in; i++)
                to[i] += from[first * s->in + i];
        }
    }
}

/* image += the patches; serial, since patches of neighbours share pixels. */
static void col2im_add(const gemm_conv *c, const float *col, size_t row0, size_t rows, float *image)
{
    for (size_t p = 0; p < rows * c->s.w; p++)
        add_patch(c, col + p * c->patch, locate(&c->s, row0, p), image);
}

static size_t band_height(const gemm_conv *c, size_t row0)
{
    return mcvdi_min_size(c->rows - row0, c->band_rows);
}

static void add_bias(float *y, const float *bias, size_t pixels, size_t channels)
{
#pragma omp parallel for
    for (size_t p = 0; p < pixels; p++)
        for (size_t o = 0; o < channels; o++)
            y[p * channels + o] += bias[o];
}

static void cut_negative(float *y, size_t n)
{
#pragma omp parallel for
    for (size_t i = 0; i < n; i++)
        y[i] = y[i] > 0.0f ? y[i] : 0.0f;
}

static mcvd_status gemm_forward(void *state, const mcvdi_conv_buffers *b)
{
    const gemm_conv *c = state;
    const mcvdi_conv_shape *s = &c->s;
    float *col = b->scratch;
    const float *matrix = b->packed;

    if (b->weight) {
        weight_to_matrix(c, b->weight, b->scratch);
        matrix = b->scratch;
        col += 2 * c->matrix_floats; /* the layout of backward: [weights | dweights | patches] */
    }
    for (size_t n = 0; n < s->n; n++) {
        const float *image = b->x + n * c->x_floats;
        for (size_t row = 0; row < c->rows; row += c->band_rows) {
            const size_t rows = band_height(c, row);
            const float *a = image + row * s->w * s->in;
            if (!c->direct) {
                im2col(c, image, row, rows, col);
                a = col;
            }
            mcvdi_gemm(&(mcvdi_gemm_args) { .m = rows * s->yw,
                                            .n = s->out,
                                            .k = c->patch,
                                            .alpha = 1.0f,
                                            .a = a,
                                            .lda = c->patch,
                                            .b = matrix,
                                            .ldb = s->out,
                                            .ldc = s->out,
                                            .c = b->y + (n * c->rows + row) * s->yw * s->out });
        }
    }
    if (b->bias)
        add_bias(b->y, b->bias, mcvdi_conv_outputs(s), s->out);
    if (s->relu)
        cut_negative(b->y, mcvdi_conv_outputs(s) * s->out);
    return MCVD_OK;
}

/* dx of one band: through dcol and col2im, or directly for 1 x 1. */
static void band_backward_data(const gemm_conv *c, const mcvdi_conv_buffers *b, size_t n,
                               size_t row, float *dcol)
{
    const mcvdi_conv_shape *s = &c->s;
    const size_t rows = band_height(c, row);
    float *image = b->dx + n * c->rows * s->w * s->in;
    const bool direct = c->taps == 1;

    mcvdi_gemm(&(mcvdi_gemm_args) { .trans_b = true,
                                    .m = rows * s->w,
                                    .n = c->patch,
                                    .k = s->out,
                                    .alpha = 1.0f,
                                    .a = b->dy + (n * c->rows + row) * s->w * s->out,
                                    .lda = s->out,
                                    .b = b->scratch,
                                    .ldb = s->out,
                                    .beta = direct ? 1.0f : 0.0f,
                                    .c = direct ? image + row * s->w * s->in : dcol,
                                    .ldc = c->patch });
    if (!direct)
        col2im_add(c, dcol, row, rows, image);
}

static void bias_backward(const mcvdi_conv_shape *s, const float *dy, float *dbias)
{
#pragma omp parallel for
    for (size_t o = 0; o < s->out; o++) {
        double sum = 0.0;
        for (size_t p = 0; p < s->n * s->d * s->h * s->w; p++)
            sum += (double)dy[p * s->out + o];
        dbias[o] += (float)sum;
    }
}

/* dmatrix += patches' dy of the rows of one band. */
static void band_backward_weights(const gemm_conv *c, const mcvdi_conv_buffers *b, size_t n,
                                  size_t row, float *dmatrix)
{
    const mcvdi_conv_shape *s = &c->s;
    const float *image = b->x + n * c->rows * s->w * s->in;
    const float *a = image + row * s->w * s->in;
    const size_t rows = band_height(c, row);
    float *col = dmatrix + c->matrix_floats;

    if (c->taps > 1) {
        im2col(c, image, row, rows, col);
        a = col;
    }
    mcvdi_gemm(&(mcvdi_gemm_args) { .trans_a = true,
                                    .m = c->patch,
                                    .n = s->out,
                                    .k = rows * s->w,
                                    .alpha = 1.0f,
                                    .a = a,
                                    .lda = c->patch,
                                    .b = b->dy + (n * c->rows + row) * s->w * s->out,
                                    .ldb = s->out,
                                    .beta = 1.0f,
                                    .c = dmatrix,
                                    .ldc = s->out });
}

static mcvd_status gemm_backward(void *state, const mcvdi_conv_buffers *b)
{
    const gemm_conv *c = state;
    const mcvdi_conv_shape *s = &c->s;
    float *dmatrix = (float *)b->scratch + c->matrix_floats;
    float *dcol = dmatrix + c->matrix_floats + c->col_floats;

    weight_to_matrix(c, b->weight, b->scratch);
    memset(dmatrix, 0, c->matrix_floats * sizeof(float));
    if (b->dx && !b->dx_add)
        memset(b->dx, 0, s->n * s->d * s->h * s->w * s->in * sizeof(float));
    for (size_t n = 0; n < s->n; n++) {
        for (size_t row = 0; row < c->rows; row += c->band_rows) {
            if (b->dweight)
                band_backward_weights(c, b, n, row, dmatrix);
            if (b->dx)
                band_backward_data(c, b, n, row, dcol);
        }
    }
    if (b->dweight)
        matrix_add_to_weight(c, dmatrix, b->dweight);
    if (b->dbias)
        bias_backward(s, b->dy, b->dbias);
    return MCVD_OK;
}

const mcvdi_conv_backend mcvdi_conv_backend_gemm = {
    .name = "im2col",
    .create = gemm_create,
    .release = gemm_release,
    .pack = gemm_pack,
    .forward = gemm_forward,
    .backward = gemm_backward,
};
