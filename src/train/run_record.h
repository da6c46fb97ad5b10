/* run.json: what a run was trained on, so that resuming it cannot change the data unnoticed. */
#ifndef MCVDI_RUN_RECORD_H
#define MCVDI_RUN_RECORD_H

#include <mcvd/data.h>

#include "core/status.h"

enum { MCVDI_FINGERPRINT_BYTES = 17 };

typedef struct mcvdi_run_record {
    char *data; /* absolute path; "": the program's moving digits; NULL: no record */
    char *description;
    char fingerprint[MCVDI_FINGERPRINT_BYTES]; /* hexadecimal */
} mcvdi_run_record;

/*
 * The record of an open training split: kind, number of windows and the pixels of its first
 * windows make the fingerprint.
 *
 * data_path as it was opened, NULL for moving digits. Free with mcvdi_run_record_release, after a
 * failure too. MCVD_OK, MCVD_E_INPUT, MCVD_E_DECODE, MCVD_E_NOMEM.
 */
mcvd_status mcvdi_run_record_make(mcvdi_run_record *record, mcvd_dataset *data,
                                  const char *data_path);

/* A missing file is an empty record. MCVD_OK, MCVD_E_INPUT (damaged), MCVD_E_NOMEM. */
mcvd_status mcvdi_run_record_read(mcvdi_run_record *record, const char *path);
mcvd_status mcvdi_run_record_write(const mcvdi_run_record *record, const char *path);
void mcvdi_run_record_release(mcvdi_run_record *record);

#endif
