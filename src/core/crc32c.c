#include "core/crc32c.h"

#include <pthread.h>
#include <string.h>

enum { SLICES = 8, BYTES = 256 };

static const uint32_t polynomial = 0x82F63B78u;

/* table[s][b]: what byte b does to the register when s more bytes follow it. */
static uint32_t table[SLICES][BYTES];
static pthread_once_t table_once = PTHREAD_ONCE_INIT;

static void fill_table(void)
{
    for (uint32_t b = 0; b < BYTES; b++) {
        uint32_t r = b;
        for (int bit = 0; bit < 8; bit++)
            r = r >> 1 ^ (r & 1u ? polynomial : 0u);
        table[0][b] = r;
    }
    for (int s = 1; s < SLICES; s++)
        for (uint32_t b = 0; b < BYTES; b++)
            table[s][b] = table[s - 1][b] >> 8 ^ table[0][table[s - 1][b] & 0xFFu];
}

static uint32_t add_byte(uint32_t r, uint8_t byte)
{
    return r >> 8 ^ table[0][(r ^ byte) & 0xFFu];
}

/* Eight bytes at once: each through the table of its distance to the end. */
static uint32_t add_eight(uint32_t r, const uint8_t *p)
{
    const uint32_t low =
        r ^ ((uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24);

    return table[7][low & 0xFFu] ^ table[6][low >> 8 & 0xFFu] ^ table[5][low >> 16 & 0xFFu] ^
           table[4][low >> 24] ^ table[3][p[4]] ^ table[2][p[5]] ^ table[1][p[6]] ^ table[0][p[7]];
}

uint32_t mcvdi_crc32c_portable(uint32_t crc, const void *data, size_t bytes)
{
    const uint8_t *p = data;
    uint32_t r = ~crc;

    pthread_once(&table_once, fill_table);
    for (; bytes >= SLICES; bytes -= SLICES, p += SLICES)
        r = add_eight(r, p);
    for (; bytes > 0; bytes--, p++)
        r = add_byte(r, *p);
    return ~r;
}

#if defined(__x86_64__)

#include <nmmintrin.h>

__attribute__((target("sse4.2"))) static uint32_t add_all(uint32_t crc, const uint8_t *p,
                                                          size_t bytes)
{
    uint64_t r = ~crc;

    for (; bytes >= sizeof(uint64_t); bytes -= sizeof(uint64_t), p += sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, p, sizeof word);
        r = _mm_crc32_u64(r, word);
    }
    for (; bytes > 0; bytes--, p++)
        r = _mm_crc32_u8((uint32_t)r, *p);
    return ~(uint32_t)r;
}

uint32_t mcvdi_crc32c(uint32_t crc, const void *data, size_t bytes)
{
    if (__builtin_cpu_supports("sse4.2"))
        return add_all(crc, data, bytes);
    return mcvdi_crc32c_portable(crc, data, bytes);
}

#else

uint32_t mcvdi_crc32c(uint32_t crc, const void *data, size_t bytes)
{
    return mcvdi_crc32c_portable(crc, data, bytes);
}

#endif
