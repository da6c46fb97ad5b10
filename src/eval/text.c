#include "eval/text.h"

#include <stdarg.h>
#include <stdio.h>

#include "core/alloc.h"
#include "core/checked.h"

static bool reserve(mcvdi_text *text, size_t more)
{
    size_t needed;

    if (!mcvdi_add_size(&needed, text->length, more) || !mcvdi_add_size(&needed, needed, 1))
        return false;
    if (needed <= text->capacity)
        return true;

    size_t capacity = text->capacity ? text->capacity : 256;
    while (capacity < needed)
        if (!mcvdi_mul_size(&capacity, capacity, 2))
            return false;
    char *data = mcvdi_realloc(text->data, capacity);
    if (!data)
        return false;
    text->data = data;
    text->capacity = capacity;
    return true;
}

void mcvdi_text_add(mcvdi_text *text, const char *format, ...)
{
    va_list args;

    if (text->failed)
        return;
    va_start(args, format);
    const int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length < 0 || !reserve(text, (size_t)length)) {
        text->failed = true;
        return;
    }
    va_start(args, format);
    vsnprintf(text->data + text->length, (size_t)length + 1, format, args);
    va_end(args);
    text->length += (size_t)length;
}

void mcvdi_text_trim(mcvdi_text *text)
{
    while (text->length > 0 && text->data[text->length - 1] == ' ')
        text->data[--text->length] = '\0';
}

void mcvdi_text_clear(mcvdi_text *text)
{
    mcvdi_free(text->data);
    *text = (mcvdi_text) { NULL, 0, 0, false };
}
