/* Does a checkpoint fit a configuration, and if not, why? */
#ifndef MCVDI_IMPORT_FIT_H
#define MCVDI_IMPORT_FIT_H

#include <mcvd/import.h>
#include <mcvd/model.h>

#include "core/status.h"

typedef struct mcvdi_import_fit {
    const char *path; /* for messages */
    const mcvd_torch_checkpoint *checkpoint;
    mcvd_torch_part part;
    const mcvd_model *model; /* of the configuration: names and shapes */
    void (*note)(void *user, const char *line);
    void *user;
} mcvdi_import_fit;

/* numbers[i] = the checkpoint's tensor for parameter i of the model. MCVD_E_MODEL when a tensor is
 * missing, has another shape or no place: the first of each kind, and what the checkpoint says
 * about its own configuration, go to note line by line. */
mcvd_status mcvdi_import_match(const mcvdi_import_fit *fit, size_t *numbers);

#endif
