/* MSE, PSNR, SSIM: hand-computed values, borders, refusals. */
#include <mcvd/metrics.h>

#include "support/check.h"
#include "support/failing.h"
#include "support/hashed.h"

enum { SIDE = 16, PIXELS = SIDE * SIDE };

static mcvd_scorer *make_scorer(size_t channels, unsigned metrics, bool binarise)
{
    const mcvd_scorer_config config = { SIDE, SIDE, channels, metrics, binarise, NULL };
    mcvd_scorer *scorer = NULL;

    CHECK_OK(mcvd_scorer_create(&scorer, &config));
    return scorer;
}

static void fill(float *frame, size_t n, float value)
{
    for (size_t i = 0; i < n; i++)
        frame[i] = value;
}

/* Half of the pixels differ by 0.5: MSE 0.125, PSNR 10 log10 8 = 9.0309 dB. */
static void test_psnr_by_hand(void **state)
{
    (void)state;
    float truth[PIXELS];
    float prediction[PIXELS];
    mcvd_scores s;
    mcvd_scorer *scorer = make_scorer(1, MCVD_METRIC_PIXELS, false);

    fill(truth, PIXELS, 0.25f);
    fill(prediction, PIXELS, 0.25f);
    fill(prediction, PIXELS / 2, 0.75f);
    CHECK_OK(mcvd_scorer_frame(scorer, truth, prediction, &s));
    CHECK_CLOSE(s.value[MCVD_METRIC_MSE], 0.125, 1e-15);
    CHECK_CLOSE(s.value[MCVD_METRIC_PSNR], 9.030899869919436, 1e-12);
    CHECK_CLOSE(s.value[MCVD_METRIC_PSNR_FRAME], 9.030899869919436, 1e-12);
    CHECK_CLOSE(mcvd_psnr_of_mse(0.01), 20.0, 1e-12);
    CHECK_CLOSE(mcvd_psnr_of_mse(1.0), 0.0, 1e-15);
    mcvd_scorer_free(&scorer);
    CHECK_TRUE(scorer == NULL);
}

static void test_identical_frames(void **state)
{
    (void)state;
    float frame[PIXELS * 3];
    mcvd_scores s;
    mcvd_scorer *scorer = make_scorer(3, MCVD_METRIC_PIXELS, false);

    for (uint32_t i = 0; i < PIXELS * 3; i++)
        frame[i] = hashed_uniform("identical", i, 0.0, 1.0);
    CHECK_OK(mcvd_scorer_frame(scorer, frame, frame, &s));
    CHECK_TRUE(s.value[MCVD_METRIC_MSE] == 0.0);
    CHECK_TRUE(isinf(s.value[MCVD_METRIC_PSNR]) && s.value[MCVD_METRIC_PSNR] > 0.0);
    CHECK_CLOSE(s.value[MCVD_METRIC_SSIM], 1.0, 1e-12);
    mcvd_scorer_free(&scorer);
}

/* Constant pictures a and b have no variance: SSIM = (2ab + C1) / (a^2 + b^2 + C1). */
static void test_constant_frames(void **state)
{
    (void)state;
    uint8_t a[12 * 11];
    uint8_t b[12 * 11];
    double ssim;

    memset(a, 100, sizeof a);
    memset(b, 150, sizeof b);
    CHECK_OK(mcvd_ssim_u8(&ssim, a, b, 11, 12));
    const double c1 = 2.55 * 2.55;
    CHECK_CLOSE(ssim, (2.0 * 100 * 150 + c1) / (100.0 * 100 + 150.0 * 150 + c1), 1e-9);
    CHECK_OK(mcvd_ssim_u8(&ssim, a, a, 11, 12));
    CHECK_CLOSE(ssim, 1.0, 1e-12);
}

/* One window: an 11x11 picture with one bright pixel in the middle, moments by hand. */
static void test_ssim_one_window(void **state)
{
    (void)state;
    uint8_t a[121] = { 0 };
    uint8_t b[121] = { 0 };
    double sum = 0.0;
    double ssim;

    a[60] = 200;
    b[61] = 100;
    for (int i = -5; i <= 5; i++)
        sum += exp(-i * i / 4.5);
    const double wa = 1.0 / (sum * sum);
    const double wb = exp(-1.0 / 4.5) / (sum * sum);
    const double u = wa * 200.0;
    const double v = wb * 100.0;
    const double var_a = wa * 200.0 * 200.0 - u * u;
    const double var_b = wb * 100.0 * 100.0 - v * v;
    const double c1 = 2.55 * 2.55;
    const double c2 = 7.65 * 7.65;
    CHECK_OK(mcvd_ssim_u8(&ssim, a, b, 11, 11));
    CHECK_CLOSE(ssim,
                (2.0 * u * v + c1) * (2.0 * (0.0 - u * v) + c2) /
                    ((u * u + v * v + c1) * (var_a + var_b + c2)),
                1e-12);
}

