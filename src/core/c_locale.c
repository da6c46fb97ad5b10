#include "core/c_locale.h"

mcvdi_c_locale mcvdi_c_locale_enter(void)
{
    mcvdi_c_locale entered = { .c = newlocale(LC_ALL_MASK, "C", (locale_t)0) };

    entered.before = uselocale(entered.c); /* 0, without memory, changes nothing */
    return entered;
}

void mcvdi_c_locale_leave(mcvdi_c_locale entered)
{
    uselocale(entered.before);
    if (entered.c)
        freelocale(entered.c);
}
