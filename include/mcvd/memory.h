/* How much memory this process has taken. */
#ifndef MCVD_MEMORY_H
#define MCVD_MEMORY_H

#include <mcvd/export.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Peak resident memory of this process in MB of 1e6 bytes, 0 when the system does not tell.
 * Allocates nothing. */
MCVD_API double mcvd_peak_rss_mb(void);

#ifdef __cplusplus
}
#endif

#endif
