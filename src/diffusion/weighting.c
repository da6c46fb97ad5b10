#include "diffusion/weighting.h"

#include <math.h>
#include <string.h>

static double min_snr(double snr, double cleaner, double min_snr_gamma)
{
    (void)cleaner;
    return fmin(snr, min_snr_gamma);
}

static double elbo(double snr, double cleaner, double min_snr_gamma)
{
    (void)min_snr_gamma;
    return isinf(cleaner) ? snr : cleaner - snr;
}

static double sigma(double snr, double cleaner, double min_snr_gamma)
{
    (void)cleaner;
    (void)min_snr_gamma;
    return snr;
}

static double truncated_snr(double snr, double cleaner, double min_snr_gamma)
{
    (void)cleaner;
    (void)min_snr_gamma;
    return fmax(snr, 1.0);
}

static double snr_plus_one(double snr, double cleaner, double min_snr_gamma)
{
    (void)cleaner;
    (void)min_snr_gamma;
    return snr + 1.0;
}

static const struct {
    const char *name;
    double (*of_x0)(double snr, double cleaner, double min_snr_gamma);
    bool times_t;
} table[] = {
    { "uniform", NULL, false },
    { "min-snr", min_snr, false },
    { "elbo", elbo, true },
    { "sigma", sigma, false },
    { "truncated-snr", truncated_snr, false },
    { "snr+1", snr_plus_one, false },
};

mcvd_status mcvdi_weighting_find(mcvdi_weighting *out, const char *name)
{
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (strcmp(name, table[i].name) != 0)
            continue;
        out->of_x0 = table[i].of_x0;
        out->times_t = table[i].times_t;
        return MCVD_OK;
    }
    return mcvdi_fail(MCVD_E_CONFIG,
                      "loss weight '%s': known are uniform, min-snr, elbo, sigma, truncated-snr "
                      "and snr+1",
                      name);
}

static double snr_at(const mcvd_schedule *sched, int t)
{
    const mcvd_level level = mcvd_schedule_level(sched, t);
    const double ratio = level.a / level.s;

    return t < 0 ? (double)INFINITY : ratio * ratio;
}

double mcvdi_weighting_at(const mcvdi_weighting *weighting, const mcvd_schedule *sched, int t)
{
    const mcvd_level level = mcvd_schedule_level(sched, t);
    double of_x0;
    double of_eps;

    if (!weighting->of_x0)
        return 1.0;
    weighting->param->target(level, &of_x0, &of_eps);
    const double k = of_x0 - of_eps * level.a / level.s;
    const double u =
        weighting->of_x0(snr_at(sched, t), snr_at(sched, t - 1), weighting->min_snr_gamma);
    const double w = u / (k * k) * (weighting->times_t ? mcvd_schedule_num_timesteps(sched) : 1);
    return weighting->l1 ? sqrt(w) : w;
}
