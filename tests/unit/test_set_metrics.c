/* Properties of the distances between sets of features; the network that stands in for I3D. */
#include <mcvd/features.h>

#include <float.h>

#include "eval/lapack.h"
#include "support/check.h"
#include "support/hashed.h"

static double *make_values(const char *key, size_t n, size_t dim, double scale, double offset)
{
    double *values = test_malloc(n * dim * sizeof *values);

    for (uint32_t i = 0; i < n * dim; i++)
        values[i] = scale * (double)hashed_gauss(key, i) + offset;
    return values;
}

static double distance(const double *a, size_t na, const double *b, size_t nb, size_t dim)
{
    const mcvd_feature_set x = { a, na, dim };
    const mcvd_feature_set y = { b, nb, dim };
    double d;

    CHECK_OK(mcvd_frechet_distance(&d, &x, &y));
    return d;
}

/* One dimension: (m_a - m_b)^2 + (s_a - s_b)^2, by hand: means 2 and 7, deviations 1 and 3. */
static void test_one_dimension(void **state)
{
    (void)state;
    const double a[3] = { 1.0, 2.0, 3.0 };
    const double b[3] = { 4.0, 7.0, 10.0 };

    CHECK_CLOSE(distance(a, 3, b, 3, 1), 25.0 + 4.0, 1e-12);
}

/* Moving one set by v adds |v|^2; copies of a set are at 0, and the order does not matter. */
static void test_translation_and_symmetry(void **state)
{
    (void)state;
    enum { N = 20, DIM = 6 };
    double *a = make_values("set/a", N, DIM, 1.0, 0.0);
    double *b = make_values("set/b", N, DIM, 2.0, 0.5);
    double *moved = make_values("set/a", N, DIM, 1.0, 3.0);

    CHECK_CLOSE(distance(a, N, a, N, DIM), 0.0, 1e-12);
    CHECK_CLOSE(distance(a, N, moved, N, DIM), 9.0 * DIM, 1e-11);
    CHECK_CLOSE(distance(a, N, b, N, DIM), distance(b, N, a, N, DIM), 1e-11);
    CHECK_TRUE(distance(a, N, b, N, DIM) > 1.0);
    test_free(a);
    test_free(b);
    test_free(moved);
}

/* Fewer vectors than dimensions, as 256 videos of 400 logits: still 0 for the same set, translation
 * exact, symmetric. Traces are about 400 and rounding 1e-15 of them per term. */
static void test_rank_deficient(void **state)
{
    (void)state;
    enum { N = 60, DIM = 100 };
    double *a = make_values("deficient/a", N, DIM, 1.0, 0.0);
    double *b = make_values("deficient/b", N - 7, DIM, 1.5, 0.0);
    double *moved = make_values("deficient/a", N, DIM, 1.0, 0.25);
    double *constant = make_values("deficient/a", N, DIM, 0.0, 1.0);

    CHECK_CLOSE(distance(a, N, a, N, DIM), 0.0, 1e-9);
    CHECK_CLOSE(distance(a, N, moved, N, DIM), DIM / 16.0, 1e-9);
    CHECK_CLOSE(distance(a, N, b, N - 7, DIM), distance(b, N - 7, a, N, DIM), 1e-8);
    CHECK_CLOSE(distance(constant, N, constant, N, DIM), 0.0, 0.0);
    test_free(a);
    test_free(b);
    test_free(moved);
    test_free(constant);
}

static void test_refusals(void **state)
{
    (void)state;
    double values[8] = { 0, 1, 2, 3, 4, 5, 6, 7 };
    const mcvd_feature_set two = { values, 2, 4 };
    const mcvd_feature_set one = { values, 1, 4 };
    const mcvd_feature_set narrow = { values, 2, 3 };
    double d = 0.0;
    double r = 0.0;

    CHECK_STATUS(mcvd_frechet_distance(&d, &one, &two), MCVD_E_RANGE);
    CHECK_MESSAGE("at least 2");
    CHECK_TRUE(isnan(d));
    CHECK_STATUS(mcvd_frechet_distance(&d, &two, &narrow), MCVD_E_RANGE);
    CHECK_STATUS(mcvd_precision_recall(&d, &r, &two, &two, 2), MCVD_E_RANGE);
    CHECK_MESSAGE("at least 3");
    CHECK_STATUS(mcvd_precision_recall(&d, &r, &two, &two, 0), MCVD_E_RANGE);
    CHECK_STATUS(mcvd_precision_recall(&d, &r, &two, &narrow, 1), MCVD_E_RANGE);
    values[5] = NAN;
    CHECK_STATUS(mcvd_frechet_distance(&d, &two, &two), MCVD_E_NONFINITE);
    CHECK_MESSAGE("vector 1");
    CHECK_STATUS(mcvd_precision_recall(&d, &r, &two, &two, 1), MCVD_E_NONFINITE);
}

