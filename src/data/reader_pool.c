#include "data/reader_pool.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#include "core/alloc.h"

typedef struct entry {
    mcvd_video_reader *reader; /* NULL: empty */
    const char *path;          /* the caller's; lives as long as the pool */
    uint64_t last_use;
} entry;

/* Readers that are in use are not in the table: taken out, put back. */
struct mcvdi_reader_pool {
    pthread_mutex_t mutex;
    mcvd_video_reader_config config;
    uint64_t clock;
    size_t capacity;
    entry entries[];
};

mcvd_status mcvdi_reader_pool_create(mcvdi_reader_pool **out, size_t capacity,
                                     const mcvd_video_reader_config *config)
{
    *out = NULL;
    mcvdi_reader_pool *pool = mcvdi_calloc(1, sizeof *pool + capacity * sizeof pool->entries[0]);
    if (!pool || pthread_mutex_init(&pool->mutex, NULL) != 0) {
        mcvdi_free(pool);
        return mcvdi_fail(MCVD_E_NOMEM, "a pool of %zu video readers", capacity);
    }
    pool->config = *config;
    pool->capacity = capacity;
    *out = pool;
    return MCVD_OK;
}

void mcvdi_reader_pool_free(mcvdi_reader_pool **pool)
{
    if (!*pool)
        return;
    for (size_t i = 0; i < (*pool)->capacity; i++)
        mcvd_video_reader_free(&(*pool)->entries[i].reader);
    pthread_mutex_destroy(&(*pool)->mutex);
    mcvdi_free(*pool);
    *pool = NULL;
}

/* An idle reader of this video, taken out of the table; NULL when there is none. */
static mcvd_video_reader *take(mcvdi_reader_pool *pool, const char *path)
{
    mcvd_video_reader *reader = NULL;

    pthread_mutex_lock(&pool->mutex);
    for (size_t i = 0; i < pool->capacity && !reader; i++)
        if (pool->entries[i].reader && strcmp(pool->entries[i].path, path) == 0) {
            reader = pool->entries[i].reader;
            pool->entries[i].reader = NULL;
        }
    pthread_mutex_unlock(&pool->mutex);
    return reader;
}

/* Into an empty place, else into that of the reader not used for longest, which is closed. */
static void put(mcvdi_reader_pool *pool, const char *path, mcvd_video_reader *reader)
{
    mcvd_video_reader *old = reader;

    pthread_mutex_lock(&pool->mutex);
    entry *place = pool->capacity ? &pool->entries[0] : NULL;
    for (size_t i = 1; i < pool->capacity && place->reader; i++)
        if (!pool->entries[i].reader || pool->entries[i].last_use < place->last_use)
            place = &pool->entries[i];
    if (place) {
        old = place->reader;
        *place = (entry) { reader, path, ++pool->clock };
    }
    pthread_mutex_unlock(&pool->mutex);
    mcvd_video_reader_free(&old);
}

static mcvd_status read_frames(mcvd_video_reader *reader, const char *path, size_t first,
                               size_t count, uint8_t *out)
{
    mcvd_frame frame;
    mcvd_status st = mcvd_video_reader_seek(reader, (int64_t)first);

    for (size_t f = 0; st == MCVD_OK && f < count; f++) {
        st = mcvd_video_reader_next(reader, &frame);
        if (st != MCVD_OK)
            break;
        const size_t bytes = (size_t)frame.height * (size_t)frame.width * (size_t)frame.channels;
        memcpy(out + f * bytes, frame.data, bytes);
    }
    if (st == MCVD_EOF)
        return mcvdi_fail(MCVD_E_INPUT, "%s: shorter than when it was opened: frame %zu is missing",
                          path, first + count - 1);
    return st;
}

mcvd_status mcvdi_reader_pool_read(mcvdi_reader_pool *pool, const char *path, size_t first,
                                   size_t count, uint8_t *out)
{
    mcvd_video_reader *reader = take(pool, path);
    mcvd_status st = MCVD_OK;

    if (!reader)
        st = mcvd_video_reader_open(&reader, path, &pool->config);
    if (st >= 0)
        st = read_frames(reader, path, first, count, out);
    if (st >= 0)
        put(pool, path, reader);
    else
        mcvd_video_reader_free(&reader);
    return st;
}
