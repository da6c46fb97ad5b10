/* Ctrl-C, SIGTERM and SIGHUP: the first asks for a clean stop, the second ends the program at
 * once. */
#ifndef MCVDI_CLI_SIGNALS_H
#define MCVDI_CLI_SIGNALS_H

#include <signal.h>

/* Install the handlers. Only for commands that poll the flag: in others Ctrl-C keeps its default
 * and ends the program at once. */
void mcvdi_signals_install(void);

/* Points to 0 until a signal arrives, then to its number; poll it, or hand it to the library. */
const volatile sig_atomic_t *mcvdi_signals_flag(void);

#endif
