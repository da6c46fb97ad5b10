#include "diffusion/sampler.h"

#include <math.h>
#include <string.h>

#include "core/alloc.h"
#include "core/checked.h"

enum { NUM_BUFFERS = 3 }; /* x0, eps, noise */

struct mcvd_sampler {
    mcvd_sampler_config config;
    const mcvdi_sampler_method *method;
    const mcvdi_parameterisation *param;
    mcvdi_level *levels; /* [num_steps], noisiest first */
    int num_steps;
    bool noise_again;            /* t_min: the first step noises x first */
    double denoise_t;            /* the timestep told in the final call */
    float *buffers[NUM_BUFFERS]; /* [max_batch, numel] each */
    double *t;                   /* [max_batch] */
};

static const mcvdi_sampler_method *const methods[] = {
    &mcvdi_sampler_ddpm,
    &mcvdi_sampler_ddim,
};

enum { NUM_METHODS = sizeof methods / sizeof methods[0] };

mcvd_sampler_config mcvd_sampler_config_default(void)
{
    return (mcvd_sampler_config) {
        .name = "ddpm",
        .prediction = "eps",
        .clip = true,
        .denoise = true,
        .denoise_label = MCVD_DENOISE_LAST_LABEL,
        .frac_steps = 1.0,
        .t_min = -1.0,
    };
}

const char *mcvd_sampler_name(size_t i)
{
    return i < NUM_METHODS ? methods[i]->name : NULL;
}

const char *mcvd_sampler_help(size_t i)
{
    return i < NUM_METHODS ? methods[i]->help : NULL;
}

static mcvd_status find_method(const mcvdi_sampler_method **out, const char *name)
{
    *out = NULL;
    for (size_t i = 0; i < NUM_METHODS; i++) {
        if (name && strcmp(name, methods[i]->name) == 0)
            *out = methods[i];
    }
    if (!*out)
        return mcvdi_fail(MCVD_E_CONFIG, "sampler '%s': known are ddpm and ddim", name ? name : "");
    return MCVD_OK;
}

static mcvd_status check_config(const mcvd_sampler_config *config)
{
    if (config->max_batch < 1 || config->numel < 1)
        return mcvdi_fail(MCVD_E_RANGE, "sampler for %zu samples of %zu values, expected 1 or more",
                          config->max_batch, config->numel);
    if (config->num_steps < 0)
        return mcvdi_fail(MCVD_E_RANGE, "sampler.num_steps = %d, expected 0 or more",
                          config->num_steps);
    if (!(config->eta >= 0.0 && config->eta <= 1.0))
        return mcvdi_fail(MCVD_E_RANGE, "sampler.eta = %g, expected 0 to 1", config->eta);
    if (!(config->frac_steps > 0.0 && config->frac_steps <= 1.0))
        return mcvdi_fail(MCVD_E_RANGE, "sampler.frac_steps = %g, expected above 0, at most 1",
                          config->frac_steps);
    if (!(config->t_min < 1.0))
        return mcvdi_fail(MCVD_E_RANGE, "sampler.t_min = %g, expected below 1", config->t_min);
    if (config->denoise_label != MCVD_DENOISE_LAST_LABEL &&
        config->denoise_label != MCVD_DENOISE_COUNT_LABEL)
        return mcvdi_fail(MCVD_E_CONFIG, "sampler.denoise_label = %d", (int)config->denoise_label);
    return MCVD_OK;
}

/* The label grid as counts: labels (first + i) * stride, i in [0, count). */
typedef struct label_grid {
    int stride;
    int first;
    int count;
} label_grid;

static label_grid plan_labels(const mcvd_sampler_config *config, int num_timesteps)
{
    const bool all = config->num_steps == 0 || config->num_steps >= num_timesteps;
    const int stride = all ? 1 : num_timesteps / config->num_steps;
    const int total = (num_timesteps + stride - 1) / stride;
    const int left_out = (int)((1.0 - config->frac_steps) * total);
    const int first = left_out < total ? left_out : total - 1;

    return (label_grid) { stride, first, total - first };
}

