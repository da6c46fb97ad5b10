#include <mcvd/rng.h>

#include <stdlib.h>

#include "support/check.h"

enum { MANY = 1 << 20 };

/* ---- the words ---- */

/* Philox 4x32-10 as the paper writes it: ten rounds, the key bumped between them. */
static void plain_philox(uint32_t c[4], uint32_t k0, uint32_t k1)
{
    for (int round = 0; round < 10; round++) {
        const uint64_t a = (uint64_t)0xD2511F53u * c[0];
        const uint64_t b = (uint64_t)0xCD9E8D57u * c[2];
        const uint32_t c0 = (uint32_t)(b >> 32) ^ c[1] ^ k0;
        const uint32_t c2 = (uint32_t)(a >> 32) ^ c[3] ^ k1;
        c[0] = c0;
        c[1] = (uint32_t)b;
        c[2] = c2;
        c[3] = (uint32_t)a;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
}

/* The known answers that the authors of Philox publish: counter, key, result. */
static const uint32_t known_answers[3][10] = {
    { 0, 0, 0, 0, 0, 0, 0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u },
    { 0xffffffffu, 0xffffffffu, 0xffffffffu, 0xffffffffu, 0xffffffffu, 0xffffffffu, 0x408f276du,
      0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu },
    { 0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u, 0xa4093822u, 0x299f31d0u, 0xd16cfe09u,
      0x94fdcceb, 0x5001e420u, 0x24126ea1u },
};

static void test_plain_philox_gives_the_known_answers(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        const uint32_t *row = known_answers[i];
        uint32_t c[4] = { row[0], row[1], row[2], row[3] };
        plain_philox(c, row[4], row[5]);
        for (int j = 0; j < 4; j++)
            CHECK_EQ(c[j], row[6 + j]);
    }
}

static void check_words(mcvd_rng_key key, uint64_t block)
{
    uint32_t c[4] = { (uint32_t)block, (uint32_t)(block >> 32), (uint32_t)key.stream,
                      (uint32_t)(key.stream >> 32) };

    plain_philox(c, (uint32_t)key.key, (uint32_t)(key.key >> 32));
    for (uint64_t j = 0; j < 4; j++)
        CHECK_EQ(mcvd_rng_u32(key, 4 * block + j), c[j]);
}

/* Ours is the same function of block, stream and key, at corners and in between. */
static void test_words_are_philox(void **state)
{
    const uint64_t corners[] = { 0,         1, 0xffffffffu, UINT64_C(1) << 32, 0x03707344243f6a88u,
                                 UINT64_MAX };

    (void)state;
    for (int i = 0; i < 6; i++)
        for (int j = 0; j < 6; j++)
            for (int k = 0; k < 6; k++)
                check_words((mcvd_rng_key) { .key = corners[i], .stream = corners[j] },
                            corners[k] >> 2);
    for (int j = 0; j < 4; j++)
        CHECK_EQ(mcvd_rng_u32((mcvd_rng_key) { 0, 0 }, (uint64_t)j), known_answers[0][6 + j]);
}

/* ---- the mapping: a change would make every old run irreproducible ---- */

static void test_keys_are_pinned(void **state)
{
    static const struct {
        uint64_t seed;
        int purpose;
        uint64_t step;
        uint64_t sample;
        mcvd_rng_key key;
        uint32_t word0;
        uint32_t word23;
    } rows[] = {
        { 0, 1, 0, 0, { 0xb456bcfc34c2cb2cu, 0 }, 0x636afcf7u, 0xd8bc3793u },
        { 1, 12, 3, 5, { 0x8db81881f5566124u, 0x300000005u }, 0xf98d629cu, 0xe45d3c37u },
        { 0xdeadbeefcafef00du,
          7,
          123456789,
          42,
          { 0xd118ea949326b9cdu, 0x75bcd150000002au },
          0x525bb5b2u,
          0x7cfa3bcbu },
        { 7,
          10,
          (UINT64_C(1) << 32) + 2,
          (UINT64_C(9) << 32) + 4,
          { 0x2bc630acf2e1b521u, 0xd80fcec535fdf3bu },
          0xe5d6a0a8u,
          0x2d247c7eu },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const mcvd_rng_key key = mcvd_rng_key_make(rows[i].seed, (mcvd_rng_purpose)rows[i].purpose,
                                                   rows[i].step, rows[i].sample);
        CHECK_TRUE(key.key == rows[i].key.key);
        CHECK_TRUE(key.stream == rows[i].key.stream);
        CHECK_EQ(mcvd_rng_u32(key, 0), rows[i].word0);
        CHECK_EQ(mcvd_rng_u32(key, 23), rows[i].word23);
    }
}

