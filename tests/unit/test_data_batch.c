/* Pixels, splits and masks. */
#include "data/batch.h"

#include "core/alloc.h"
#include "data/dataset.h"
#include "support/check.h"
#include "support/data_config.h"

static void test_pixels_survive_the_round_trip(void **state)
{
    uint8_t pixels[256];
    uint8_t back[256];
    float values[256];

    (void)state;
    for (size_t i = 0; i < 256; i++)
        pixels[i] = (uint8_t)i;
    mcvd_pixels_to_float(values, pixels, 256);
    CHECK_TRUE(values[0] == -1.0f && values[255] == 1.0f);
    mcvd_float_to_pixels(back, values, 256);
    for (size_t i = 0; i < 256; i++)
        CHECK_EQ(back[i], i);
    mcvd_float_to_pixels(back, (float[]) { -3.0f, 3.0f, 0.0f }, 3);
    CHECK_EQ(back[0], 0);
    CHECK_EQ(back[1], 255);
    CHECK_EQ(back[2], 128); /* 127.5, to even */
}

static void test_flip(void **state)
{
    uint8_t clip[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 };
    const uint8_t gray[] = { 3, 2, 1, 6, 5, 4, 9, 8, 7, 12, 11, 10 };
    const uint8_t rgb[] = { 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1 };

    (void)state;
    mcvdi_clip_flip(clip, 4, 3, 1);
    assert_memory_equal(clip, gray, sizeof clip);
    /* the bytes are now 3 2 1 | 6 5 4 | 9 8 7 | 12 11 10: four RGB pixels of one row */
    mcvdi_clip_flip(clip, 1, 4, 3);
    assert_memory_equal(clip, rgb, sizeof clip);
}

/* Every value says which frame, pixel and channel it is. */
static void test_split_layout(void **state)
{
    const mcvdi_split_shape s = { .num_pixels = 2,
                                  .channels = 3,
                                  .num_frames = 2,
                                  .num_frames_cond = 1,
                                  .num_frames_future = 2,
                                  .num_frames_pred = 2 };
    float clip[5 * 2 * 3];
    float x0[2 * 2 * 3];
    float cond[2 * 3 * 3];

    (void)state;
    for (size_t f = 0; f < 5; f++)
        for (size_t p = 0; p < 2; p++)
            for (size_t c = 0; c < 3; c++)
                clip[(f * 2 + p) * 3 + c] = (float)(100 * f + 10 * p + c);
    mcvdi_split(&s, clip, (mcvdi_mask) { 1, 1 }, x0, cond);
    for (size_t p = 0; p < 2; p++)
        for (size_t c = 0; c < 3; c++) {
            for (size_t f = 0; f < 2; f++)
                CHECK_EQ(x0[p * 6 + f * 3 + c], 100 * (f + 1) + 10 * p + c);
            for (size_t k = 0; k < 3; k++)
                CHECK_EQ(cond[p * 9 + k * 3 + c], 100 * (k == 0 ? 0 : k + 2) + 10 * p + c);
        }
    mcvdi_split(&s, clip, (mcvdi_mask) { 0, 1 }, x0, cond);
    CHECK_TRUE(cond[1] == 0.0f && cond[9 + 1] == 0.0f && cond[9 + 3] == 310.0f);
    mcvdi_split(&s, clip, (mcvdi_mask) { 1, 0 }, x0, cond);
    CHECK_TRUE(cond[1] == 1.0f && cond[9] == 10.0f && cond[9 + 3] == 0.0f && cond[9 + 8] == 0.0f);
}

/* Of n independent draws with probability p, the count is within 5 standard deviations of n p. */
static void check_count(size_t count, size_t n, double p)
{
    CHECK_CLOSE((double)count, (double)n * p, 5.0 * sqrt((double)n * p * (1.0 - p)));
}

static void test_mask_frequencies(void **state)
{
    enum { N = 20000 };
    mcvd_data_config data = digits_config();
    size_t counts[2][2] = { { 0 } };
    size_t same_seed = 0;

    (void)state;
    data.prob_mask_cond = 0.3;
    data.prob_mask_future = 0.6;
    for (uint64_t i = 0; i < N; i++) {
        const mcvdi_mask m = mcvdi_mask_draw(&data, 7, i);
        const mcvdi_mask other = mcvdi_mask_draw(&data, 8, i);
        counts[m.past][m.future]++;
        same_seed += m.past == other.past;
    }
    check_count(counts[1][1], N, 0.7 * 0.4);
    check_count(counts[1][0], N, 0.7 * 0.6);
    check_count(counts[0][1], N, 0.3 * 0.4);
    check_count(counts[0][0], N, 0.3 * 0.6);
    check_count(same_seed, N, 0.7 * 0.7 + 0.3 * 0.3);
}

static void test_mask_limits(void **state)
{
    mcvd_data_config data = digits_config();

    (void)state;
    for (uint64_t i = 0; i < 200; i++) {
        data.prob_mask_cond = 0.0;
        data.prob_mask_future = 1.0;
        mcvdi_mask m = mcvdi_mask_draw(&data, 1, i);
        CHECK_TRUE(m.past == 1 && m.future == 0);
        data.prob_mask_cond = 1.0;
        data.prob_mask_future = 0.0;
        m = mcvdi_mask_draw(&data, 1, i);
        CHECK_TRUE(m.past == 0 && m.future == 1);
        data.prob_mask_cond = data.prob_mask_future = 0.5;
        data.prob_mask_sync = true;
        m = mcvdi_mask_draw(&data, 1, i);
        CHECK_EQ(m.past, m.future);
        data.prob_mask_sync = false;
    }
    data.num_frames_future = 0;
    CHECK_EQ(mcvdi_mask_draw(&data, 1, 0).future, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pixels_survive_the_round_trip),
        cmocka_unit_test(test_flip),
        cmocka_unit_test(test_split_layout),
        cmocka_unit_test(test_mask_frequencies),
        cmocka_unit_test(test_mask_limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
