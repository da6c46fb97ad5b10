/*
 * The whole way of a PyTorch file on any bytes: zip or the stream of before version 1.6, pickle,
 * storages, values; by the rules of a checkpoint and by those of weights in general. A status and a
 * message, or tensors that can be read to their last element.
 *
 * A file that starts with "PKL" is a pickle to be wrapped: the archive around it is made here, with
 * right CRCs and 64 numbers as storages 0 to 3, so that the engine reaches what lies behind them.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fuzz/fuzz.h"
#include "model/torch_checkpoint.h"
#include "model/torch_script.h"
#include "support/torch_file.h"

static void require(int condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "broken promise: %s\n", what);
    abort();
}

static void check_part(mcvd_torch_checkpoint *c, mcvd_torch_part part)
{
    volatile float sum = 0.0f;

    for (size_t i = 0; i < mcvd_torch_checkpoint_count(c, part); i++) {
        const char *name = NULL;
        const float *values = NULL;
        mcvd_tensor shape;
        require(mcvd_torch_checkpoint_tensor(c, part, i, &name, &shape) == MCVD_OK && name[0],
                "every tensor has a name");
        require(mcvdi_torch_checkpoint_find(c, part, name) == i, "every name is found");
        const mcvd_status st = mcvdi_torch_checkpoint_read(c, part, i, &values);
        require(st == MCVD_OK || st == MCVD_E_MODEL, "a read ends well or with a message");
        for (size_t j = 0; st == MCVD_OK && j < mcvd_tensor_numel(&shape); j++)
            sum = sum + values[j];
    }
}

/* The source text of an archive. */
static void check_code(const mcvd_torch_checkpoint *c, const char *path)
{
    double eps = 0.0;
    bool found = false;

    if (mcvd_torch_checkpoint_is_stream(c))
        return;
    const mcvd_status st =
        mcvdi_torch_script_bn_eps(mcvdi_torch_checkpoint_zip(c), path, &eps, &found);
    require(st == MCVD_OK || (st == MCVD_E_MODEL && !found), "code is looked at or refused");
}

static void check_file(int fd, bool weights)
{
    char path[64];
    mcvd_torch_checkpoint *c = NULL;

    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    const mcvd_status st =
        weights ? mcvd_torch_weights_open(&c, path) : mcvd_torch_checkpoint_open(&c, path);
    if (st == MCVD_OK) {
        check_part(c, MCVD_TORCH_MODEL);
        check_part(c, MCVD_TORCH_EMA);
        check_code(c, path);
        mcvd_torch_checkpoint_close(&c);
    } else {
        require(st == MCVD_E_MODEL && !c, "bad bytes are MCVD_E_MODEL");
        require(mcvd_last_error()[0] != '\0', "a failure has a message");
    }
}

static void wrap(test_bytes *file, const uint8_t *pickle, size_t size)
{
    static const float numbers[64] = { 1.0f };
    static const char *const names[] = { "p/data/0", "p/data/1", "p/data/2", "p/data/3" };
    test_zip zip = { 0 };

    zip_put_plain(&zip, "p/data.pkl", pickle, size);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        zip_put_plain(&zip, names[i], numbers, sizeof numbers);
    zip_end(&zip);
    *file = zip.file;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    test_bytes wrapped = { 0 };
    const int fd = (int)syscall(SYS_memfd_create, "fuzz", 0u);

    if (size >= 3 && memcmp(data, "PKL", 3) == 0) {
        wrap(&wrapped, data + 3, size - 3);
        data = wrapped.data;
        size = wrapped.used;
    }
    require(fd >= 0 && write(fd, data, size) == (ssize_t)size, "a file in memory");
    check_file(fd, false);
    check_file(fd, true);
    close(fd);
    bytes_free(&wrapped);
    return 0;
}
