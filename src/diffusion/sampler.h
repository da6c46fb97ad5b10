/* What the sampling methods share: one file per method, one row per method. */
#ifndef MCVDI_SAMPLER_H
#define MCVDI_SAMPLER_H

#include <mcvd/sampler.h>

#include "diffusion/parameterisation.h"

enum { MCVDI_MAX_OWN_BUFFERS = 6 };

/* One denoising step, from the level at timestep t to the next cleaner one. */
typedef struct mcvdi_step {
    int t;
    mcvd_level level;
    int t_next; /* -1 and the clean level after the last step */
    mcvd_level next;
    bool is_last;
} mcvdi_step;

/* The state of a run; buffers of [batch, numel]. */
typedef struct mcvdi_run {
    const mcvd_sampler_config *config;
    const mcvd_schedule *sched;
    const mcvdi_parameterisation *param;
    const mcvd_sampler_job *job;
    const mcvdi_step *steps; /* [num_steps]; run->index is the step being taken */
    int num_steps;
    int index;
    size_t batch;
    size_t numel;
    size_t n; /* batch * numel */
    float *x; /* the caller's block */
    float *x0;
    float *eps;
    float *noise;
    float *grad;                       /* of the guide */
    float *sorted;                     /* [numel], for dynamic_clip */
    float *own[MCVDI_MAX_OWN_BUFFERS]; /* of the method, kept from step to step */
    bool has_start_noise;              /* same_noise: noise holds the start noise for good */
    double *t;                         /* [batch] */
    size_t num_draws;
    int num_calls;
    double *plan; /* not NULL: no data, write down the timestep of every call */
} mcvdi_run;

/* Whether config->denoise means anything: the last step leaves noise, or the reference has it. */
typedef enum mcvdi_ending { MCVDI_ENDS_CLEAN, MCVDI_ENDS_WITH_DENOISE } mcvdi_ending;

typedef struct mcvdi_sampler_method {
    const char *name;
    const char *help;
    unsigned processes; /* bit 1 << mcvd_process */
    bool takes_eta;
    bool takes_repeats;  /* no memory of the steps before, and ends at the next level */
    double own_eta;      /* eta where the configuration has none */
    bool grid_from_zero; /* uniform spacing counts timesteps 0, k, 2k ... instead of labels */
    mcvd_spacing own_spacing;
    mcvdi_ending ending;
    int num_own; /* buffers */
    mcvd_status (*step)(mcvdi_run *run, const mcvdi_step *step);
    /* Further conditions on the schedule and the configuration; may be NULL. */
    mcvd_status (*check)(const mcvd_sampler_config *config, const mcvd_schedule *sched);
} mcvdi_sampler_method;

enum {
    MCVDI_ON_VP = 1u << MCVD_PROCESS_VP,
    MCVDI_ON_VE = 1u << MCVD_PROCESS_VE,
    MCVDI_ON_ALL = MCVDI_ON_VP | MCVDI_ON_VE | 1u << MCVD_PROCESS_FLOW
};

extern const mcvdi_sampler_method mcvdi_sampler_ddpm;
extern const mcvdi_sampler_method mcvdi_sampler_ddim;
extern const mcvdi_sampler_method mcvdi_sampler_pndm;
extern const mcvdi_sampler_method mcvdi_sampler_langevin;
extern const mcvdi_sampler_method mcvdi_sampler_cas;
extern const mcvdi_sampler_method mcvdi_sampler_euler_maruyama;
extern const mcvdi_sampler_method mcvdi_sampler_reverse_diffusion;
extern const mcvdi_sampler_method mcvdi_sampler_pc;
extern const mcvdi_sampler_method mcvdi_sampler_euler;
extern const mcvdi_sampler_method mcvdi_sampler_heun;
extern const mcvdi_sampler_method mcvdi_sampler_dpmpp_2m;
extern const mcvdi_sampler_method mcvdi_sampler_dpmpp_2m_sde;
extern const mcvdi_sampler_method mcvdi_sampler_unipc;

/* The steps of a configuration on a schedule. */
typedef struct mcvdi_step_plan {
    mcvdi_step *steps; /* noisiest first; freed with mcvdi_free */
    int num_steps;
    int num_grid; /* num_steps and those that t_min leaves out */
} mcvdi_step_plan;

/* MCVD_E_RANGE: t_min leaves none; MCVD_E_NOMEM. */
mcvd_status mcvdi_steps_plan(mcvdi_step_plan *plan, const mcvd_sampler_config *config,
                             const mcvdi_sampler_method *method, const mcvd_schedule *sched);

/* A point in the state space: where the network looks. */
typedef struct mcvdi_point {
    const float *x;
    double t;
    mcvd_level level;
} mcvdi_point;

/* Call the network there, read run->x0 and run->eps, and let the job's guide move them. */
mcvd_status mcvdi_run_predict(mcvdi_run *run, const mcvdi_point *point);

/* Let the job's guide move run->x0 and run->eps; part of mcvdi_run_predict. */
mcvd_status mcvdi_run_guide(mcvdi_run *run, const mcvdi_point *point);

/* Clip run->x0 as the configuration says; recompute: make run->eps agree with it. */
void mcvdi_run_clip(mcvdi_run *run, const mcvdi_point *point, bool recompute);

/* The two together at run->x and the level of the step. */
mcvd_status mcvdi_run_estimate_clipped(mcvdi_run *run, const mcvdi_step *step, bool recompute);

/* The same, eps made to agree. */
mcvd_status mcvdi_run_estimate(mcvdi_run *run, const mcvdi_step *step);

/* Fill run->noise for the next step. */
mcvd_status mcvdi_run_draw(mcvdi_run *run);

/* x = of_x * x + of_x0 * x0 + of_eps * eps, and + sigma * noise, drawn here, when sigma > 0. */
typedef struct mcvdi_move {
    double of_x;
    double of_x0;
    double of_eps;
    double sigma;
} mcvdi_move;

mcvd_status mcvdi_run_move(mcvdi_run *run, const mcvdi_move *move);

/* y = a x + b z over the whole batch; y may be x or z. */
void mcvdi_run_combine(const mcvdi_run *run, float *y, double a, const float *x, double b,
                       const float *z);

/* Below this lambda there is nothing but noise: s / a = 164, twice where Karras et al. start. */
#define MCVDI_LEAST_LOG_SNR (-5.1)

/* lambda = log(a / s); infinite at the two ends. */
double mcvdi_log_snr(mcvd_level level);

#endif
