/*
 * The hot loops that belong to no library, as one table of functions per CPU level. All levels
 * compile the same source (kernels_body.h) under different flags, without contraction to fused
 * multiply-adds, and sums have a fixed order: every level gives the same bits.
 *
 * No entry needs aligned pointers; none reads or writes outside the stated ranges. Outputs do not
 * overlap inputs unless an entry says so. Channels-last rows: x[row * channels + channel].
 */
#ifndef MCVDI_KERNELS_H
#define MCVDI_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum mcvdi_cpu_level {
    MCVDI_CPU_SCALAR, /* what the compiler makes of plain C for any CPU of the architecture */
    MCVDI_CPU_AVX2,
    MCVDI_CPU_AVX512, /* F, BW, DQ, VL */
    MCVDI_CPU_LEVELS
} mcvdi_cpu_level;

/* Per-channel coefficients of one sample in group norm backward; [channels] each. */
typedef struct mcvdi_norm_coefs {
    const float *a, *b; /* z = a x + b, the value in front of SiLU */
    const float *r, *q; /* xhat = r x + q, the normalised value */
    const float *u, *v; /* dx = a dz + u x + v */
} mcvdi_norm_coefs;

typedef struct mcvdi_norm_rows {
    const float *x, *dy; /* [rows, channels] */
    size_t rows, channels;
    bool silu; /* y = silu(z), else y = z */
} mcvdi_norm_rows;

/* Per-channel coefficients of one sample in SPADE norm; [channels] each. */
typedef struct mcvdi_spade_coefs {
    const float *r, *q; /* xhat = r x + q, the normalised value */
    const float *s, *h; /* z = s (xhat (1 + gamma) + beta) + h, the value in front of SiLU */
    const float *u, *v; /* dx = r dxhat + u x + v */
} mcvdi_spade_coefs;

typedef struct mcvdi_spade_rows {
    const float *x, *gamma, *beta, *dy; /* [rows, channels] */
    size_t rows, channels;
    bool silu;
} mcvdi_spade_rows;

/* Gradients of one SPADE norm; NULL where nobody asks. */
typedef struct mcvdi_spade_gradients {
    float *dx, *dgamma, *dbeta; /* [rows, channels]; may be the same where add says so */
    bool add_x, add_gamma, add_beta;
} mcvdi_spade_gradients;

/* One head of one sample in attention over at most MCVDI_SHORT_LENGTH positions: rows of d floats,
 * `stride` apart. */
enum { MCVDI_SHORT_LENGTH = 16 };
typedef struct mcvdi_short_head {
    size_t length, d, stride;
    float scale;
    const float *q, *k, *v, *dy;
    float *y;            /* forward */
    float *dq, *dk, *dv; /* backward; NULL where nobody asks; may be the same where they add */
    bool add_q, add_k, add_v;
} mcvdi_short_head;

typedef struct mcvdi_philox_stream {
    uint32_t key[2];
    uint32_t stream[2];
} mcvdi_philox_stream;

typedef struct mcvdi_dropout_rule {
    uint32_t threshold; /* an element lives when its 16-bit draw is >= threshold */
    float scale;        /* of the living */
} mcvdi_dropout_rule;