static int compare_keys(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(mcvd_rng_key));
}

/* Every single bit of seed, step and sample, and every purpose, leads to a stream of its own. */
static void test_everything_matters(void **state)
{
    mcvd_rng_key keys[4 * 64 + 12];
    size_t n = 0;

    (void)state;
    for (int bit = 0; bit < 64; bit++) {
        const uint64_t one = UINT64_C(1) << bit;
        keys[n++] = mcvd_rng_key_make(one, MCVD_RNG_TEST, 0, 0);
        keys[n++] = mcvd_rng_key_make(0, MCVD_RNG_TEST, one, 0);
        keys[n++] = mcvd_rng_key_make(0, MCVD_RNG_TEST, 0, one);
        keys[n++] = mcvd_rng_key_make(0, MCVD_RNG_TEST, one, one);
    }
    for (int purpose = MCVD_RNG_INIT; purpose <= MCVD_RNG_TEST; purpose++)
        keys[n++] = mcvd_rng_key_make(0, (mcvd_rng_purpose)purpose, 0, 0);
    qsort(keys, n, sizeof keys[0], compare_keys);
    for (size_t i = 1; i < n; i++)
        CHECK_TRUE(compare_keys(&keys[i - 1], &keys[i]) != 0);
}

/* One-to-one on the steps and samples of real runs. */
static void test_step_and_sample_do_not_mix(void **state)
{
    mcvd_rng_key *keys = calloc(300 * 300, sizeof *keys);
    size_t n = 0;

    (void)state;
    CHECK_TRUE(keys != NULL);
    for (uint64_t step = 0; step < 300; step++)
        for (uint64_t sample = 0; sample < 300; sample++)
            keys[n++] = mcvd_rng_key_make(9, MCVD_RNG_TRAIN_NOISE, step, sample);
    qsort(keys, n, sizeof *keys, compare_keys);
    for (size_t i = 1; i < n; i++)
        CHECK_TRUE(compare_keys(&keys[i - 1], &keys[i]) != 0);
    free(keys);
}

/* ---- fills ---- */

typedef void (*fill_fn)(mcvd_rng_key key, uint64_t first, float *out, size_t n);

/* Any piece of a stream, of any length, equals the same piece of one long fill. */
static void check_pieces(fill_fn fill)
{
    enum { LONG = 3000, GUARD = 8 };
    static float whole[LONG];
    static float piece[LONG + GUARD];
    const mcvd_rng_key key = mcvd_rng_key_make(5, MCVD_RNG_TEST, 1, 2);
    static const size_t lengths[] = { 0, 1, 2, 3, 4, 5, 7, 8, 63, 255, 256, 257, 511, 512, 1000 };

    fill(key, 0, whole, LONG);
    for (size_t first = 0; first <= 1100; first += first < 24 ? 4 : 212)
        for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
            const size_t n = lengths[i];
            for (size_t j = 0; j < n + GUARD; j++)
                piece[j] = 99.0f;
            fill(key, first, piece, n);
            CHECK_ALL_CLOSE(piece, whole + first, n, 0.0);
            for (size_t j = n; j < n + GUARD; j++)
                CHECK_CLOSE(piece[j], 99.0, 0.0);
        }
}

static void test_pieces(void **state)
{
    (void)state;
    check_pieces(mcvd_rng_normal);
    check_pieces(mcvd_rng_uniform);
}

/* Element 2^34 - 4 and the ones after it: 64-bit positions work. */
static void test_far_positions(void **state)
{
    const mcvd_rng_key key = mcvd_rng_key_make(5, MCVD_RNG_TEST, 0, 0);
    const uint64_t far = (UINT64_C(1) << 34) - 4;
    float u[8];
    float start[4];

    (void)state;
    mcvd_rng_uniform(key, far, u, 8);
    mcvd_rng_uniform(key, 0, start, 4);
    for (uint64_t i = 0; i < 8; i++)
        CHECK_CLOSE(u[i], (double)(mcvd_rng_u32(key, far + i) >> 8) / 16777216.0, 0.0);
    CHECK_TRUE(memcmp(u + 4, start, sizeof start) != 0);
}

