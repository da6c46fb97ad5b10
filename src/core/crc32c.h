/* CRC-32C (Castagnoli): reflected polynomial 0x82F63B78, start and end inverted. */
#ifndef MCVDI_CRC32C_H
#define MCVDI_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* The checksum of what came before (`crc`, 0 at the beginning) and `bytes` of data. */
uint32_t mcvdi_crc32c(uint32_t crc, const void *data, size_t bytes);

/* The same without the processor's own instruction, for its test. */
uint32_t mcvdi_crc32c_portable(uint32_t crc, const void *data, size_t bytes);

#endif
