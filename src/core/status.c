#include "core/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MESSAGE_BYTES = 1024 };

static _Thread_local char last_message[MESSAGE_BYTES];

#define STATUS_NAME(name, value, text) \
    case name:                         \
        return #name;
#define STATUS_TEXT(name, value, text) \
    case name:                         \
        return text;

const char *mcvd_status_name(mcvd_status status)
{
    switch (status) {
        MCVD_STATUS_LIST(STATUS_NAME)
    }
    return "unknown status";
}

const char *mcvd_status_text(mcvd_status status)
{
    switch (status) {
        MCVD_STATUS_LIST(STATUS_TEXT)
    }
    return "unknown status";
}

const char *mcvd_last_error(void)
{
    return last_message;
}

/* One line: names from files may hold anything, the terminal must not see it. */
static void replace_control_characters(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            *text = '?';
}

mcvd_status mcvdi_fail(mcvd_status status, const char *format, ...)
{
    char message[MESSAGE_BYTES]; /* an argument may be the old message */
    va_list args;

    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    replace_control_characters(message);
    memcpy(last_message, message, sizeof message);
    return status;
}

mcvd_status mcvdi_fail_context(mcvd_status status, const char *format, ...)
{
    char context[MESSAGE_BYTES / 2];
    va_list args;

    va_start(args, format);
    vsnprintf(context, sizeof context, format, args);
    va_end(args);
    return mcvdi_fail(status, "%s: %s", context, last_message);
}
