/* A region of memory handed out from its start and given back as a whole. */
#ifndef MCVDI_ARENA_H
#define MCVDI_ARENA_H

#include <stddef.h>

#include "core/status.h"

typedef struct mcvdi_arena mcvdi_arena;
typedef size_t mcvdi_mark;

/* Each block takes its bytes rounded up to a multiple of 64: sum these to plan the size. */
mcvd_status mcvdi_arena_create(mcvdi_arena **out, size_t bytes);
void mcvdi_arena_free(mcvdi_arena **arena);

/* 64-byte aligned, not zeroed; NULL when it does not fit (a mistake of ours: sizes are planned). */
void *mcvdi_arena_alloc(mcvdi_arena *arena, size_t bytes);
mcvdi_mark mcvdi_arena_mark(const mcvdi_arena *arena);
/* Forget everything handed out after the mark; poisoned under AddressSanitizer. */
void mcvdi_arena_reset(mcvdi_arena *arena, mcvdi_mark mark);

#endif
