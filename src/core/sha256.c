#include "core/sha256.h"

#include <mcvd/digest.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <nettle/sha2.h>

#include "core/alloc.h"

enum { CHUNK_BYTES = 1 << 18 };

struct mcvdi_sha256 {
    struct sha256_ctx context;
};

mcvd_status mcvdi_sha256_create(mcvdi_sha256 **out)
{
    *out = mcvdi_calloc(1, sizeof **out);
    if (!*out)
        return mcvdi_fail(MCVD_E_NOMEM, "sha256: %zu bytes", sizeof **out);
    sha256_init(&(*out)->context);
    return MCVD_OK;
}

void mcvdi_sha256_add(mcvdi_sha256 *sha, const void *data, size_t bytes)
{
    sha256_update(&sha->context, bytes, data);
}

void mcvdi_sha256_end(mcvdi_sha256 *sha, char hex[MCVDI_SHA256_HEX])
{
    static const char digits[] = "0123456789abcdef";
    uint8_t digest[SHA256_DIGEST_SIZE];

    sha256_digest(&sha->context, sizeof digest, digest);
    for (size_t i = 0; i < sizeof digest; i++) {
        hex[2 * i] = digits[digest[i] >> 4];
        hex[2 * i + 1] = digits[digest[i] & 15];
    }
    hex[2 * sizeof digest] = '\0';
}

void mcvdi_sha256_free(mcvdi_sha256 **sha)
{
    mcvdi_free(*sha);
    *sha = NULL;
}

static mcvd_status add_descriptor(mcvdi_sha256 *sha, int fd, const char *path)
{
    unsigned char *chunk = mcvdi_malloc(CHUNK_BYTES);
    ssize_t n = 1;

    if (!chunk)
        return mcvdi_fail(MCVD_E_NOMEM, "%s: out of memory for its SHA-256", path);
    while (n > 0) {
        n = read(fd, chunk, CHUNK_BYTES);
        if (n < 0 && errno == EINTR)
            n = 1;
        else if (n > 0)
            mcvdi_sha256_add(sha, chunk, (size_t)n);
    }
    mcvdi_free(chunk);
    return n < 0 ? mcvdi_fail(MCVD_E_IO, "%s: cannot read: %s", path, strerror(errno)) : MCVD_OK;
}

mcvd_status mcvdi_sha256_file(char hex[MCVDI_SHA256_HEX], const char *path)
{
    mcvdi_sha256 *sha = NULL;
    struct stat info;
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    *hex = '\0';
    if (fd < 0)
        return mcvdi_fail(MCVD_E_INPUT, "%s: cannot open: %s", path, strerror(errno));
    mcvd_status st = MCVD_OK;
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode))
        st = mcvdi_fail(MCVD_E_INPUT, "%s: not a regular file", path);
    if (st >= 0)
        st = mcvdi_sha256_create(&sha);
    if (st >= 0)
        st = add_descriptor(sha, fd, path);
    if (st >= 0)
        mcvdi_sha256_end(sha, hex);
    mcvdi_sha256_free(&sha);
    close(fd);
    return st;
}

mcvd_status mcvd_file_sha256(char hex[MCVD_SHA256_HEX], const char *path)
{
    return mcvdi_sha256_file(hex, path);
}

mcvd_status mcvd_sha256(char hex[MCVD_SHA256_HEX], const void *data, size_t bytes)
{
    mcvdi_sha256 *sha = NULL;

    hex[0] = '\0';
    const mcvd_status st = mcvdi_sha256_create(&sha);
    if (st < 0)
        return st;
    mcvdi_sha256_add(sha, data, bytes);
    mcvdi_sha256_end(sha, hex);
    mcvdi_sha256_free(&sha);
    return MCVD_OK;
}
