/*
 * Progress on stderr: a bar with fraction, rate and remaining time on a terminal, plain lines at
 * intervals elsewhere. One at a time; used from one thread.
 */
#ifndef MCVDI_CLI_PROGRESS_H
#define MCVDI_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct mcvdi_progress {
    const char *label;   /* "training" */
    const char *unit;    /* "steps": done and total are counted in it */
    int64_t total;       /* 0: unknown */
    int64_t first;       /* done before the start, when resuming */
    double plain_s;      /* seconds between plain lines; 0: 10 */
    int64_t plain_every; /* units between plain lines, whatever the time; 0: plain_s decides */
    bool quiet;          /* print nothing */
    /* kept by the functions below */
    bool terminal;
    bool drawn;
    double start_s;
    double last_s;
    int64_t done;
    int64_t shown; /* done of the last line; -1 before the first */
} mcvdi_progress;

/* Begin; the first seven fields are set by the caller. */
void mcvdi_progress_start(mcvdi_progress *progress);

/* done units are finished; note may hold figures such as "loss 0.0123", or be NULL. Cheap to call
 * often: it draws ten times a second at most. */
void mcvdi_progress_update(mcvdi_progress *progress, int64_t done, const char *note);

/* Last state, and a line end. */
void mcvdi_progress_end(mcvdi_progress *progress, const char *note);

/* Wipe the bar before another line is printed to stderr; the next update draws it again. */
void mcvdi_progress_wipe(void);

#endif
