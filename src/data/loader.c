/*
 * Prefetching: the consumer hands out empty buffers as jobs, one step each, in order; workers fill
 * them in any order; the consumer waits for exactly the buffer of its next step. So the order
 * needs no sorting, memory is bounded by the number of buffers, and nothing is allocated after
 * creation.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>

#include <mcvd/data.h>

#include "core/alloc.h"
#include "core/queue.h"
#include "core/status.h"
#include "data/batch.h"
#include "data/dataset.h"

enum { MAX_WORKERS = 64, MAX_PREFETCH = 1024, MESSAGE_BYTES = 1024 };

typedef struct slot {
    mcvdi_batch_buffer buffer;
    uint64_t step;
    bool ready; /* guarded by the loader's mutex; the rest belongs to whoever holds the slot */
    mcvd_status status;
    char message[MESSAGE_BYTES];
} slot;

struct mcvd_loader {
    mcvd_dataset *dataset;
    mcvd_loader_config config;
    slot *slots; /* step s uses slot s mod num_slots */
    size_t num_slots;
    uint64_t next_step; /* of the consumer */
    mcvd_status failed;
    char message[MESSAGE_BYTES];

    mcvdi_queue *jobs;
    atomic_bool stopping; /* jobs that are still queued are to be dropped */
    pthread_mutex_t mutex;
    pthread_cond_t filled;
    bool has_locks;
    pthread_t *workers;
    size_t num_workers; /* running */
};

mcvd_loader_config mcvd_loader_config_default(const mcvd_dataset *dataset)
{
    const int64_t workers = mcvdi_dataset_config_of(dataset)->data.num_workers;

    return (mcvd_loader_config) { .batch_size = 1,
                                  .num_workers = workers > 0 ? (size_t)workers : 0 };
}

static void fill(mcvd_loader *loader, slot *s)
{
    s->status = mcvdi_batch_fill(&s->buffer, loader->dataset, loader->config.seed, s->step);
    if (s->status < 0)
        snprintf(s->message, sizeof s->message, "%s", mcvd_last_error());
}

static void *work(void *user)
{
    mcvd_loader *loader = user;
    void *item = NULL;

    while (mcvdi_queue_pop(loader->jobs, &item)) {
        slot *s = item;
        if (atomic_load(&loader->stopping))
            continue;
        fill(loader, s);
        pthread_mutex_lock(&loader->mutex);
        s->ready = true;
        pthread_cond_signal(&loader->filled);
        pthread_mutex_unlock(&loader->mutex);
    }
    return NULL;
}

/* Signals belong to the thread that called us, not to the workers. */
static mcvd_status start_workers(mcvd_loader *loader)
{
    sigset_t all;
    sigset_t before;
    int failure = 0;

    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    while (!failure && loader->num_workers < loader->config.num_workers) {
        failure = pthread_create(&loader->workers[loader->num_workers], NULL, work, loader);
        if (!failure)
            loader->num_workers++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failure)
        return mcvdi_fail(MCVD_E_STATE, "loader: worker %zu of %zu cannot be started (error %d)",
                          loader->num_workers + 1, loader->config.num_workers, failure);
    return MCVD_OK;
}

static void give_job(mcvd_loader *loader, slot *s, uint64_t step)
{
    s->step = step;
    s->ready = false;
    mcvdi_queue_push(loader->jobs, s); /* room for every slot: never waits */
}

static mcvd_status create_threads(mcvd_loader *loader)
{
    if (pthread_mutex_init(&loader->mutex, NULL) != 0)
        return mcvdi_fail(MCVD_E_NOMEM, "loader: a mutex");
    if (pthread_cond_init(&loader->filled, NULL) != 0) {
        pthread_mutex_destroy(&loader->mutex);
        return mcvdi_fail(MCVD_E_NOMEM, "loader: a condition variable");
    }
    loader->has_locks = true;
    mcvd_status st = mcvdi_queue_create(&loader->jobs, loader->num_slots);
    if (st < 0)
        return st;
    loader->workers = mcvdi_calloc(loader->config.num_workers, sizeof *loader->workers);
    if (!loader->workers)
        return mcvdi_fail(MCVD_E_NOMEM, "loader: %zu workers", loader->config.num_workers);
    st = start_workers(loader);
    for (size_t i = 0; st >= 0 && i + 1 < loader->num_slots; i++) {
        const uint64_t step = loader->next_step + i;
        give_job(loader, &loader->slots[step % loader->num_slots], step);
    }
    return st;
}

static mcvd_status create_slots(mcvd_loader *loader, const mcvd_data_config *data)
{
    const size_t action_dim = loader->config.actions ? mcvd_dataset_action_dim(loader->dataset) : 0;
    mcvd_status st = MCVD_OK;

    loader->slots = mcvdi_calloc(loader->num_slots, sizeof *loader->slots);
    if (!loader->slots)
        return mcvdi_fail(MCVD_E_NOMEM, "loader: %zu slots", loader->num_slots);
    for (size_t i = 0; st >= 0 && i < loader->num_slots; i++)
        st = mcvdi_batch_buffer_create(&loader->slots[i].buffer, data, loader->config.batch_size,
                                       action_dim);
    return st;
}

