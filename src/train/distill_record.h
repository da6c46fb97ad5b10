/* distill.json: the plan of a distillation and what its stages were worth. */
#ifndef MCVDI_DISTILL_RECORD_H
#define MCVDI_DISTILL_RECORD_H

#include <mcvd/distill.h>

#include "core/status.h"

typedef struct mcvdi_distill_plan {
    int from;
    int to;
    bool converts;       /* round 1 keeps the number of steps */
    int64_t round_steps; /* optimizer steps */
    size_t windows;
} mcvdi_distill_plan;

/* Rounds in all. */
int mcvdi_distill_rounds(const mcvdi_distill_plan *plan);
/* Steps of the student of a round from 1 on; of the teacher for round 0. */
int mcvdi_distill_steps(const mcvdi_distill_plan *plan, int round);

/* Everything about the stage of a round but its quality. */
void mcvdi_distill_stage_of(mcvd_distill_stage *stage, const mcvdi_distill_plan *plan, int round);

/* MCVD_OK, MCVD_E_INPUT (missing, damaged), MCVD_E_NOMEM. Sets plan and the stages of report. */
mcvd_status mcvdi_distill_read(mcvdi_distill_plan *plan, mcvd_distill_report *report,
                               const char *path);
mcvd_status mcvdi_distill_write(const mcvdi_distill_plan *plan, const mcvd_distill_report *report,
                                const char *path);

#endif
