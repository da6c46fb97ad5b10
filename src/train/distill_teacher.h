/* What a teacher of progressive distillation does in two of its steps, as one clean frame; see
 * distill.h. */
#ifndef MCVDI_DISTILL_TEACHER_H
#define MCVDI_DISTILL_TEACHER_H

#include <mcvd/sampler.h>

#include "diffusion/parameterisation.h"

typedef struct mcvdi_teacher_config {
    const mcvd_schedule *sched;
    const mcvdi_parameterisation *prediction; /* of the teacher */
    bool clip;                                /* its x0 to [-1, 1] */
    int num_steps;                            /* of the student, at most T / substeps */
    int substeps; /* the teacher's in one of the student's: 2, or 1 for conversion */
    size_t batch;
    size_t numel;
    mcvd_denoiser_fn denoiser; /* the teacher, called with `batch` samples */
    void *denoiser_user;
} mcvdi_teacher_config;

typedef struct mcvdi_teacher mcvdi_teacher;

mcvd_status mcvdi_teacher_create(mcvdi_teacher **out, const mcvdi_teacher_config *config);
void mcvdi_teacher_free(mcvdi_teacher **teacher);

/* The timestep of step i of the student, 0 the noisiest. */
int mcvdi_teacher_timestep(const mcvdi_teacher *teacher, int i);

/*
 * x0 and eps with x_t = a x0 + s eps, so that one ddim step of the student from x_t lands where the
 * teacher's steps do. As the average of what the teacher answers at x_i and x_m,
 *
 *     x~ = (1 - w) x0(x_i) + w x0(x_m),   w = (a_j - (s_j / s_m) a_m) / (a_j - (s_j / s_i) a_i)
 *
 * which is the formula of distill.h without its cancellation; in [-1, 1] where those are.
 *
 * t: [batch] timesteps of steps of the student. x_t, x0, eps: [batch, numel], no overlap.
 * Allocates nothing. Returns MCVD_OK or what the denoiser returned.
 */
mcvd_status mcvdi_teacher_answer(mcvdi_teacher *teacher, const int32_t *t, const float *x_t,
                                 float *x0, float *eps);

#endif
