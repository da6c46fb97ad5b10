/* Priors, places between timesteps, and pixels: what bound and probability flow share. */
#include "diffusion/likelihood.h"

#include <math.h>

#include <mcvd/rng.h>

#include "core/alloc.h"
#include "core/checked.h"

double *mcvdi_new_doubles(size_t n, size_t each)
{
    size_t bytes = sizeof(double);

    if (!mcvdi_mul_size(&bytes, bytes, n) || !mcvdi_mul_size(&bytes, bytes, each))
        return NULL;
    return mcvdi_malloc(bytes);
}

mcvd_status mcvdi_likelihood_check(const mcvdi_parameterisation **param, const char *prediction,
                                   const mcvd_schedule *sched, size_t numel, uint64_t block)
{
    const mcvd_status st = mcvdi_parameterisation_find(param, prediction);

    if (st < 0)
        return st;
    if (!numel)
        return mcvdi_fail(MCVD_E_RANGE, "likelihood: numel = 0, expected at least 1");
    if (block >= MCVDI_LIKELIHOOD_BLOCKS)
        return mcvdi_fail(MCVD_E_RANGE, "likelihood: block %llu, there is noise for %d blocks",
                          (unsigned long long)block, (int)MCVDI_LIKELIHOOD_BLOCKS);
    return mcvdi_parameterisation_check(*param, sched);
}

double mcvdi_prior_variance(const mcvd_schedule *sched)
{
    const double s = mcvd_schedule_level(sched, mcvd_schedule_num_timesteps(sched) - 1).s;

    return mcvd_schedule_process(sched) == MCVD_PROCESS_VP ? 1.0 : s * s;
}

/* --- between timesteps --- */

static double log_sigma(const mcvd_schedule *sched, int t)
{
    const mcvd_level level = mcvd_schedule_level(sched, t);

    return log(level.s) - log(level.a);
}

int mcvdi_noisiest_finite(const mcvd_schedule *sched)
{
    int t = mcvd_schedule_num_timesteps(sched) - 1;

    while (t > 0 && !(mcvd_schedule_level(sched, t).a > 0.0))
        t--;
    return t;
}

static mcvd_level level_of_sigma(mcvd_process process, double sigma)
{
    switch (process) {
    case MCVD_PROCESS_VP:
        return (mcvd_level) { 1.0 / hypot(1.0, sigma), sigma / hypot(1.0, sigma) };
    case MCVD_PROCESS_FLOW:
        return (mcvd_level) { 1.0 / (1.0 + sigma), sigma / (1.0 + sigma) };
    case MCVD_PROCESS_VE:
        break;
    }
    return (mcvd_level) { 1.0, sigma };
}

/* sigma rises with t: halving finds the two timesteps around it. */
mcvdi_place mcvdi_place_of_sigma(const mcvd_schedule *sched, double sigma)
{
    int low = 0;
    int high = mcvdi_noisiest_finite(sched);
    const double lambda = fmin(fmax(log(sigma), log_sigma(sched, low)), log_sigma(sched, high));

    while (high - low > 1) {
        const int middle = (low + high) / 2;
        if (log_sigma(sched, middle) <= lambda)
            low = middle;
        else
            high = middle;
    }
    const double below = log_sigma(sched, low);
    const double above = log_sigma(sched, high);
    const double share = above > below ? (lambda - below) / (above - below) : 0.0;
    return (mcvdi_place) { sigma, low + share * (high - low),
                           level_of_sigma(mcvd_schedule_process(sched), sigma) };
}

mcvd_status mcvdi_likelihood_progress(const mcvd_likelihood_net *net)
{
    if (net->progress && net->progress(net->user) != 0)
        return mcvdi_fail(MCVD_E_INTERRUPTED, "likelihood: stopped on request");
    return MCVD_OK;
}

/* --- pixels --- */

void mcvd_levels_to_double(double *out, const uint8_t *levels, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = 2.0 * levels[i] / 255.0 - 1.0;
}

void mcvd_levels_dequantise(double *out, const uint8_t *levels, size_t n, uint64_t seed,
                            uint64_t block, uint64_t sample)
{
    enum { PIECE = 256 };
    const mcvd_rng_key key = mcvd_rng_key_make(seed, MCVD_RNG_DEQUANTISE, block, sample);
    float u[PIECE];

    for (size_t first = 0; first < n; first += PIECE) {
        const size_t count = n - first < PIECE ? n - first : PIECE;
        mcvd_rng_uniform(key, first, u, count);
        for (size_t i = 0; i < count; i++)
            out[first + i] = 2.0 * (levels[first + i] + (double)u[i]) / 256.0 - 1.0;
    }
}

static const double log_2 = 0.69314718055994530942;

double mcvd_bits_of_mass(double nats, size_t numel)
{
    return nats / ((double)numel * log_2);
}

double mcvd_bits_of_density(double log_density, size_t numel)
{
    return -log_density / ((double)numel * log_2) + 7.0;
}
