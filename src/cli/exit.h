/* Exit statuses: one number per kind of failure, documented in `mcvd --help`. */
#ifndef MCVDI_CLI_EXIT_H
#define MCVDI_CLI_EXIT_H

#include <mcvd/status.h>

enum {
    MCVDI_EXIT_DONE = 0,
    MCVDI_EXIT_FAILED = 1, /* while running: memory, a NaN, a missing capability */
    MCVDI_EXIT_USAGE = 2,  /* command line, configuration, an existing output */
    MCVDI_EXIT_INPUT = 3,  /* input files and data */
    MCVDI_EXIT_MODEL = 4,  /* model or checkpoint */
    MCVDI_EXIT_IO = 5,     /* writing, disk full */
    MCVDI_EXIT_SIGNAL = 128
};

/* signal_number: the signal behind MCVD_E_INTERRUPTED, 0 when there was none. */
int mcvdi_exit_code(mcvd_status status, int signal_number);

#endif
