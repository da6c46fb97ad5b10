/* --config, --set and --task of every command that has a configuration. */
#ifndef MCVDI_CLI_SETTINGS_H
#define MCVDI_CLI_SETTINGS_H

#include <mcvd/config.h>
#include <mcvd/model.h>

#include "cli/parse.h"

/*
 * Default < file < --set < --task; a task in the configuration sets the masks as well. Call
 * mcvd_config_check or mcvd_config_check_network afterwards.
 *
 * @param file  NULL: defaults only
 * @param sets  NULL: none
 * @param task  NULL: the configuration's own
 * @return MCVD_OK, or what the library says; *config is usable only after MCVD_OK
 */
mcvd_status mcvdi_settings_load(mcvd_config *config, const char *file, const mcvdi_arg_list *sets,
                                const char *task);

/*
 * A model file, checkpoint or run folder; bare weights with the configuration of a file.
 * @param config_file  NULL: the configuration inside the model
 */
mcvd_status mcvdi_model_load(mcvd_model **model, const char *path, const char *config_file);

/* The same on top of what *config already holds, for example a model's own configuration. */
mcvd_status mcvdi_settings_apply(mcvd_config *config, const mcvdi_arg_list *sets, const char *task);

#endif
