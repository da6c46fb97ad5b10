/*
 * The operators: one file each with the shape rule, forward, backward. Every add function checks
 * its shapes, names its parameters "<name>.weight" etc. under the reference's names, and returns
 * the new value or -1 (the graph keeps the status). Equations stand in the operator's file.
 */
#ifndef MCVDI_OPS_H
#define MCVDI_OPS_H

#include "graph/graph.h"

/* conv.c: convolution, stride 1, zero padding k / 2, bias. Parameters name.weight, name.bias.
 * A stack of D frames is [N, D*H, W, c], the frames one below the other; x [N, D*H, W, in] ->
 * y [N, D*H, W, out]. */
typedef enum mcvdi_conv_kind {
    MCVDI_CONV_2D,  /* over rows and columns of each frame: weight [out, in, k, k] */
    MCVDI_CONV_3D,  /* over frames, rows and columns: [out, in, k, k, k] */
    MCVDI_CONV_TIME /* over frames at each pixel: [out, in, k] */
} mcvdi_conv_kind;
typedef struct mcvdi_conv_spec {
    const char *name;
    size_t out_channels;
    int kernel;        /* 1 or 3 */
    double init_scale; /* 1, or 1e-10 for the layers that start near zero */
    mcvdi_conv_kind kind;
    size_t frames; /* D; 0 means 1 */
} mcvdi_conv_spec;
mcvdi_value_id mcvdi_conv(mcvdi_graph *g, mcvdi_value_id x, const mcvdi_conv_spec *spec);
/* The 2D convolution of x and held side by side (x first), one weight [out, x + held, k, k]: the
 * share of held is a node of its own, so that a graph which holds it computes it once. */
mcvdi_value_id mcvdi_conv_pair(mcvdi_graph *g, mcvdi_value_id x, mcvdi_value_id held,
                               const mcvdi_conv_spec *spec);

/* The steps of a window over frames, rows and columns: its extent, its stride, and how many places
 * beyond the image it may take, before and after. */
typedef struct mcvdi_window {
    size_t frames; /* D of x; 0 means 1 */
    size_t kernel[3];
    size_t stride[3];
    size_t before[3];
    size_t after[3];
} mcvdi_window;
/* The padding that gives ceil(size / stride) outputs: half of it, rounded down, before. */
mcvdi_window mcvdi_window_same(mcvdi_dims x, size_t frames, const size_t kernel[3],
                               const size_t stride[3]);
/* Frames of the output of a window; y is [N, D'*H', W', c]. 0 where it does not fit. */
size_t mcvdi_window_frames(const mcvdi_window *window);

/* conv.c, inference only: a convolution by any window, optional max(0, .) at the end. Parameters
 * name.weight [out, in, kernel...] over three axes, or over rows and columns with flat, and
 * name.bias. */
typedef struct mcvdi_conv_window_spec {
    const char *name;
    size_t out_channels;
    mcvdi_window window;
    bool flat; /* the weight has no axis for frames */
    bool relu;
} mcvdi_conv_window_spec;
mcvdi_value_id mcvdi_conv_window(mcvdi_graph *g, mcvdi_value_id x,
                                 const mcvdi_conv_window_spec *spec);

/* pool.c, inference only: the largest value, or the mean, of each window. Places beyond the image
 * count as 0 for the largest value; means have none. */
typedef enum mcvdi_pool_kind { MCVDI_POOL_MAX, MCVDI_POOL_MEAN } mcvdi_pool_kind;
mcvdi_value_id mcvdi_pool(mcvdi_graph *g, mcvdi_value_id x, mcvdi_pool_kind kind,
                          const mcvdi_window *window);

/* linear.c: y = x W' + b over the last axis. MCVDI_LINEAR_OUT_IN: name.weight [out, in], name.bias
 * (Linear, Dense_0). MCVDI_LINEAR_IN_OUT: name.W [in, out], name.b (NIN). */
typedef enum mcvdi_linear_layout { MCVDI_LINEAR_OUT_IN, MCVDI_LINEAR_IN_OUT } mcvdi_linear_layout;
typedef struct mcvdi_linear_spec {
    const char *name;
    size_t out_channels;
    mcvdi_linear_layout layout;
    double init_scale;
} mcvdi_linear_spec;
mcvdi_value_id mcvdi_linear(mcvdi_graph *g, mcvdi_value_id x, const mcvdi_linear_spec *spec);

/* group_norm_silu.c: n = group norm of x; optional affine (name.weight, name.bias [c]); optional
 * scale_shift [N,1,1,2c]: n * (1 + scale) + shift; optional SiLU at the end. */
typedef struct mcvdi_group_norm_spec {
    const char *name;           /* NULL: no affine parameters */
    mcvdi_value_id scale_shift; /* -1: none */
    double norm_eps;
    bool silu;
} mcvdi_group_norm_spec;
mcvdi_value_id mcvdi_group_norm(mcvdi_graph *g, mcvdi_value_id x,
                                const mcvdi_group_norm_spec *spec);
