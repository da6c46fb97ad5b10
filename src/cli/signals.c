#include "cli/signals.h"

#include <stddef.h>

static volatile sig_atomic_t received;

static void on_signal(int number)
{
    if (received) {
        signal(number, SIG_DFL);
        raise(number); /* delivered when this handler returns */
        return;
    }
    received = number;
}

void mcvdi_signals_install(void)
{
    struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };

    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

const volatile sig_atomic_t *mcvdi_signals_flag(void)
{
    return &received;
}
