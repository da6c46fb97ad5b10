#include "core/alloc.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/checked.h"

/* From LARGE_BYTES on, an aligned block is a mapping of its own: its pages read as zero and cost
 * nothing until they are touched. From HUGE_BYTES on it also starts on a huge page. */
enum { PAGE_BYTES = 4096, LARGE_BYTES = 1 << 20, HUGE_BYTES = 2 << 20 };

enum { FIRST_CAPACITY = 256 }; /* elements of an array that grows */

/* Lies directly before an aligned block. */
typedef struct block_header {
    void *base;          /* what free or munmap takes */
    size_t mapped_bytes; /* 0: base came from posix_memalign */
} block_header;

_Static_assert(sizeof(block_header) <= MCVDI_ALIGNMENT, "the header lies in front of the block");

static atomic_uint_fast64_t num_calls;
static atomic_uint_fast64_t num_freed;
static atomic_long fail_countdown = -1;

static bool refused(void)
{
    long left = atomic_load(&fail_countdown);

    while (left > 0)
        if (atomic_compare_exchange_weak(&fail_countdown, &left, left - 1))
            return false;
    return left == 0;
}

/* Count a new block; NULL is a failure and counts nothing. */
static void *counted(void *pointer)
{
    if (pointer)
        atomic_fetch_add(&num_calls, 1);
    return pointer;
}

void *mcvdi_malloc(size_t bytes)
{
    return refused() ? NULL : counted(malloc(bytes ? bytes : 1));
}

void *mcvdi_calloc(size_t count, size_t bytes)
{
    size_t total;

    if (!mcvdi_mul_size(&total, count, bytes) || refused())
        return NULL;
    return counted(calloc(1, total ? total : 1));
}

void *mcvdi_realloc(void *pointer, size_t bytes)
{
    if (refused())
        return NULL;
    void *moved = counted(realloc(pointer, bytes ? bytes : 1));
    if (moved && pointer)
        atomic_fetch_add(&num_freed, 1);
    return moved;
}

bool mcvdi_grow(void *array, size_t count, size_t *capacity, size_t bytes)
{
    const size_t larger = *capacity ? 2 * *capacity : FIRST_CAPACITY;
    void *items = NULL;
    size_t total = 0;

    if (count < *capacity)
        return true;
    memcpy(&items, array, sizeof items); /* a pointer of whatever type */
    items = mcvdi_mul_size(&total, larger, bytes) ? mcvdi_realloc(items, total) : NULL;
    if (!items)
        return false;
    memcpy(array, &items, sizeof items);
    *capacity = larger;
    return true;
}

char *mcvdi_strdup(const char *text)
{
    const size_t bytes = strlen(text) + 1;
    char *copy = mcvdi_malloc(bytes);

    return copy ? memcpy(copy, text, bytes) : NULL;
}

char *mcvdi_sprintf(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    const int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length < 0)
        return NULL;

    char *text = mcvdi_malloc((size_t)length + 1);
    if (!text)
        return NULL;
    va_start(args, format);
    vsnprintf(text, (size_t)length + 1, format, args);
    va_end(args);
    return text;
}

void mcvdi_free(void *pointer)
{
    if (!pointer)
        return;
    atomic_fetch_add(&num_freed, 1);
    free(pointer);
}

static void *finish_block(void *base, size_t mapped_bytes, char *data)
{
    const block_header header = { base, mapped_bytes };

    memcpy(data - sizeof header, &header, sizeof header);
    return counted(data);
}

static void *alloc_small(size_t bytes)
{
    void *base;

    if (posix_memalign(&base, MCVDI_ALIGNMENT, bytes + MCVDI_ALIGNMENT) != 0)
        return NULL;
    memset(base, 0, bytes + MCVDI_ALIGNMENT);
    return finish_block(base, 0, (char *)base + MCVDI_ALIGNMENT);
}

/* One page for the header, then the block. */
static void *alloc_mapped(size_t bytes)
{
    const size_t alignment = bytes >= HUGE_BYTES ? (size_t)HUGE_BYTES : (size_t)PAGE_BYTES;
    size_t total;

    if (!mcvdi_add_size(&total, bytes, PAGE_BYTES + alignment + PAGE_BYTES))
        return NULL;
    total -= total % PAGE_BYTES;
    char *base = mmap(NULL, total, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED)
        return NULL;

    const uintptr_t first = (uintptr_t)base + PAGE_BYTES;
    char *data = base + PAGE_BYTES + (alignment - first % alignment) % alignment;
#ifdef MADV_HUGEPAGE
    if (bytes >= HUGE_BYTES)
        (void)madvise(data, bytes - bytes % HUGE_BYTES, MADV_HUGEPAGE); /* only a wish */
#endif
    return finish_block(base, total, data);
}

void *mcvdi_alloc_aligned(size_t bytes)
{
    if (refused())
        return NULL;
    return bytes >= LARGE_BYTES ? alloc_mapped(bytes) : alloc_small(bytes);
}

void mcvdi_free_aligned(void *pointer)
{
    block_header header;

    if (!pointer)
        return;
    memcpy(&header, (char *)pointer - sizeof header, sizeof header);
    atomic_fetch_add(&num_freed, 1);
    if (header.mapped_bytes)
        munmap(header.base, header.mapped_bytes);
    else
        free(header.base);
}

mcvdi_alloc_stats mcvdi_alloc_stats_get(void)
{
    /* Freed first: a block counted as freed has been counted as allocated. */
    const uint64_t freed = atomic_load(&num_freed);
    const uint64_t calls = atomic_load(&num_calls);

    return (mcvdi_alloc_stats) { .calls = calls, .live = calls - freed };
}

void mcvdi_alloc_fail_after(long countdown)
{
    atomic_store(&fail_countdown, countdown < 0 ? -1 : countdown);
}
