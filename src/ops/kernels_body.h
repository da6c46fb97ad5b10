/* The kernels of one CPU level: included once per kernels_<level>.c, which names the table. Plain
 * loops that compilers vectorise; contracts stand in kernels.h. */
#include <string.h>

#include "ops/kernels_levels.h"

#define INLINE static inline __attribute__((always_inline))

enum { LANES = 16, PHILOX_BATCH = 32, SPADE_BATCH = 256 };

/* e^x for x in [-87, 88], error below 2 ulp: x = k ln 2 + r, |r| <= 0.347, where the Taylor series
 * of degree 7 ends below 6e-9. Adding 1.5 * 2^23 rounds to the integer k and leaves it in the low
 * bits. ln 2 in two parts, the first so short that k times it is exact. */
INLINE float exp_inside(float x)
{
    const float rounded = x * 1.44269504f + 12582912.0f;
    const float k = rounded - 12582912.0f;
    const float r = (x - k * 0.693359375f) + k * 2.12194440e-4f;
    float p = 1.0f / 5040;
    uint32_t bits;
    float power;

    p = p * r + 1.0f / 720;
    p = p * r + 1.0f / 120;
    p = p * r + 1.0f / 24;
    p = p * r + 1.0f / 6;
    p = p * r + 0.5f;
    p = p * r * r + r;
    memcpy(&bits, &rounded, sizeof bits);
    bits = (bits + 127u) << 23;
    memcpy(&power, &bits, sizeof power);
    return p * power + power;
}

/* |x| cut to 87, with the sign of x. In integers, where a minimum is one instruction; as a
 * comparison of floats, compilers branch on it and do not vectorise. A NaN becomes 87. */
INLINE float clamped(float x)
{
    const uint32_t largest = 0x42ae0000u; /* bits of 87.0f */
    uint32_t bits;
    float y;

    memcpy(&bits, &x, sizeof bits);
    const uint32_t magnitude = bits & 0x7fffffffu;
    bits = (bits & 0x80000000u) | (magnitude < largest ? magnitude : largest);
    memcpy(&y, &bits, sizeof y);
    return y;
}

/* Finite for every x; users multiply by x, so that a NaN comes through. */
INLINE float sigmoid(float x)
{
    return 1.0f / (1.0f + exp_inside(-clamped(x)));
}

INLINE float silu_slope(float x)
{
    const float s = sigmoid(x);
    return s * (1.0f + x * (1.0f - s));
}

/* --- elementwise --- */

static void sum_scaled(float *restrict y, const float *x, const float *h, float scale, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = (x[i] + h[i]) * scale;
}

static void copy_scaled(float *restrict y, const float *restrict x, float scale, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = scale * x[i];
}

static void add_scaled(float *restrict y, const float *restrict x, float scale, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] += scale * x[i];
}

static void silu(float *restrict y, const float *restrict x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] * sigmoid(x[i]);
}

static void silu_back(float *restrict dx, const float *restrict dy, const float *restrict x,
                      size_t n, bool add)
{
    if (add) {
        for (size_t i = 0; i < n; i++)
            dx[i] += dy[i] * silu_slope(x[i]);
    } else {
        for (size_t i = 0; i < n; i++)
            dx[i] = dy[i] * silu_slope(x[i]);
    }
}

/* --- group norm --- */

INLINE float sum8(const float *p, size_t c)
{
    return ((p[0] + p[c]) + (p[2 * c] + p[3 * c])) +
           ((p[4 * c] + p[5 * c]) + (p[6 * c] + p[7 * c]));
}

INLINE float square(float x)
{
    return x * x;
}

INLINE float squares8(const float *p, size_t c)
{
    return ((square(p[0]) + square(p[c])) + (square(p[2 * c]) + square(p[3 * c]))) +
           ((square(p[4 * c]) + square(p[5 * c])) + (square(p[6 * c]) + square(p[7 * c])));
}

static void column_sums_only(double *restrict sum, const float *restrict x, size_t rows, size_t c)
{
    for (; rows >= 8; rows -= 8, x += 8 * c)
        for (size_t i = 0; i < c; i++)
            sum[i] += (double)sum8(x + i, c);
    for (; rows; rows--, x += c)
        for (size_t i = 0; i < c; i++)
            sum[i] += (double)x[i];
}

