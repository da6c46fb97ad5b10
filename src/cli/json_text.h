/* Strings as JSON, for the commands that print a few figures. */
#ifndef MCVDI_CLI_JSON_TEXT_H
#define MCVDI_CLI_JSON_TEXT_H

#include <stdio.h>

/* text in quotes, with escapes; bytes that are not UTF-8 are printed as they are. */
void mcvdi_json_string(FILE *file, const char *text);

#endif
