#include "core/queue.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "support/check.h"
#include "support/failing.h"

enum { NUM_PRODUCERS = 2, NUM_CONSUMERS = 4, NUM_ITEMS = 5000 };

static void test_order(void **state)
{
    mcvdi_queue *queue;
    int items[5];
    void *item;

    (void)state;
    CHECK_OK(mcvdi_queue_create(&queue, 3));
    for (int round = 0; round < 4; round++) { /* the ring wraps */
        CHECK_TRUE(mcvdi_queue_push(queue, &items[0]));
        CHECK_TRUE(mcvdi_queue_push(queue, &items[1]));
        CHECK_TRUE(mcvdi_queue_pop(queue, &item) && item == &items[0]);
        CHECK_TRUE(mcvdi_queue_push(queue, &items[2]));
        CHECK_TRUE(mcvdi_queue_push(queue, NULL)); /* NULL is an item like any other */
        CHECK_TRUE(mcvdi_queue_pop(queue, &item) && item == &items[1]);
        CHECK_TRUE(mcvdi_queue_pop(queue, &item) && item == &items[2]);
        CHECK_TRUE(mcvdi_queue_pop(queue, &item) && item == NULL);
    }
    mcvdi_queue_free(&queue);
    CHECK_TRUE(queue == NULL);
    mcvdi_queue_free(&queue);
}

static void test_close(void **state)
{
    mcvdi_queue *queue;
    int items[2];
    void *item = items;

    (void)state;
    CHECK_OK(mcvdi_queue_create(&queue, 2));
    CHECK_TRUE(mcvdi_queue_push(queue, &items[0]));
    CHECK_TRUE(mcvdi_queue_push(queue, &items[1]));
    mcvdi_queue_close(queue);
    mcvdi_queue_close(queue);
    CHECK_TRUE(!mcvdi_queue_push(queue, &items[0]));
    CHECK_TRUE(mcvdi_queue_pop(queue, &item) && item == &items[0]);
    CHECK_TRUE(!mcvdi_queue_push(queue, &items[0])); /* there is room, but it is closed */
    CHECK_TRUE(mcvdi_queue_pop(queue, &item) && item == &items[1]);
    CHECK_TRUE(!mcvdi_queue_pop(queue, &item));
    CHECK_TRUE(item == NULL);
    mcvdi_queue_free(&queue);
}

typedef struct parcel {
    int producer;
    int number;
    int seen; /* by exactly one consumer */
} parcel;

static atomic_bool closing;

typedef struct worker {
    mcvdi_queue *queue;
    parcel *parcels; /* a producer's own */
    int last[NUM_PRODUCERS];
    int num_received;
    int num_disordered;
    bool ended_early; /* a pop failed although the queue was open */
} worker;

static void *produce(void *argument)
{
    const worker *w = argument;

    for (int i = 0; i < NUM_ITEMS; i++)
        if (!mcvdi_queue_push(w->queue, &w->parcels[i]))
            break;
    return NULL;
}

static void *consume(void *argument)
{
    worker *w = argument;
    void *item;

    while (mcvdi_queue_pop(w->queue, &item)) {
        parcel *p = item;
        p->seen++;
        w->num_received++;
        w->num_disordered += p->number <= w->last[p->producer];
        w->last[p->producer] = p->number;
    }
    w->ended_early = !atomic_load(&closing);
    return NULL;
}