typedef struct mcvdi_kernels {
    const char *name;

    /* y = x + h, times scale. */
    void (*sum_scaled)(float *y, const float *x, const float *h, float scale, size_t n);
    /* y = scale * x; and y += scale * x. */
    void (*copy_scaled)(float *y, const float *x, float scale, size_t n);
    void (*add_scaled)(float *y, const float *x, float scale, size_t n);

    /* y = x sigmoid(x); dx = (add ? dx : 0) + dy s (1 + x (1 - s)). */
    void (*silu)(float *y, const float *x, size_t n);
    void (*silu_back)(float *dx, const float *dy, const float *x, size_t n, bool add);

    /* sum[c] += sum over rows of x, squares[c] += of x^2 (squares may be NULL). Eight rows are
     * added in float, the rest in double. */
    void (*column_sums)(double *sum, double *squares, const float *x, size_t rows, size_t channels);
    /* y = a x + b per channel, then SiLU if asked. */
    void (*norm_apply)(float *y, const mcvdi_norm_rows *in, const float *a, const float *b);
    /* With dz = dy silu'(z) (or dy): dz_sum[c] += sum of dz, dzx_sum[c] += sum of dz xhat. */
    void (*norm_back_sums)(double *dz_sum, double *dzx_sum, const mcvdi_norm_rows *in,
                           const mcvdi_norm_coefs *k);
    /* dx = (add ? dx : 0) + a dz + u x + v. */
    void (*norm_back_apply)(float *dx, const mcvdi_norm_rows *in, const mcvdi_norm_coefs *k,
                            bool add);

    /* y = z, then SiLU if asked. */
    void (*spade_apply)(float *y, const mcvdi_spade_rows *in, const mcvdi_spade_coefs *k);
    /* With dz = dy silu'(z) (or dy), g = dz (1 + gamma), m = xhat (1 + gamma) + beta: the four sums
     * of g, g xhat, dz and dz m, sums[which * stride + c] += .. Four rows are added in float. */
    void (*spade_back_sums)(double *sums, size_t stride, const mcvdi_spade_rows *in,
                            const mcvdi_spade_coefs *k);
    /* dbeta = dm = s dz, dgamma = dm xhat, dx = r dm (1 + gamma) + u x + v, each = or +=. */
    void (*spade_back_apply)(const mcvdi_spade_gradients *to, const mcvdi_spade_rows *in,
                             const mcvdi_spade_coefs *k);

    /* s[i] = exp(scale (s[i] - max)) / sum, in place; scale > 0, n >= 1. */
    void (*softmax_row)(float *s, float scale, size_t n);
    /* dp = scale * p (dp - sum p dp), in place: from gradient of weights to gradient of scores. */
    void (*softmax_back_row)(float *dp, const float *p, float scale, size_t n);

    /* y = softmax(scale q k') v, and its gradients. */
    void (*short_attention)(const mcvdi_short_head *h);
    void (*short_attention_back)(const mcvdi_short_head *h);

    /* t = r0 + 3 r1 + 3 r2 + r3; t = r0 + 3 r1. */
    void (*fir_mix4)(float *t, const float *const rows[4], size_t n);
    void (*fir_mix2)(float *t, const float *r0, const float *r1, size_t n);
    /* t is one row with one pixel more on each side. y[pixels], t[2 pixels + 2]:
     * y[j] = (add ? y : 0) + scale (t[2j] + 3 t[2j+1] + 3 t[2j+2] + t[2j+3]). */
    void (*fir_down_row)(float *y, const float *t, size_t pixels, size_t channels, float scale,
                         bool add);
    /* y[2 pixels], t[pixels + 2]: y[2j] = .. scale (t[j] + 3 t[j+1]),
     * y[2j+1] = .. scale (3 t[j+1] + t[j+2]). */
    void (*fir_up_row)(float *y, const float *t, size_t pixels, size_t channels, float scale,
                       bool add);

    /* Words 4 block .. 4 (block + num_blocks) - 1 of a random stream (mcvd_rng_u32). */
    void (*philox)(uint32_t *words, const mcvdi_philox_stream *stream, uint64_t block,
                   size_t num_blocks);
    /* y = (add ? y : 0) + (draw >= threshold ? scale x : 0); draw i is the low half of words[i / 2]
     * for even i, the high half for odd i. */
    void (*dropout)(float *y, const float *x, const uint32_t *words, mcvdi_dropout_rule rule,
                    size_t n, bool add);
} mcvdi_kernels;

/* The table of the best level this CPU and the cap allow. Any thread, any time. */
const mcvdi_kernels *mcvdi_kernels_get(void);

/* Allow at most this level from now on (--cpu, tests). Returns the level in use. Not while a graph
 * runs. */
mcvdi_cpu_level mcvdi_kernels_cap(mcvdi_cpu_level highest);

/* The table of one level; NULL where the build or the CPU lacks it. */
const mcvdi_kernels *mcvdi_kernels_of(mcvdi_cpu_level level);

#endif
