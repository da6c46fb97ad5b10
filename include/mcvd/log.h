/* Messages of the library go through one callback; without one they are dropped. */
#ifndef MCVD_LOG_H
#define MCVD_LOG_H

#include <mcvd/export.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum mcvd_log_level {
    MCVD_LOG_ERROR,
    MCVD_LOG_WARNING,
    MCVD_LOG_INFO,
    MCVD_LOG_DEBUG
} mcvd_log_level;

/** Receives one line without a newline; may be called from any thread. */
typedef void (*mcvd_log_fn)(void *user, mcvd_log_level level, const char *line);

/** Set the process-wide receiver; NULL drops messages again. Set it before other threads run. */
MCVD_API void mcvd_log_set(mcvd_log_fn fn, void *user);

#ifdef __cplusplus
}
#endif

#endif
