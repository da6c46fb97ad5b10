/* The IDX reader believes nothing that the file claims. */
#include "data/idx.h"

#include "core/alloc.h"
#include "support/check.h"
#include "support/data_config.h"

enum { COUNT = 3, SIDE = 5, BYTES = 16 + COUNT * SIDE * SIDE };

static char folder[256];
static char path[320];

static void big_endian(uint8_t *p, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(value >> (24 - 8 * i));
}

static void good_file(uint8_t file[BYTES])
{
    big_endian(file, 0x00000803u);
    big_endian(file + 4, COUNT);
    big_endian(file + 8, SIDE);
    big_endian(file + 12, SIDE);
    for (size_t i = 16; i < BYTES; i++)
        file[i] = (uint8_t)i;
}

/* Status of reading these bytes; on failure everything must have been given back. */
static mcvd_status read_bytes(const uint8_t *bytes, size_t n)
{
    mcvdi_idx_images images;
    const uint64_t live = mcvdi_alloc_stats_get().live;

    write_file(folder, "digits", bytes, n);
    const mcvd_status st = mcvdi_idx_read(&images, path);
    if (st < 0)
        CHECK_TRUE(images.file == NULL && images.count == 0);
    mcvdi_idx_release(&images);
    CHECK_EQ(mcvdi_alloc_stats_get().live, live);
    return st;
}

static void test_reads_images(void **state)
{
    uint8_t file[BYTES];
    mcvdi_idx_images images;

    (void)state;
    good_file(file);
    write_file(folder, "digits", file, BYTES);
    CHECK_OK(mcvdi_idx_read(&images, path));
    CHECK_EQ(images.count, COUNT);
    CHECK_EQ(images.height, SIDE);
    CHECK_EQ(images.width, SIDE);
    CHECK_EQ(images.pixels[0], 16);
    CHECK_EQ(images.pixels[COUNT * SIDE * SIDE - 1], BYTES - 1);
    mcvdi_idx_release(&images);
}

static void test_refuses_wrong_lengths(void **state)
{
    uint8_t file[BYTES + 1] = { 0 };

    (void)state;
    good_file(file);
    for (size_t n = 0; n < BYTES; n++)
        CHECK_STATUS(read_bytes(file, n), MCVD_E_FORMAT);
    CHECK_MESSAGE("digits");
    CHECK_STATUS(read_bytes(file, BYTES + 1), MCVD_E_FORMAT);
    CHECK_OK(read_bytes(file, BYTES));
}

static void test_refuses_hostile_headers(void **state)
{
    /* offset and value: labels' magic, compressed file, nothing, overflowing products */
    static const struct {
        size_t at;
        uint32_t value;
    } cases[] = {
        { 0, 0x00000801u },
        { 0, 0x1f8b0808u },
        { 0, 0x03080000u },
        { 4, 0 },
        { 4, 0xffffffffu },
        { 4, COUNT + 1 },
        { 8, 0 },
        { 8, 0xffffffffu },
        { 8, 0x80000000u },
        { 8, SIDE - 1 },
        { 8, 65 },
        { 12, 0 },
        { 12, 0xffffffffu },
        { 12, 0x10001u },
        { 12, SIDE * COUNT },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t file[BYTES];
        good_file(file);
        big_endian(file + cases[i].at, cases[i].value);
        CHECK_STATUS(read_bytes(file, BYTES), MCVD_E_FORMAT);
    }
}

static void test_any_header_is_safe(void **state)
{
    uint32_t z = 12345;

    (void)state;
    for (int i = 0; i < 500; i++) {
        uint8_t file[BYTES];
        good_file(file);
        for (size_t j = 0; j < 4; j++) {
            z = z * 1664525u + 1013904223u;
            file[(z >> 8) % 16] = (uint8_t)(z >> 24);
        }
        const mcvd_status st = read_bytes(file, BYTES);
        CHECK_TRUE(st == MCVD_OK || st == MCVD_E_FORMAT);
    }
}

static void test_missing_and_folder(void **state)
{
    mcvdi_idx_images images;

    (void)state;
    CHECK_STATUS(mcvdi_idx_read(&images, "/nonexistent/digits"), MCVD_E_INPUT);
    CHECK_STATUS(mcvdi_idx_read(&images, folder), MCVD_E_INPUT);
}

static int setup(void **state)
{
    (void)state;
    make_folder(folder, sizeof folder);
    snprintf(path, sizeof path, "%s/digits", folder);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    remove_file(folder, "digits");
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_images),
        cmocka_unit_test(test_refuses_wrong_lengths),
        cmocka_unit_test(test_refuses_hostile_headers),
        cmocka_unit_test(test_any_header_is_safe),
        cmocka_unit_test(test_missing_and_folder),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
