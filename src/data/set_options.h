/* The keys of data.* that decide the clips of a set: kept in the manifest of a store, and compared
 * with what a run asks for. */
#ifndef MCVDI_SET_OPTIONS_H
#define MCVDI_SET_OPTIONS_H

#include <cjson/cJSON.h>

#include <mcvd/config.h>

#include "core/status.h"

/* {"ucf101_split": 3} of the keys up to NULL (keys may be NULL: {}). MCVD_E_NOMEM. Free with
 * cJSON_Delete. */
mcvd_status mcvdi_set_options(cJSON **out, const char *const *keys, const mcvd_data_config *data);

/* MCVD_E_CONFIG where `data` asks for another value than the options of a store; options may be
 * NULL, a store from before there were any. test_fraction = 0 asks for nothing. */
mcvd_status mcvdi_set_options_agree(const cJSON *options, const mcvd_data_config *data);

/* MCVD_E_CONFIG where `data` has something else than the default for what only another set than
 * `set` has: the clips of KTH cannot be chosen among moving digits. */
mcvd_status mcvdi_set_options_belong(const mcvd_data_config *data, const char *set);

#endif
