/* What the frames of a student are worth beside those of its teacher, and the table of all stages.
 */
#ifndef MCVDI_CLI_DISTILL_SCORE_H
#define MCVDI_CLI_DISTILL_SCORE_H

#include <stdio.h>

#include <mcvd/distill.h>

/*
 * PSNR (of the mean square error of a window, averaged over the windows) and SSIM of every frame
 * against the truth, and the student's PSNR against the two others. MCVD_E_NONFINITE, _NOMEM.
 */
mcvd_status mcvdi_distill_score(const mcvd_distill_samples *samples, mcvd_distill_quality *quality);

/* The stages that are done, a line each. */
void mcvdi_distill_table(FILE *file, const mcvd_distill_report *report);

/* The same as a JSON array. */
void mcvdi_distill_json(FILE *file, const mcvd_distill_report *report);

#endif
