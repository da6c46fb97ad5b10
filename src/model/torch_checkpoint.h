/* Reading the numbers of a checkpoint (mcvd/import.h opens and lists it). */
#ifndef MCVDI_TORCH_CHECKPOINT_H
#define MCVDI_TORCH_CHECKPOINT_H

#include <mcvd/import.h>

#include "model/torch_zip.h"

/* Tensor i of a part as contiguous float32, whatever its order in the file: *values points to
 * numel floats that stay until the next call or close. Keeps one storage in memory.
 * MCVD_E_MODEL (damaged), MCVD_E_NOMEM. */
mcvd_status mcvdi_torch_checkpoint_read(mcvd_torch_checkpoint *checkpoint, mcvd_torch_part part,
                                        size_t i, const float **values);

/* Number of the tensor of this name, count when there is none. */
size_t mcvdi_torch_checkpoint_find(const mcvd_torch_checkpoint *checkpoint, mcvd_torch_part part,
                                   const char *name);

/* The archive, for TorchScript's source texts; NULL for a stream. */
mcvdi_torch_zip *mcvdi_torch_checkpoint_zip(const mcvd_torch_checkpoint *checkpoint);

#endif
