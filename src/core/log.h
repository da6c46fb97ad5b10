/* Sending a line to the library's log receiver. */
#ifndef MCVDI_LOG_H
#define MCVDI_LOG_H

#include <mcvd/log.h>

void mcvdi_log(mcvd_log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