static void test_uniform_is_24_bits_of_the_word(void **state)
{
    const mcvd_rng_key key = mcvd_rng_key_make(1, MCVD_RNG_TEST, 0, 0);
    static float u[4096];

    (void)state;
    mcvd_rng_uniform(key, 0, u, 4096);
    for (uint64_t i = 0; i < 4096; i++)
        CHECK_CLOSE(u[i], (double)(mcvd_rng_u32(key, i) >> 8) / 16777216.0, 0.0);
}

/* Only additions, multiplications, divisions and square roots of floats: every compiler and machine
 * gives these bits. The hash (FNV-1a over the numbers as 32-bit words) is the one of release 0.1.
 */
static void test_normal_bits_are_pinned(void **state)
{
    static float x[100003];
    uint32_t hash = 2166136261u;
    uint32_t bits;

    (void)state;
    mcvd_rng_normal(mcvd_rng_key_make(42, MCVD_RNG_SAMPLE_START, 7, 1), 0, x, 100003);
    for (size_t i = 0; i < 100003; i++) {
        memcpy(&bits, &x[i], sizeof bits);
        hash = (hash ^ bits) * 16777619u;
    }
    CHECK_EQ(hash, 4022607572u);
}

/*
 * The normal numbers against Box-Muller in double. u is rounded to float: near 1 that moves
 * r^2 = -2 ln u by up to 2^-23, hence r by 2^-23 / max(r, sqrt(2^-23)). The rest is some ten
 * roundings of relative size 2^-24.
 */
static void test_normal_is_box_muller(void **state)
{
    const mcvd_rng_key key = mcvd_rng_key_make(2, MCVD_RNG_TEST, 0, 0);
    const double pi = 3.14159265358979323846;
    float *x = calloc(MANY, sizeof *x);

    (void)state;
    CHECK_TRUE(x != NULL);
    mcvd_rng_normal(key, 0, x, MANY);
    for (uint64_t i = 0; i < MANY; i += 2) {
        const double u = ((double)(mcvd_rng_u32(key, i) >> 1) + 0.5) / 2147483648.0;
        const double angle = 2.0 * pi * (double)mcvd_rng_u32(key, i + 1) / 4294967296.0;
        const double r = sqrt(-2.0 * log(u));
        const double tolerance = 0x1p-23 / fmax(r, sqrt(0x1p-23)) + 10.0 * 0x1p-24 * r;
        CHECK_CLOSE(x[i], r * cos(angle), tolerance);
        CHECK_CLOSE(x[i + 1], r * sin(angle), tolerance);
    }
    free(x);
}

/* ---- statistics: five standard deviations of each estimate ---- */

static void test_normal_moments(void **state)
{
    float *x = calloc(MANY, sizeof *x);
    double m[5] = { 0 };
    double largest = 0.0;
    const double n = MANY;

    (void)state;
    CHECK_TRUE(x != NULL);
    mcvd_rng_normal(mcvd_rng_key_make(3, MCVD_RNG_TEST, 0, 0), 0, x, MANY);
    for (size_t i = 0; i < MANY; i++) {
        const double v = (double)x[i];
        m[1] += v / n;
        m[2] += v * v / n;
        m[3] += v * v * v / n;
        m[4] += v * v * v * v / n;
        largest = fmax(largest, fabs(v));
    }
    CHECK_CLOSE(m[1], 0.0, 5.0 * sqrt(1.0 / n));
    CHECK_CLOSE(m[2], 1.0, 5.0 * sqrt(2.0 / n));
    CHECK_CLOSE(m[3], 0.0, 5.0 * sqrt(15.0 / n));
    CHECK_CLOSE(m[4], 3.0, 5.0 * sqrt(96.0 / n));
    /* The largest of 2^20: above 4.2 but for a chance below 1e-9, never above sqrt(-2 ln 2^-32). */
    CHECK_TRUE(largest > 4.2 && largest < 6.67);
    free(x);
}

/* Chi-square over 64 classes that are equally likely under the normal distribution. */
static void test_normal_distribution(void **state)
{
    enum { CLASSES = 64 };
    float *x = calloc(MANY, sizeof *x);
    double counts[CLASSES] = { 0 };
    double chi2 = 0.0;

    (void)state;
    CHECK_TRUE(x != NULL);
    mcvd_rng_normal(mcvd_rng_key_make(4, MCVD_RNG_TEST, 0, 0), 0, x, MANY);
    for (size_t i = 0; i < MANY; i++) {
        const double p = 0.5 * erfc(-(double)x[i] / sqrt(2.0));
        counts[p < 1.0 ? (size_t)(p * CLASSES) : CLASSES - 1]++;
    }
    for (int i = 0; i < CLASSES; i++) {
        const double expected = (double)MANY / CLASSES;
        chi2 += (counts[i] - expected) * (counts[i] - expected) / expected;
    }
    CHECK_CLOSE(chi2, CLASSES - 1, 5.0 * sqrt(2.0 * (CLASSES - 1)));
    free(x);
}

