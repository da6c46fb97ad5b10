/* What a convolution backend provides: oneDNN (onednn.c) or im2col + GEMM (conv_gemm.c). */
#ifndef MCVDI_CONV_H
#define MCVDI_CONV_H

#include "graph/graph.h"

typedef struct mcvdi_conv_shape {
    size_t n, h, w, in, out;
    size_t kernel; /* 1 or 3, padding kernel / 2 */
} mcvdi_conv_shape;

typedef struct mcvdi_conv_plan {
    size_t scratch_bytes;
    size_t packed_bytes; /* weights of forward in the backend's layout */
} mcvdi_conv_plan;

/* Buffers of one call; plain weights are [out, in, k, k]. */
typedef struct mcvdi_conv_buffers {
    const float *x;
    float *y;
    const float *dy;
    float *dx;
    bool dx_add;
    const float *weight; /* plain; NULL in inference */
    const float *bias;
    float *dweight; /* plain, added to */
    float *dbias;   /* added to */
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
    /* dx (where not NULL), dweight and dbias. */
    mcvd_status (*backward)(void *state, const mcvdi_conv_buffers *b);
} mcvdi_conv_backend;

extern const mcvdi_conv_backend mcvdi_conv_backend_gemm;
extern const mcvdi_conv_backend mcvdi_conv_backend_onednn; /* only in builds with oneDNN */

#endif
