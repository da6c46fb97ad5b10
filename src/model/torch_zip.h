/* The zip container of a PyTorch file; the only includer of libzip. */
#ifndef MCVDI_TORCH_ZIP_H
#define MCVDI_TORCH_ZIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

typedef struct mcvdi_torch_zip mcvdi_torch_zip;

/* Open and check the list of entries: names that stay inside, none twice, one <prefix>/data.pkl,
 * everything but TorchScript's code stored as it is. MCVD_E_MODEL, MCVD_E_NOMEM. */
mcvd_status mcvdi_torch_zip_open(mcvdi_torch_zip **out, const char *path);
void mcvdi_torch_zip_close(mcvdi_torch_zip **zip);

/* Bytes of <prefix>/<name>; false when there is no such entry. */
bool mcvdi_torch_zip_size(const mcvdi_torch_zip *zip, const char *name, size_t *bytes);

/* Read the whole entry, which has exactly this size, and compare its CRC. */
mcvd_status mcvdi_torch_zip_read(mcvdi_torch_zip *zip, const char *name, void *to, size_t bytes);

/* The next source text of a TorchScript archive from entry *at on, to be freed with mcvdi_free, and
 * its name; text NULL: there is none. To be looked at, never run. MCVD_E_MODEL, MCVD_E_NOMEM. */
mcvd_status mcvdi_torch_zip_code(mcvdi_torch_zip *zip, size_t *at, const char **name, char **text);

#endif
