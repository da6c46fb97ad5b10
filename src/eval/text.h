/* A text that grows. */
#ifndef MCVDI_EVAL_TEXT_H
#define MCVDI_EVAL_TEXT_H

#include <stdbool.h>
#include <stddef.h>

typedef struct mcvdi_text {
    char *data; /* NUL-terminated; NULL while empty */
    size_t length;
    size_t capacity;
    bool failed; /* an allocation was refused; further additions do nothing */
} mcvdi_text;

void mcvdi_text_add(mcvdi_text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Drop the spaces at the end. */
void mcvdi_text_trim(mcvdi_text *text);
void mcvdi_text_clear(mcvdi_text *text);

#endif
