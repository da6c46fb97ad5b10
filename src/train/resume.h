/* What must hold before a checkpoint is continued from. */
#ifndef MCVDI_RESUME_H
#define MCVDI_RESUME_H

#include <stdbool.h>
#include <stdint.h>

#include <mcvd/config.h>

#include "core/status.h"

/*
 * Only keys without influence on the numbers may differ from those that a checkpoint was made
 * with: how far (and the cooldown at the end), how often, how many, what is exported, and
 * sampling.*. data.dataset is the run record's business.
 *
 * MCVD_OK, MCVD_E_CONFIG (names the first other key and both values), MCVD_E_MODEL (the file cannot
 * be read), MCVD_E_NOMEM.
 */
mcvd_status mcvdi_resume_check_config(const char *checkpoint, const mcvd_config *config);

/* Whether a model file is there, readable, and of that many steps. */
bool mcvdi_resume_model_is_of(const char *model, uint64_t steps);

#endif
