/* What the files of this folder and the trainer need of a schedule beside its public face. */
#ifndef MCVDI_DIFFUSION_SCHEDULE_H
#define MCVDI_DIFFUSION_SCHEDULE_H

#include <mcvd/schedule.h>

#include "core/status.h"

/* MCVD_E_RANGE naming the sample when one of steps->t is outside [0, T). */
mcvd_status mcvdi_schedule_check_timesteps(const mcvd_schedule *sched, const mcvd_timesteps *steps);

/* Timestep of step i of MCVD_SPACING_EVEN with num_steps <= num_timesteps steps, 0 the noisiest. */
int mcvdi_even_timestep(int i, int num_steps, int num_timesteps);

/* The process in continuous time u in [0, 1], noise at 1: dx = f x du + g dw (Song et al. 2021,
 * "Score-Based Generative Modeling through Stochastic Differential Equations", eq. 5). The network
 * is told timestep (T - 1) u. */
typedef struct mcvdi_sde {
    mcvd_level level; /* x_u = a x0 + s eps */
    double f;
    double g2; /* g squared */
} mcvdi_sde;
mcvdi_sde mcvdi_schedule_sde(const mcvd_schedule *sched, double u);

/* vp and ve have one; flow and zero_terminal_snr end at a = 0, where f is not finite. */
bool mcvdi_schedule_has_sde(const mcvd_schedule *sched);

#endif
