/* Strings as JSON, for the commands that print a few figures. */
#ifndef MCVDI_CLI_JSON_TEXT_H
#define MCVDI_CLI_JSON_TEXT_H

#include <stdio.h>

/* text in quotes, with escapes; each byte that is not UTF-8 becomes U+FFFD. */
void mcvdi_json_string(FILE *file, const char *text);

#endif
