#include "core/real_text.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>

bool mcvdi_text_to_real(double *out, const char *text)
{
    char *end = NULL;
    locale_t c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    const locale_t before = uselocale(c_locale);

    *out = strtod(text, &end);
    uselocale(before);
    freelocale(c_locale);
    return end != text && *end == '\0';
}

void mcvdi_real_to_text(char *text, size_t bytes, double value)
{
    locale_t c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    const locale_t before = uselocale(c_locale);

    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, bytes, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    uselocale(before);
    freelocale(c_locale);
}
