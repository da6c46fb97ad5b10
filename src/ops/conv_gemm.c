/*
 * Convolution as im2col + GEMM, the backend of builds without oneDNN. With the patch matrix
 * col[p, (u,v,c)] of a band of output rows and the weight matrix m[(u,v,c), o]:
 *
 *     y = col m + b,    dcol = dy m',   dm = col' dy
 *
 * Bands keep the patch matrix near a megabyte. A 1 x 1 convolution needs no patches.
 */
#include <string.h>

#include "core/alloc.h"
#include "ops/conv.h"
#include "ops/gemm.h"

enum { BAND_BYTES = 1 << 20 };

typedef struct gemm_conv {
    mcvdi_conv_shape s;
    size_t patch;     /* k * k * in */
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
    gemm_conv *c = mcvdi_calloc(1, sizeof *c);

    *state = NULL;
    if (!c)
        return mcvdi_fail(MCVD_E_NOMEM, "convolution: out of memory");
    c->s = *shape;
    c->patch = shape->kernel * shape->kernel * shape->in;
    c->band_rows = BAND_BYTES / (shape->w * c->patch * sizeof(float));
    if (c->band_rows < 1)
        c->band_rows = 1;
    if (c->band_rows > shape->h)
        c->band_rows = shape->h;
    c->matrix_floats = round_floats(c->patch * shape->out);
    c->col_floats = round_floats(c->band_rows * shape->w * c->patch);
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

/* [out, in, k, k] -> [(u, v, c), out] */
static void weight_to_matrix(const gemm_conv *c, const float *weight, float *matrix)
{
    const size_t taps = c->s.kernel * c->s.kernel;

#pragma omp parallel for
    for (size_t t = 0; t < taps; t++)
        for (size_t i = 0; i < c->s.in; i++)
            for (size_t o = 0; o < c->s.out; o++)
                matrix[(t * c->s.in + i) * c->s.out + o] = weight[(o * c->s.in + i) * taps + t];
}

static void matrix_add_to_weight(const gemm_conv *c, const float *matrix, float *weight)
{
    const size_t taps = c->s.kernel * c->s.kernel;

#pragma omp parallel for
    for (size_t o = 0; o < c->s.out; o++)
        for (size_t i = 0; i < c->s.in; i++)
            for (size_t t = 0; t < taps; t++)
                weight[(o * c->s.in + i) * taps + t] += matrix[(t * c->s.in + i) * c->s.out + o];
}

static mcvd_status gemm_pack(void *state, const float *weight, void *packed)
{
    weight_to_matrix(state, weight, packed);
    return MCVD_OK;
}

/* One tap of one image row: whether source pixel (row, column) + offset lies inside. */
static bool source_pixel(const mcvdi_conv_shape *s, size_t row, size_t column, size_t u, size_t v,
                         size_t *pixel)
{
    const size_t pad = s->kernel / 2;
    const size_t i = row + u; /* shifted by pad, so that nothing is negative */
    const size_t j = column + v;

    if (i < pad || j < pad || i - pad >= s->h || j - pad >= s->w)
        return false;
    *pixel = (i - pad) * s->w + (j - pad);
    return true;
}

/* col[(row, column), (u, v, c)] of output rows [row0, row0 + rows) of one image. */
static void im2col(const gemm_conv *c, const float *image, size_t row0, size_t rows, float *col)
{
    const mcvdi_conv_shape *s = &c->s;

#pragma omp parallel for
    for (size_t p = 0; p < rows * s->w; p++) {
        float *to = col + p * c->patch;
        for (size_t u = 0; u < s->kernel; u++) {
            for (size_t v = 0; v < s->kernel; v++, to += s->in) {
                size_t pixel = 0;
                if (source_pixel(s, row0 + p / s->w, p % s->w, u, v, &pixel))
                    memcpy(to, image + pixel * s->in, s->in * sizeof(float));
                else
                    memset(to, 0, s->in * sizeof(float));
            }
        }
    }
}

/* image += the patches; serial, since patches of neighbours share pixels. */
static void col2im_add(const gemm_conv *c, const float *col, size_t row0, size_t rows, float *image)
{
    const mcvdi_conv_shape *s = &c->s;

    for (size_t p = 0; p < rows * s->w; p++) {
        const float *from = col + p * c->patch;
        for (size_t u = 0; u < s->kernel; u++) {
            for (size_t v = 0; v < s->kernel; v++, from += s->in) {
                size_t pixel = 0;
                if (!source_pixel(s, row0 + p / s->w, p % s->w, u, v, &pixel))
                    continue;
                float *to = image + pixel * s->in;
                for (size_t i = 0; i < s->in; i++)
                    to[i] += from[i];
            }
        }
    }
}

static size_t band_height(const gemm_conv *c, size_t row0)
{
    return c->s.h - row0 < c->band_rows ? c->s.h - row0 : c->band_rows;
}

static void add_bias(float *y, const float *bias, size_t pixels, size_t channels)
{
#pragma omp parallel for
    for (size_t p = 0; p < pixels; p++)
        for (size_t o = 0; o < channels; o++)
            y[p * channels + o] += bias[o];
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
        const float *image = b->x + n * s->h * s->w * s->in;
        for (size_t row = 0; row < s->h; row += c->band_rows) {
            const size_t rows = band_height(c, row);
            const float *a = image + row * s->w * s->in;
            if (s->kernel > 1) {
                im2col(c, image, row, rows, col);
                a = col;
            }
            mcvdi_gemm(&(mcvdi_gemm_args) { .m = rows * s->w,
                                            .n = s->out,
                                            .k = c->patch,
                                            .alpha = 1.0f,
                                            .a = a,
                                            .lda = c->patch,
                                            .b = matrix,
                                            .ldb = s->out,
                                            .ldc = s->out,
                                            .c = b->y + (n * s->h + row) * s->w * s->out });
        }
    }
    add_bias(b->y, b->bias, s->n * s->h * s->w, s->out);
    return MCVD_OK;
}