/*
 * Standard deviations a_i and b_i along the axes, from 1 to 1e-12, seen in a mirror, which mixes
 * all coordinates and changes no distance: sum of (a_i - b_i)^2. The vectors are +-a_i on axis i,
 * scaled so that their covariance (divisor 2 DIM - 1) is a_i^2.
 */
static void make_mirrored(double *values, size_t dim, double decay, double scale)
{
    const double norm = sqrt(((double)(2 * dim) - 1.0) / 2.0);

    for (size_t i = 0; i < dim; i++) {
        const double length = scale * norm * exp(-decay * (double)i);
        for (size_t j = 0; j < dim; j++) { /* column i of 1 - 2 v v^T, v = (1, 1, ...) / sqrt dim */
            const double mirrored = length * ((i == j) - 2.0 / (double)dim);
            values[2 * i * dim + j] = mirrored;
            values[(2 * i + 1) * dim + j] = -mirrored;
        }
    }
}

static void test_small_variances(void **state)
{
    (void)state;
    enum { DIM = 200, N = 2 * DIM };
    static double a[N * DIM];
    static double b[N * DIM];
    const double decay = 0.14;
    /* DIM roots, each from eigenvalues of 2 DIM rows: right to 2 DIM u times the largest, 1.5 */
    const double tolerance = DIM * (2 * DIM) * (DBL_EPSILON / 2.0) * 1.5;
    double wanted = 0.0;

    make_mirrored(a, DIM, decay, 1.0);
    make_mirrored(b, DIM, decay, 1.5);
    for (int i = 0; i < DIM; i++)
        wanted += pow(0.5 * exp(-decay * (double)i), 2.0);
    CHECK_CLOSE(distance(a, N, b, N, DIM), wanted, tolerance);
    CHECK_CLOSE(distance(a, N, a, N, DIM), 0.0, tolerance);
}

/* Deviations (1, e) and (e, 1) along the axes: 2 (1 - e)^2, where squares lose e. */
static void test_variances_apart(void **state)
{
    (void)state;
    const double e = 1e-9;
    const double norm = sqrt(1.5); /* of 4 vectors, 2 on each axis */
    const double a[8] = { norm, 0, -norm, 0, 0, norm * e, 0, -norm * e };
    const double b[8] = { norm * e, 0, -norm * e, 0, 0, norm, 0, -norm };

    CHECK_CLOSE(distance(a, 4, b, 4, 2), 2.0 * (1.0 - e) * (1.0 - e), 1e-15);
}

static void test_too_large(void **state)
{
    (void)state;
    const double values[4] = { 1e200, -1e200, 0.0, 1.0 };
    const mcvd_feature_set large = { values, 2, 2 };
    double d;

    CHECK_STATUS(mcvd_frechet_distance(&d, &large, &large), MCVD_E_NONFINITE);
    CHECK_MESSAGE("too large");
    CHECK_TRUE(isnan(d));
}

/* [[2, 1], [1, 2]]: 1 and 3. */
static void test_eigenvalues(void **state)
{
    (void)state;
    double a[4] = { 2.0, 1.0, 1.0, 2.0 };
    double values[2];

    CHECK_OK(mcvdi_symmetric_eigenvalues(a, values, 2));
    CHECK_CLOSE(values[0], 1.0, 1e-15);
    CHECK_CLOSE(values[1], 3.0, 1e-15);
    CHECK_STATUS(mcvdi_symmetric_eigenvalues(a, values, 0), MCVD_E_RANGE);
}

/* r^T r = x^T x, and r is a triangle. */
static void test_triangle(void **state)
{
    (void)state;
    enum { N = 11, DIM = 4 };
    double *x = make_values("triangle", N, DIM, 1.0, 0.5);
    double *r = make_values("triangle", N, DIM, 1.0, 0.5);

    CHECK_OK(mcvdi_triangle(r, N, DIM));
    for (size_t i = 0; i < DIM; i++)
        for (size_t j = 0; j < DIM; j++) {
            double wanted = 0.0;
            double found = 0.0;
            for (size_t v = 0; v < N; v++)
                wanted += x[v * DIM + i] * x[v * DIM + j];
            for (size_t v = 0; v < DIM; v++)
                found += r[v * DIM + i] * r[v * DIM + j];
            CHECK_CLOSE(found, wanted, 1e-13);
            CHECK_TRUE(j >= i || r[i * DIM + j] == 0.0);
        }
    CHECK_STATUS(mcvdi_triangle(r, DIM - 1, DIM), MCVD_E_RANGE);
    test_free(x);
    test_free(r);
}

