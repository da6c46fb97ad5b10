#include "core/arena.h"

#include "support/check.h"
#include "support/failing.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#define IS_POISONED(address) __asan_address_is_poisoned(address)
#endif

static mcvd_status create(void **object, const void *bytes)
{
    mcvdi_arena *arena = *object;
    const mcvd_status st = mcvdi_arena_create(&arena, *(const size_t *)bytes);

    *object = arena;
    return st;
}

static void destroy(void **object)
{
    mcvdi_arena *arena = *object;

    mcvdi_arena_free(&arena);
    *object = arena;
}

static void test_blocks(void **state)
{
    mcvdi_arena *arena;

    (void)state;
    CHECK_OK(mcvdi_arena_create(&arena, 1000)); /* 16 blocks of 64 */
    char *first = mcvdi_arena_alloc(arena, 1);
    char *second = mcvdi_arena_alloc(arena, 65);
    char *third = mcvdi_arena_alloc(arena, 64);
    CHECK_TRUE(first && second && third);
    CHECK_EQ((uintptr_t)first % MCVDI_ALIGNMENT, 0);
    CHECK_EQ(second - first, 64);
    CHECK_EQ(third - second, 128);
    memset(first, 1, 1);
    memset(second, 2, 65);
    memset(third, 3, 64);
    CHECK_EQ(first[0], 1);
    CHECK_EQ(second[64], 2);
    CHECK_EQ(third[0], 3);
    mcvdi_arena_free(&arena);
    CHECK_TRUE(arena == NULL);
    mcvdi_arena_free(&arena);
}

static void test_it_ends(void **state)
{
    mcvdi_arena *arena;

    (void)state;
    CHECK_OK(mcvdi_arena_create(&arena, 256));
    CHECK_TRUE(mcvdi_arena_alloc(arena, 257) == NULL);
    CHECK_TRUE(mcvdi_arena_alloc(arena, SIZE_MAX) == NULL);
    CHECK_TRUE(mcvdi_arena_alloc(arena, 192) != NULL);
    CHECK_TRUE(mcvdi_arena_alloc(arena, 65) == NULL);
    CHECK_TRUE(mcvdi_arena_alloc(arena, 64) != NULL);
    CHECK_TRUE(mcvdi_arena_alloc(arena, 1) == NULL);
    CHECK_TRUE(mcvdi_arena_alloc(arena, 0) != NULL); /* nothing always fits */
    mcvdi_arena_free(&arena);
    CHECK_STATUS(mcvdi_arena_create(&arena, SIZE_MAX), MCVD_E_NOMEM);
    CHECK_TRUE(arena == NULL);
    CHECK_STATUS(mcvdi_arena_create(&arena, SIZE_MAX / 2), MCVD_E_NOMEM);
    CHECK_TRUE(arena == NULL);
}

static void test_marks(void **state)
{
    mcvdi_arena *arena;

    (void)state;
    CHECK_OK(mcvdi_arena_create(&arena, 1024));
    const mcvdi_mark start = mcvdi_arena_mark(arena);
    char *kept = mcvdi_arena_alloc(arena, 100);
    memset(kept, 7, 100);
    const mcvdi_mark inner = mcvdi_arena_mark(arena);
    char *dropped = mcvdi_arena_alloc(arena, 500);
    CHECK_TRUE(dropped != NULL);
    mcvdi_arena_reset(arena, inner);
    CHECK_TRUE(mcvdi_arena_alloc(arena, 896) == dropped);
    CHECK_EQ(kept[99], 7);
    mcvdi_arena_reset(arena, start);
    mcvdi_arena_reset(arena, inner); /* later than the end: nothing happens */
    CHECK_EQ(mcvdi_arena_mark(arena), start);
    CHECK_TRUE(mcvdi_arena_alloc(arena, 1024) == kept);
    mcvdi_arena_free(&arena);
}

/* A step of any length: blocks in use never overlap and the counter of allocations stands still. */
static void test_steps_allocate_nothing(void **state)
{
    mcvdi_arena *arena;

    (void)state;
    CHECK_OK(mcvdi_arena_create(&arena, 4 << 20));
    const uint64_t calls = mcvdi_alloc_stats_get().calls;
    for (size_t step = 0; step < 100; step++) {
        const mcvdi_mark mark = mcvdi_arena_mark(arena);
        char *end = NULL;
        for (size_t i = 0; i < 50; i++) {
            const size_t bytes = (step * 7919 + i * 104729) % 70000;
            char *block = mcvdi_arena_alloc(arena, bytes);
            CHECK_TRUE(block && (!end || block >= end));
            memset(block, 1, bytes);
            end = block + bytes;
        }
        mcvdi_arena_reset(arena, mark);
    }
    CHECK_EQ(mcvdi_alloc_stats_get().calls, calls);
    mcvdi_arena_free(&arena);
}

static void test_free_part_is_poisoned(void **state)
{
    (void)state;
#ifdef IS_POISONED
    mcvdi_arena *arena;
    CHECK_OK(mcvdi_arena_create(&arena, 1024));
    const mcvdi_mark mark = mcvdi_arena_mark(arena);
    char *block = mcvdi_arena_alloc(arena, 100);
    CHECK_TRUE(!IS_POISONED(block) && !IS_POISONED(block + 99));
    CHECK_TRUE(IS_POISONED(block + 100) && IS_POISONED(block + 128));
    mcvdi_arena_reset(arena, mark);
    CHECK_TRUE(IS_POISONED(block) && IS_POISONED(block + 99));
    mcvdi_arena_free(&arena);
#else
    skip();
#endif
}

static void test_failing_allocations(void **state)
{
    const size_t small = 1000;
    const size_t large = 3 << 20;

    (void)state;
    CHECK_EQ(check_failing_allocations(create, destroy, &small), 2);
    CHECK_EQ(check_failing_allocations(create, destroy, &large), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_it_ends),
        cmocka_unit_test(test_marks),
        cmocka_unit_test(test_steps_allocate_nothing),
        cmocka_unit_test(test_free_part_is_poisoned),
        cmocka_unit_test(test_failing_allocations),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
