/* The safetensors reader on any bytes: a status or a file that can be read to its last byte. */
#include <mcvd/safetensors.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fuzz/fuzz.h"

static void require(int condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "broken promise: %s\n", what);
    abort();
}

static void check_file(const mcvd_safetensors *file, size_t num_bytes)
{
    const size_t count = mcvd_safetensors_count(file);
    volatile uint8_t sum = 0;
    size_t total = 0;

    for (size_t i = 0; i < count; i++) {
        const char *name = mcvd_safetensors_name(file, i);
        mcvd_tensor t;
        require(name && name[0] && mcvd_safetensors_has(file, name), "every tensor has a name");
        require(mcvd_safetensors_get(file, name, &t) == MCVD_OK, "every name can be read");
        const size_t width = mcvd_dtype_bytes(t.dtype);
        const size_t bytes = mcvd_tensor_numel(&t) * width;
        require((uintptr_t)t.data % width == 0, "tensors are aligned");
        for (size_t j = 0; j < bytes; j++)
            sum = (uint8_t)(sum + ((const uint8_t *)t.data)[j]);
        total += bytes;
        mcvd_safetensors_drop_pages(file, &t);
    }
    require(total + 10 <= num_bytes, "tensors do not exceed the file");
    require(mcvd_safetensors_name(file, count) == NULL, "no name after the last");
    (void)mcvd_safetensors_metadata(file, "config");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mcvd_safetensors *file;
    char path[64];
    const int fd = (int)syscall(SYS_memfd_create, "fuzz", 0u);

    require(fd >= 0 && write(fd, data, size) == (ssize_t)size, "a file in memory");
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    const mcvd_status st = mcvd_safetensors_open(&file, path);
    if (st == MCVD_OK) {
        check_file(file, size);
        mcvd_safetensors_close(&file);
    } else {
        require(st == MCVD_E_FORMAT && !file, "bad bytes are MCVD_E_FORMAT");
        require(mcvd_last_error()[0] != '\0', "a failure has a message");
    }
    close(fd);
    return 0;
}
