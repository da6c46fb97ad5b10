/* Which timesteps a sampler stops at. */
#include <math.h>

#include "core/alloc.h"
#include "core/checked.h"
#include "diffusion/sampler.h"

double mcvdi_log_snr(mcvd_level level)
{
    return log(level.a) - log(level.s);
}

int mcvdi_even_timestep(int i, int num_steps, int num_timesteps)
{
    return num_timesteps - 1 - (int)((int64_t)i * num_timesteps / num_steps);
}

/* --- grids: timesteps with the noisiest first --- */

/* Labels 0, k, 2k, ... < T of the reference, or timesteps 0, k, 2k, ... from the clean end. */
static int uniform(int *t, int num_steps, int num_timesteps, bool from_zero)
{
    const int stride = num_timesteps / num_steps;
    const int count = (num_timesteps + stride - 1) / stride;

    for (int i = 0; i < count; i++)
        t[i] = from_zero ? (count - 1 - i) * stride : num_timesteps - 1 - i * stride;
    return count;
}

/* Labels floor(i T / S). */
static void even(int *t, int num_steps, int num_timesteps)
{
    for (int i = 0; i < num_steps; i++)
        t[i] = mcvdi_even_timestep(i, num_steps, num_timesteps);
}

/* Wishes in [0, T) become distinct timesteps, falling from T - 1. */
static void make_distinct(int *t, int count, int num_timesteps)
{
    t[0] = num_timesteps - 1;
    for (int i = 1; i < count; i++)
        if (t[i] >= t[i - 1])
            t[i] = t[i - 1] - 1;
    for (int i = count - 1; i >= 0 && t[i] < count - 1 - i; i--)
        t[i] = count - 1 - i;
}

static void quadratic(int *t, int num_steps, int num_timesteps)
{
    for (int i = 0; i < num_steps; i++) {
        const double share = num_steps > 1 ? 1.0 - (double)i / (num_steps - 1) : 1.0;
        t[i] = (int)lround((num_timesteps - 1) * share * share);
    }
    make_distinct(t, num_steps, num_timesteps);
}

/* Timestep with log(a / s) nearest to lambda; the ratio falls as t grows. */
static int nearest_log_snr(const mcvd_schedule *sched, double lambda)
{
    int low = 0;
    int high = mcvd_schedule_num_timesteps(sched) - 1;

    while (high - low > 1) {
        const int middle = (low + high) / 2;
        if (mcvdi_log_snr(mcvd_schedule_level(sched, middle)) >= lambda)
            low = middle;
        else
            high = middle;
    }
    const double above = mcvdi_log_snr(mcvd_schedule_level(sched, low)) - lambda;
    const double below = lambda - mcvdi_log_snr(mcvd_schedule_level(sched, high));
    return above <= below ? low : high;
}

/* From MCVDI_LEAST_LOG_SNR on: the cosine schedule reaches -17 or, rescaled, no end. */
static void log_snr(int *t, int num_steps, const mcvd_schedule *sched)
{
    const int num_timesteps = mcvd_schedule_num_timesteps(sched);
    const double clean = mcvdi_log_snr(mcvd_schedule_level(sched, 0));
    const double noisy =
        fmax(mcvdi_log_snr(mcvd_schedule_level(sched, num_timesteps - 1)), MCVDI_LEAST_LOG_SNR);

    for (int i = 0; i < num_steps; i++) {
        const double share = num_steps > 1 ? (double)i / (num_steps - 1) : 0.0;
        t[i] = nearest_log_snr(sched, noisy + (clean - noisy) * share);
    }
    make_distinct(t, num_steps, num_timesteps);
}

/* t has room for T. Returns how many there are. */
static int fill_grid(int *t, const mcvd_sampler_config *config, const mcvd_schedule *sched,
                     bool from_zero)
{
    const int num_timesteps = mcvd_schedule_num_timesteps(sched);
    const int num_steps = config->num_steps ? config->num_steps : num_timesteps;

    switch (config->spacing) {
    case MCVD_SPACING_QUADRATIC:
        quadratic(t, num_steps, num_timesteps);
        return num_steps;
    case MCVD_SPACING_LOG_SNR:
        log_snr(t, num_steps, sched);
        return num_steps;
    case MCVD_SPACING_EVEN:
        even(t, num_steps, num_timesteps);
        return num_steps;
    case MCVD_SPACING_UNIFORM:
        break;
    }
    return uniform(t, num_steps, num_timesteps, from_zero);
}

/* --- steps --- */

static mcvdi_step step_at(const mcvd_schedule *sched, const int *t, int i, int count)
{
    const int t_next = i + 1 < count ? t[i + 1] : -1;

    return (mcvdi_step) { .t = t[i],
                          .level = mcvd_schedule_level(sched, t[i]),
                          .t_next = t_next,
                          .next = mcvd_schedule_level(sched, t_next),
                          .is_last = t_next < 0 };
}

/* frac_steps leaves out the first steps, t_min those that are noisier than it says. */
static void choose(mcvdi_step_plan *plan, const mcvd_sampler_config *config,
                   const mcvd_schedule *sched, const int *t, int count)
{
    const int left_out = (int)((1.0 - config->frac_steps) * count);
    const int first = left_out < count ? left_out : count - 1;

    plan->num_grid = count - first;
    const double range =
        config->t_min_of_steps ? plan->num_grid : mcvd_schedule_num_timesteps(sched);
    for (int i = first; i < count; i++)
        if (mcvd_schedule_label(sched, t[i]) >= config->t_min * range)
            plan->steps[plan->num_steps++] = step_at(sched, t, i, count);
}

mcvd_status mcvdi_steps_plan(mcvdi_step_plan *plan, const mcvd_sampler_config *config,
                             const mcvdi_sampler_method *method, const mcvd_schedule *sched)
{
    const size_t room = (size_t)mcvd_schedule_num_timesteps(sched);
    int *t = mcvdi_calloc(room, sizeof *t);

    *plan = (mcvdi_step_plan) { .steps = mcvdi_calloc(room, sizeof *plan->steps) };
    if (t && plan->steps)
        choose(plan, config, sched, t, fill_grid(t, config, sched, method->grid_from_zero));
    mcvdi_free(t);
    if (plan->num_steps)
        return MCVD_OK;
    if (!t || !plan->steps)
        return mcvdi_fail(MCVD_E_NOMEM, "sampler: out of memory for %zu steps", room);
    return mcvdi_fail(MCVD_E_RANGE,
                      "sampler.t_min = %g (sampling.init_prev_t) leaves none of %d steps",
                      config->t_min, plan->num_grid);
}
