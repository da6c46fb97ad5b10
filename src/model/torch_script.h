/* What the source text of a TorchScript archive says; it is looked at, never run. */
#ifndef MCVDI_TORCH_SCRIPT_H
#define MCVDI_TORCH_SCRIPT_H

#include <stdbool.h>

#include "model/torch_zip.h"

/* The eps of the archive's batch norms where it is a number in the text; *found tells. MCVD_E_MODEL
 * also when there are several of different value. */
mcvd_status mcvdi_torch_script_bn_eps(mcvdi_torch_zip *zip, const char *path, double *eps,
                                      bool *found);

#endif
