/* What a convolution backend provides: oneDNN (onednn.c) or im2col + GEMM (conv_gemm.c). */
#ifndef MCVDI_CONV_H
#define MCVDI_CONV_H

#include "graph/graph.h"

/* Images of d frames, x [n, d, h, w, in], y [n, d, h, w, out]; padding kernel / 2 in each axis. */
typedef struct mcvdi_conv_shape {
    size_t n, d, h, w, in, out;
    size_t kd, kh, kw; /* each 1 or 3 */
    size_t weight_in;  /* input channels of the weight that `in` of them are taken from */
    bool bias;
} mcvdi_conv_shape;

/* Number of kernel positions, the innermost part of a plain weight. */
static inline size_t mcvdi_conv_taps(const mcvdi_conv_shape *s)
{
    return s->kd * s->kh * s->kw;
}

typedef struct mcvdi_conv_plan {
    size_t scratch_bytes;
    size_t packed_bytes; /* weights of forward in the backend's layout */
} mcvdi_conv_plan;

/* Buffers of one call. Plain weights are [out, weight_in, kd, kh, kw]; the pointers are at the
 * first input channel in use. */
typedef struct mcvdi_conv_buffers {
    const float *x;
    float *y;
    const float *dy;
    float *dx;
    bool dx_add;
    const float *weight; /* plain; NULL in inference */
    const float *bias;   /* NULL without bias */
    float *dweight;      /* plain, added to; NULL: nobody needs the gradients of parameters */
    float *dbias;        /* added to; NULL without bias */
    const void *packed;
    void *scratch;
} mcvdi_conv_buffers;

typedef struct mcvdi_conv_backend {
    const char *name;
    mcvd_status (*create)(void **state, const mcvdi_conv_shape *shape, mcvdi_graph_mode mode,
                          mcvdi_conv_plan *plan);
    void (*release)(void *state);
    mcvd_status (*pack)(void *state, const float *weight, void *packed);
    mcvd_status (*forward)(void *state, const mcvdi_conv_buffers *b);
    /* dx, dweight and dbias, the last two together, where not NULL. */
    mcvd_status (*backward)(void *state, const mcvdi_conv_buffers *b);
} mcvdi_conv_backend;

extern const mcvdi_conv_backend mcvdi_conv_backend_gemm;
extern const mcvdi_conv_backend mcvdi_conv_backend_onednn; /* only in builds with oneDNN */

#endif