/* spade_norm.c: norm modulated per position by maps gamma, beta [N,H,W,c] (model.md 7), then per
 * sample by an optional scale_shift [N,1,1,2c], then an optional SiLU:
 * ((xhat (1 + gamma) + beta) (1 + scale) + shift). */
typedef struct mcvdi_spade_norm_spec {
    mcvdi_value_id gamma, beta;
    mcvdi_value_id scale_shift; /* -1: none */
    double norm_eps;
    bool silu;
} mcvdi_spade_norm_spec;
mcvdi_value_id mcvdi_spade_norm(mcvdi_graph *g, mcvdi_value_id x,
                                const mcvdi_spade_norm_spec *spec);
/* Number of groups for c channels (model.md 5.1): min(c / 4, 32), lowered until it divides c. */
size_t mcvdi_group_count(size_t channels);

/* resample_fir.c: taps 1-3-3-1 along H and W, zero outside (model.md 5.4). */
mcvdi_value_id mcvdi_fir_down(mcvdi_graph *g, mcvdi_value_id x); /* H, W even */
mcvdi_value_id mcvdi_fir_up(mcvdi_graph *g, mcvdi_value_id x);

/* attention.c: softmax(q k' / sqrt(d)) v over the H*W positions of each sample and head; head j
 * owns channels [j d, (j+1) d). Never materialises more than a tile of the HW x HW weights. */
mcvdi_value_id mcvdi_attention(mcvdi_graph *g, mcvdi_value_id q, mcvdi_value_id k, mcvdi_value_id v,
                               size_t num_heads);

/* timestep_embedding.c: labels [N,1,1,1] -> [sin | cos] [N,1,1,width], the float32 recipe of
 * model.md section 4, steps 1-4. No gradient. */
mcvdi_value_id mcvdi_timestep_embedding(mcvdi_graph *g, mcvdi_value_id labels, size_t width);

/* mask_embedding.c: row mask[n] (0 or 1) of the table name.weight [2, width] -> [N,1,1,width]. */
mcvdi_value_id mcvdi_mask_embedding(mcvdi_graph *g, mcvdi_value_id mask, const char *name,
                                    size_t width);

/* silu.c: y = x * sigmoid(x). */
mcvdi_value_id mcvdi_silu(mcvdi_graph *g, mcvdi_value_id x);

/* dropout.c: x itself in inference; in training runs each element is zeroed with probability p, the
 * rest divided by 1 - p; the mask is a function of (seed, step, sample, node), never stored. */
mcvdi_value_id mcvdi_dropout(mcvdi_graph *g, mcvdi_value_id x, double probability);

/* concat.c: along channels, a first. b may be -1: then the result is a. */
mcvdi_value_id mcvdi_concat(mcvdi_graph *g, mcvdi_value_id a, mcvdi_value_id b);

/* residual.c: (x + h) / sqrt(2). */
mcvdi_value_id mcvdi_residual(mcvdi_graph *g, mcvdi_value_id x, mcvdi_value_id h);

/* add.c: a + b. */
mcvdi_value_id mcvdi_add(mcvdi_graph *g, mcvdi_value_id a, mcvdi_value_id b);

/* nearest.c: the top left pixel of each factor x factor cell, [N,H,W,c] -> [N,H/f,W/f,c]. */
mcvdi_value_id mcvdi_nearest_down(mcvdi_graph *g, mcvdi_value_id x, size_t factor);

/* stack_frames.c: frames in channels, [N,H,W,D*c] with channel = frame * c + colour, to frames one
 * below the other, [N,D*H,W,c], and back. */
mcvdi_value_id mcvdi_frames_to_rows(mcvdi_graph *g, mcvdi_value_id x, size_t frames);
mcvdi_value_id mcvdi_rows_to_frames(mcvdi_graph *g, mcvdi_value_id x, size_t frames);

/* frame_mix.c: y[f'] = sum_f w[f', f] x[f] + b[f'], the same for every pixel and channel:
 * [N, D*H, W, c] -> [N, D'*H, W, c]. Weight [D', D, 1, ...] of weight_ndim dimensions. */
typedef struct mcvdi_frame_mix_spec {
    const char *name;
    size_t in_frames, out_frames;
    int weight_ndim; /* 3, 4 or 5 */
} mcvdi_frame_mix_spec;
mcvdi_value_id mcvdi_frame_mix(mcvdi_graph *g, mcvdi_value_id x, const mcvdi_frame_mix_spec *spec);

/* space_to_depth.c: [N,H,W,C] -> [N,H/s,W/s,s*s*C] (channel = (row in cell * s + column in cell)
 * * C + c) and back. */
mcvdi_value_id mcvdi_space_to_depth(mcvdi_graph *g, mcvdi_value_id x, size_t cell);
mcvdi_value_id mcvdi_depth_to_space(mcvdi_graph *g, mcvdi_value_id x, size_t cell);

#endif
