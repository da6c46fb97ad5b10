#include <stdlib.h>

#include "core/alloc.h"
#include "support/check.h"

enum { MEGABYTE = 1 << 20 };

static const size_t sizes[] = { 0,
                                1,
                                63,
                                64,
                                65,
                                4096,
                                MEGABYTE - 1,
                                MEGABYTE,
                                MEGABYTE + 1,
                                2 * MEGABYTE,
                                2 * MEGABYTE + 4095,
                                5 * MEGABYTE + 7 };

enum { NUM_SIZES = sizeof sizes / sizeof sizes[0] };

/* Resident memory of this process in bytes. */
static size_t resident_bytes(void)
{
    unsigned long pages = 0;
    FILE *statm = fopen("/proc/self/statm", "r");

    CHECK_TRUE(statm != NULL);
    CHECK_EQ(fscanf(statm, "%*u %lu", &pages), 1);
    fclose(statm);
    return (size_t)pages * 4096;
}

static void test_counts(void **state)
{
    const mcvdi_alloc_stats before = mcvdi_alloc_stats_get();

    (void)state;
    char *a = mcvdi_malloc(10);
    int *b = mcvdi_calloc(4, sizeof *b);
    char *c = mcvdi_strdup("text");
    char *d = mcvdi_sprintf("%d-%s", 42, "x");
    void *e = mcvdi_alloc_aligned(100);
    CHECK_TRUE(a && b && c && d && e);
    CHECK_EQ(b[0] | b[1] | b[2] | b[3], 0);
    assert_string_equal(c, "text");
    assert_string_equal(d, "42-x");
    CHECK_EQ(mcvdi_alloc_stats_get().calls - before.calls, 5);
    CHECK_EQ(mcvdi_alloc_stats_get().live - before.live, 5);

    memcpy(a, "123456789", 10);
    a = mcvdi_realloc(a, 100000);
    assert_string_equal(a, "123456789");
    CHECK_EQ(mcvdi_alloc_stats_get().calls - before.calls, 6);
    CHECK_EQ(mcvdi_alloc_stats_get().live - before.live, 5);

    mcvdi_free(a);
    mcvdi_free(b);
    mcvdi_free(c);
    mcvdi_free(d);
    mcvdi_free_aligned(e);
    mcvdi_free(NULL);
    mcvdi_free_aligned(NULL);
    CHECK_EQ(mcvdi_alloc_stats_get().live, before.live);
    CHECK_EQ(mcvdi_alloc_stats_get().calls - before.calls, 6);
}

static void test_nothing_is_still_a_block(void **state)
{
    void *a = mcvdi_malloc(0);
    void *b = mcvdi_calloc(0, 8);
    void *c = mcvdi_realloc(NULL, 0);

    (void)state;
    CHECK_TRUE(a && b && c && a != b && b != c);
    mcvdi_free(a);
    mcvdi_free(b);
    mcvdi_free(c);
}

/* Twice over, so that memory that was dirty before comes back clean. */
static void test_aligned_blocks_are_zeroed(void **state)
{
    (void)state;
    for (int i = 0; i < 2 * NUM_SIZES; i++) {
        const size_t bytes = sizes[i % NUM_SIZES];
        unsigned char *block = mcvdi_alloc_aligned(bytes);
        CHECK_TRUE(block != NULL);
        CHECK_EQ((uintptr_t)block % MCVDI_ALIGNMENT, 0);
        for (size_t j = 0; j < bytes; j++)
            if (block[j])
                fail_msg("byte %zu of %zu is %d", j, bytes, block[j]);
        memset(block, 0xa5, bytes);
        mcvdi_free_aligned(block);
    }
}

