/* Names of files: made of parts, and two names of one file. */
#ifndef MCVDI_CLI_PATH_H
#define MCVDI_CLI_PATH_H

#include <stdbool.h>
#include <stddef.h>

#include <mcvd/status.h>

/* printf into path; MCVD_E_USAGE, with a message, when the name does not fit. */
__attribute__((format(printf, 3, 4))) mcvd_status mcvdi_path(char *path, size_t bytes,
                                                             const char *format, ...);

/* Whether both names lead to one existing file or folder, through links too. */
bool mcvdi_path_same(const char *a, const char *b);

#endif