static void column_sums(double *restrict sum, double *restrict squares, const float *restrict x,
                        size_t rows, size_t c)
{
    if (!squares) {
        column_sums_only(sum, x, rows, c);
        return;
    }
    for (; rows >= 8; rows -= 8, x += 8 * c) {
        for (size_t i = 0; i < c; i++) {
            sum[i] += (double)sum8(x + i, c);
            squares[i] += (double)squares8(x + i, c);
        }
    }
    for (; rows; rows--, x += c) {
        for (size_t i = 0; i < c; i++) {
            sum[i] += (double)x[i];
            squares[i] += (double)x[i] * (double)x[i];
        }
    }
}

static void norm_apply(float *restrict y, const mcvdi_norm_rows *in, const float *restrict a,
                       const float *restrict b)
{
    const size_t c = in->channels;
    const float *restrict x = in->x;

    for (size_t row = 0; row < in->rows; row++, x += c, y += c) {
        if (in->silu) {
            for (size_t i = 0; i < c; i++) {
                const float z = x[i] * a[i] + b[i];
                y[i] = z * sigmoid(z);
            }
        } else {
            for (size_t i = 0; i < c; i++)
                y[i] = x[i] * a[i] + b[i];
        }
    }
}

INLINE float norm_dz(float x, float dy, float a, float b, bool use_silu)
{
    return use_silu ? dy * silu_slope(x * a + b) : dy;
}

INLINE void norm_back_sums_of(double *restrict dz_sum, double *restrict dzx_sum,
                              const mcvdi_norm_rows *in, const mcvdi_norm_coefs *k, bool use_silu)
{
    const float *restrict x = in->x;
    const float *restrict dy = in->dy;
    const float *restrict a = k->a;
    const float *restrict b = k->b;
    const float *restrict r = k->r;
    const float *restrict q = k->q;
    const size_t c = in->channels;
    size_t rows = in->rows;

    for (; rows >= 4; rows -= 4, x += 4 * c, dy += 4 * c) {
        for (size_t i = 0; i < c; i++) {
            const float z0 = norm_dz(x[i], dy[i], a[i], b[i], use_silu);
            const float z1 = norm_dz(x[i + c], dy[i + c], a[i], b[i], use_silu);
            const float z2 = norm_dz(x[i + 2 * c], dy[i + 2 * c], a[i], b[i], use_silu);
            const float z3 = norm_dz(x[i + 3 * c], dy[i + 3 * c], a[i], b[i], use_silu);
            const float h0 = z0 * (x[i] * r[i] + q[i]);
            const float h1 = z1 * (x[i + c] * r[i] + q[i]);
            const float h2 = z2 * (x[i + 2 * c] * r[i] + q[i]);
            const float h3 = z3 * (x[i + 3 * c] * r[i] + q[i]);
            dz_sum[i] += (double)((z0 + z1) + (z2 + z3));
            dzx_sum[i] += (double)((h0 + h1) + (h2 + h3));
        }
    }
    for (; rows; rows--, x += c, dy += c) {
        for (size_t i = 0; i < c; i++) {
            const float z = norm_dz(x[i], dy[i], a[i], b[i], use_silu);
            dz_sum[i] += (double)z;
            dzx_sum[i] += (double)(z * (x[i] * r[i] + q[i]));
        }
    }
}

static void norm_back_sums(double *restrict dz_sum, double *restrict dzx_sum,
                           const mcvdi_norm_rows *in, const mcvdi_norm_coefs *k)
{
    if (in->silu)
        norm_back_sums_of(dz_sum, dzx_sum, in, k, true);
    else
        norm_back_sums_of(dz_sum, dzx_sum, in, k, false);
}

