#include "cli/exit.h"

#include <signal.h>

int mcvdi_exit_code(mcvd_status status, int signal_number)
{
    switch (status) {
    case MCVD_OK:
    case MCVD_EOF:
        return MCVDI_EXIT_DONE;
    case MCVD_E_RANGE:
    case MCVD_E_CONFIG:
    case MCVD_E_EXISTS:
    case MCVD_E_USAGE:
        return MCVDI_EXIT_USAGE;
    case MCVD_E_SHAPE:
    case MCVD_E_FORMAT:
    case MCVD_E_DECODE:
    case MCVD_E_INPUT:
        return MCVDI_EXIT_INPUT;
    case MCVD_E_MODEL:
        return MCVDI_EXIT_MODEL;
    case MCVD_E_IO:
        return MCVDI_EXIT_IO;
    case MCVD_E_INTERRUPTED:
        return MCVDI_EXIT_SIGNAL + (signal_number ? signal_number : SIGINT);
    case MCVD_E_NOMEM:
    case MCVD_E_NONFINITE:
    case MCVD_E_STATE:
    case MCVD_E_UNSUPPORTED:
        return MCVDI_EXIT_FAILED;
    }
    return MCVDI_EXIT_FAILED;
}