static double correlation(const float *a, const float *b, size_t n)
{
    double sum = 0.0;

    for (size_t i = 0; i < n; i++)
        sum += (double)a[i] * (double)b[i];
    return sum / (double)n;
}

/* Neighbours in a stream, and streams that differ in one thing only, are uncorrelated. */
static void test_correlations(void **state)
{
    enum { N = 1 << 16 };
    static float x[N];
    static float y[N];
    const double limit = 5.0 / sqrt((double)N);
    const mcvd_rng_key others[] = {
        mcvd_rng_key_make(7, MCVD_RNG_TRAIN_NOISE, 0, 0),
        mcvd_rng_key_make(6, MCVD_RNG_SAMPLE_START, 0, 0),
        mcvd_rng_key_make(6, MCVD_RNG_TRAIN_NOISE, 1, 0),
        mcvd_rng_key_make(6, MCVD_RNG_TRAIN_NOISE, 0, 1),
        mcvd_rng_key_make(6, MCVD_RNG_TRAIN_NOISE, UINT64_C(1) << 40, 0),
        mcvd_rng_key_make(6, MCVD_RNG_TRAIN_NOISE, 0, UINT64_C(1) << 40),
    };

    (void)state;
    mcvd_rng_normal(mcvd_rng_key_make(6, MCVD_RNG_TRAIN_NOISE, 0, 0), 0, x, N);
    for (size_t lag = 1; lag <= 8; lag++)
        CHECK_CLOSE(correlation(x, x + lag, N - 8), 0.0, 5.0 / sqrt(N - 8.0));
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        mcvd_rng_normal(others[i], 0, y, N);
        CHECK_CLOSE(correlation(x, y, N), 0.0, limit);
    }
}

static void test_uniform_moments(void **state)
{
    float *u = calloc(MANY, sizeof *u);
    double mean = 0.0;
    double square = 0.0;
    const double n = MANY;

    (void)state;
    CHECK_TRUE(u != NULL);
    mcvd_rng_uniform(mcvd_rng_key_make(8, MCVD_RNG_TEST, 0, 0), 0, u, MANY);
    for (size_t i = 0; i < MANY; i++) {
        CHECK_TRUE(u[i] >= 0.0f && u[i] < 1.0f);
        mean += (double)u[i] / n;
        square += (double)u[i] * (double)u[i] / n;
    }
    CHECK_CLOSE(mean, 0.5, 5.0 * sqrt(1.0 / 12.0 / n));
    CHECK_CLOSE(square, 1.0 / 3.0, 5.0 * sqrt(4.0 / 45.0 / n));
    free(u);
}

static void test_below(void **state)
{
    enum { BOUND = 10, N = 100000 };
    const mcvd_rng_key key = mcvd_rng_key_make(8, MCVD_RNG_DATA_ORDER, 0, 0);
    double counts[BOUND] = { 0 };

    (void)state;
    for (uint64_t i = 0; i < N; i++) {
        const uint32_t value = mcvd_rng_below(key, i, BOUND);
        CHECK_TRUE(value < BOUND);
        counts[value]++;
        CHECK_EQ(mcvd_rng_below(key, i, 1), 0);
        CHECK_TRUE(mcvd_rng_below(key, i, UINT32_MAX) < UINT32_MAX);
    }
    for (int i = 0; i < BOUND; i++) /* binomial */
        CHECK_CLOSE(counts[i], (double)N / BOUND, 5.0 * sqrt((double)N * 0.1 * 0.9));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain_philox_gives_the_known_answers),
        cmocka_unit_test(test_words_are_philox),
        cmocka_unit_test(test_keys_are_pinned),
        cmocka_unit_test(test_everything_matters),
        cmocka_unit_test(test_step_and_sample_do_not_mix),
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_far_positions),
        cmocka_unit_test(test_uniform_is_24_bits_of_the_word),
        cmocka_unit_test(test_normal_bits_are_pinned),
        cmocka_unit_test(test_normal_is_box_muller),
        cmocka_unit_test(test_normal_moments),
        cmocka_unit_test(test_normal_distribution),
        cmocka_unit_test(test_correlations),
        cmocka_unit_test(test_uniform_moments),
        cmocka_unit_test(test_below),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
