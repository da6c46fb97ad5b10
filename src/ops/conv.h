/* What a convolution backend provides: oneDNN (onednn.c) or im2col + GEMM (conv_gemm.c). */
#ifndef MCVDI_CONV_H
#define MCVDI_CONV_H

#include "graph/graph.h"

/* Images of d frames, x [n, d, h, w, in], y [n, yd, yh, yw, out]: zeros around the image, as many
 * before each axis as pd, ph, pw say and after it as the outputs need. Backward is for strides of 1
 * and outputs as large as the image. */
typedef struct mcvdi_conv_shape {
    size_t n, d, h, w, in, out;
    size_t kd, kh, kw; /* kernel */
    size_t sd, sh, sw; /* strides */
    size_t pd, ph, pw; /* padding before */
    size_t yd, yh, yw; /* outputs */
    size_t weight_in;  /* input channels of the weight that `in` of them are taken from */
    bool bias;
    bool relu; /* y = max(0, .), inference only */
} mcvdi_conv_shape;

/* Pixels of the images, and of the outputs. */
static inline size_t mcvdi_conv_inputs(const mcvdi_conv_shape *s)
{
    return s->n * s->d * s->h * s->w;
}

static inline size_t mcvdi_conv_outputs(const mcvdi_conv_shape *s)
{
    return s->n * s->yd * s->yh * s->yw;
}

/* Number of kernel positions, the innermost part of a plain weight. */
static inline size_t mcvdi_conv_taps(const mcvdi_conv_shape *s)
{
    return s->kd * s->kh * s->kw;
}

/* Strides of 1, and as many outputs as pixels: what backward knows. */
static inline bool mcvdi_conv_is_plain(const mcvdi_conv_shape *s)
{
    return !s->relu && s->sd == 1 && s->sh == 1 && s->sw == 1 && s->yd == s->d && s->yh == s->h &&
           s->yw == s->w && s->pd == s->kd / 2 && s->ph == s->kh / 2 && s->pw == s->kw / 2;
}

mcvd_status mcvdi_conv_refuse_training(void);

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
