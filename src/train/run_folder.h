/* The folder of a run: lock, configuration, checkpoints, which one is the latest. */
#ifndef MCVDI_RUN_FOLDER_H
#define MCVDI_RUN_FOLDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

typedef struct mcvdi_run_folder mcvdi_run_folder;

/*
 * Open or create. A folder that holds checkpoints or a model needs resume or force; force removes
 * what the run made and nothing else. A run that ended before its first checkpoint is no obstacle.
 * Locked until closed.
 *
 * MCVD_OK, MCVD_E_EXISTS, MCVD_E_INPUT (nothing to resume), MCVD_E_STATE (another process has it),
 * MCVD_E_IO, MCVD_E_NOMEM.
 */
mcvd_status mcvdi_run_folder_open(mcvdi_run_folder **out, const char *path, bool resume,
                                  bool force);
void mcvdi_run_folder_close(mcvdi_run_folder **folder);

/* folder/name; freed with mcvdi_free, NULL out of memory. */
char *mcvdi_run_folder_path(const mcvdi_run_folder *folder, const char *name);
char *mcvdi_run_folder_checkpoint_path(const mcvdi_run_folder *folder, uint64_t step);

/* What mcvd distill keeps beside a run's own files; stages are stage-NUMBER-steps.safetensors. */
#define MCVDI_DISTILL_FILE    "distill.json"
#define MCVDI_DISTILL_TEACHER "teacher.safetensors"
bool mcvdi_run_folder_is_distillation(const char *path);

/* After a checkpoint was written: point `latest` at it, remove all but the newest `keep`. */
mcvd_status mcvdi_run_folder_commit(const mcvdi_run_folder *folder, uint64_t step, size_t keep);

/* Steps of all checkpoints, newest first; freed with mcvdi_free. Their names appear by rename, so
 * each was complete when it was written. */
mcvd_status mcvdi_run_folder_checkpoints(const mcvdi_run_folder *folder, uint64_t **steps,
                                         size_t *count);

/* Rename a checkpoint that cannot be read to NAME.damaged: it counts no more. */
mcvd_status mcvdi_run_folder_set_aside(const mcvdi_run_folder *folder, uint64_t step);

#endif
