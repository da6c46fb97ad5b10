#include "cli/json_text.h"

#include <stddef.h>

/* Bytes of the UTF-8 character at c (shortest form, no surrogates); 0 when there is none. */
static size_t character_bytes(const unsigned char *c)
{
    const size_t n = c[0] < 0x80                    ? 1
                     : c[0] >= 0xc2 && c[0] <= 0xdf ? 2
                     : (c[0] & 0xf0) == 0xe0        ? 3
                     : c[0] >= 0xf0 && c[0] <= 0xf4 ? 4
                                                    : 0;

    for (size_t i = 1; i < n; i++)
        if ((c[i] & 0xc0) != 0x80)
            return 0;
    if ((c[0] == 0xe0 && c[1] < 0xa0) || (c[0] == 0xed && c[1] > 0x9f) ||
        (c[0] == 0xf0 && c[1] < 0x90) || (c[0] == 0xf4 && c[1] > 0x8f))
        return 0;
    return n;
}

void mcvdi_json_string(FILE *file, const char *text)
{
    const unsigned char *c = (const unsigned char *)text;

    putc('"', file);
    while (*c) {
        const size_t n = character_bytes(c);
        if (*c == '"' || *c == '\\')
            fprintf(file, "\\%c", *c);
        else if (*c < 0x20 || *c == 0x7f)
            fprintf(file, "\\u%04x", *c);
        else if (n == 0)
            fputs("\\ufffd", file);
        else
            fwrite(c, 1, n, file);
        c += n ? n : 1;
    }
    putc('"', file);
}
