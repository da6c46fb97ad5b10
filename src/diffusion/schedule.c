#include "diffusion/schedule.h"

#include <math.h>
#include <string.h>

#include "core/alloc.h"

enum { MAX_TIMESTEPS = 65536 };

static const double pi = 3.14159265358979323846;

struct mcvd_schedule {
    mcvd_schedule_config config;
    mcvd_process process;
    int num_timesteps;
    double *alphas_cumprod; /* [num_timesteps + 1], shifted by one: entry 0 is the clean frame, 1 */
    mcvd_level *levels;     /* [num_timesteps + 1], shifted likewise */
};

typedef struct schedule_kind {
    const char *name;
    mcvd_process process;
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
        sched->alphas_cumprod[t + 1] = (double)(cosine_level(u) / clean);
    }
    return MCVD_OK;
}

static mcvd_status fill_geometric(mcvd_schedule *sched, const mcvd_schedule_config *config)
{
    const double most = config->sigma_begin;
    const double least = config->sigma_end;
    const int last = sched->num_timesteps - 1;

    if (!(most > 0.0 && most <= 1e6))
        return mcvdi_fail(MCVD_E_RANGE, "schedule.sigma_begin = %g, expected above 0, at most 1e6",
                          most);
    if (!(least > 0.0 && least < most))
        return mcvdi_fail(MCVD_E_RANGE,
                          "schedule.sigma_end = %g, expected above 0 and below sigma_begin = %g",
                          least, most);
    for (int t = 0; t <= last; t++)
        sched->levels[t + 1] = (mcvd_level) { 1.0, least * pow(most / least, (double)t / last) };
    return MCVD_OK;
}

static mcvd_status fill_flow(mcvd_schedule *sched, const mcvd_schedule_config *config)
{
    (void)config;
    for (int t = 0; t < sched->num_timesteps; t++) {
        const double tau = (double)(t + 1) / sched->num_timesteps;
        sched->levels[t + 1] = (mcvd_level) { 1.0 - tau, tau };
    }
    return MCVD_OK;
}

static const schedule_kind kinds[] = {
    { "linear", MCVD_PROCESS_VP, fill_linear },
    { "cosine", MCVD_PROCESS_VP, fill_cosine },
    { "geometric", MCVD_PROCESS_VE, fill_geometric },
    { "flow", MCVD_PROCESS_FLOW, fill_flow },
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
    return (mcvd_schedule_config) { .kind = "linear",
                                    .num_timesteps = 1000,
                                    .beta_begin = 0.02,
                                    .beta_end = 0.0001,
                                    .sigma_begin = 50.0,
                                    .sigma_end = 0.01 };
}

/* sqrt(ac) moves linearly so that it ends at 0 and starts where it was. */
static void reach_zero_snr(mcvd_schedule *sched)
{
    const double first = sqrt(sched->alphas_cumprod[1]);
    const double last = sqrt(sched->alphas_cumprod[sched->num_timesteps]);

    for (int t = 0; t < sched->num_timesteps; t++) {
        double *ac = &sched->alphas_cumprod[t + 1];
        const double a = (sqrt(*ac) - last) * first / (first - last);
        *ac = t == sched->num_timesteps - 1 ? 0.0 : a * a;
    }
}

/* Betas too small or too many for doubles leave neighbours alike, or levels with s = 0 or a = 0, by
 * which samplers would divide. */
static mcvd_status check_levels(const mcvd_schedule *sched)
{
    const bool keeps_variance = sched->process == MCVD_PROCESS_VP;

    for (int t = 0; t < sched->num_timesteps; t++) {
        const bool noisier = keeps_variance
                                 ? sched->alphas_cumprod[t + 1] < sched->alphas_cumprod[t]
                                 : sched->levels[t + 1].s > sched->levels[t].s;
        if (!noisier)
            return mcvdi_fail(MCVD_E_RANGE,
                              "noise schedule %s: in double precision timestep %d is not noisier "
                              "than the one before; expected larger steps in the clean end, or "
                              "fewer or smaller ones in all",
                              sched->config.kind, t);
    }
    return MCVD_OK;
}

static mcvd_status fill(mcvd_schedule *sched, const schedule_kind *kind)
{
    const size_t count = (size_t)sched->num_timesteps + 1;

    sched->alphas_cumprod = mcvdi_calloc(count, sizeof *sched->alphas_cumprod);
    sched->levels = mcvdi_calloc(count, sizeof *sched->levels);
    if (!sched->alphas_cumprod || !sched->levels)
        return mcvdi_fail(MCVD_E_NOMEM, "noise schedule of %zu timesteps", count - 1);
    sched->alphas_cumprod[0] = 1.0;
    sched->levels[0] = (mcvd_level) { 1.0, 0.0 };
    const mcvd_status st = kind->fill(sched, &sched->config);
    if (st < 0 || kind->process != MCVD_PROCESS_VP)
        return st < 0 ? st : check_levels(sched);
    if (sched->config.zero_terminal_snr)
        reach_zero_snr(sched);
    for (size_t i = 1; i < count; i++) {
        const double ac = sched->alphas_cumprod[i];
        sched->levels[i] = (mcvd_level) { sqrt(ac), sqrt(1.0 - ac) };
    }
    return check_levels(sched);
}

