/* Batches: the same whatever the workers, the split and the start; failures arrive; memory rests.
 */
#include <mcvd/data.h>

#include "core/alloc.h"
#include "data/dataset.h"
#include "data/mask.h"
#include "support/check.h"
#include "support/data_config.h"

enum { STEPS = 12, BATCH = 4, SIDE = 32, FRAMES = 15 };

static mcvd_data_config small_config(void)
{
    mcvd_data_config data = digits_config();

    data.image_size = SIDE;
    return data;
}

static mcvd_dataset *open_digits(mcvd_split split)
{
    const mcvd_data_config data = small_config();
    mcvd_dataset_config config = mcvd_dataset_config_default(&data);
    mcvd_dataset *dataset = NULL;

    config.split = split;
    config.seed = 5;
    config.num_test_clips = 6;
    CHECK_OK(mcvd_dataset_open(&dataset, &config));
    return dataset;
}

static mcvd_loader *start(mcvd_dataset *dataset, size_t workers, size_t batch, uint64_t first)
{
    mcvd_loader_config config = mcvd_loader_config_default(dataset);
    mcvd_loader *loader = NULL;

    config.batch_size = batch;
    config.num_workers = workers;
    config.seed = 9;
    config.first_step = first;
    CHECK_OK(mcvd_loader_create(&loader, dataset, &config));
    return loader;
}

static uint64_t mix_bytes(uint64_t h, const void *data, size_t n)
{
    for (size_t i = 0; i < n; i++)
        h = (h ^ ((const uint8_t *)data)[i]) * 1099511628211ull;
    return h;
}

static uint64_t fingerprint(const mcvd_batch *b)
{
    const size_t pixels = b->image_size * b->image_size * b->channels;
    uint64_t h = 14695981039346656037ull;

    h = mix_bytes(h, b->x0, b->batch_size * b->num_frames * pixels * sizeof(float));
    h = mix_bytes(h, b->cond,
                  b->batch_size * (b->num_frames_cond + b->num_frames_future) * pixels *
                      sizeof(float));
    h = mix_bytes(h, b->cond_mask, b->batch_size * sizeof(int32_t));
    h = mix_bytes(h, b->future_mask, b->batch_size * sizeof(int32_t));
    return mix_bytes(h, b->frames, b->batch_size * FRAMES * pixels);
}

static void fingerprints(uint64_t *out, size_t workers, uint64_t first)
{
    mcvd_dataset *dataset = open_digits(MCVD_SPLIT_TRAIN);
    mcvd_loader *loader = start(dataset, workers, BATCH, first);

    for (uint64_t s = first; s < STEPS; s++) {
        mcvd_batch batch;
        CHECK_OK(mcvd_loader_next(loader, &batch));
        CHECK_EQ(batch.step, s);
        out[s] = fingerprint(&batch);
    }
    mcvd_loader_free(&loader);
    CHECK_TRUE(loader == NULL);
    mcvd_dataset_free(&dataset);
}

static void test_workers_change_nothing(void **state)
{
    uint64_t expected[STEPS];

    (void)state;
    fingerprints(expected, 0, 0);
    for (size_t i = 1; i < STEPS; i++)
        CHECK_TRUE(expected[i] != expected[0]);
    for (size_t workers = 1; workers <= 5; workers++) {
        uint64_t found[STEPS] = { 0 };
        fingerprints(found, workers, 0);
        for (size_t i = 0; i < STEPS; i++)
            CHECK_TRUE(found[i] == expected[i]);
    }
}

static void test_resume_continues(void **state)
{
    uint64_t expected[STEPS];
    uint64_t found[STEPS];

    (void)state;
    fingerprints(expected, 0, 0);
    for (uint64_t first = 1; first < STEPS; first += 3) {
        fingerprints(found, first % 3, first);
        for (uint64_t i = first; i < STEPS; i++)
            CHECK_TRUE(found[i] == expected[i]);
    }
}