INLINE void norm_back_apply_of(float *restrict dx, const mcvdi_norm_rows *in,
                               const mcvdi_norm_coefs *k, bool use_silu, bool add)
{
    const float *restrict x = in->x;
    const float *restrict dy = in->dy;
    const float *restrict a = k->a;
    const float *restrict b = k->b;
    const float *restrict u = k->u;
    const float *restrict v = k->v;
    const size_t c = in->channels;

    for (size_t row = 0; row < in->rows; row++, x += c, dy += c, dx += c) {
        for (size_t i = 0; i < c; i++) {
            const float dz = norm_dz(x[i], dy[i], a[i], b[i], use_silu);
            const float share = dz * a[i] + (x[i] * u[i] + v[i]);
            dx[i] = add ? dx[i] + share : share;
        }
    }
}

static void norm_back_apply(float *restrict dx, const mcvdi_norm_rows *in,
                            const mcvdi_norm_coefs *k, bool add)
{
    if (in->silu && add)
        norm_back_apply_of(dx, in, k, true, true);
    else if (in->silu)
        norm_back_apply_of(dx, in, k, true, false);
    else if (add)
        norm_back_apply_of(dx, in, k, false, true);
    else
        norm_back_apply_of(dx, in, k, false, false);
}

/* --- SPADE norm --- */

/* Of position i: the value in front of SiLU, and what leads to it. */
typedef struct spade_point {
    float xhat, wide /* 1 + gamma */, m, z;
} spade_point;

INLINE spade_point spade_at(const mcvdi_spade_rows *in, const mcvdi_spade_coefs *k, size_t at,
                            size_t i)
{
    spade_point p;

    p.xhat = in->x[at] * k->r[i] + k->q[i];
    p.wide = 1.0f + in->gamma[at];
    p.m = p.xhat * p.wide + in->beta[at];
    p.z = p.m * k->s[i] + k->h[i];
    return p;
}

static void spade_apply(float *restrict y, const mcvdi_spade_rows *rows,
                        const mcvdi_spade_coefs *coefs)
{
    const mcvdi_spade_rows in = *rows;
    const mcvdi_spade_coefs k = *coefs;
    const size_t c = in.channels;

    for (size_t row = 0; row < in.rows; row++, y += c) {
        const size_t at = row * c;
        if (in.silu) {
            for (size_t i = 0; i < c; i++) {
                const float z = spade_at(&in, &k, at + i, i).z;
                y[i] = z * sigmoid(z);
            }
        } else {
            for (size_t i = 0; i < c; i++)
                y[i] = spade_at(&in, &k, at + i, i).z;
        }
    }
}

/* What a position adds to the four sums. */
typedef struct spade_terms {
    float g, gx, dz, dzm;
} spade_terms;

INLINE spade_terms spade_terms_at(const mcvdi_spade_rows *in, const mcvdi_spade_coefs *k, size_t at,
                                  size_t i, bool use_silu)
{
    const spade_point p = spade_at(in, k, at, i);
    spade_terms t;

    t.dz = use_silu ? in->dy[at] * silu_slope(p.z) : in->dy[at];
    t.g = t.dz * p.wide;
    t.gx = t.g * p.xhat;
    t.dzm = t.dz * p.m;
    return t;
}

INLINE void spade_back_sums_of(double *restrict sums, size_t stride, const mcvdi_spade_rows *rows,
                               const mcvdi_spade_coefs *coefs, bool use_silu)
{
    const mcvdi_spade_rows in = *rows;
    const mcvdi_spade_coefs k = *coefs;
    const size_t c = in.channels;
    size_t row = 0;

    for (; row + 4 <= in.rows; row += 4) {
        for (size_t i = 0; i < c; i++) {
            const size_t at = row * c + i;
            const spade_terms t0 = spade_terms_at(&in, &k, at, i, use_silu);
            const spade_terms t1 = spade_terms_at(&in, &k, at + c, i, use_silu);
            const spade_terms t2 = spade_terms_at(&in, &k, at + 2 * c, i, use_silu);
            const spade_terms t3 = spade_terms_at(&in, &k, at + 3 * c, i, use_silu);
            sums[i] += (double)((t0.g + t1.g) + (t2.g + t3.g));
            sums[stride + i] += (double)((t0.gx + t1.gx) + (t2.gx + t3.gx));
            sums[2 * stride + i] += (double)((t0.dz + t1.dz) + (t2.dz + t3.dz));
            sums[3 * stride + i] += (double)((t0.dzm + t1.dzm) + (t2.dzm + t3.dzm));
        }
    }
    for (; row < in.rows; row++) {
        for (size_t i = 0; i < c; i++) {
            const spade_terms t = spade_terms_at(&in, &k, row * c + i, i, use_silu);
            sums[i] += (double)t.g;
            sums[stride + i] += (double)t.gx;
            sums[2 * stride + i] += (double)t.dz;
            sums[3 * stride + i] += (double)t.dzm;
        }
    }
}

