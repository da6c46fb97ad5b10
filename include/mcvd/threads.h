/* How many threads the library computes with. */
#ifndef MCVD_THREADS_H
#define MCVD_THREADS_H

#include <mcvd/export.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Threads of all following calls from this thread; 0 restores the default (all the process may
 * use). Results are the same bytes for the same number. */
MCVD_API void mcvd_set_threads(int num_threads);
MCVD_API int mcvd_num_threads(void);

#ifdef __cplusplus
}
#endif

#endif