static void test_ssim_refuses_small(void **state)
{
    (void)state;
    const mcvd_scorer_config narrow = { 64, 10, 1, MCVD_METRIC_PIXELS, false, NULL };
    const mcvd_scorer_config no_ssim = {
        64, 10, 1, MCVD_METRIC_BIT(MCVD_METRIC_PSNR), false, NULL
    };
    mcvd_scorer *scorer = NULL;
    uint8_t small[100] = { 0 };
    double ssim;

    CHECK_STATUS(mcvd_ssim_u8(&ssim, small, small, 10, 10), MCVD_E_SHAPE);
    CHECK_MESSAGE("10x10");
    CHECK_MESSAGE("11");
    CHECK_STATUS(mcvd_scorer_create(&scorer, &narrow), MCVD_E_SHAPE);
    CHECK_TRUE(scorer == NULL);
    CHECK_OK(mcvd_scorer_create(&scorer, &no_ssim));
    mcvd_scorer_free(&scorer);
}

static void test_scorer_refusals(void **state)
{
    (void)state;
    const mcvd_scorer_config channels = { 16, 16, 2, MCVD_METRIC_PIXELS, false, NULL };
    const mcvd_scorer_config empty = { 0, 16, 1, MCVD_METRIC_PIXELS, false, NULL };
    const mcvd_scorer_config huge = { SIZE_MAX / 2, 16, 1, MCVD_METRIC_PIXELS, false, NULL };
    const mcvd_scorer_config none = { 16, 16, 1, 0, false, NULL };
    const mcvd_scorer_config unknown = { 16, 16, 1, 1u << 20, false, NULL };
    mcvd_scorer *scorer = NULL;

    CHECK_STATUS(mcvd_scorer_create(&scorer, &channels), MCVD_E_SHAPE);
    CHECK_STATUS(mcvd_scorer_create(&scorer, &empty), MCVD_E_SHAPE);
    CHECK_STATUS(mcvd_scorer_create(&scorer, &huge), MCVD_E_SHAPE);
    CHECK_STATUS(mcvd_scorer_create(&scorer, &none), MCVD_E_RANGE);
    CHECK_STATUS(mcvd_scorer_create(&scorer, &unknown), MCVD_E_RANGE);
    mcvd_scorer_free(&scorer);
}

static mcvd_status create_scorer(void **object, const void *argument)
{
    return mcvd_scorer_create((mcvd_scorer **)object, argument);
}

static void free_scorer(void **object)
{
    mcvd_scorer_free((mcvd_scorer **)object);
}

static void test_scorer_without_memory(void **state)
{
    (void)state;
    const mcvd_scorer_config config = { SIDE, SIDE, 3, MCVD_METRIC_PIXELS, false, NULL };

    CHECK_TRUE(check_failing_allocations(create_scorer, free_scorer, &config) >= 4);
}

static void test_nonfinite_pixels(void **state)
{
    (void)state;
    float truth[PIXELS] = { 0.0f };
    float prediction[PIXELS] = { 0.0f };
    mcvd_scores s;
    mcvd_scorer *scorer = make_scorer(1, MCVD_METRIC_PIXELS, false);

    prediction[7] = NAN;
    CHECK_STATUS(mcvd_scorer_frame(scorer, truth, prediction, &s), MCVD_E_NONFINITE);
    CHECK_MESSAGE("prediction");
    prediction[7] = 0.0f;
    truth[0] = INFINITY;
    CHECK_STATUS(mcvd_scorer_frame(scorer, truth, prediction, &s), MCVD_E_NONFINITE);
    CHECK_MESSAGE("truth");
    mcvd_scorer_free(&scorer);
}

/* Values outside [0, 1] count as the nearest border. */
static void test_clamping(void **state)
{
    (void)state;
    float truth[PIXELS];
    float prediction[PIXELS];
    mcvd_scores s;
    mcvd_scorer *scorer = make_scorer(1, MCVD_METRIC_PIXELS, false);

    fill(truth, PIXELS, 1.0f);
    fill(prediction, PIXELS, 1.5f);
    CHECK_OK(mcvd_scorer_frame(scorer, truth, prediction, &s));
    CHECK_TRUE(s.value[MCVD_METRIC_MSE] == 0.0);
    CHECK_CLOSE(s.value[MCVD_METRIC_SSIM], 1.0, 1e-12);
    fill(truth, PIXELS, -3.0f);
    CHECK_OK(mcvd_scorer_frame(scorer, truth, prediction, &s));
    CHECK_CLOSE(s.value[MCVD_METRIC_MSE], 1.0, 1e-15);
    mcvd_scorer_free(&scorer);
}

