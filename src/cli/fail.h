/* The program's own error message, beside the library's mcvd_last_error(). */
#ifndef MCVDI_CLI_FAIL_H
#define MCVDI_CLI_FAIL_H

#include <mcvd/status.h>

/* Keep one line for the end of main, which prints it, and return status. */
mcvd_status mcvdi_cli_fail(mcvd_status status, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Print one line that starts with "mcvd: warning: ". */
void mcvdi_cli_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Print one line that starts with "mcvd: ", for what is no warning. */
void mcvdi_cli_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The line of mcvdi_cli_fail, or the library's when the program has none of its own. */
const char *mcvdi_cli_message(void);

#endif