static void spade_back_sums(double *restrict sums, size_t stride, const mcvdi_spade_rows *in,
                            const mcvdi_spade_coefs *k)
{
    if (in->silu)
        spade_back_sums_of(sums, stride, in, k, true);
    else
        spade_back_sums_of(sums, stride, in, k, false);
}

static void give(float *restrict to, const float *restrict share, size_t n, bool add)
{
    if (add) {
        for (size_t i = 0; i < n; i++)
            to[i] += share[i];
    } else {
        for (size_t i = 0; i < n; i++)
            to[i] = share[i];
    }
}

/* The shares of dx, dgamma and dbeta, SPADE_BATCH apart, of spade_batch positions from channel
 * `first` of the row at offset `at`. */
INLINE size_t spade_batch(const mcvdi_spade_rows *in, size_t first)
{
    return in->channels - first < SPADE_BATCH ? in->channels - first : SPADE_BATCH;
}

INLINE void spade_shares(float *restrict shares, const mcvdi_spade_rows *in,
                         const mcvdi_spade_coefs *k, size_t at, size_t first, bool use_silu)
{
    const size_t n = spade_batch(in, first);

    for (size_t i = 0; i < n; i++) {
        const size_t c = first + i;
        const spade_point p = spade_at(in, k, at + c, c);
        const float dy = in->dy[at + c];
        const float dm = (use_silu ? dy * silu_slope(p.z) : dy) * k->s[c];
        shares[i] = k->r[c] * (dm * p.wide) + (in->x[at + c] * k->u[c] + k->v[c]);
        shares[SPADE_BATCH + i] = dm * p.xhat;
        shares[2 * SPADE_BATCH + i] = dm;
    }
}

static void spade_back_apply(const mcvdi_spade_gradients *to, const mcvdi_spade_rows *rows,
                             const mcvdi_spade_coefs *coefs)
{
    const mcvdi_spade_rows in = *rows;
    const mcvdi_spade_coefs k = *coefs;
    float shares[3 * SPADE_BATCH];

    for (size_t row = 0; row < in.rows; row++) {
        for (size_t first = 0; first < in.channels; first += SPADE_BATCH) {
            const size_t n = spade_batch(&in, first);
            const size_t at = row * in.channels;
            if (in.silu)
                spade_shares(shares, &in, &k, at, first, true);
            else
                spade_shares(shares, &in, &k, at, first, false);
            if (to->dx)
                give(to->dx + at + first, shares, n, to->add_x);
            if (to->dgamma)
                give(to->dgamma + at + first, shares + SPADE_BATCH, n, to->add_gamma);
            if (to->dbeta)
                give(to->dbeta + at + first, shares + 2 * SPADE_BATCH, n, to->add_beta);
        }
    }
}

/* --- softmax --- */

INLINE float sum_lanes(const float *lanes)
{
    double sum = 0.0;

    for (size_t j = 0; j < LANES; j++)
        sum += (double)lanes[j];
    return (float)sum;
}

static float row_max(const float *s, size_t n)
{
    float lanes[LANES];
    float max = s[0];
    size_t i = 0;

    for (size_t j = 0; j < LANES; j++)
        lanes[j] = s[0];
    for (; i + LANES <= n; i += LANES)
        for (size_t j = 0; j < LANES; j++)
            lanes[j] = s[i + j] > lanes[j] ? s[i + j] : lanes[j];
    for (size_t j = 0; j < LANES; j++)
        max = lanes[j] > max ? lanes[j] : max;
    for (; i < n; i++)
        max = s[i] > max ? s[i] : max;
    return max;
}

