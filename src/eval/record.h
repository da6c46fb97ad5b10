/*
 * Records of finished clips: work/clip-000012.safetensors holds all that clip 12 contributes to a
 * report, work/run.txt what the records belong to.
 */
#ifndef MCVDI_EVAL_RECORD_H
#define MCVDI_EVAL_RECORD_H

#include "eval/report.h"

/* Make the folder and check whose records are there; nothing without options->work. MCVD_E_EXISTS
 * (another run's, and no options->restart, which removes them), MCVD_E_IO, MCVD_E_NOMEM. */
mcvd_status mcvdi_eval_records_open(const mcvd_eval_report *report,
                                    const mcvd_eval_options *options);

/* A damaged record is said and computed again: *found is false. */
mcvd_status mcvdi_eval_record_read(mcvd_eval_report *report, const mcvd_eval_options *options,
                                   size_t clip, bool *found);
mcvd_status mcvdi_eval_record_write(mcvd_eval_report *report, const mcvd_eval_options *options,
                                    size_t clip);

#endif
