/* CRC-32C against the check value of its definition and those of RFC 3720, appendix B.4. */
#include "core/crc32c.h"
#include "support/check.h"

static void published_values(void **state)
{
    uint8_t bytes[32];

    (void)state;
    CHECK_EQ(mcvdi_crc32c(0, "123456789", 9), 0xE3069283u);
    memset(bytes, 0, sizeof bytes);
    CHECK_EQ(mcvdi_crc32c(0, bytes, sizeof bytes), 0x8A9136AAu);
    memset(bytes, 0xFF, sizeof bytes);
    CHECK_EQ(mcvdi_crc32c(0, bytes, sizeof bytes), 0x62A8AB43u);
    for (uint8_t i = 0; i < sizeof bytes; i++)
        bytes[i] = i;
    CHECK_EQ(mcvdi_crc32c(0, bytes, sizeof bytes), 0x46DD794Eu);
}

/* Every length and every split, by the instruction and by the table. */
static void parts_and_ways_agree(void **state)
{
    uint8_t bytes[100];

    (void)state;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 37 + 11);
    for (size_t n = 0; n <= sizeof bytes; n++) {
        const uint32_t whole = mcvdi_crc32c(0, bytes, n);
        CHECK_EQ(whole, mcvdi_crc32c_portable(0, bytes, n));
        for (size_t k = 0; k <= n; k += 7)
            CHECK_EQ(whole, mcvdi_crc32c(mcvdi_crc32c(0, bytes, k), bytes + k, n - k));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_values),
        cmocka_unit_test(parts_and_ways_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
