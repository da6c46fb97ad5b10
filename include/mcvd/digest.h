/* Checksums of files and data, to say in a report what exactly was used. */
#ifndef MCVD_DIGEST_H
#define MCVD_DIGEST_H

#include <stddef.h>

#include <mcvd/export.h>
#include <mcvd/status.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { MCVD_SHA256_HEX = 65 }; /* with the terminating zero */

/**
 * SHA-256 of a whole regular file, in lower-case hex.
 * @return MCVD_OK, MCVD_E_INPUT (missing, no file), MCVD_E_IO, MCVD_E_NOMEM; hex is "" then
 */
MCVD_API mcvd_status mcvd_file_sha256(char hex[MCVD_SHA256_HEX], const char *path);

/** The same of bytes in memory. MCVD_OK, MCVD_E_NOMEM */
MCVD_API mcvd_status mcvd_sha256(char hex[MCVD_SHA256_HEX], const void *data, size_t bytes);

#ifdef __cplusplus
}
#endif

#endif