/* Truncation, not rounding; gray weights; round half to even before the 8 bits. */
static void test_gray(void **state)
{
    (void)state;
    const float gray_in[5] = { 0.0f, 0.999f, 1.0f, 0.5f, 0.5019f };
    const float rgb[6] = { 1.0f, 0.0f, 0.0f, 0.2f, 0.4f, 0.6f };
    uint8_t out[5];

    mcvd_gray_u8(out, gray_in, 5, 1, false);
    CHECK_EQ(out[0], 0);
    CHECK_EQ(out[1], 254);
    CHECK_EQ(out[2], 255);
    CHECK_EQ(out[3], 127);
    mcvd_gray_u8(out, gray_in, 5, 1, true);
    CHECK_EQ(out[0], 0);
    CHECK_EQ(out[1], 255);
    CHECK_EQ(out[3], 0);
    CHECK_EQ(out[4], 255);
    mcvd_gray_u8(out, rgb, 2, 3, false);
    CHECK_EQ(out[0], (19595 * 255 + 32768) >> 16);
    CHECK_EQ(out[1], (19595 * 51 + 38470 * 102 + 7471 * 153 + 32768) >> 16);
}

/* Gray frames of 8 bits survive v / 255 and back. */
static void test_eight_bit_round_trip(void **state)
{
    (void)state;

    for (int v = 0; v < 256; v++) {
        const float x = (float)v / 255.0f;
        uint8_t back;
        mcvd_gray_u8(&back, &x, 1, 1, false);
        CHECK_EQ(back, v);
    }
}

static void test_u8_frames(void **state)
{
    (void)state;
    uint8_t truth[PIXELS * 3];
    uint8_t prediction[PIXELS * 3];
    double squares = 0.0;
    mcvd_scores s;
    mcvd_scorer *scorer = make_scorer(3, MCVD_METRIC_PIXELS, false);

    for (uint32_t i = 0; i < PIXELS * 3; i++) {
        truth[i] = hashed_byte("u8/truth", i);
        prediction[i] = hashed_byte("u8/prediction", i);
        squares += (double)(truth[i] - prediction[i]) * (double)(truth[i] - prediction[i]);
    }
    CHECK_OK(mcvd_scorer_frame_u8(scorer, truth, prediction, &s));
    CHECK_CLOSE(s.value[MCVD_METRIC_MSE], squares / (PIXELS * 3 * 255.0 * 255.0), 1e-7);
    mcvd_scorer_free(&scorer);
}

/* Two frames of MSE 0.1 and 0.001: PSNR of the mean 0.0505 is 12.967, the mean of PSNRs 20. */
static void test_trajectory(void **state)
{
    (void)state;
    mcvd_scores frames[2];

    for (int f = 0; f < 2; f++) {
        const double mse = f == 0 ? 0.1 : 0.001;
        frames[f].value[MCVD_METRIC_MSE] = mse;
        frames[f].value[MCVD_METRIC_PSNR] = mcvd_psnr_of_mse(mse);
        frames[f].value[MCVD_METRIC_PSNR_FRAME] = mcvd_psnr_of_mse(mse);
        frames[f].value[MCVD_METRIC_SSIM] = f == 0 ? 0.2 : 0.6;
    }
    mcvd_scores t = mcvd_scores_of_frames(frames, 2);
    CHECK_CLOSE(t.value[MCVD_METRIC_MSE], 0.0505, 1e-15);
    CHECK_CLOSE(t.value[MCVD_METRIC_PSNR], -10.0 * log10(0.0505), 1e-12);
    CHECK_CLOSE(t.value[MCVD_METRIC_PSNR_FRAME], 20.0, 1e-12);
    CHECK_CLOSE(t.value[MCVD_METRIC_SSIM], 0.4, 1e-15);

    frames[1].value[MCVD_METRIC_MSE] = 0.0;
    frames[1].value[MCVD_METRIC_PSNR] = INFINITY;
    frames[1].value[MCVD_METRIC_PSNR_FRAME] = INFINITY;
    t = mcvd_scores_of_frames(frames, 2);
    CHECK_CLOSE(t.value[MCVD_METRIC_PSNR], -10.0 * log10(0.05), 1e-12);
    CHECK_TRUE(isinf(t.value[MCVD_METRIC_PSNR_FRAME]));
}

