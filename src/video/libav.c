#include "video/libav.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <libavutil/log.h>

#include "core/log.h"

static void forward_log(void *object, int level, const char *format, va_list args)
{
    char line[512];
    int prefix = 1;

    if (level > AV_LOG_WARNING)
        return;
    av_log_format_line2(object, level, format, args, line, sizeof line, &prefix);
    line[strcspn(line, "\r\n")] = '\0';
    if (line[0])
        mcvdi_log(MCVD_LOG_DEBUG, "ffmpeg: %s", line);
}

static void install_log(void)
{
    av_log_set_callback(forward_log);
}

void mcvdi_libav_init(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    (void)pthread_once(&once, install_log);
}

mcvd_status mcvdi_libav_fail(mcvd_status status, int error, const char *path, const char *what)
{
    char text[AV_ERROR_MAX_STRING_SIZE] = "";

    if (error == AVERROR(ENOMEM))
        status = MCVD_E_NOMEM;
    else if (error == AVERROR(ENOSPC) || error == AVERROR(EIO) || error == AVERROR(EPIPE) ||
             error == AVERROR(EDQUOT) || error == AVERROR(EFBIG))
        status = MCVD_E_IO;
    (void)av_strerror(error, text, sizeof text);
    return mcvdi_fail(status, "%s: %s: %s", path, what, text);
}