/* Points far from all real ones are never precise; the same set is all precision and recall. */
static void test_precision_recall(void **state)
{
    (void)state;
    enum { N = 12, DIM = 3 };
    double *a = make_values("pr/a", N, DIM, 1.0, 0.0);
    double *far = make_values("pr/b", N, DIM, 1.0, 1000.0);
    const mcvd_feature_set x = { a, N, DIM };
    const mcvd_feature_set y = { far, N, DIM };
    double precision, recall;

    CHECK_OK(mcvd_precision_recall(&precision, &recall, &x, &x, 3));
    CHECK_CLOSE(precision, 1.0, 0.0);
    CHECK_CLOSE(recall, 1.0, 0.0);
    CHECK_OK(mcvd_precision_recall(&precision, &recall, &y, &x, 3));
    CHECK_CLOSE(precision, 0.0, 0.0);
    CHECK_CLOSE(recall, 0.0, 0.0);
    test_free(a);
    test_free(far);
}

/* ---- fvd-proxy ------------------------------------------------------------------------------ */

enum { VIDEOS = 4, FRAMES = 4, SIZE = 16, NUMEL = FRAMES * SIZE * SIZE, PROXY_DIM = 64 };

/* A moving bar and noise of this strength. */
static void make_video(float *video, int number, float noise)
{
    for (uint32_t i = 0; i < NUMEL; i++) {
        const int frame = (int)i / (SIZE * SIZE);
        const int column = (int)i % SIZE;
        const float bar = (column + frame + 3 * number) % SIZE < 5 ? 0.8f : 0.2f;
        video[i] =
            bar +
            noise * (hashed_uniform("proxy/noise", i + NUMEL * (uint32_t)number, 0, 1) - 0.5f);
    }
}

static void extract(mcvd_video_features *f, double *values, float noise)
{
    const mcvd_video_shape shape = { FRAMES, SIZE, SIZE, 1 };
    float video[NUMEL];

    for (int v = 0; v < VIDEOS; v++) {
        make_video(video, v, noise);
        CHECK_OK(mcvd_video_features_extract(f, video, &shape, values + v * PROXY_DIM));
    }
}

/* Twice the same bytes; more noise is further away; never called FVD. */
static void test_proxy(void **state)
{
    (void)state;
    static double clean[VIDEOS * PROXY_DIM];
    static double again[VIDEOS * PROXY_DIM];
    mcvd_video_features *f = NULL;
    double last = 0.0;

    CHECK_OK(mcvd_video_features_open(&f, MCVD_EXTRACTOR_PROXY, NULL));
    CHECK_EQ(mcvd_video_features_dim(f), PROXY_DIM);
    assert_string_equal(mcvd_video_features_distance(f), "fvd-proxy");
    CHECK_EQ(strlen(mcvd_video_features_sha256(f)), 64);
    extract(f, clean, 0.0f);
    extract(f, again, 0.0f);
    assert_memory_equal(clean, again, sizeof clean);
    for (int level = 1; level <= 3; level++) {
        extract(f, again, 0.1f * (float)level);
        const double d = distance(clean, VIDEOS, again, VIDEOS, PROXY_DIM);
        CHECK_TRUE(d > 1.5 * last && d > 0.0);
        last = d;
    }
    mcvd_video_features_free(&f);
    CHECK_TRUE(f == NULL);
}

static void test_proxy_refusals(void **state)
{
    (void)state;
    static double out[PROXY_DIM];
    float video[NUMEL];
    mcvd_video_shape shape = { FRAMES - 1, SIZE, SIZE, 1 };
    mcvd_video_features *f = NULL;

    CHECK_STATUS(mcvd_video_features_open(&f, MCVD_EXTRACTOR_ALEXNET, NULL), MCVD_E_RANGE);
    CHECK_OK(mcvd_video_features_open(&f, MCVD_EXTRACTOR_PROXY, NULL));
    make_video(video, 0, 0.0f);
    CHECK_STATUS(mcvd_video_features_extract(f, video, &shape, out), MCVD_E_RANGE);
    CHECK_MESSAGE("3 frames");
    shape.frames = FRAMES;
    shape.channels = 2;
    CHECK_STATUS(mcvd_video_features_extract(f, video, &shape, out), MCVD_E_RANGE);
    shape.channels = 1;
    video[NUMEL - 1] = NAN;
    CHECK_STATUS(mcvd_video_features_extract(f, video, &shape, out), MCVD_E_NONFINITE);
    mcvd_video_features_free(&f);
    CHECK_STATUS(mcvd_video_features_open(&f, MCVD_EXTRACTOR_I3D, "missing"), MCVD_E_MODEL);
    CHECK_TRUE(f == NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_dimension),   cmocka_unit_test(test_translation_and_symmetry),
        cmocka_unit_test(test_rank_deficient),  cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_small_variances), cmocka_unit_test(test_variances_apart),
        cmocka_unit_test(test_too_large),       cmocka_unit_test(test_eigenvalues),
        cmocka_unit_test(test_triangle),        cmocka_unit_test(test_precision_recall),
        cmocka_unit_test(test_proxy),           cmocka_unit_test(test_proxy_refusals),
    };

    return cmocka_run_group_tests_name("set metrics", tests, NULL, NULL);
}
