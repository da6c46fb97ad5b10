/* The video reader on any bytes, small frames only: a status and a message, or frames that can be
 * read to their last byte. The corpus is y4m, the one format that needs no codec. */
#include <mcvd/video.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fuzz/fuzz.h"

enum { MAX_PIXELS = 64 * 64, MAX_FRAMES = 16 };

static void require(int condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "broken promise: %s\n", what);
    abort();
}

static void read_frames(mcvd_video_reader *reader)
{
    const mcvd_video_info *info = mcvd_video_reader_info(reader);
    volatile uint8_t sum = 0;
    mcvd_frame frame;
    mcvd_status st = MCVD_OK;

    for (int f = 0; f < MAX_FRAMES && st == MCVD_OK; f++) {
        st = mcvd_video_reader_next(reader, &frame);
        if (st != MCVD_OK)
            break;
        require(frame.width == info->width && frame.height == info->height, "one frame size");
        const size_t bytes = (size_t)frame.width * (size_t)frame.height * (size_t)frame.channels;
        for (size_t i = 0; i < bytes; i++)
            sum = (uint8_t)(sum + frame.data[i]);
    }
    require(st >= 0 || mcvd_last_error()[0] != '\0', "a failure has a message");
    require(st == MCVD_OK || frame.data == NULL, "no frame after a failure");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mcvd_video_reader_config config = mcvd_video_reader_config_default();
    mcvd_video_reader *reader;
    char path[64];
    const int fd = (int)syscall(SYS_memfd_create, "fuzz", 0u);

    require(fd >= 0 && write(fd, data, size) == (ssize_t)size, "a file in memory");
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    config.max_pixels = MAX_PIXELS;
    const mcvd_status st = mcvd_video_reader_open(&reader, path, &config);
    if (st == MCVD_OK) {
        read_frames(reader);
        mcvd_video_reader_free(&reader);
    } else {
        require(st < 0 && !reader && mcvd_last_error()[0] != '\0', "a failure has a message");
    }
    close(fd);
    return 0;
}
