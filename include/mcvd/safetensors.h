/*
 * The safetensors container: 8 bytes of header length (little endian), a JSON header, raw tensors.
 * The reader treats the file as hostile and maps it; nothing is copied until it is used.
 */
#ifndef MCVD_SAFETENSORS_H
#define MCVD_SAFETENSORS_H

#include <stdbool.h>
#include <stddef.h>

#include <mcvd/export.h>
#include <mcvd/status.h>
#include <mcvd/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mcvd_safetensors mcvd_safetensors;

/**
 * Open and check a file: header size (at most 100 MB and inside the file), JSON, dtypes, shapes,
 * offsets inside the file, sizes that match shapes, no overlap, no hole, no duplicate name.
 * The file is mapped: it must not be cut short or written to while it is open (replacing it by
 * mcvd_safetensors_write is fine).
 *
 * @return MCVD_OK, MCVD_E_INPUT (cannot be opened), MCVD_E_FORMAT (damaged), MCVD_E_NOMEM
 */
MCVD_API mcvd_status mcvd_safetensors_open(mcvd_safetensors **out, const char *path);
MCVD_API void mcvd_safetensors_close(mcvd_safetensors **file);

MCVD_API size_t mcvd_safetensors_count(const mcvd_safetensors *file);
/** Name of tensor i in the order of the header, NULL when i is out of range. */
MCVD_API const char *mcvd_safetensors_name(const mcvd_safetensors *file, size_t i);
MCVD_API bool mcvd_safetensors_has(const mcvd_safetensors *file, const char *name);

/**
 * A view of a tensor, aligned for its dtype; valid until close. Read only. A tensor that lies
 * misaligned in the file is copied on first use. Safe from several threads.
 *
 * @return MCVD_OK, MCVD_E_FORMAT (no such tensor; the message names it), MCVD_E_NOMEM
 */
MCVD_API mcvd_status mcvd_safetensors_get(const mcvd_safetensors *file, const char *name,
                                          mcvd_tensor *tensor);

/** A string of __metadata__, NULL when absent. */
MCVD_API const char *mcvd_safetensors_metadata(const mcvd_safetensors *file, const char *key);

/** Tell the system that the pages of this tensor are not needed any more. */
MCVD_API void mcvd_safetensors_drop_pages(const mcvd_safetensors *file, const mcvd_tensor *tensor);

typedef struct mcvd_safetensors_entry {
    const char *name;
    mcvd_tensor tensor;
} mcvd_safetensors_entry;

typedef struct mcvd_safetensors_meta {
    const char *key;
    const char *value;
} mcvd_safetensors_meta;

/**
 * Write a file whole or not at all: temporary name, sync, rename, sync of the folder. The header
 * keeps the caller's order; the data lie widest dtype first, so that every tensor is aligned.
 *
 * @param overwrite  false refuses an existing path with MCVD_E_EXISTS
 * @return MCVD_OK, MCVD_E_EXISTS, MCVD_E_IO (disk full, no permission), MCVD_E_NOMEM,
 *         MCVD_E_FORMAT (duplicate or empty name)
 */
MCVD_API mcvd_status mcvd_safetensors_write(const char *path, const mcvd_safetensors_entry *entries,
                                            size_t num_entries, const mcvd_safetensors_meta *meta,
                                            size_t num_meta, bool overwrite);

#ifdef __cplusplus
}
#endif

#endif
