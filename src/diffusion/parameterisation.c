#include "diffusion/parameterisation.h"

#include <math.h>
#include <string.h>

enum {
    VP = 1u << MCVD_PROCESS_VP,
    VE = 1u << MCVD_PROCESS_VE,
    FLOW = 1u << MCVD_PROCESS_FLOW,
    ALL = VP | VE | FLOW
};

static void eps_target(mcvd_level level, double *of_x0, double *of_eps)
{
    (void)level;
    *of_x0 = 0.0;
    *of_eps = 1.0;
}

static void x0_target(mcvd_level level, double *of_x0, double *of_eps)
{
    (void)level;
    *of_x0 = 1.0;
    *of_eps = 0.0;
}

/* v = a eps - s x0 (Salimans and Ho 2022, appendix D) */
static void v_target(mcvd_level level, double *of_x0, double *of_eps)
{
    *of_x0 = -level.s;
    *of_eps = level.a;
}

/* score = gradient of log q(x_t | x0) = -eps / s (Vincent 2011) */
static void score_target(mcvd_level level, double *of_x0, double *of_eps)
{
    *of_x0 = 0.0;
    *of_eps = -1.0 / level.s;
}

/* velocity of the straight path (1 - tau) x0 + tau eps (Lipman et al. 2023) */
static void flow_target(mcvd_level level, double *of_x0, double *of_eps)
{
    (void)level;
    *of_x0 = -1.0;
    *of_eps = 1.0;
}

static const mcvdi_parameterisation table[] = {
    { "eps", "the noise, as the published networks", ALL, false, eps_target },
    { "v", "a eps - s x0", VP, true, v_target },
    { "x0", "the clean frames", ALL, true, x0_target },
    { "score", "the gradient of the log density, -eps / s", VP | VE, false, score_target },
    { "flow", "the velocity eps - x0", ALL, true, flow_target },
};

mcvd_status mcvdi_parameterisation_find(const mcvdi_parameterisation **out, const char *name)
{
    *out = NULL;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (name && strcmp(name, table[i].name) == 0)
            *out = &table[i];
    }
    if (!*out)
        return mcvdi_fail(MCVD_E_CONFIG, "prediction '%s': known are eps, v, x0, score and flow",
                          name ? name : "");
    return MCVD_OK;
}

mcvd_status mcvdi_parameterisation_check(const mcvdi_parameterisation *param,
                                         const mcvd_schedule *sched)
{
    const mcvd_process process = mcvd_schedule_process(sched);
    const int last = mcvd_schedule_num_timesteps(sched) - 1;

    if (!(param->processes >> process & 1u))
        return mcvdi_fail(MCVD_E_CONFIG, "prediction %s is not defined for a %s process",
                          param->name, mcvd_process_word(process));
    if (!param->knows_all_noise && !(mcvd_schedule_level(sched, last).a > 0.0))
        return mcvdi_fail(MCVD_E_CONFIG,
                          "prediction %s says nothing about the frames where the schedule is all "
                          "noise; expected x0, flow or, for a vp process, v",
                          param->name);
    return MCVD_OK;
}

/* x = a x0 + s eps and out = p x0 + q eps, solved for x0 and eps; det = a q - s p. */
mcvdi_output_map mcvdi_parameterisation_at(const mcvdi_parameterisation *param, mcvd_level level)
{
    double p;
    double q;

    param->target(level, &p, &q);
    const double det = level.a * q - level.s * p;
    return (mcvdi_output_map) { .target_x0 = p,
                                .target_eps = q,
                                .x0_x = q / det,
                                .x0_out = -level.s / det,
                                .eps_x = -p / det,
                                .eps_out = level.a / det };
}

mcvd_status mcvdi_training_target(const mcvdi_parameterisation *param, const mcvd_schedule *sched,
                                  const mcvd_timesteps *steps, const float *x0, const float *eps,
                                  float *target)
{
    const mcvd_status st = mcvdi_schedule_check_timesteps(sched, steps);
    const ptrdiff_t batch = (ptrdiff_t)steps->batch;

    if (st < 0)
        return st;
#pragma omp parallel for schedule(static)
    for (ptrdiff_t b = 0; b < batch; b++) {
        double p;
        double q;
        param->target(mcvd_schedule_level(sched, steps->t[b]), &p, &q);
        const float of_x0 = (float)p;
        const float of_eps = (float)q;
        const size_t first = (size_t)b * steps->numel;

#pragma omp simd
        for (size_t i = first; i < first + steps->numel; i++)
            target[i] = of_x0 * x0[i] + of_eps * eps[i];
    }
    return MCVD_OK;
}

void mcvdi_output_read(const mcvdi_output_map *map, size_t n, const float *x_t, const float *output,
                       float *x0_pred, float *eps_pred)
{
    const float x0_x = (float)map->x0_x;
    const float x0_out = (float)map->x0_out;
    const float eps_x = (float)map->eps_x;
    const float eps_out = (float)map->eps_out;

#pragma omp simd
    for (size_t i = 0; i < n; i++) {
        const float x = x_t[i];
        const float out = output[i];

        x0_pred[i] = x0_x * x + x0_out * out;
        eps_pred[i] = eps_x * x + eps_out * out;
    }
}
