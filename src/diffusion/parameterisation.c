#include "diffusion/parameterisation.h"

#include <math.h>
#include <string.h>

/* output = eps;  x0 = (x - s eps) / a */
static mcvdi_output_map map_eps(double a, double s)
{
    return (
        mcvdi_output_map) { .target_eps = 1.0, .x0_x = 1.0 / a, .x0_out = -s / a, .eps_out = 1.0 };
}

/* output = a eps - s x0;  x0 = a x - s v, eps = s x + a v (Salimans and Ho 2022, appendix D) */
static mcvdi_output_map map_v(double a, double s)
{
    return (mcvdi_output_map) {
        .target_x0 = -s, .target_eps = a, .x0_x = a, .x0_out = -s, .eps_x = s, .eps_out = a
    };
}

/* output = x0;  eps = (x - a x0) / s */
static mcvdi_output_map map_x0(double a, double s)
{
    return (
        mcvdi_output_map) { .target_x0 = 1.0, .x0_out = 1.0, .eps_x = 1.0 / s, .eps_out = -a / s };
}

static const mcvdi_parameterisation table[] = {
    { "eps", "the noise, as the published networks", map_eps },
    { "v", "sqrt(ac) eps - sqrt(1 - ac) x0", map_v },
    { "x0", "the clean frames", map_x0 },
};

mcvd_status mcvdi_parameterisation_find(const mcvdi_parameterisation **out, const char *name)
{
    *out = NULL;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (name && strcmp(name, table[i].name) == 0)
            *out = &table[i];
    }
    if (!*out)
        return mcvdi_fail(MCVD_E_CONFIG, "prediction '%s': known are eps, v and x0",
                          name ? name : "");
    return MCVD_OK;
}

mcvdi_output_map mcvdi_parameterisation_at(const mcvdi_parameterisation *param, double ac)
{
    return param->map(sqrt(ac), sqrt(1.0 - ac));
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
        const double ac = mcvd_schedule_alpha_cumprod(sched, steps->t[b]);
        const mcvdi_output_map map = mcvdi_parameterisation_at(param, ac);
        const float of_x0 = (float)map.target_x0;
        const float of_eps = (float)map.target_eps;
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