static float row_sum(const float *s, size_t n)
{
    float lanes[LANES] = { 0.0f };
    size_t i = 0;

    for (; i + LANES <= n; i += LANES)
        for (size_t j = 0; j < LANES; j++)
            lanes[j] += s[i + j];
    for (size_t j = 0; i < n; i++, j++)
        lanes[j] += s[i];
    return sum_lanes(lanes);
}

static float row_dot(const float *a, const float *b, size_t n)
{
    float lanes[LANES] = { 0.0f };
    size_t i = 0;

    for (; i + LANES <= n; i += LANES)
        for (size_t j = 0; j < LANES; j++)
            lanes[j] += a[i + j] * b[i + j];
    for (size_t j = 0; i < n; i++, j++)
        lanes[j] += a[i] * b[i];
    return sum_lanes(lanes);
}

static void softmax_row(float *s, float scale, size_t n)
{
    const float max = row_max(s, n);

    for (size_t i = 0; i < n; i++) {
        const float below = (s[i] - max) * scale; /* <= 0; a NaN comes through by the addition */
        s[i] = exp_inside(clamped(below)) + 0.0f * below;
    }
    const float inverse = 1.0f / row_sum(s, n);
    for (size_t i = 0; i < n; i++)
        s[i] *= inverse;
}

static void softmax_back_row(float *restrict dp, const float *restrict p, float scale, size_t n)
{
    const float dot = row_dot(dp, p, n);

    for (size_t i = 0; i < n; i++)
        dp[i] = scale * (p[i] * (dp[i] - dot));
}

#include "ops/kernels_short.h"

/* --- FIR resampling --- */

static void fir_mix4(float *restrict t, const float *const rows[4], size_t n)
{
    const float *r0 = rows[0];
    const float *r1 = rows[1];
    const float *r2 = rows[2];
    const float *r3 = rows[3];

    for (size_t i = 0; i < n; i++)
        t[i] = (r0[i] + r3[i]) + 3.0f * (r1[i] + r2[i]);
}

static void fir_mix2(float *restrict t, const float *r0, const float *r1, size_t n)
{
    for (size_t i = 0; i < n; i++)
        t[i] = r0[i] + 3.0f * r1[i];
}

INLINE void fir_down_row_of(float *restrict y, const float *restrict t, size_t pixels, size_t c,
                            float scale, bool add)
{
    for (size_t j = 0; j < pixels; j++, y += c, t += 2 * c) {
        for (size_t i = 0; i < c; i++) {
            const float sum = (t[i] + t[i + 3 * c]) + 3.0f * (t[i + c] + t[i + 2 * c]);
            y[i] = add ? y[i] + scale * sum : scale * sum;
        }
    }
}

static void fir_down_row(float *restrict y, const float *restrict t, size_t pixels, size_t c,
                         float scale, bool add)
{
    if (add)
        fir_down_row_of(y, t, pixels, c, scale, true);
    else
        fir_down_row_of(y, t, pixels, c, scale, false);
}

INLINE void fir_up_row_of(float *restrict y, const float *restrict t, size_t pixels, size_t c,
                          float scale, bool add)
{
    for (size_t j = 0; j < pixels; j++, y += 2 * c, t += c) {
        float *restrict odd = y + c;
        for (size_t i = 0; i < c; i++) {
            const float middle = 3.0f * t[i + c];
            const float left = scale * (t[i] + middle);
            const float right = scale * (middle + t[i + 2 * c]);
            y[i] = add ? y[i] + left : left;
            odd[i] = add ? odd[i] + right : right;
        }
    }
}

static void fir_up_row(float *restrict y, const float *restrict t, size_t pixels, size_t c,
                       float scale, bool add)
{
    if (add)
        fir_up_row_of(y, t, pixels, c, scale, true);
    else
        fir_up_row_of(y, t, pixels, c, scale, false);
}

/* --- dropout --- */