/* Each parcel arrives once; those of one producer arrive in order at each consumer. */
static void check_many_threads(size_t capacity)
{
    static parcel parcels[NUM_PRODUCERS][NUM_ITEMS];
    worker producers[NUM_PRODUCERS];
    worker consumers[NUM_CONSUMERS];
    pthread_t threads[NUM_PRODUCERS + NUM_CONSUMERS];
    mcvdi_queue *queue;
    int num_received = 0;

    atomic_store(&closing, false);
    CHECK_OK(mcvdi_queue_create(&queue, capacity));
    for (int i = 0; i < NUM_PRODUCERS; i++) {
        for (int j = 0; j < NUM_ITEMS; j++)
            parcels[i][j] = (parcel) { i, j, 0 };
        producers[i] = (worker) { .queue = queue, .parcels = parcels[i] };
        CHECK_EQ(pthread_create(&threads[i], NULL, produce, &producers[i]), 0);
    }
    for (int i = 0; i < NUM_CONSUMERS; i++) {
        consumers[i] = (worker) { .queue = queue, .last = { -1, -1 } };
        CHECK_EQ(pthread_create(&threads[NUM_PRODUCERS + i], NULL, consume, &consumers[i]), 0);
    }
    for (int i = 0; i < NUM_PRODUCERS; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    atomic_store(&closing, true);
    mcvdi_queue_close(queue);
    for (int i = 0; i < NUM_CONSUMERS; i++) {
        CHECK_EQ(pthread_join(threads[NUM_PRODUCERS + i], NULL), 0);
        num_received += consumers[i].num_received;
        CHECK_EQ(consumers[i].num_disordered, 0);
        CHECK_TRUE(!consumers[i].ended_early);
    }
    CHECK_EQ(num_received, NUM_PRODUCERS * NUM_ITEMS);
    for (int i = 0; i < NUM_PRODUCERS; i++)
        for (int j = 0; j < NUM_ITEMS; j++)
            CHECK_EQ(parcels[i][j].seen, 1);
    mcvdi_queue_free(&queue);
}

static void test_many_threads(void **state)
{
    (void)state;
    check_many_threads(1);
    check_many_threads(4);
    check_many_threads(100);
}

typedef struct waiter {
    mcvdi_queue *queue;
    bool pushes;
    bool result;
} waiter;

static void *wait_in_queue(void *argument)
{
    waiter *w = argument;
    void *item;

    w->result = w->pushes ? mcvdi_queue_push(w->queue, w) : mcvdi_queue_pop(w->queue, &item);
    return NULL;
}

/* Four threads wait for room (or for an item); closing lets all of them go empty-handed. */
static void check_close_wakes(bool pushes)
{
    const struct timespec pause = { .tv_nsec = 20000000 };
    pthread_t threads[4];
    waiter waiters[4];
    mcvdi_queue *queue;

    CHECK_OK(mcvdi_queue_create(&queue, 1));
    if (pushes)
        CHECK_TRUE(mcvdi_queue_push(queue, NULL));
    for (int i = 0; i < 4; i++) {
        waiters[i] = (waiter) { queue, pushes, true };
        CHECK_EQ(pthread_create(&threads[i], NULL, wait_in_queue, &waiters[i]), 0);
    }
    nanosleep(&pause, NULL); /* most of them wait by now; the result is the same if not */
    mcvdi_queue_close(queue);
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
        CHECK_TRUE(!waiters[i].result);
    }
    mcvdi_queue_free(&queue);
}

static void test_close_wakes_everybody(void **state)
{
    (void)state;
    check_close_wakes(true);
    check_close_wakes(false);
}

static mcvd_status create(void **object, const void *capacity)
{
    mcvdi_queue *queue = *object;
    const mcvd_status st = mcvdi_queue_create(&queue, *(const size_t *)capacity);

    *object = queue;
    return st;
}

static void destroy(void **object)
{
    mcvdi_queue *queue = *object;

    mcvdi_queue_free(&queue);
    *object = queue;
}

static void test_bad_creation(void **state)
{
    const size_t capacity = 10;
    mcvdi_queue *queue;

    (void)state;
    CHECK_STATUS(mcvdi_queue_create(&queue, 0), MCVD_E_RANGE);
    CHECK_TRUE(queue == NULL);
    CHECK_STATUS(mcvdi_queue_create(&queue, SIZE_MAX / 2), MCVD_E_NOMEM);
    CHECK_TRUE(queue == NULL);
    CHECK_EQ(check_failing_allocations(create, destroy, &capacity), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),        cmocka_unit_test(test_close),
        cmocka_unit_test(test_many_threads), cmocka_unit_test(test_close_wakes_everybody),
        cmocka_unit_test(test_bad_creation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
