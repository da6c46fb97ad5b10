/* YAML by libyaml's events, as the same tree that a JSON text gives. */
#ifndef MCVDI_YAML_H
#define MCVDI_YAML_H

#include <stddef.h>

#include <cjson/cJSON.h>

#include "core/status.h"

/*
 * Parse one document of block or flow collections and scalars. Plain scalars get their type by the
 * rules of YAML 1.1 as PyYAML applies them: true, yes and on are booleans, 010 is 8, 1_000 is 1000,
 * ~ and nothing are null; dates, .inf and .nan stay texts, and 1e-4, a text for PyYAML, is the
 * number that its writer meant. Quoted scalars are texts. An empty text is null.
 *
 * MCVD_E_FORMAT  not YAML, or not UTF-8
 * MCVD_E_CONFIG  more than 1 MB, 16 levels or 10000 values; anchors, aliases, tags, merge keys,
 *                a key twice, a key that is a collection, numbers to base 60, a second document
 *
 * Each names origin, line and column. Free with cJSON_Delete.
 */
mcvd_status mcvdi_yaml_parse(cJSON **out, const char *text, size_t bytes, const char *origin);

#endif
