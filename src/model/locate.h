/* Which file a --model argument means. */
#ifndef MCVDI_LOCATE_H
#define MCVDI_LOCATE_H

#include "core/status.h"

/* A file is itself. A run folder is its model.safetensors or, before the first export, the
 * checkpoint that `latest` names. *file is freed with mcvdi_free.
 * MCVD_OK, MCVD_E_MODEL (a folder with neither), MCVD_E_NOMEM. */
mcvd_status mcvdi_model_locate(char **file, const char *path);

/* The same, but a run folder is its newest checkpoint where it has one: what resuming needs. */
mcvd_status mcvdi_checkpoint_locate(char **file, const char *path);

#endif
