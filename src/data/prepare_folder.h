/* The folder of a store that is being made: one writer, one set of settings, nothing foreign. */
#ifndef MCVDI_PREPARE_FOLDER_H
#define MCVDI_PREPARE_FOLDER_H

#include <stdbool.h>

#include "core/status.h"

typedef struct mcvdi_prepare_folder {
    const char *path;
    int lock; /* file descriptor */
} mcvdi_prepare_folder;

/* Make and lock the folder. An unfinished store of the same settings (a line of JSON) goes on;
 * force drops what an earlier preparation left. MCVD_E_EXISTS (a finished store, other settings,
 * files of somebody else), MCVD_E_STATE (another writer), MCVD_E_IO, MCVD_E_NOMEM. To be closed
 * either way. */
mcvd_status mcvdi_prepare_folder_open(mcvdi_prepare_folder *folder, const char *path,
                                      const char *settings, bool force);
void mcvdi_prepare_folder_close(mcvdi_prepare_folder *folder);

#endif