/* Two micro-batches of 2 hold the samples of one batch of 4. */
static void test_batch_split_changes_nothing(void **state)
{
    mcvd_dataset *dataset = open_digits(MCVD_SPLIT_TRAIN);
    mcvd_loader *whole = start(dataset, 1, 4, 3);
    mcvd_loader *halves = start(dataset, 2, 2, 6);
    mcvd_batch a;
    mcvd_batch b;
    const size_t half = (size_t)2 * 5 * SIDE * SIDE;

    (void)state;
    CHECK_OK(mcvd_loader_next(whole, &a));
    for (size_t part = 0; part < 2; part++) {
        CHECK_OK(mcvd_loader_next(halves, &b));
        assert_memory_equal(a.x0 + part * half, b.x0, half * sizeof(float));
        assert_memory_equal(a.cond + part * 2 * half, b.cond, 2 * half * sizeof(float));
        assert_memory_equal(a.cond_mask + part * 2, b.cond_mask, 2 * sizeof(int32_t));
    }
    mcvd_loader_free(&whole);
    mcvd_loader_free(&halves);
    mcvd_dataset_free(&dataset);
}

/* What the batch says about itself is what the window and the mask functions say. */
static void test_contents(void **state)
{
    static uint8_t clip[FRAMES * SIDE * SIDE];
    const mcvd_data_config data = small_config();
    mcvd_dataset *dataset = open_digits(MCVD_SPLIT_TRAIN);
    mcvd_loader *loader = start(dataset, 2, BATCH, 5);
    mcvd_batch batch;
    size_t masked = 0;

    (void)state;
    CHECK_OK(mcvd_loader_next(loader, &batch));
    CHECK_EQ(batch.num_frames_cond + batch.num_frames + batch.num_frames_future, FRAMES);
    for (size_t b = 0; b < BATCH; b++) {
        const mcvdi_mask mask = mcvdi_mask_draw(&data, 9, 5 * BATCH + b);
        CHECK_OK(mcvd_dataset_window(dataset, 5 * BATCH + b, clip));
        assert_memory_equal(clip, batch.frames + b * sizeof clip, sizeof clip);
        CHECK_EQ(batch.cond_mask[b], mask.past);
        CHECK_EQ(batch.future_mask[b], mask.future);
        for (size_t p = 0; p < SIDE * SIDE; p++) {
            const float *cond = batch.cond + (b * SIDE * SIDE + p) * 10;
            const float *x0 = batch.x0 + (b * SIDE * SIDE + p) * 5;
            for (size_t f = 0; f < 5; f++) {
                const float past = 2.0f * ((float)clip[f * SIDE * SIDE + p] / 255.0f) - 1.0f;
                const float now = 2.0f * ((float)clip[(f + 5) * SIDE * SIDE + p] / 255.0f) - 1.0f;
                const float next = 2.0f * ((float)clip[(f + 10) * SIDE * SIDE + p] / 255.0f) - 1.0f;
                CHECK_TRUE(x0[f] == now);
                CHECK_TRUE(cond[f] == (mask.past ? past : 0.0f));
                CHECK_TRUE(cond[5 + f] == (mask.future ? next : 0.0f));
            }
        }
        masked += !mask.past || !mask.future;
    }
    CHECK_TRUE(masked > 0);
    mcvd_loader_free(&loader);
    mcvd_dataset_free(&dataset);
}

static void test_test_clips_repeat(void **state)
{
    mcvd_dataset *dataset = open_digits(MCVD_SPLIT_TEST);
    mcvd_loader *loader = start(dataset, 2, 6, 0);
    static uint8_t first[6 * FRAMES * SIDE * SIDE];
    mcvd_batch batch;

    (void)state;
    CHECK_EQ(mcvd_dataset_num_test_clips(dataset), 6);
    CHECK_OK(mcvd_loader_next(loader, &batch));
    memcpy(first, batch.frames, sizeof first);
    CHECK_OK(mcvd_loader_next(loader, &batch));
    assert_memory_equal(first, batch.frames, sizeof first);
    mcvd_loader_free(&loader);
    mcvd_dataset_free(&dataset);
}