/* Level of position i on the grid; the level after the last is the clean image. */
static mcvdi_level level_at(const mcvd_schedule *sched, const label_grid *grid, int i)
{
    const int last_t = mcvd_schedule_num_timesteps(sched) - 1;
    const bool is_last = i == grid->count - 1;
    const int t = last_t - (grid->first + i) * grid->stride;
    const double ac = mcvd_schedule_alpha_cumprod(sched, t);
    const double ac_next = is_last ? 1.0 : mcvd_schedule_alpha_cumprod(sched, t - grid->stride);

    return (mcvdi_level) { t, ac, ac_next, 1.0 - ac / ac_next, is_last };
}

static mcvd_status plan_steps(mcvd_sampler *s, const mcvd_schedule *sched)
{
    const int num_timesteps = mcvd_schedule_num_timesteps(sched);
    const label_grid grid = plan_labels(&s->config, num_timesteps);
    const double range = s->config.t_min_of_steps ? grid.count : num_timesteps;

    s->levels = mcvdi_calloc((size_t)grid.count, sizeof *s->levels);
    if (!s->levels)
        return mcvdi_fail(MCVD_E_NOMEM, "sampler of %d steps", grid.count);
    s->noise_again = s->config.t_min > 0.0;
    for (int i = 0; i < grid.count; i++) {
        const mcvdi_level level = level_at(sched, &grid, i);
        if (mcvd_schedule_label(sched, level.t) >= s->config.t_min * range)
            s->levels[s->num_steps++] = level;
    }
    if (s->num_steps == 0)
        return mcvdi_fail(MCVD_E_RANGE, "sampler.t_min = %g leaves none of %d steps",
                          s->config.t_min, grid.count);
    s->denoise_t = s->levels[s->num_steps - 1].t;
    if (s->config.denoise_label == MCVD_DENOISE_COUNT_LABEL)
        s->denoise_t = mcvd_schedule_label(sched, grid.count - 1);
    return MCVD_OK;
}

static mcvd_status allocate(mcvd_sampler *s)
{
    size_t numel;
    size_t bytes;

    if (!mcvdi_mul_size(&numel, s->config.max_batch, s->config.numel) ||
        !mcvdi_mul_size(&bytes, numel, sizeof(float)))
        return mcvdi_fail(MCVD_E_RANGE, "sampler for %zu samples of %zu values is too large",
                          s->config.max_batch, s->config.numel);
    for (int i = 0; i < NUM_BUFFERS; i++) {
        s->buffers[i] = mcvdi_alloc_aligned(bytes);
        if (!s->buffers[i])
            return mcvdi_fail(MCVD_E_NOMEM, "sampler: %zu bytes of scratch memory", bytes);
    }
    s->t = mcvdi_calloc(s->config.max_batch, sizeof *s->t);
    if (!s->t)
        return mcvdi_fail(MCVD_E_NOMEM, "sampler: %zu timesteps", s->config.max_batch);
    return MCVD_OK;
}

mcvd_status mcvd_sampler_create(mcvd_sampler **out, const mcvd_sampler_config *config,
                                const mcvd_schedule *sched)
{
    *out = NULL;
    mcvd_sampler *s = mcvdi_calloc(1, sizeof *s);
    if (!s)
        return mcvdi_fail(MCVD_E_NOMEM, "sampler: %zu bytes", sizeof *s);
    s->config = *config;

    mcvd_status st = check_config(config);
    if (st >= 0)
        st = find_method(&s->method, config->name);
    if (st >= 0)
        st = mcvdi_parameterisation_find(&s->param, config->prediction);
    if (st >= 0)
        st = plan_steps(s, sched);
    if (st >= 0)
        st = allocate(s);
    if (st < 0) {
        mcvd_sampler_free(&s);
        return st;
    }
    s->config.name = s->method->name; /* the caller's texts may not live as long */
    s->config.prediction = s->param->name;
    *out = s;
    return MCVD_OK;
}

