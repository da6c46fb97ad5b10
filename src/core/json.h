/* cJSON with our allocator, caps on size and depth, and positions in error messages. */
#ifndef MCVDI_JSON_H
#define MCVDI_JSON_H

#include <stddef.h>

#include <cjson/cJSON.h>

#include "core/status.h"

/* Parse a complete text (trailing garbage is an error, duplicate keys too). A syntax error is
 * MCVD_E_FORMAT with origin, line and column. Free with cJSON_Delete. */
mcvd_status mcvdi_json_parse(cJSON **out, const char *text, size_t bytes, const char *origin);

/* Read and parse a file of at most 16 MB. */
mcvd_status mcvdi_json_read(cJSON **out, const char *path);

#endif
