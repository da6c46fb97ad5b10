/* A bounded queue of pointers between loader threads and a consumer. */
#ifndef MCVDI_QUEUE_H
#define MCVDI_QUEUE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/status.h"

typedef struct mcvdi_queue mcvdi_queue;

mcvd_status mcvdi_queue_create(mcvdi_queue **out, size_t capacity);
/* All threads that use it have been joined. */
void mcvdi_queue_free(mcvdi_queue **queue);

/* Wait for room, then append; false when the queue was closed. */
bool mcvdi_queue_push(mcvdi_queue *queue, void *item);
/* Wait for an item; false when the queue was closed and is empty. */
bool mcvdi_queue_pop(mcvdi_queue *queue, void **item);
/* Wake everybody; pushes fail from now on, pops drain what is left. */
void mcvdi_queue_close(mcvdi_queue *queue);

#endif
