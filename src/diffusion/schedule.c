#include "diffusion/schedule.h"

#include <math.h>
#include <string.h>

#include "core/alloc.h"

enum { MAX_TIMESTEPS = 65536 };

static const double pi = 3.14159265358979323846;

struct mcvd_schedule {
    int num_timesteps;
    double *alphas_cumprod; /* [num_timesteps + 1], shifted by one: entry 0 is the clean image, 1 */
    double *betas;          /* [num_timesteps] */
};

typedef struct schedule_kind {
    const char *name;
    mcvd_status (*fill)(mcvd_schedule *sched, const mcvd_schedule_config *config);
} schedule_kind;

static mcvd_status fill_linear(mcvd_schedule *sched, const mcvd_schedule_config *config)
{
    const double ends[2] = { config->beta_begin, config->beta_end };
    const int last = sched->num_timesteps - 1;

    for (int i = 0; i < 2; i++) {
        if (!(ends[i] > 0.0 && ends[i] < 1.0))
            return mcvdi_fail(MCVD_E_RANGE, "schedule.%s = %g, expected a number between 0 and 1",
                              i ? "beta_end" : "beta_begin", ends[i]);
    }
    for (int t = 0; t <= last; t++) {
        const double beta = ends[1] + (ends[0] - ends[1]) * t / last;
        sched->betas[t] = beta;
        sched->alphas_cumprod[t + 1] = sched->alphas_cumprod[t] * (1.0 - beta);
    }
    return MCVD_OK;
}

/* cos^2 of the angle at the fraction u of the process. Every operation is rounded to single
 * precision: near the noisy end the rounding of the angle decides the digits (6e-5 relative, and
 * 2e-15 instead of 0 at the very end), and networks were trained with these values. */
static float cosine_level(float u)
{
    const float angle = (u + 0.008f) / 1.008f * (float)pi / 2.0f;
    const float c = (float)cos((double)angle);

    return c * c;
}

static mcvd_status fill_cosine(mcvd_schedule *sched, const mcvd_schedule_config *config)
{
    const float clean = cosine_level(0.0f);

    (void)config;
    for (int t = 0; t < sched->num_timesteps; t++) {
        const float u = (float)(t + 1) / (float)sched->num_timesteps;
        double *ac = sched->alphas_cumprod + t + 1;

        ac[0] = (double)(cosine_level(u) / clean);
        sched->betas[t] = 1.0 - ac[0] / ac[-1];
    }
    return MCVD_OK;
}

static const schedule_kind kinds[] = {
    { "linear", fill_linear },
    { "cosine", fill_cosine },
};

static const schedule_kind *find_kind(const char *name)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (name && strcmp(name, kinds[i].name) == 0)
            return &kinds[i];
    }
    return NULL;
}

mcvd_schedule_config mcvd_schedule_config_default(void)
{
    return (mcvd_schedule_config) { "linear", 1000, 0.02, 0.0001 };
}

static mcvd_status fill(mcvd_schedule *sched, const mcvd_schedule_config *config,
                        const schedule_kind *kind)
{
    const size_t count = (size_t)config->num_timesteps;

    sched->num_timesteps = config->num_timesteps;
    sched->alphas_cumprod = mcvdi_calloc(count + 1, sizeof *sched->alphas_cumprod);
    sched->betas = mcvdi_calloc(count, sizeof *sched->betas);
    if (!sched->alphas_cumprod || !sched->betas)
        return mcvdi_fail(MCVD_E_NOMEM, "noise schedule of %zu timesteps", count);
    sched->alphas_cumprod[0] = 1.0;
    return kind->fill(sched, config);
}

mcvd_status mcvd_schedule_create(mcvd_schedule **out, const mcvd_schedule_config *config)
{
    const schedule_kind *kind = find_kind(config->kind);

    *out = NULL;
    if (!kind)
        return mcvdi_fail(MCVD_E_CONFIG, "noise schedule '%s': known are linear and cosine",
                          config->kind ? config->kind : "");
    if (config->num_timesteps < 2 || config->num_timesteps > MAX_TIMESTEPS)
        return mcvdi_fail(MCVD_E_RANGE, "noise schedule of %d timesteps, expected 2 to %d",
                          config->num_timesteps, MAX_TIMESTEPS);
    mcvd_schedule *sched = mcvdi_calloc(1, sizeof *sched);
    if (!sched)
        return mcvdi_fail(MCVD_E_NOMEM, "noise schedule: %zu bytes", sizeof *sched);

    const mcvd_status st = fill(sched, config, kind);
    if (st < 0) {
        mcvd_schedule_free(&sched);
        return st;
    }
    *out = sched;
    return MCVD_OK;
}

void mcvd_schedule_free(mcvd_schedule **sched)
{
    if (!sched || !*sched)
        return;
    mcvdi_free((*sched)->alphas_cumprod);
    mcvdi_free((*sched)->betas);
    mcvdi_free(*sched);
    *sched = NULL;
}

int mcvd_schedule_num_timesteps(const mcvd_schedule *sched)
{
    return sched->num_timesteps;
}

static int is_inside(const mcvd_schedule *sched, int t)
{
    return t >= 0 && t < sched->num_timesteps;
}

double mcvd_schedule_alpha_cumprod(const mcvd_schedule *sched, int t)
{
    return is_inside(sched, t) ? sched->alphas_cumprod[t + 1] : (double)NAN;
}

double mcvd_schedule_alpha_cumprod_prev(const mcvd_schedule *sched, int t)
{
    return is_inside(sched, t) ? sched->alphas_cumprod[t] : (double)NAN;
}

double mcvd_schedule_beta(const mcvd_schedule *sched, int t)
{
    return is_inside(sched, t) ? sched->betas[t] : (double)NAN;
}

double mcvd_schedule_label(const mcvd_schedule *sched, double t)
{
    return (double)(sched->num_timesteps - 1) - t;
}

mcvd_status mcvdi_schedule_check_timesteps(const mcvd_schedule *sched, const mcvd_timesteps *steps)
{
    for (size_t b = 0; b < steps->batch; b++) {
        if (!is_inside(sched, steps->t[b]))
            return mcvdi_fail(MCVD_E_RANGE, "timestep %d of sample %zu, the schedule has 0 to %d",
                              (int)steps->t[b], b, sched->num_timesteps - 1);
    }
    return MCVD_OK;
}

mcvd_status mcvd_schedule_q_sample(const mcvd_schedule *sched, const mcvd_timesteps *steps,
                                   const float *x0, const float *eps, float *x_t)
{
    const mcvd_status st = mcvdi_schedule_check_timesteps(sched, steps);
    const ptrdiff_t batch = (ptrdiff_t)steps->batch;

    if (st < 0)
        return st;
#pragma omp parallel for schedule(static)
    for (ptrdiff_t b = 0; b < batch; b++) {
        const double ac = mcvd_schedule_alpha_cumprod(sched, steps->t[b]);
        const float a = (float)sqrt(ac);
        const float s = (float)sqrt(1.0 - ac);
        const size_t first = (size_t)b * steps->numel;

#pragma omp simd
        for (size_t i = first; i < first + steps->numel; i++)
            x_t[i] = a * x0[i] + s * eps[i];
    }
    return MCVD_OK;
}
