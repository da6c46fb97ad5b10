/* Means, deviations, confidence intervals, best and mean of K, infinities. */
#include <mcvd/metrics.h>

#include "support/check.h"

/* 1, 2, 3, 6: mean 3; squares 4 + 1 + 0 + 9 = 14; std sqrt(14/4); s = sqrt(14/3). */
static void test_summary_by_hand(void **state)
{
    (void)state;
    const double values[4] = { 1.0, 2.0, 3.0, 6.0 };
    const mcvd_summary s = mcvd_summarize(values, 4);

    CHECK_EQ(s.count, 4);
    CHECK_EQ(s.infinite, 0);
    CHECK_CLOSE(s.mean, 3.0, 1e-15);
    CHECK_CLOSE(s.std, 1.8708286933869707, 1e-14);
    CHECK_CLOSE(s.conf95, 1.959964 * 2.160246899469287 / 2.0, 1e-6);
}

static void test_summary_of_one_and_none(void **state)
{
    (void)state;
    const double value = 5.0;
    const mcvd_summary one = mcvd_summarize(&value, 1);
    const mcvd_summary none = mcvd_summarize(&value, 0);

    CHECK_CLOSE(one.mean, 5.0, 0.0);
    CHECK_CLOSE(one.std, 0.0, 0.0);
    CHECK_TRUE(isnan(one.conf95));
    CHECK_EQ(none.count, 0);
    CHECK_TRUE(isnan(none.mean) && isnan(none.std) && isnan(none.conf95));
}

/* Infinite clips are left out and counted; only when all are infinite the mean is. */
static void test_summary_infinities(void **state)
{
    (void)state;
    const double some[4] = { 20.0, INFINITY, 30.0, INFINITY };
    const double all[2] = { INFINITY, INFINITY };
    const mcvd_summary s = mcvd_summarize(some, 4);
    const mcvd_summary a = mcvd_summarize(all, 2);

    CHECK_EQ(s.count, 2);
    CHECK_EQ(s.infinite, 2);
    CHECK_CLOSE(s.mean, 25.0, 1e-15);
    CHECK_CLOSE(s.std, 5.0, 1e-15);
    CHECK_EQ(a.count, 0);
    CHECK_EQ(a.infinite, 2);
    CHECK_TRUE(isinf(a.mean));
}

static void test_reduce_k(void **state)
{
    (void)state;
    const double values[6] = { 1.0, 3.0, 2.0, 5.0, 4.0, 9.0 }; /* 2 clips of 3 */
    double per_clip[2];

    mcvd_reduce_k(per_clip, values, 2, 3, MCVD_METRIC_PSNR, MCVD_BEST_OF_K);
    CHECK_CLOSE(per_clip[0], 3.0, 0.0);
    CHECK_CLOSE(per_clip[1], 9.0, 0.0);
    mcvd_reduce_k(per_clip, values, 2, 3, MCVD_METRIC_MSE, MCVD_BEST_OF_K);
    CHECK_CLOSE(per_clip[0], 1.0, 0.0);
    CHECK_CLOSE(per_clip[1], 4.0, 0.0);
    mcvd_reduce_k(per_clip, values, 2, 3, MCVD_METRIC_SSIM, MCVD_MEAN_OF_K);
    CHECK_CLOSE(per_clip[0], 2.0, 1e-15);
    CHECK_CLOSE(per_clip[1], 6.0, 1e-15);
}

static void test_best_index_ties(void **state)
{
    (void)state;
    const double values[3] = { 2.0, 2.0, 1.0 };

    CHECK_EQ(mcvd_best_index(values, 3, true), 0);
    CHECK_EQ(mcvd_best_index(values, 3, false), 2);
    CHECK_EQ(mcvd_best_index(values, 1, false), 0);
}

static void test_names(void **state)
{
    (void)state;

    assert_string_equal(mcvd_over_k_name(MCVD_BEST_OF_K), "best_of_k");
    assert_string_equal(mcvd_over_k_name(MCVD_MEAN_OF_K), "mean_of_k");
    assert_string_equal(mcvd_metric_name(MCVD_METRIC_PSNR_FRAME), "psnr_frame_mean");
    CHECK_TRUE(!mcvd_metric_higher_is_better(MCVD_METRIC_MSE));
    CHECK_TRUE(mcvd_metric_higher_is_better(MCVD_METRIC_SSIM));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_summary_by_hand),    cmocka_unit_test(test_summary_of_one_and_none),
        cmocka_unit_test(test_summary_infinities), cmocka_unit_test(test_reduce_k),
        cmocka_unit_test(test_best_index_ties),    cmocka_unit_test(test_names),
    };

    return cmocka_run_group_tests_name("eval aggregate", tests, NULL, NULL);
}
