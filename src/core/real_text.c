#include "core/real_text.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/c_locale.h"

bool mcvdi_text_to_real(double *out, const char *text)
{
    char *end = NULL;
    const mcvdi_c_locale entered = mcvdi_c_locale_enter();

    *out = strtod(text, &end);
    mcvdi_c_locale_leave(entered);
    return end != text && *end == '\0';
}

void mcvdi_real_to_text(char *text, size_t bytes, double value)
{
    const mcvdi_c_locale entered = mcvdi_c_locale_enter();

    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, bytes, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    mcvdi_c_locale_leave(entered);
}
