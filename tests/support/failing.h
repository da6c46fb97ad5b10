/* Refuse each allocation of a create function in turn. */
#ifndef TESTS_SUPPORT_FAILING_H
#define TESTS_SUPPORT_FAILING_H

#include "core/alloc.h"
#include "support/check.h"

typedef mcvd_status (*failing_create_fn)(void **object, const void *argument);
typedef void (*failing_free_fn)(void **object);

/* For n = 0, 1, ... let n allocations succeed: create must fail with MCVD_E_NOMEM, a NULL object
 * and nothing left behind, until n is enough. Returns that n, the allocations create needs. */
static inline long check_failing_allocations(failing_create_fn create, failing_free_fn destroy,
                                             const void *argument)
{
    const uint64_t live = mcvdi_alloc_stats_get().live;

    for (long n = 0; n < 100000; n++) {
        void *object = &object; /* must be overwritten */
        mcvdi_alloc_fail_after(n);
        const mcvd_status st = create(&object, argument);
        mcvdi_alloc_fail_after(-1);
        if (st >= 0) {
            CHECK_TRUE(object != NULL);
            destroy(&object);
            CHECK_TRUE(object == NULL);
            CHECK_EQ(mcvdi_alloc_stats_get().live, live);
            return n;
        }
        CHECK_STATUS(st, MCVD_E_NOMEM);
        CHECK_TRUE(object == NULL);
        CHECK_EQ(mcvdi_alloc_stats_get().live, live);
    }
    fail_msg("100000 allocations were not enough");
    return -1;
}

#endif
