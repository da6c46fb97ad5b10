#include <mcvd/video.h>

#include <pthread.h>
#include <stdio.h>

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libswscale/swscale.h>

static char text[128];
static pthread_once_t text_once = PTHREAD_ONCE_INIT;

static int append(int at, const char *name, unsigned version)
{
    return at + snprintf(text + at, sizeof text - (size_t)at, "%s%s %u.%u.%u", at ? ", " : "", name,
                         version >> 16, version >> 8 & 0xffu, version & 0xffu);
}

static void write_text(void)
{
    int at = append(0, "libavformat", avformat_version());

    at = append(at, "libavcodec", avcodec_version());
    append(at, "libswscale", swscale_version());
}

const char *mcvd_video_libraries(void)
{
    pthread_once(&text_once, write_text);
    return text;
}
