/* A file of weights of any container that is understood, as a list of float32 tensors. */
#ifndef MCVDI_IMPORT_SOURCE_H
#define MCVDI_IMPORT_SOURCE_H

#include <stddef.h>

#include <mcvd/import.h>
#include <mcvd/safetensors.h>

#include "core/status.h"

typedef struct mcvdi_import_source {
    const char *path;
    const char *container;        /* a word for it */
    mcvd_torch_checkpoint *torch; /* this */
    mcvd_safetensors *plain;      /* or this */
    size_t *numbers;              /* of plain's tensors of real numbers */
    size_t count;
    float *values; /* the tensor that was read last, where it had to be converted */
} mcvdi_import_source;

/* *source is zeros. MCVD_E_MODEL, MCVD_E_NOMEM. */
mcvd_status mcvdi_import_source_open(mcvdi_import_source *source, const char *path);
void mcvdi_import_source_close(mcvdi_import_source *source);

mcvd_status mcvdi_import_source_tensor(const mcvdi_import_source *source, size_t i,
                                       const char **name, mcvd_tensor *shape);
/* Values of tensor i, good until the next call. MCVD_E_MODEL, MCVD_E_NOMEM. */
mcvd_status mcvdi_import_source_read(mcvdi_import_source *source, size_t i, const float **values);

#endif