mcvd_status mcvd_schedule_create(mcvd_schedule **out, const mcvd_schedule_config *config)
{
    const schedule_kind *kind = find_kind(config->kind);

    *out = NULL;
    if (!kind)
        return mcvdi_fail(MCVD_E_CONFIG,
                          "noise schedule '%s': known are linear, cosine, geometric and flow",
                          config->kind ? config->kind : "");
    if (config->num_timesteps < 2 || config->num_timesteps > MAX_TIMESTEPS)
        return mcvdi_fail(MCVD_E_RANGE, "noise schedule of %d timesteps, expected 2 to %d",
                          config->num_timesteps, MAX_TIMESTEPS);
    if (config->zero_terminal_snr && kind->process != MCVD_PROCESS_VP)
        return mcvdi_fail(MCVD_E_CONFIG,
                          "noise schedule %s: zero_terminal_snr belongs to linear and cosine",
                          kind->name);
    mcvd_schedule *sched = mcvdi_calloc(1, sizeof *sched);
    if (!sched)
        return mcvdi_fail(MCVD_E_NOMEM, "noise schedule: %zu bytes", sizeof *sched);

    sched->config = *config;
    sched->config.kind = kind->name; /* the caller's text may not live as long */
    sched->process = kind->process;
    sched->num_timesteps = config->num_timesteps;
    const mcvd_status st = fill(sched, kind);
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
    mcvdi_free((*sched)->levels);
    mcvdi_free(*sched);
    *sched = NULL;
}

int mcvd_schedule_num_timesteps(const mcvd_schedule *sched)
{
    return sched->num_timesteps;
}

mcvd_process mcvd_schedule_process(const mcvd_schedule *sched)
{
    return sched->process;
}

const char *mcvd_process_word(mcvd_process process)
{
    static const char *const words[] = { "vp", "ve", "flow" };
    return words[process];
}

static bool is_inside(const mcvd_schedule *sched, int t)
{
    return t >= 0 && t < sched->num_timesteps;
}

mcvd_level mcvd_schedule_level(const mcvd_schedule *sched, int t)
{
    if (t != -1 && !is_inside(sched, t))
        return (mcvd_level) { (double)NAN, (double)NAN };
    return sched->levels[t + 1];
}

static bool has_betas(const mcvd_schedule *sched, int t)
{
    return sched->process == MCVD_PROCESS_VP && is_inside(sched, t);
}

double mcvd_schedule_alpha_cumprod(const mcvd_schedule *sched, int t)
{
    return has_betas(sched, t) ? sched->alphas_cumprod[t + 1] : (double)NAN;
}

double mcvd_schedule_alpha_cumprod_prev(const mcvd_schedule *sched, int t)
{
    return has_betas(sched, t) ? sched->alphas_cumprod[t] : (double)NAN;
}

double mcvd_schedule_beta(const mcvd_schedule *sched, int t)
{
    return has_betas(sched, t) ? 1.0 - sched->alphas_cumprod[t + 1] / sched->alphas_cumprod[t]
                               : (double)NAN;
}

double mcvd_schedule_label(const mcvd_schedule *sched, double t)
{
    return (double)(sched->num_timesteps - 1) - t;
}

/* --- continuous time --- */

/* beta(u) from b0 to b1: ac = exp(-u^2 (b1 - b0) / 2 - u b0). */
static mcvdi_sde linear_sde(const mcvd_schedule *sched, double u)
{
    const double b0 = sched->config.beta_end * sched->num_timesteps;
    const double b1 = sched->config.beta_begin * sched->num_timesteps;
    const double beta = b0 + u * (b1 - b0);
    const double ac = exp(-0.5 * u * u * (b1 - b0) - u * b0);

    return (mcvdi_sde) { { sqrt(ac), sqrt(1.0 - ac) }, -0.5 * beta, beta };
}

/* beta(u) = -d ln ac / du; it grows without bound towards u = 1 and is cut at 0.999 T, where the
 * clipped discrete schedule of Nichol and Dhariwal has it. */
static mcvdi_sde cosine_sde(const mcvd_schedule *sched, double u)
{
    const double angle = (u + 0.008) / 1.008 * pi / 2.0;
    const double start = cos(0.008 / 1.008 * pi / 2.0);
    const double a = cos(angle) / start;
    const double beta = fmin(pi / 1.008 * tan(angle), 0.999 * sched->num_timesteps);

    return (mcvdi_sde) { { a, sqrt(1.0 - a * a) }, -0.5 * beta, beta };
}

static mcvdi_sde geometric_sde(const mcvd_schedule *sched, double u)
{
    const double least = sched->config.sigma_end;
    const double ratio = sched->config.sigma_begin / least;
    const double sigma = least * pow(ratio, u);

    return (mcvdi_sde) { { 1.0, sigma }, 0.0, 2.0 * sigma * sigma * log(ratio) };
}

mcvdi_sde mcvdi_schedule_sde(const mcvd_schedule *sched, double u)
{
    if (sched->process == MCVD_PROCESS_VE)
        return geometric_sde(sched, u);
    return strcmp(sched->config.kind, "cosine") == 0 ? cosine_sde(sched, u) : linear_sde(sched, u);
}

bool mcvdi_schedule_has_sde(const mcvd_schedule *sched)
{
    return sched->process != MCVD_PROCESS_FLOW && !sched->config.zero_terminal_snr;
}

/* --- batches --- */

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
        const mcvd_level level = mcvd_schedule_level(sched, steps->t[b]);
        const float a = (float)level.a;
        const float s = (float)level.s;
        const size_t first = (size_t)b * steps->numel;

#pragma omp simd
        for (size_t i = first; i < first + steps->numel; i++)
            x_t[i] = a * x0[i] + s * eps[i];
    }
    return MCVD_OK;
}
