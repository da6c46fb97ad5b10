#include "cli/printable.h"

#include <string.h>

/* How many bytes the control character at c has; 0: it is none. */
static int control_bytes(const char *c)
{
    const unsigned char first = (unsigned char)c[0];

    if (first < 0x20 || first == 0x7f)
        return 1;
    /* U+0080 to U+009F: some terminals take U+009B for an escape sequence */
    const unsigned char second = first == 0xc2 ? (unsigned char)c[1] : 0;
    return second >= 0x80 && second < 0xa0 ? 2 : 0;
}

void mcvdi_printable(char *text)
{
    while (*text) {
        const int bytes = control_bytes(text);
        memset(text, '?', (size_t)bytes);
        text += bytes ? bytes : 1;
    }
}

void mcvdi_put_printable(FILE *stream, const char *text, int width)
{
    int printed = 0;

    for (; *text; printed++) {
        const int bytes = control_bytes(text);
        fputc(bytes ? '?' : *text, stream);
        text += bytes ? bytes : 1;
    }
    fprintf(stream, "%*s", printed < width ? width - printed : 0, "");
}