static void test_metric_sets(void **state)
{
    (void)state;
    float a[PIXELS];
    float b[PIXELS];
    mcvd_scores s;
    mcvd_scorer *scorer = make_scorer(1, MCVD_METRIC_BIT(MCVD_METRIC_SSIM), false);

    fill(a, PIXELS, 0.2f);
    fill(b, PIXELS, 0.4f);
    CHECK_OK(mcvd_scorer_frame(scorer, a, b, &s));
    CHECK_TRUE(isnan(s.value[MCVD_METRIC_PSNR]));
    CHECK_TRUE(isnan(mcvd_scores_of_frames(&s, 1).value[MCVD_METRIC_PSNR]));
    CHECK_TRUE(!isnan(s.value[MCVD_METRIC_SSIM]));
    mcvd_scorer_free(&scorer);
}

static void test_parse(void **state)
{
    (void)state;
    unsigned set = 99;
    unsigned sets = 99;

    CHECK_OK(mcvd_metrics_parse(&set, NULL, "psnr,ssim"));
    CHECK_EQ(set, MCVD_METRIC_BIT(MCVD_METRIC_PSNR) | MCVD_METRIC_BIT(MCVD_METRIC_SSIM));
    CHECK_OK(mcvd_metrics_parse(&set, NULL, "psnr_frame_mean"));
    CHECK_EQ(set, MCVD_METRIC_BIT(MCVD_METRIC_PSNR_FRAME));
    CHECK_OK(mcvd_metrics_parse(&set, &sets, "fvd-proxy,lpips,recall"));
    CHECK_EQ(set, MCVD_METRIC_BIT(MCVD_METRIC_LPIPS));
    CHECK_EQ(sets,
             MCVD_METRIC_BIT(MCVD_SET_METRIC_FVD_PROXY) | MCVD_METRIC_BIT(MCVD_SET_METRIC_RECALL));
    CHECK_STATUS(mcvd_metrics_parse(&set, NULL, "psnr,fvd"), MCVD_E_UNSUPPORTED);
    CHECK_MESSAGE("'fvd'");
    CHECK_EQ(set, 0);
    CHECK_STATUS(mcvd_metrics_parse(&set, &sets, "fid"), MCVD_E_USAGE);
    CHECK_MESSAGE("fid-alexnet");
    CHECK_EQ(sets, 0);
    CHECK_STATUS(mcvd_metrics_parse(&set, NULL, "psn"), MCVD_E_USAGE);
    CHECK_MESSAGE("'psn'");
    CHECK_MESSAGE("psnr_frame_mean");
    CHECK_STATUS(mcvd_metrics_parse(&set, NULL, ""), MCVD_E_USAGE);
    CHECK_STATUS(mcvd_metrics_parse(&set, NULL, "psnr,"), MCVD_E_USAGE);
    CHECK_STATUS(mcvd_metrics_parse(&set, NULL, "psnr ssim"), MCVD_E_USAGE);
}

/* LPIPS is asked for only with its network. */
static void test_lpips_needs_its_network(void **state)
{
    (void)state;
    const mcvd_scorer_config config = { SIDE, SIDE, 3, MCVD_METRIC_ALL, false, NULL };
    mcvd_scorer *scorer = NULL;

    CHECK_STATUS(mcvd_scorer_create(&scorer, &config), MCVD_E_RANGE);
    CHECK_MESSAGE("LPIPS");
    CHECK_TRUE(scorer == NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_psnr_by_hand),
        cmocka_unit_test(test_identical_frames),
        cmocka_unit_test(test_constant_frames),
        cmocka_unit_test(test_ssim_one_window),
        cmocka_unit_test(test_ssim_refuses_small),
        cmocka_unit_test(test_scorer_refusals),
        cmocka_unit_test(test_scorer_without_memory),
        cmocka_unit_test(test_nonfinite_pixels),
        cmocka_unit_test(test_clamping),
        cmocka_unit_test(test_gray),
        cmocka_unit_test(test_eight_bit_round_trip),
        cmocka_unit_test(test_u8_frames),
        cmocka_unit_test(test_trajectory),
        cmocka_unit_test(test_metric_sets),
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_lpips_needs_its_network),
    };

    return cmocka_run_group_tests_name("eval metrics", tests, NULL, NULL);
}
