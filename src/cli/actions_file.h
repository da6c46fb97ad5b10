/* The actions of a video's frames: a text file, a line per frame, numbers with commas between. */
#ifndef MCVDI_CLI_ACTIONS_FILE_H
#define MCVDI_CLI_ACTIONS_FILE_H

#include <stddef.h>

#include <mcvd/status.h>

typedef struct mcvdi_actions {
    const char *path;
    float *values; /* [rows, dim] */
    size_t rows;   /* 0: there are none */
    size_t dim;
} mcvdi_actions;

/* Empty lines and lines that begin with # are left out. MCVD_E_INPUT names the line. */
mcvd_status mcvdi_actions_read(mcvdi_actions *actions, const char *path, size_t dim);
void mcvdi_actions_release(mcvdi_actions *actions);

#endif
