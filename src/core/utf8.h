/* Is it UTF-8? */
#ifndef MCVDI_UTF8_H
#define MCVDI_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* True when all bytes are well-formed UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing
 * above U+10FFFF. Otherwise *bad, when not NULL, is where the first wrong sequence starts. */
bool mcvdi_utf8_valid(const char *text, size_t bytes, size_t *bad);

#endif
