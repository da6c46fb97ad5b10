#include "data/idx.h"

#include <stdbool.h>
#include <string.h>

#include "core/alloc.h"
#include "core/checked.h"
#include "core/fileio.h"

enum { HEADER_BYTES = 16, MAX_FILE_BYTES = 256 << 20 };

static const uint32_t magic_images = 0x00000803u; /* unsigned bytes, three axes */

static uint32_t big_endian(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | (uint32_t)p[3];
}

static bool side_is_valid(size_t side)
{
    return side >= 1 && side <= MCVDI_IDX_MAX_SIDE;
}

static mcvd_status check(mcvdi_idx_images *images, size_t bytes, const char *path)
{
    const uint8_t *header = (const uint8_t *)images->file;
    size_t claimed = 0;

    if (bytes < HEADER_BYTES)
        return mcvdi_fail(MCVD_E_FORMAT, "%s: %zu bytes, an IDX header alone has %d", path, bytes,
                          HEADER_BYTES);
    if (big_endian(header) != magic_images)
        return mcvdi_fail(MCVD_E_FORMAT, "%s: starts with 0x%08x, IDX images start with 0x%08x",
                          path, big_endian(header), magic_images);
    images->count = big_endian(header + 4);
    images->height = big_endian(header + 8);
    images->width = big_endian(header + 12);
    if (images->count == 0 || !side_is_valid(images->height) || !side_is_valid(images->width))
        return mcvdi_fail(MCVD_E_FORMAT,
                          "%s: claims %zu images of %zux%zu, expected at least one of 1..%d", path,
                          images->count, images->width, images->height, MCVDI_IDX_MAX_SIDE);
    if (!mcvdi_mul_size(&claimed, images->count, images->height * images->width) ||
        !mcvdi_add_size(&claimed, claimed, HEADER_BYTES) || claimed != bytes)
        return mcvdi_fail(MCVD_E_FORMAT,
                          "%s: %zu images of %zux%zu do not fit its length of %zu bytes", path,
                          images->count, images->width, images->height, bytes);
    images->pixels = header + HEADER_BYTES;
    return MCVD_OK;
}

mcvd_status mcvdi_idx_read(mcvdi_idx_images *images, const char *path)
{
    size_t bytes = 0;

    memset(images, 0, sizeof *images);
    mcvd_status st = mcvdi_file_read(&images->file, &bytes, path, MAX_FILE_BYTES);
    if (st >= 0)
        st = check(images, bytes, path);
    if (st < 0)
        mcvdi_idx_release(images);
    return st;
}

void mcvdi_idx_release(mcvdi_idx_images *images)
{
    mcvdi_free(images->file);
    memset(images, 0, sizeof *images);
}
