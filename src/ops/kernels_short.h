/* Attention over a few positions, one head of one sample at a time; part of kernels_body.h.
 *
 * Queries lie side by side in the LANES of a vector, so that maxima and sums over the keys need no
 * sums across lanes: weights[j][i] belongs to key j and query i. Products over
 * the d channels go through blocks of LANES channels, filled up with zeros. The pragmas tell the
 * compiler which loop is the vector: left alone, GCC 12 unrolls it and turns to another. */

enum { SHORT = MCVDI_SHORT_LENGTH };

typedef float short_block[SHORT][LANES];   /* positions x channels */
typedef float short_turned[LANES][LANES];  /* channels x positions */
typedef float short_weights[SHORT][LANES]; /* keys x queries */

/* n channels of `length` positions. */
INLINE void load_block(short_block to, const float *restrict from, const mcvdi_short_head *h,
                       size_t n)
{
    if (n == LANES) {
        for (size_t p = 0; p < h->length; p++)
            memcpy(to[p], from + p * h->stride, sizeof to[p]);
        return;
    }
    for (size_t p = 0; p < h->length; p++)
#pragma omp simd
        for (size_t l = 0; l < LANES; l++)
            to[p][l] = l < n ? from[p * h->stride + l] : 0.0f;
}

INLINE void load_turned(short_turned to, const float *restrict from, const mcvdi_short_head *h,
                        size_t n)
{
    for (size_t p = 0; p < h->length; p++)
        for (size_t l = 0; l < n; l++)
            to[l][p] = from[p * h->stride + l];
}

/* products[j][i] = rows[j] . turned rows[i], over all d channels. */
INLINE void short_products(short_weights products, const float *restrict keys,
                           const float *restrict queries, const mcvdi_short_head *h)
{
    short_turned turned;

    memset(turned, 0, sizeof turned);
    for (size_t j = 0; j < h->length; j++)
#pragma omp simd
        for (size_t i = 0; i < LANES; i++)
            products[j][i] = 0.0f;
    for (size_t first = 0; first < h->d; first += LANES) {
        const size_t n = h->d - first < LANES ? h->d - first : LANES;
        load_turned(turned, queries + first, h, n);
        for (size_t l = 0; l < n; l++) {
            for (size_t j = 0; j < h->length; j++) {
                const float key = keys[j * h->stride + first + l];
#pragma omp simd
                for (size_t i = 0; i < LANES; i++)
                    products[j][i] += key * turned[l][i];
            }
        }
    }
}

/* Softmax over the keys of each query, in place. */
INLINE void short_softmax(short_weights s, const mcvdi_short_head *h)
{
    float max[LANES];
    float sum[LANES];

#pragma omp simd
    for (size_t i = 0; i < LANES; i++) {
        max[i] = s[0][i];
        sum[i] = 0.0f;
    }
    for (size_t j = 1; j < h->length; j++)
#pragma omp simd
        for (size_t i = 0; i < LANES; i++)
            max[i] = s[j][i] > max[i] ? s[j][i] : max[i];
    for (size_t j = 0; j < h->length; j++) {
#pragma omp simd
        for (size_t i = 0; i < LANES; i++) {
            const float below = (s[j][i] - max[i]) * h->scale;
            s[j][i] = exp_inside(clamped(below)) + 0.0f * below;
            sum[i] += s[j][i];
        }
    }
#pragma omp simd
    for (size_t i = 0; i < LANES; i++)
        sum[i] = 1.0f / sum[i];
    for (size_t j = 0; j < h->length; j++)
#pragma omp simd
        for (size_t i = 0; i < LANES; i++)
            s[j][i] *= sum[i];
}

/* From the gradient of the weights to that of the products, in place. */
INLINE void short_softmax_back(short_weights dp, short_weights p, const mcvdi_short_head *h)
{
    float dot[LANES];

#pragma omp simd
    for (size_t i = 0; i < LANES; i++)
        dot[i] = 0.0f;
    for (size_t j = 0; j < h->length; j++)
#pragma omp simd
        for (size_t i = 0; i < LANES; i++)
            dot[i] += dp[j][i] * p[j][i];
    for (size_t j = 0; j < h->length; j++)
#pragma omp simd
        for (size_t i = 0; i < LANES; i++)
            dp[j][i] = h->scale * (p[j][i] * (dp[j][i] - dot[i]));
}

INLINE void store_block(float *restrict to, short_block from, const mcvdi_short_head *h, size_t n,
                        bool add)
{
    for (size_t p = 0; p < h->length; p++)
        for (size_t l = 0; l < n; l++)
            to[p * h->stride + l] = add ? to[p * h->stride + l] + from[p][l] : from[p][l];
}

/* By query: to[i] = sum over j of weights[j][i] rows[j]; else to[j] = sum over i of weights[j][i]
 * rows[i]. Assigned or added. */
INLINE void short_combine(float *to, short_weights weights, const float *rows,
                          const mcvdi_short_head *h, bool by_query, bool add)
{
    short_block in;
    short_block out;

    for (size_t first = 0; first < h->d; first += LANES) {
        const size_t n = h->d - first < LANES ? h->d - first : LANES;
        load_block(in, rows + first, h, n);
        memset(out, 0, h->length * sizeof out[0]);
        for (size_t from = 0; from < h->length; from++) {
            for (size_t o = 0; o < h->length; o++) {
                const float weight = by_query ? weights[from][o] : weights[o][from];
#pragma omp simd
                for (size_t l = 0; l < LANES; l++)
                    out[o][l] += weight * in[from][l];
            }
        }
        store_block(to + first, out, h, n, add);
    }
}

static void short_attention(const mcvdi_short_head *h)
{
    short_weights p;

    short_products(p, h->k, h->q, h);
    short_softmax(p, h);
    short_combine(h->y, p, h->v, h, true, false);
}

static void short_attention_back(const mcvdi_short_head *h)
{
    short_weights p;
    short_weights ds;

    short_products(p, h->k, h->q, h);
    short_softmax(p, h);
    if (h->dv)
        short_combine(h->dv, p, h->dy, h, false, h->add_v);
    if (!h->dq && !h->dk)
        return;
    short_products(ds, h->v, h->dy, h);
    short_softmax_back(ds, p, h);
    if (h->dq)
        short_combine(h->dq, ds, h->k, h, true, h->add_q);
    if (h->dk)
        short_combine(h->dk, ds, h->q, h, false, h->add_k);
}
