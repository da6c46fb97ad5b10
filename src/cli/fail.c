#include "cli/fail.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli/printable.h"

static char message[1024];

mcvd_status mcvdi_cli_fail(mcvd_status status, const char *format, ...)
{
    char line[sizeof message]; /* an argument may be the old message */
    va_list args;

    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    mcvdi_printable(line);
    memcpy(message, line, sizeof message);
    return status;
}

void mcvdi_cli_warn(const char *format, ...)
{
    char line[sizeof message];
    va_list args;

    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    mcvdi_printable(line);
    fprintf(stderr, "mcvd: warning: %s\n", line);
}

void mcvdi_cli_note(const char *format, ...)
{
    char line[sizeof message];
    va_list args;

    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    mcvdi_printable(line);
    fprintf(stderr, "mcvd: %s\n", line);
}

const char *mcvdi_cli_message(void)
{
    return message[0] ? message : mcvd_last_error();
}
