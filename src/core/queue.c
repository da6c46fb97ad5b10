#include "core/queue.h"

#include <pthread.h>

#include "core/alloc.h"

struct mcvdi_queue {
    pthread_mutex_t lock;
    pthread_cond_t not_full;
    pthread_cond_t not_empty;
    void **items; /* ring of capacity entries, the oldest at first */
    size_t capacity;
    size_t first;
    size_t count;
    bool closed;
};

static bool create_locks(mcvdi_queue *queue)
{
    if (pthread_mutex_init(&queue->lock, NULL) != 0)
        return false;
    if (pthread_cond_init(&queue->not_full, NULL) == 0) {
        if (pthread_cond_init(&queue->not_empty, NULL) == 0)
            return true;
        pthread_cond_destroy(&queue->not_full);
    }
    pthread_mutex_destroy(&queue->lock);
    return false;
}

mcvd_status mcvdi_queue_create(mcvdi_queue **out, size_t capacity)
{
    *out = NULL;
    if (!capacity)
        return mcvdi_fail(MCVD_E_RANGE, "queue: capacity 0, at least 1 is needed");

    mcvdi_queue *queue = mcvdi_calloc(1, sizeof *queue);
    void **items = queue ? mcvdi_calloc(capacity, sizeof *items) : NULL;
    if (!items || !create_locks(queue)) {
        mcvdi_free(items);
        mcvdi_free(queue);
        return mcvdi_fail(MCVD_E_NOMEM, "queue: no memory or locks for %zu entries", capacity);
    }
    queue->items = items;
    queue->capacity = capacity;
    *out = queue;
    return MCVD_OK;
}

void mcvdi_queue_free(mcvdi_queue **queue)
{
    mcvdi_queue *const q = *queue;

    if (!q)
        return;
    pthread_cond_destroy(&q->not_empty);
    pthread_cond_destroy(&q->not_full);
    pthread_mutex_destroy(&q->lock);
    mcvdi_free(q->items);
    mcvdi_free(q);
    *queue = NULL;
}

bool mcvdi_queue_push(mcvdi_queue *queue, void *item)
{
    pthread_mutex_lock(&queue->lock);
    while (queue->count == queue->capacity && !queue->closed)
        pthread_cond_wait(&queue->not_full, &queue->lock);
    const bool accepted = !queue->closed;
    if (accepted) {
        queue->items[(queue->first + queue->count) % queue->capacity] = item;
        queue->count++;
        pthread_cond_signal(&queue->not_empty);
    }
    pthread_mutex_unlock(&queue->lock);
    return accepted;
}

bool mcvdi_queue_pop(mcvdi_queue *queue, void **item)
{
    pthread_mutex_lock(&queue->lock);
    while (!queue->count && !queue->closed)
        pthread_cond_wait(&queue->not_empty, &queue->lock);
    const bool found = queue->count > 0;
    *item = found ? queue->items[queue->first] : NULL;
    if (found) {
        queue->first = (queue->first + 1) % queue->capacity;
        queue->count--;
        pthread_cond_signal(&queue->not_full);
    }
    pthread_mutex_unlock(&queue->lock);
    return found;
}

void mcvdi_queue_close(mcvdi_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    queue->closed = true;
    pthread_cond_broadcast(&queue->not_full);
    pthread_cond_broadcast(&queue->not_empty);
    pthread_mutex_unlock(&queue->lock);
}
