/* Writing the zip container of a PyTorch file. */
#ifndef MCVDI_TORCH_ZIP_WRITE_H
#define MCVDI_TORCH_ZIP_WRITE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/status.h"

typedef struct mcvdi_torch_archive {
    const void *pickle; /* data.pkl */
    size_t pickle_bytes;
    const size_t *storage_bytes; /* [num_storages]: data/0, data/1, ... */
    size_t num_storages;
    /* Find or make the content of storage i: *data may point at buffer, which is as large as the
     * largest storage. Asked for once each, in order. */
    mcvd_status (*get)(void *user, size_t i, void *buffer, const void **data);
    /* The content was taken. */
    void (*taken)(void *user, size_t i);
    void *user;
} mcvdi_torch_archive;

/*
 * Everything stored as it is, every storage at a multiple of 64 bytes (tensors of 4 GB and more
 * elsewhere), the same bytes for the same content; complete or not at all.
 *
 * path's name without its extension becomes the archive's folder, as PyTorch does it.
 *
 * MCVD_OK, MCVD_E_EXISTS, MCVD_E_IO, MCVD_E_NOMEM, and what get returns.
 */
mcvd_status mcvdi_torch_archive_write(const mcvdi_torch_archive *archive, const char *path,
                                      bool overwrite);

#endif