/* Philox 4x32-10 (Salmon et al. 2011) on PHILOX_BATCH counters side by side. */
static void philox_batch(uint32_t *words, const mcvdi_philox_stream *stream, uint64_t block)
{
    uint32_t c0[PHILOX_BATCH];
    uint32_t c1[PHILOX_BATCH];
    uint32_t c2[PHILOX_BATCH];
    uint32_t c3[PHILOX_BATCH];
    uint32_t k0 = stream->key[0];
    uint32_t k1 = stream->key[1];

    for (size_t i = 0; i < PHILOX_BATCH; i++) {
        c0[i] = (uint32_t)(block + i);
        c1[i] = (uint32_t)((block + i) >> 32);
        c2[i] = stream->stream[0];
        c3[i] = stream->stream[1];
    }
    for (int round = 0; round < 10; round++, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u) {
        for (size_t i = 0; i < PHILOX_BATCH; i++) {
            const uint64_t p0 = (uint64_t)c0[i] * 0xD2511F53u;
            const uint64_t p1 = (uint64_t)c2[i] * 0xCD9E8D57u;
            c0[i] = (uint32_t)(p1 >> 32) ^ c1[i] ^ k0;
            c2[i] = (uint32_t)(p0 >> 32) ^ c3[i] ^ k1;
            c1[i] = (uint32_t)p1;
            c3[i] = (uint32_t)p0;
        }
    }
    for (size_t i = 0; i < PHILOX_BATCH; i++) {
        words[4 * i] = c0[i];
        words[4 * i + 1] = c1[i];
        words[4 * i + 2] = c2[i];
        words[4 * i + 3] = c3[i];
    }
}

static void philox(uint32_t *words, const mcvdi_philox_stream *stream, uint64_t block,
                   size_t num_blocks)
{
    uint32_t rest[4 * PHILOX_BATCH];

    for (; num_blocks >= PHILOX_BATCH; num_blocks -= PHILOX_BATCH) {
        philox_batch(words, stream, block);
        words += 4 * PHILOX_BATCH;
        block += PHILOX_BATCH;
    }
    if (num_blocks) {
        philox_batch(rest, stream, block);
        memcpy(words, rest, num_blocks * 4 * sizeof *words);
    }
}

INLINE float survivor(float x, uint32_t draw, mcvdi_dropout_rule rule)
{
    return draw >= rule.threshold ? x * rule.scale : 0.0f;
}

INLINE void dropout_of(float *restrict y, const float *restrict x, const uint32_t *restrict words,
                       mcvdi_dropout_rule rule, size_t n, bool add)
{
    for (size_t i = 0; i < n / 2; i++) {
        const float even = survivor(x[2 * i], words[i] & 0xFFFFu, rule);
        const float odd = survivor(x[2 * i + 1], words[i] >> 16, rule);
        y[2 * i] = add ? y[2 * i] + even : even;
        y[2 * i + 1] = add ? y[2 * i + 1] + odd : odd;
    }
    if (n % 2) {
        const float last = survivor(x[n - 1], words[n / 2] & 0xFFFFu, rule);
        y[n - 1] = add ? y[n - 1] + last : last;
    }
}

static void dropout(float *restrict y, const float *restrict x, const uint32_t *restrict words,
                    mcvdi_dropout_rule rule, size_t n, bool add)
{
    if (add)
        dropout_of(y, x, words, rule, n, true);
    else
        dropout_of(y, x, words, rule, n, false);
}

const mcvdi_kernels KERNELS_TABLE = {
    .name = KERNELS_NAME,
    .sum_scaled = sum_scaled,
    .copy_scaled = copy_scaled,
    .add_scaled = add_scaled,
    .silu = silu,
    .silu_back = silu_back,
    .column_sums = column_sums,
    .norm_apply = norm_apply,
    .norm_back_sums = norm_back_sums,
    .norm_back_apply = norm_back_apply,
    .spade_apply = spade_apply,
    .spade_back_sums = spade_back_sums,
    .spade_back_apply = spade_back_apply,
    .softmax_row = softmax_row,
    .softmax_back_row = softmax_back_row,
    .short_attention = short_attention,
    .short_attention_back = short_attention_back,
    .fir_mix4 = fir_mix4,
    .fir_mix2 = fir_mix2,
    .fir_down_row = fir_down_row,
    .fir_up_row = fir_up_row,
    .philox = philox,
    .dropout = dropout,
};
