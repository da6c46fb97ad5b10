/* Real numbers as text with a decimal point, whatever the locale of the calling program. */
#ifndef MCVDI_REAL_TEXT_H
#define MCVDI_REAL_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* The whole text is one number. */
bool mcvdi_text_to_real(double *out, const char *text);

/* The shortest decimal that reads back as the same double; MCVDI_REAL_TEXT bytes hold any. */
enum { MCVDI_REAL_TEXT = 32 };
void mcvdi_real_to_text(char *text, size_t bytes, double value);

#endif