static void test_untouched_pages_cost_nothing(void **state)
{
    enum { BLOCK = 256 * MEGABYTE };
    const size_t before = resident_bytes();

    (void)state;
    volatile char *block = mcvdi_alloc_aligned(BLOCK);
    CHECK_TRUE(block != NULL);
    CHECK_TRUE(resident_bytes() < before + 4 * MEGABYTE);
    block[BLOCK / 2] = 1; /* one page, huge or not */
    CHECK_TRUE(resident_bytes() < before + 8 * MEGABYTE);
    mcvdi_free_aligned((void *)block);
    CHECK_TRUE(resident_bytes() < before + 4 * MEGABYTE);
}

static void test_impossible_sizes(void **state)
{
    const mcvdi_alloc_stats before = mcvdi_alloc_stats_get();

    (void)state;
    CHECK_TRUE(mcvdi_calloc(SIZE_MAX / 2, 3) == NULL);
    CHECK_TRUE(mcvdi_alloc_aligned(SIZE_MAX) == NULL);
    CHECK_TRUE(mcvdi_alloc_aligned(SIZE_MAX - 5000) == NULL);
    CHECK_TRUE(mcvdi_alloc_aligned(SIZE_MAX / 2) == NULL);
    CHECK_EQ(mcvdi_alloc_stats_get().calls, before.calls);
    CHECK_EQ(mcvdi_alloc_stats_get().live, before.live);
}

static void test_refusing(void **state)
{
    const mcvdi_alloc_stats before = mcvdi_alloc_stats_get();

    (void)state;
    mcvdi_alloc_fail_after(2);
    void *a = mcvdi_malloc(1);
    void *b = mcvdi_alloc_aligned(1);
    CHECK_TRUE(a && b);
    CHECK_TRUE(mcvdi_malloc(1) == NULL);
    CHECK_TRUE(mcvdi_calloc(1, 1) == NULL);
    CHECK_TRUE(mcvdi_realloc(a, 100) == NULL); /* a is still ours */
    CHECK_TRUE(mcvdi_strdup("x") == NULL);
    CHECK_TRUE(mcvdi_sprintf("x") == NULL);
    CHECK_TRUE(mcvdi_alloc_aligned(1) == NULL);
    CHECK_TRUE(mcvdi_alloc_aligned(8 * MEGABYTE) == NULL);
    mcvdi_alloc_fail_after(-1);
    CHECK_EQ(mcvdi_alloc_stats_get().calls - before.calls, 2);
    mcvdi_free(a);
    mcvdi_free_aligned(b);
    void *c = mcvdi_malloc(1);
    CHECK_TRUE(c != NULL);
    mcvdi_free(c);
    CHECK_EQ(mcvdi_alloc_stats_get().live, before.live);
}

static void test_grow(void **state)
{
    const uint64_t live = mcvdi_alloc_stats_get().live;
    size_t capacity = 0;
    uint32_t *squares = NULL;

    (void)state;
    for (uint32_t i = 0; i < 1000; i++) {
        CHECK_TRUE(mcvdi_grow(&squares, i, &capacity, sizeof *squares));
        CHECK_TRUE(capacity > i);
        squares[i] = i * i;
    }
    for (uint32_t i = 0; i < 1000; i++)
        CHECK_EQ(squares[i], i * i);
    const uint32_t *before = squares;
    const size_t room = capacity;
    mcvdi_alloc_fail_after(0);
    CHECK_TRUE(!mcvdi_grow(&squares, room, &capacity, sizeof *squares));
    mcvdi_alloc_fail_after(-1);
    CHECK_TRUE(!mcvdi_grow(&squares, room, &capacity, SIZE_MAX / 2)); /* no such size */
    CHECK_TRUE(squares == before && capacity == room && squares[999] == 999 * 999);
    mcvdi_free(squares);
    CHECK_EQ(mcvdi_alloc_stats_get().live, live);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_grow),
        cmocka_unit_test(test_nothing_is_still_a_block),
        cmocka_unit_test(test_aligned_blocks_are_zeroed),
        cmocka_unit_test(test_untouched_pages_cost_nothing),
        cmocka_unit_test(test_impossible_sizes),
        cmocka_unit_test(test_refusing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
