/*
 * Every allocation of the library goes through here: counted, so that a test can prove that the
 * hot loop allocates nothing, and failable, so that a test can refuse each one in turn.
 */
#ifndef MCVDI_ALLOC_H
#define MCVDI_ALLOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MCVDI_ALIGNMENT = 64 };

void *mcvdi_malloc(size_t bytes);
void *mcvdi_calloc(size_t count, size_t bytes);
void *mcvdi_realloc(void *pointer, size_t bytes);
char *mcvdi_strdup(const char *text);
char *mcvdi_sprintf(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Room for one more element of `bytes` behind `count` of them: `array` is the address of the
 * pointer to them, NULL at first. False out of memory, with everything as it was. */
bool mcvdi_grow(void *array, size_t count, size_t *capacity, size_t bytes);
void mcvdi_free(void *pointer); /* NULL is fine; takes what a function above returned */

/* 64-byte aligned and zeroed; freed with mcvdi_free_aligned. From 1 MB on it is a mapping of its
 * own: page aligned, and pages that are never touched take no memory. */
void *mcvdi_alloc_aligned(size_t bytes);
void mcvdi_free_aligned(void *pointer);

typedef struct mcvdi_alloc_stats {
    uint64_t calls; /* successful allocations since the start, all threads */
    uint64_t live;  /* of these not freed yet */
} mcvdi_alloc_stats;

mcvdi_alloc_stats mcvdi_alloc_stats_get(void);

/* Tests only: let `countdown` more allocations succeed, then refuse one and all that follow.
 * A negative countdown switches this off. */
void mcvdi_alloc_fail_after(long countdown);

#endif
