#include "video/names.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/* Compare two digit runs as numbers of any length; both ends are moved behind them. */
static int compare_numbers(const char **a, const char **b)
{
    const char *p = *a + strspn(*a, "0");
    const char *q = *b + strspn(*b, "0");
    const size_t n = strspn(p, "0123456789");
    const size_t m = strspn(q, "0123456789");

    *a = p + n;
    *b = q + m;
    if (n != m)
        return n < m ? -1 : 1;
    return memcmp(p, q, n);
}

int mcvdi_natural_compare(const char *a, const char *b)
{
    const char *p = a;
    const char *q = b;

    while (*p && *q) {
        if (isdigit((unsigned char)*p) && isdigit((unsigned char)*q)) {
            const int order = compare_numbers(&p, &q);
            if (order)
                return order;
        } else if (*p != *q) {
            return (unsigned char)*p < (unsigned char)*q ? -1 : 1;
        } else {
            p++;
            q++;
        }
    }
    if (*p || *q)
        return *p ? 1 : -1;
    return strcmp(a, b);
}

bool mcvdi_has_suffix(const char *name, const char *suffix)
{
    const size_t n = strlen(name);
    const size_t m = strlen(suffix);

    return n > m && strcasecmp(name + n - m, suffix) == 0;
}

bool mcvdi_is_picture_name(const char *name)
{
    static const char *const suffixes[] = { ".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".pgm" };

    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        if (mcvdi_has_suffix(name, suffixes[i]))
            return true;
    }
    return false;
}