static mcvd_status check(const mcvd_dataset *dataset, const mcvd_loader_config *config)
{
    const mcvd_data_config *data = &mcvdi_dataset_config_of(dataset)->data;
    const size_t wanted =
        (size_t)(data->num_frames_cond + data->num_frames + data->num_frames_future);

    if (config->batch_size < 1)
        return mcvdi_fail(MCVD_E_RANGE, "loader: batch size 0");
    if (config->num_workers > MAX_WORKERS || config->num_prefetch > MAX_PREFETCH)
        return mcvdi_fail(MCVD_E_RANGE,
                          "loader: %zu workers and %zu batches ahead, at most %d and %d",
                          config->num_workers, config->num_prefetch, MAX_WORKERS, MAX_PREFETCH);
    if (config->actions && !mcvd_dataset_action_dim(dataset))
        return mcvdi_fail(MCVD_E_CONFIG, "loader: %s has no actions", mcvd_dataset_name(dataset));
    if (mcvd_dataset_num_frames(dataset) != wanted)
        return mcvdi_fail(MCVD_E_CONFIG, "loader: windows have %zu frames, the batch needs %zu",
                          mcvd_dataset_num_frames(dataset), wanted);
    return MCVD_OK;
}

mcvd_status mcvd_loader_create(mcvd_loader **out, mcvd_dataset *dataset,
                               const mcvd_loader_config *config)
{
    *out = NULL;
    mcvd_status st = check(dataset, config);
    if (st < 0)
        return st;
    mcvd_loader *loader = mcvdi_calloc(1, sizeof *loader);
    if (!loader)
        return mcvdi_fail(MCVD_E_NOMEM, "loader: %zu bytes", sizeof *loader);
    loader->dataset = dataset;
    loader->config = *config;
    loader->next_step = config->first_step;
    if (config->num_workers > 0)
        loader->num_slots =
            1 + (config->num_prefetch ? config->num_prefetch : 2 * config->num_workers);
    else
        loader->num_slots = 1;
    st = create_slots(loader, &mcvdi_dataset_config_of(dataset)->data);
    if (st >= 0 && config->num_workers > 0)
        st = create_threads(loader);
    if (st < 0) {
        mcvd_loader_free(&loader);
        return st;
    }
    *out = loader;
    return MCVD_OK;
}

/* Workers finish the batch in hand at most. */
static void stop_workers(mcvd_loader *loader)
{
    atomic_store(&loader->stopping, true);
    mcvdi_queue_close(loader->jobs);
    for (size_t i = 0; i < loader->num_workers; i++)
        pthread_join(loader->workers[i], NULL);
}

void mcvd_loader_free(mcvd_loader **out)
{
    mcvd_loader *loader = *out;

    if (!loader)
        return;
    if (loader->jobs)
        stop_workers(loader);
    mcvdi_queue_free(&loader->jobs);
    if (loader->has_locks) {
        pthread_cond_destroy(&loader->filled);
        pthread_mutex_destroy(&loader->mutex);
    }
    for (size_t i = 0; loader->slots && i < loader->num_slots; i++)
        mcvdi_batch_buffer_release(&loader->slots[i].buffer);
    mcvdi_free(loader->slots);
    mcvdi_free(loader->workers);
    mcvdi_free(loader);
    *out = NULL;
}

/* Give the previous slot back to the workers, then wait for that of the next step. */
static slot *take_filled(mcvd_loader *loader)
{
    const size_t n = loader->num_slots;
    slot *s = &loader->slots[loader->next_step % n];

    give_job(loader, &loader->slots[(loader->next_step + n - 1) % n], loader->next_step + n - 1);
    pthread_mutex_lock(&loader->mutex);
    while (!s->ready)
        pthread_cond_wait(&loader->filled, &loader->mutex);
    pthread_mutex_unlock(&loader->mutex);
    return s;
}

static slot *fill_now(mcvd_loader *loader)
{
    slot *s = &loader->slots[0];

    s->step = loader->next_step;
    fill(loader, s);
    return s;
}

mcvd_status mcvd_loader_next(mcvd_loader *loader, mcvd_batch *batch)
{
    if (loader->failed < 0)
        return mcvdi_fail(loader->failed, "%s", loader->message);
    slot *s = loader->num_workers > 0 ? take_filled(loader) : fill_now(loader);
    if (s->status < 0) {
        loader->failed = s->status;
        snprintf(loader->message, sizeof loader->message, "%s", s->message);
        return mcvdi_fail(s->status, "%s", s->message);
    }
    loader->next_step++;
    *batch = s->buffer.view;
    return MCVD_OK;
}
