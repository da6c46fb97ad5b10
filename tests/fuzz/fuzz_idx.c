/* The MNIST image reader on any bytes: a status and a message, or pixels to the last one. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/status.h"
#include "data/idx.h"
#include "fuzz/fuzz.h"

static void require(int condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "broken promise: %s\n", what);
    abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mcvdi_idx_images images;
    char path[64];
    volatile uint8_t sum = 0;
    const int fd = (int)syscall(SYS_memfd_create, "fuzz", 0u);

    require(fd >= 0 && write(fd, data, size) == (ssize_t)size, "a file in memory");
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    const mcvd_status st = mcvdi_idx_read(&images, path);
    if (st == MCVD_OK) {
        const size_t bytes = images.count * images.height * images.width;
        require(bytes > 0 && bytes + 16 == size, "sizes agree with the file");
        for (size_t i = 0; i < bytes; i++)
            sum = (uint8_t)(sum + images.pixels[i]);
        mcvdi_idx_release(&images);
    } else {
        require(st == MCVD_E_FORMAT && mcvd_last_error()[0] != '\0', "bad bytes are told");
    }
    close(fd);
    return 0;
}
