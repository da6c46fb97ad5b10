/* The folder of a run: lock, configuration, checkpoints, which one is the latest. */
#ifndef MCVDI_RUN_FOLDER_H
#define MCVDI_RUN_FOLDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

typedef struct mcvdi_run_folder mcvdi_run_folder;

/* Open or create. A folder that holds a run already needs resume or force; force removes its
 * checkpoints, journal and samples. Locked until closed: MCVD_E_STATE when another process has it.
 */
mcvd_status mcvdi_run_folder_open(mcvdi_run_folder **out, const char *path, bool resume,
                                  bool force);
void mcvdi_run_folder_close(mcvdi_run_folder **folder);

/* folder/name; freed with mcvdi_free, NULL out of memory. */
char *mcvdi_run_folder_path(const mcvdi_run_folder *folder, const char *name);
char *mcvdi_run_folder_checkpoint_path(const mcvdi_run_folder *folder, uint64_t step);

/* After a checkpoint was written: point `latest` at it, remove all but the newest `keep`. */
mcvd_status mcvdi_run_folder_commit(const mcvdi_run_folder *folder, uint64_t step, size_t keep);

/* Step of the newest checkpoint; MCVD_EOF when there is none. */
mcvd_status mcvdi_run_folder_latest(const mcvdi_run_folder *folder, uint64_t *step);

#endif