static void test_allocates_nothing_while_running(void **state)
{
    mcvd_dataset *dataset = open_digits(MCVD_SPLIT_TRAIN);
    mcvd_batch batch;

    (void)state;
    for (size_t workers = 0; workers <= 3; workers++) {
        mcvd_loader *loader = start(dataset, workers, BATCH, 0);
        const uint64_t calls = mcvdi_alloc_stats_get().calls;
        for (int i = 0; i < 30; i++)
            CHECK_OK(mcvd_loader_next(loader, &batch));
        CHECK_EQ(mcvdi_alloc_stats_get().calls, calls);
        mcvd_loader_free(&loader);
    }
    mcvd_dataset_free(&dataset);
}

/* Freeing at any moment: before the first batch, in between, with full buffers. */
static void test_shutdown(void **state)
{
    const uint64_t live = mcvdi_alloc_stats_get().live;
    mcvd_batch batch;

    (void)state;
    for (size_t i = 0; i < 24; i++) {
        mcvd_dataset *dataset = open_digits(MCVD_SPLIT_TRAIN);
        mcvd_loader *loader = start(dataset, i % 4, BATCH, i);
        for (size_t n = 0; n < i % 5; n++)
            CHECK_OK(mcvd_loader_next(loader, &batch));
        if (i % 3 == 0)
            usleep(2000);
        mcvd_loader_free(&loader);
        mcvd_dataset_free(&dataset);
    }
    mcvd_loader_free(&(mcvd_loader *) { NULL });
    CHECK_EQ(mcvdi_alloc_stats_get().live, live);
}

static void test_refuses_bad_settings(void **state)
{
    mcvd_dataset *dataset = open_digits(MCVD_SPLIT_TRAIN);
    mcvd_loader_config config = mcvd_loader_config_default(dataset);
    mcvd_loader *loader = NULL;

    (void)state;
    config.batch_size = 0;
    CHECK_STATUS(mcvd_loader_create(&loader, dataset, &config), MCVD_E_RANGE);
    config.batch_size = 1;
    config.num_workers = 65;
    CHECK_STATUS(mcvd_loader_create(&loader, dataset, &config), MCVD_E_RANGE);
    CHECK_TRUE(loader == NULL);
    mcvd_dataset_free(&dataset);

    const mcvd_data_config data = small_config();
    mcvd_dataset_config longer = mcvd_dataset_config_default(&data);
    longer.num_frames = 20;
    CHECK_OK(mcvd_dataset_open(&dataset, &longer));
    config.num_workers = 0;
    CHECK_STATUS(mcvd_loader_create(&loader, dataset, &config), MCVD_E_CONFIG);
    CHECK_MESSAGE("20");
    mcvd_dataset_free(&dataset);
}

static void test_every_allocation_may_fail(void **state)
{
    mcvd_dataset *dataset = open_digits(MCVD_SPLIT_TRAIN);
    const uint64_t live = mcvdi_alloc_stats_get().live;
    mcvd_status st = MCVD_E_NOMEM;
    long n = 0;

    (void)state;
    for (; st != MCVD_OK; n++) {
        mcvd_loader_config config = mcvd_loader_config_default(dataset);
        mcvd_loader *loader = NULL;
        config.num_workers = 2;
        mcvdi_alloc_fail_after(n);
        st = mcvd_loader_create(&loader, dataset, &config);
        mcvdi_alloc_fail_after(-1);
        CHECK_TRUE(st == MCVD_OK || (loader == NULL && st == MCVD_E_NOMEM));
        mcvd_loader_free(&loader);
        CHECK_EQ(mcvdi_alloc_stats_get().live, live);
        CHECK_TRUE(n < 200);
    }
    CHECK_TRUE(n > 20);
    mcvd_dataset_free(&dataset);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_workers_change_nothing),
        cmocka_unit_test(test_resume_continues),
        cmocka_unit_test(test_batch_split_changes_nothing),
        cmocka_unit_test(test_contents),
        cmocka_unit_test(test_test_clips_repeat),
        cmocka_unit_test(test_allocates_nothing_while_running),
        cmocka_unit_test(test_shutdown),
        cmocka_unit_test(test_refuses_bad_settings),
        cmocka_unit_test(test_every_allocation_may_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
