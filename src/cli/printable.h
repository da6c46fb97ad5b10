/* Texts for a terminal: names and the words of files may hold anything, it must not obey them. */
#ifndef MCVDI_CLI_PRINTABLE_H
#define MCVDI_CLI_PRINTABLE_H

#include <stdio.h>

/* Replace control characters, those of UTF-8's second block too, by question marks. */
void mcvdi_printable(char *text);

/* Print a text that way, with blanks behind it up to `width` bytes. */
void mcvdi_put_printable(FILE *stream, const char *text, int width);

#endif
