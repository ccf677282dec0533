/* crc32c.h - Castagnoli's CRC, for records on disk. */
#ifndef COMMON_CRC32C_H
#define COMMON_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Goes on from @crc, 0 at the start. */
uint32_t crc32c(uint32_t crc, const void *bytes, size_t n);

#endif
