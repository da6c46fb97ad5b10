/* Failing with a message. */
#ifndef MCVDI_STATUS_H
#define MCVDI_STATUS_H

#include <mcvd/status.h>

/* Store the message for mcvd_last_error() and return status, so that a caller can write
 * `return mcvdi_fail(MCVD_E_SHAPE, "...")`. */
mcvd_status mcvdi_fail(mcvd_status status, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Put "<format>: " in front of the stored message: a caller adds the file or flag it knows. */
mcvd_status mcvdi_fail_context(mcvd_status status, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