void mcvd_sampler_free(mcvd_sampler **sampler)
{
    if (!sampler || !*sampler)
        return;
    for (int i = 0; i < NUM_BUFFERS; i++)
        mcvdi_free_aligned((*sampler)->buffers[i]);
    mcvdi_free((*sampler)->levels);
    mcvdi_free((*sampler)->t);
    mcvdi_free(*sampler);
    *sampler = NULL;
}

int mcvd_sampler_num_steps(const mcvd_sampler *sampler)
{
    return sampler->num_steps;
}

int mcvd_sampler_num_calls(const mcvd_sampler *sampler)
{
    return sampler->num_steps + (sampler->config.denoise ? 1 : 0);
}

double mcvd_sampler_timestep(const mcvd_sampler *sampler, int call)
{
    if (call < 0 || call >= mcvd_sampler_num_calls(sampler))
        return (double)NAN;
    return call < sampler->num_steps ? sampler->levels[call].t : sampler->denoise_t;
}

/* x = sqrt(ac) x + sqrt(1 - ac) z */
static mcvd_status noise_again(mcvdi_run *run, double ac)
{
    const float a = (float)sqrt(ac);
    const float s = (float)sqrt(1.0 - ac);
    const mcvd_status st = mcvdi_run_draw(run);

    if (st < 0)
        return st;
    for (size_t i = 0; i < run->n; i++)
        run->x[i] = a * run->x[i] + s * run->noise[i];
    return MCVD_OK;
}

/* x = x - sqrt(1 - ac) eps, with ac of the last step. */
static mcvd_status denoise(mcvdi_run *run, const mcvd_sampler *sampler)
{
    const double ac = sampler->levels[sampler->num_steps - 1].ac;
    const float s = (float)sqrt(1.0 - ac);
    const mcvd_status st = mcvdi_run_predict(run, sampler->denoise_t, ac);

    if (st < 0)
        return st;
    for (size_t i = 0; i < run->n; i++)
        run->x[i] -= s * run->eps[i];
    return MCVD_OK;
}

static mcvd_status report(const mcvdi_run *run, int call, int num_calls)
{
    const mcvd_sampler_job *job = run->job;

    if (job->progress && job->progress(job->progress_user, call, num_calls, run->x))
        return mcvdi_fail(MCVD_E_INTERRUPTED, "sampling stopped after call %d of %d", call + 1,
                          num_calls);
    return MCVD_OK;
}

static mcvdi_run run_begin(mcvd_sampler *sampler, const mcvd_sampler_job *job, float *x)
{
    mcvdi_run run = {
        .config = &sampler->config,
        .param = sampler->param,
        .job = job,
        .n = job->batch * sampler->config.numel,
        .x = x,
        .x0 = sampler->buffers[0],
        .eps = sampler->buffers[1],
        .noise = sampler->buffers[2],
        .has_start_noise = sampler->config.same_noise,
        .t = sampler->t,
    };

    if (run.has_start_noise)
        memcpy(run.noise, x, run.n * sizeof *x);
    return run;
}

mcvd_status mcvd_sampler_run(mcvd_sampler *sampler, const mcvd_sampler_job *job, float *x)
{
    const int num_calls = mcvd_sampler_num_calls(sampler);
    mcvd_status st = MCVD_OK;

    if (job->batch < 1 || job->batch > sampler->config.max_batch)
        return mcvdi_fail(MCVD_E_RANGE, "sampler: batch of %zu, expected 1 to %zu", job->batch,
                          sampler->config.max_batch);
    mcvdi_run run = run_begin(sampler, job, x);
    if (sampler->noise_again)
        st = noise_again(&run, sampler->levels[0].ac);
    for (int call = 0; st >= 0 && call < num_calls; call++) {
        if (call < sampler->num_steps)
            st = sampler->method->step(&run, &sampler->levels[call]);
        else
            st = denoise(&run, sampler);
        if (st >= 0)
            st = report(&run, call, num_calls);
    }
    return st < 0 ? st : MCVD_OK;
}
