/* Writing a safetensors file whose tensors are fetched one after the other. */
#ifndef MCVDI_SAFETENSORS_WRITE_H
#define MCVDI_SAFETENSORS_WRITE_H

#include <mcvd/safetensors.h>

#include "core/status.h"

typedef struct mcvdi_safetensors_source {
    const mcvd_safetensors_entry *entries; /* their data are not looked at */
    size_t num_entries;
    const mcvd_safetensors_meta *meta;
    size_t num_meta;
    /* The data of entry i, good until the next call. Called once per entry, in their order among
     * those of one element width. A failure leaves no file. */
    mcvd_status (*get)(void *user, size_t i, const void **data);
    void *user;
} mcvdi_safetensors_source;

/* mcvd_safetensors_write, or the failure of `get`. */
mcvd_status mcvdi_safetensors_write_from(const char *path, const mcvdi_safetensors_source *source,
                                         bool overwrite);

#endif
