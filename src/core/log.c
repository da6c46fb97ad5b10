#include "core/log.h"

#include <stdarg.h>
#include <stdio.h>

static mcvd_log_fn receiver;
static void *receiver_user;

void mcvd_log_set(mcvd_log_fn fn, void *user)
{
    receiver = fn;
    receiver_user = user;
}

void mcvdi_log(mcvd_log_level level, const char *format, ...)
{
    char line[1024];
    va_list args;

    if (!receiver)
        return;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    receiver(receiver_user, level, line);
}
