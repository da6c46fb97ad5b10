#include "cli/path.h"

#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>

#include "cli/fail.h"

mcvd_status mcvdi_path(char *path, size_t bytes, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    const int n = vsnprintf(path, bytes, format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= bytes)
        return mcvdi_cli_fail(MCVD_E_USAGE, "%.40s...: a file name of %d bytes, expected below %zu",
                              path, n, bytes);
    return MCVD_OK;
}

bool mcvdi_path_same(const char *a, const char *b)
{
    struct stat x;
    struct stat y;

    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}
