/* Each baseline on frames of two pixels, for every pattern of known frames. */
#include <mcvd/metrics.h>

#include "support/check.h"

static const float past[6] = { -0.9f, 0.0f, -0.5f, 0.2f, -0.2f, 0.4f };
static const float future[4] = { 0.4f, 1.0f, 0.5f, 0.6f };

static void expect(mcvd_baseline baseline, size_t num_past, size_t num_future,
                   const float expected[6])
{
    const mcvd_known_frames known = { num_past ? past : NULL, num_future ? future : NULL, num_past,
                                      num_future, 2 };
    float out[6];

    CHECK_OK(mcvd_baseline_predict(baseline, &known, 3, out));
    CHECK_ALL_CLOSE(out, expected, 6, 1e-6);
}

static void test_copy(void **state)
{
    (void)state;

    expect(MCVD_BASELINE_COPY, 3, 0, (float[6]) { -0.2f, 0.4f, -0.2f, 0.4f, -0.2f, 0.4f });
    expect(MCVD_BASELINE_COPY, 0, 2, (float[6]) { 0.4f, 1.0f, 0.4f, 1.0f, 0.4f, 1.0f });
    /* nearest: one step, two steps from each (the past wins), one step */
    expect(MCVD_BASELINE_COPY, 3, 2, (float[6]) { -0.2f, 0.4f, -0.2f, 0.4f, 0.4f, 1.0f });
}

static void test_mean(void **state)
{
    (void)state;
    const float p0 = (-0.9f - 0.5f - 0.2f) / 3.0f;
    const float p1 = (0.0f + 0.2f + 0.4f) / 3.0f;
    const float b0 = (-0.9f - 0.5f - 0.2f + 0.4f + 0.5f) / 5.0f;
    const float b1 = (0.0f + 0.2f + 0.4f + 1.0f + 0.6f) / 5.0f;

    expect(MCVD_BASELINE_MEAN, 3, 0, (float[6]) { p0, p1, p0, p1, p0, p1 });
    expect(MCVD_BASELINE_MEAN, 0, 2, (float[6]) { 0.45f, 0.8f, 0.45f, 0.8f, 0.45f, 0.8f });
    expect(MCVD_BASELINE_MEAN, 3, 2, (float[6]) { b0, b1, b0, b1, b0, b1 });
}

static void test_black(void **state)
{
    (void)state;
    const float black[6] = { -1.0f, -1.0f, -1.0f, -1.0f, -1.0f, -1.0f };

    expect(MCVD_BASELINE_BLACK, 3, 0, black);
    expect(MCVD_BASELINE_BLACK, 0, 0, black);
}

static void test_linear(void **state)
{
    (void)state;

    expect(MCVD_BASELINE_LINEAR, 3, 0, (float[6]) { 0.1f, 0.6f, 0.4f, 0.8f, 0.7f, 1.0f });
    /* backwards from 0.5, 0.6 through 0.4, 1.0; the second pixel is clipped at 1 */
    expect(MCVD_BASELINE_LINEAR, 0, 2, (float[6]) { 0.1f, 1.0f, 0.2f, 1.0f, 0.3f, 1.0f });
    /* a quarter, half, three quarters of the way from (-0.2, 0.4) to (0.4, 1.0) */
    expect(MCVD_BASELINE_LINEAR, 3, 2, (float[6]) { -0.05f, 0.55f, 0.1f, 0.7f, 0.25f, 0.85f });
    expect(MCVD_BASELINE_LINEAR, 1, 1,
           (float[6]) { -0.9f + 0.325f, 0.25f, -0.25f, 0.5f, 0.075f, 0.75f });
}

/* Extrapolation leaves [-1, 1] and is clipped on both sides. */
static void test_linear_clips(void **state)
{
    (void)state;
    const float steep[4] = { 0.0f, 0.0f, 0.9f, -0.9f };
    const mcvd_known_frames known = { steep, NULL, 2, 0, 2 };
    float out[4];

    CHECK_OK(mcvd_baseline_predict(MCVD_BASELINE_LINEAR, &known, 2, out));
    CHECK_ALL_CLOSE(out, ((float[4]) { 1.0f, -1.0f, 1.0f, -1.0f }), 4, 0.0);
}

static void test_missing(void **state)
{
    (void)state;
    const mcvd_known_frames one = { past, NULL, 1, 0, 2 };
    float out[2];

    CHECK_TRUE(mcvd_baseline_missing(MCVD_BASELINE_COPY, 0, 0) != NULL);
    CHECK_TRUE(mcvd_baseline_missing(MCVD_BASELINE_MEAN, 0, 0) != NULL);
    CHECK_TRUE(mcvd_baseline_missing(MCVD_BASELINE_BLACK, 0, 0) == NULL);
    CHECK_TRUE(mcvd_baseline_missing(MCVD_BASELINE_LINEAR, 1, 1) == NULL);
    CHECK_TRUE(mcvd_baseline_missing(MCVD_BASELINE_COPY, 0, 1) == NULL);
    CHECK_STATUS(mcvd_baseline_predict(MCVD_BASELINE_LINEAR, &one, 1, out), MCVD_E_UNSUPPORTED);
    CHECK_MESSAGE("linear");
}

static void test_titles(void **state)
{
    (void)state;

    assert_string_equal(mcvd_baseline_title(MCVD_BASELINE_COPY, 5, 0), "copy the last frame");
    assert_string_equal(mcvd_baseline_title(MCVD_BASELINE_COPY, 5, 5), "copy the nearest frame");
    assert_string_equal(mcvd_baseline_title(MCVD_BASELINE_LINEAR, 5, 5), "linear blend");
    assert_string_equal(mcvd_baseline_title(MCVD_BASELINE_LINEAR, 0, 5), "linear extrapolation");
    assert_string_equal(mcvd_baseline_name(MCVD_BASELINE_BLACK), "black");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_copy),         cmocka_unit_test(test_mean),
        cmocka_unit_test(test_black),        cmocka_unit_test(test_linear),
        cmocka_unit_test(test_linear_clips), cmocka_unit_test(test_missing),
        cmocka_unit_test(test_titles),
    };

    return cmocka_run_group_tests_name("eval baselines", tests, NULL, NULL);
}
