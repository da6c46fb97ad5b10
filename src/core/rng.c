/*
 * The mapping, part of every run's identity:
 *
 *   key     = mix(mix(seed) ^ purpose)                 as the two Philox key words, low word first;
 *                                                      one-to-one in the seed and in the purpose
 *   stream  = step * 2^32 ^ sample                     for step, sample < 2^32: one-to-one;
 *             higher bits of either are mixed in and spread over all 64 bits
 *   counter = (block low, block high, stream low, stream high)
 *
 * Block b gives the words 4b .. 4b + 3. Elements 4b, 4b + 1 of the normal stream come from words
 * 4b, 4b + 1 by Box-Muller, elements 4b + 2, 4b + 3 from the other two. Logarithm, sine and cosine
 * are written out below in plain float arithmetic (typical error 1e-7), so
 * that the numbers do not depend on the system's libm and the loops vectorise.
 */
#include <mcvd/rng.h>

#include <math.h>
#include <string.h>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wundef"
#pragma GCC diagnostic ignored "-Wshadow"
#include <Random123/philox.h>
#pragma GCC diagnostic pop

enum { BATCH_BLOCKS = 64, BATCH_PAIRS = 2 * BATCH_BLOCKS, BATCH_WORDS = 4 * BATCH_BLOCKS };

/* A bijection of 64-bit words with mix(0) = 0 that spreads every bit (multiply, xor-shift). */
static uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 33)) * UINT64_C(0xff51afd7ed558ccd);
    z = (z ^ (z >> 33)) * UINT64_C(0xc4ceb9fe1a85ec53);
    return z ^ (z >> 33);
}

mcvd_rng_key mcvd_rng_key_make(uint64_t seed, mcvd_rng_purpose purpose, uint64_t step,
                               uint64_t sample)
{
    const uint64_t far_step = mix((step >> 32) * UINT64_C(0x9e3779b97f4a7c15));
    const uint64_t far_sample = mix(sample >> 32);

    return (mcvd_rng_key) {
        .key = mix(mix(seed) ^ (uint64_t)purpose),
        .stream = (step << 32) ^ (sample & UINT32_MAX) ^ far_step ^ far_sample,
    };
}

static philox4x32_ctr_t random_block(mcvd_rng_key key, uint64_t block)
{
    const philox4x32_ctr_t counter = { { (uint32_t)block, (uint32_t)(block >> 32),
                                         (uint32_t)key.stream, (uint32_t)(key.stream >> 32) } };
    const philox4x32_key_t words = { { (uint32_t)key.key, (uint32_t)(key.key >> 32) } };

    return philox4x32_R(10, counter, words);
}

uint32_t mcvd_rng_u32(mcvd_rng_key key, uint64_t i)
{
    return random_block(key, i / 4).v[i % 4];
}

uint32_t mcvd_rng_below(mcvd_rng_key key, uint64_t i, uint32_t bound)
{
    return (uint32_t)(((uint64_t)mcvd_rng_u32(key, i) * bound) >> 32);
}

void mcvd_rng_uniform(mcvd_rng_key key, uint64_t first, float *out, size_t n)
{
    uint64_t block = first / 4;

    for (size_t i = 0; i < n; i += 4, block++) {
        const philox4x32_ctr_t words = random_block(key, block);
        for (size_t j = 0; j < 4 && i + j < n; j++)
            out[i + j] = (float)(words.v[j] >> 8) * 0x1p-24f;
    }
}

/* sqrt(-2 ln u), u = (w + 1/2) / 2^31 with the upper 31 bits w: u is in [2^-32, 1], so the result
 * is in [0, 6.7]. u = m * 2^e, ln m = 2 atanh(s) with s = (m - 1) / (m + 1), |s| <= 0.172. */
static inline float radius(uint32_t word)
{
    const float u = ((float)(int32_t)(word >> 1) + 0.5f) * 0x1p-31f;
    uint32_t bits;
    float m;

    memcpy(&bits, &u, sizeof bits);
    const uint32_t shifted = bits - 0x3f3504f3u; /* bits of sqrt(1/2): m in [0.707, 1.414) */
    const int32_t e = (int32_t)shifted >> 23;
    bits -= (uint32_t)e << 23;
    memcpy(&m, &bits, sizeof m);

    const float s = (m - 1.0f) / (m + 1.0f);
    const float q = s * s;
    const float series = 1.0f + q * (1.0f / 3 + q * (1.0f / 5 + q * (1.0f / 7 + q * (1.0f / 9))));
    const float ln_u = (float)e * 0.693147181f + 2.0f * s * series;
    return sqrtf(-2.0f * ln_u);
}

/* Cosine and sine of 2 pi word / 2^32. The nearest quarter turn is taken off exactly, in integers;
 * what is left is at most pi / 4, where the Taylor series end at 1e-9. */
static inline void direction(uint32_t word, float *cosine, float *sine)
{
    const uint32_t quarter = (word + 0x20000000u) >> 30;
    const float a = (float)(int32_t)(word - (quarter << 30)) * 1.46291808e-9f; /* 2 pi / 2^32 */
    const float q = a * a;
    const float s =
        a * (1 + q * (-1.0f / 6 + q * (1.0f / 120 + q * (-1.0f / 5040 + q * (1.0f / 362880)))));
    const float c =
        1 + q * (-0.5f +
                 q * (1.0f / 24 + q * (-1.0f / 720 + q * (1.0f / 40320 + q * (-1.0f / 3628800)))));
    const float x = quarter & 1 ? s : c;
    const float y = quarter & 1 ? c : s;

    *cosine = (quarter + 1) & 2 ? -x : x;
    *sine = quarter & 2 ? -y : y;
}

/* out[0 .. 4 num_blocks), at most BATCH_BLOCKS blocks. */
static void normal_batch(mcvd_rng_key key, uint64_t block, size_t num_blocks, float *restrict out)
{
    uint32_t w0[BATCH_PAIRS];
    uint32_t w1[BATCH_PAIRS];

    for (size_t i = 0; i < num_blocks; i++) {
        const philox4x32_ctr_t words = random_block(key, block + i);
        w0[2 * i] = words.v[0];
        w1[2 * i] = words.v[1];
        w0[2 * i + 1] = words.v[2];
        w1[2 * i + 1] = words.v[3];
    }
    for (size_t i = 0; i < 2 * num_blocks; i++) {
        const float r = radius(w0[i]);
        float cosine;
        float sine;

        direction(w1[i], &cosine, &sine);
        out[2 * i] = r * cosine;
        out[2 * i + 1] = r * sine;
    }
}

void mcvd_rng_normal(mcvd_rng_key key, uint64_t first, float *out, size_t n)
{
    float rest[BATCH_WORDS];
    uint64_t block = first / 4;

    for (; n >= BATCH_WORDS; n -= BATCH_WORDS, out += BATCH_WORDS, block += BATCH_BLOCKS)
        normal_batch(key, block, BATCH_BLOCKS, out);
    if (n) {
        normal_batch(key, block, (n + 3) / 4, rest);
        memcpy(out, rest, n * sizeof *out);
    }
}
