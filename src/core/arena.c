#include "core/arena.h"

#include "core/alloc.h"
#include "core/checked.h"

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_POISONS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_POISONS 1
#endif
#endif

#ifdef ARENA_POISONS
#include <sanitizer/asan_interface.h>
#define POISON(start, bytes)   __asan_poison_memory_region(start, bytes)
#define UNPOISON(start, bytes) __asan_unpoison_memory_region(start, bytes)
#else
#define POISON(start, bytes)   ((void)(start), (void)(bytes))
#define UNPOISON(start, bytes) ((void)(start), (void)(bytes))
#endif

struct mcvdi_arena {
    char *memory;
    size_t capacity; /* a multiple of MCVDI_ALIGNMENT, as used is */
    size_t used;
};

mcvd_status mcvdi_arena_create(mcvdi_arena **out, size_t bytes)
{
    size_t capacity;

    *out = NULL;
    if (!mcvdi_add_size(&capacity, bytes, MCVDI_ALIGNMENT - 1))
        return mcvdi_fail(MCVD_E_NOMEM, "arena: %zu bytes", bytes);
    capacity -= capacity % MCVDI_ALIGNMENT;

    mcvdi_arena *arena = mcvdi_calloc(1, sizeof *arena);
    if (!arena)
        return mcvdi_fail(MCVD_E_NOMEM, "arena: %zu bytes", sizeof *arena);
    arena->memory = mcvdi_alloc_aligned(capacity);
    if (!arena->memory) {
        mcvdi_free(arena);
        return mcvdi_fail(MCVD_E_NOMEM, "arena: %zu bytes", capacity);
    }
    arena->capacity = capacity;
    POISON(arena->memory, capacity);
    *out = arena;
    return MCVD_OK;
}

void mcvdi_arena_free(mcvdi_arena **arena)
{
    if (!*arena)
        return;
    UNPOISON((*arena)->memory, (*arena)->capacity);
    mcvdi_free_aligned((*arena)->memory);
    mcvdi_free(*arena);
    *arena = NULL;
}

void *mcvdi_arena_alloc(mcvdi_arena *arena, size_t bytes)
{
    const size_t room = arena->capacity - arena->used;

    if (bytes > room)
        return NULL;
    char *start = arena->memory + arena->used;
    const size_t padding = (MCVDI_ALIGNMENT - bytes % MCVDI_ALIGNMENT) % MCVDI_ALIGNMENT;
    arena->used += bytes + padding; /* fits: room is a multiple of the alignment */
    UNPOISON(start, bytes);
    return start;
}

mcvdi_mark mcvdi_arena_mark(const mcvdi_arena *arena)
{
    return arena->used;
}

void mcvdi_arena_reset(mcvdi_arena *arena, mcvdi_mark mark)
{
    if (mark >= arena->used)
        return;
    POISON(arena->memory + mark, arena->used - mark);
    arena->used = mark;
}
