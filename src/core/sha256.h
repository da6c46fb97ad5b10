/* SHA-256 (FIPS 180-4) of weights and records; the only includer of nettle. */
#ifndef MCVDI_SHA256_H
#define MCVDI_SHA256_H

#include <stddef.h>

#include "core/status.h"

enum { MCVDI_SHA256_HEX = 65 }; /* with the terminating zero */

typedef struct mcvdi_sha256 mcvdi_sha256;

/* MCVD_E_NOMEM */
mcvd_status mcvdi_sha256_create(mcvdi_sha256 **out);
void mcvdi_sha256_add(mcvdi_sha256 *sha, const void *data, size_t bytes);
/* The digest in lower-case hex; the object starts anew. */
void mcvdi_sha256_end(mcvdi_sha256 *sha, char hex[MCVDI_SHA256_HEX]);
void mcvdi_sha256_free(mcvdi_sha256 **sha);

/* Of a whole regular file. MCVD_E_INPUT (missing, no file), MCVD_E_IO, MCVD_E_NOMEM; hex is ""
 * then.
 */
mcvd_status mcvdi_sha256_file(char hex[MCVDI_SHA256_HEX], const char *path);

#endif
