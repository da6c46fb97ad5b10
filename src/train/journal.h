/* journal.jsonl: one JSON object per optimizer step. */
#ifndef MCVDI_JOURNAL_H
#define MCVDI_JOURNAL_H

#include <mcvd/trainer.h>

typedef struct mcvdi_journal mcvdi_journal;

/* Open for appending after `first_step`; lines of later steps (made after the checkpoint that a
 * run resumes from) and a torn last line are dropped. */
mcvd_status mcvdi_journal_open(mcvdi_journal **out, const char *path, uint64_t first_step);
/* Flushes; accepts NULL. */
void mcvdi_journal_close(mcvdi_journal **journal);

mcvd_status mcvdi_journal_step(mcvdi_journal *journal, const mcvd_step_report *report,
                               double samples_per_s, double frames_per_s);
mcvd_status mcvdi_journal_validation(mcvdi_journal *journal, uint64_t step, double loss);

#endif