/* dx of one band: through dcol and col2im, or directly for 1 x 1. */
static void band_backward_data(const gemm_conv *c, const mcvdi_conv_buffers *b, size_t n,
                               size_t row, float *dcol)
{
    const mcvdi_conv_shape *s = &c->s;
    const size_t rows = band_height(c, row);
    float *image = b->dx + n * s->h * s->w * s->in;
    const bool direct = s->kernel == 1;

    mcvdi_gemm(&(mcvdi_gemm_args) { .trans_b = true,
                                    .m = rows * s->w,
                                    .n = c->patch,
                                    .k = s->out,
                                    .alpha = 1.0f,
                                    .a = b->dy + (n * s->h + row) * s->w * s->out,
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
        for (size_t p = 0; p < s->n * s->h * s->w; p++)
            sum += (double)dy[p * s->out + o];
        dbias[o] += (float)sum;
    }
}

static mcvd_status gemm_backward(void *state, const mcvdi_conv_buffers *b)
{
    const gemm_conv *c = state;
    const mcvdi_conv_shape *s = &c->s;
    float *dmatrix = (float *)b->scratch + c->matrix_floats;
    float *col = dmatrix + c->matrix_floats;
    float *dcol = col + c->col_floats;

    weight_to_matrix(c, b->weight, b->scratch);
    memset(dmatrix, 0, c->matrix_floats * sizeof(float));
    if (b->dx && !b->dx_add)
        memset(b->dx, 0, s->n * s->h * s->w * s->in * sizeof(float));
    for (size_t n = 0; n < s->n; n++) {
        const float *image = b->x + n * s->h * s->w * s->in;
        for (size_t row = 0; row < s->h; row += c->band_rows) {
            const size_t rows = band_height(c, row);
            const float *a = image + row * s->w * s->in;
            if (s->kernel > 1) {
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
                                            .b = b->dy + (n * s->h + row) * s->w * s->out,
                                            .ldb = s->out,
                                            .beta = 1.0f,
                                            .c = dmatrix,
                                            .ldc = s->out });
            if (b->dx)
                band_backward_data(c, b, n, row, dcol);
        }
    }
    matrix_add_to_weight(c, dmatrix, b->dweight);
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
