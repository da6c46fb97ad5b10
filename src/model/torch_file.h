/* A PyTorch file of either container: its pickle, and the storages as float32. */
#ifndef MCVDI_TORCH_FILE_H
#define MCVDI_TORCH_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "model/pickle.h"
#include "model/torch_zip.h"

typedef struct mcvdi_torch_file mcvdi_torch_file;

/* Open and check it: container, pickle, and every storage against the container. weights: as in
 * mcvdi_pickle_rules. MCVD_E_MODEL, MCVD_E_NOMEM. */
mcvd_status mcvdi_torch_file_open(mcvdi_torch_file **out, const char *path, bool weights);
void mcvdi_torch_file_close(mcvdi_torch_file **file);

const mcvdi_pickle *mcvdi_torch_file_pickle(const mcvdi_torch_file *file);
/* The archive; NULL for a stream. */
mcvdi_torch_zip *mcvdi_torch_file_zip(const mcvdi_torch_file *file);

/* Whether numbers of this type can be read here: F32, F64, F16, BF16. */
bool mcvdi_torch_file_reads(mcvd_dtype dtype);
/* All elements of a storage of such a type, rounded to float32. MCVD_E_MODEL, MCVD_E_NOMEM. */
mcvd_status mcvdi_torch_file_read(mcvdi_torch_file *file, const mcvdi_pickle_storage *storage,
                                  float *to);

#endif
