/* Decimal points in what is read and written, whatever the locale of the calling program. */
#ifndef MCVDI_C_LOCALE_H
#define MCVDI_C_LOCALE_H

#include <locale.h>

/* Of this thread alone; leave puts back what was there. */
typedef struct mcvdi_c_locale {
    locale_t c;
    locale_t before;
} mcvdi_c_locale;

mcvdi_c_locale mcvdi_c_locale_enter(void);
void mcvdi_c_locale_leave(mcvdi_c_locale entered);

#endif
