/* Checks that the files of this folder and the trainer share. */
#ifndef MCVDI_DIFFUSION_SCHEDULE_H
#define MCVDI_DIFFUSION_SCHEDULE_H

#include <mcvd/schedule.h>

#include "core/status.h"

/* MCVD_E_RANGE naming the sample when one of steps->t is outside [0, T). */
mcvd_status mcvdi_schedule_check_timesteps(const mcvd_schedule *sched, const mcvd_timesteps *steps);

#endif
