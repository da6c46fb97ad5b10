/*
 * The reverse-time SDE (Song et al. 2021, eq. 6 and appendix E), with score = -eps / s.
 *
 * Euler-Maruyama in continuous time, dx = f x du + g dw, from u = 1 to u_min in equal steps d,
 * with the family between ODE (eta 0) and SDE (eta 1) that has the same marginals:
 *
 *     x <- x - (f x - (1 + eta^2) / 2 g^2 score) d + eta g sqrt(d) z
 *
 * Reverse diffusion discretises as the forward process is: with r = a / a' and the variance of the
 * forward step v = s^2 - r^2 s'^2 (beta of a vp process, sigma^2 - sigma'^2 of a ve process),
 *
 *     x <- (2 - r) x + v score + sqrt(v) z
 *
 * Predictor-corrector puts corrector_steps Langevin steps in front of each of these:
 *
 *     x <- x + e score + sqrt(2 e) z,   e = 2 k (snr |z| / |score|)^2 per sample,  k = r^2
 *
 * (k = 1 on ve, 1 - beta on vp). There is no noise in the last step.
 */
#include "diffusion/sampler.h"

#include <math.h>

/* --- euler-maruyama --- */

static const double u_min = 1e-3;

static mcvd_status euler_maruyama_step(mcvdi_run *run, const mcvdi_step *step)
{
    const double eta = run->config->eta;
    const double d = (1.0 - u_min) / run->num_steps;
    const double u = 1.0 - run->index * d;
    const mcvdi_sde sde = mcvdi_schedule_sde(run->sched, u);
    const double t = (mcvd_schedule_num_timesteps(run->sched) - 1) * u;
    const mcvdi_point here = { run->x, t, sde.level };
    const mcvdi_move move = { .of_x = 1.0 - sde.f * d,
                              .of_eps = -0.5 * (1.0 + eta * eta) * sde.g2 * d / sde.level.s,
                              .sigma = step->is_last ? 0.0 : eta * sqrt(sde.g2 * d) };
    const mcvd_status st = mcvdi_run_predict(run, &here);

    if (st < 0)
        return st;
    mcvdi_run_clip(run, &here, true);
    return mcvdi_run_move(run, &move);
}

static mcvd_status check_continuous(const mcvd_sampler_config *config, const mcvd_schedule *sched)
{
    if (!mcvdi_schedule_has_sde(sched))
        return mcvdi_fail(MCVD_E_CONFIG, "sampler euler-maruyama: the schedule has no continuous "
                                         "form that is finite everywhere");
    if (config->t_min > 0.0 || config->frac_steps < 1.0 || config->spacing != MCVD_SPACING_UNIFORM)
        return mcvdi_fail(MCVD_E_CONFIG, "sampler euler-maruyama: runs the whole way in equal "
                                         "steps, without t_min (sampling.init_prev_t), frac_steps "
                                         "and spacing");
    return MCVD_OK;
}

const mcvdi_sampler_method mcvdi_sampler_euler_maruyama = {
    .name = "euler-maruyama",
    .help = "reverse SDE in continuous time; eta 0 is the probability flow",
    .processes = MCVDI_ON_VP | MCVDI_ON_VE,
    .takes_eta = true,
    .own_eta = 1.0,
    .ending = MCVDI_ENDS_CLEAN,
    .step = euler_maruyama_step,
    .check = check_continuous,
};

/* --- reverse diffusion --- */

static mcvd_status reverse_diffusion_step(mcvdi_run *run, const mcvdi_step *step)
{
    const mcvd_level from = step->level;
    const mcvd_level to = step->next;
    const double r = from.a / to.a;
    const double v = from.s * from.s - r * r * to.s * to.s;
    const mcvdi_move move = { .of_x = 2.0 - r,
                              .of_eps = -v / from.s,
                              .sigma = step->is_last ? 0.0 : sqrt(v) };
    const mcvd_status st = mcvdi_run_estimate(run, step);

    return st < 0 ? st : mcvdi_run_move(run, &move);
}

const mcvdi_sampler_method mcvdi_sampler_reverse_diffusion = {
    .name = "reverse-diffusion",
    .help = "reverse SDE, discretised as the forward process",
    .processes = MCVDI_ON_VP | MCVDI_ON_VE,
    .takes_repeats = true,
    .ending = MCVDI_ENDS_CLEAN,
    .step = reverse_diffusion_step,
};

/* --- predictor-corrector --- */

static double norm(const float *x, size_t n)
{
    double sum = 0.0;

#pragma omp simd reduction(+ : sum)
    for (size_t i = 0; i < n; i++)
        sum += (double)x[i] * (double)x[i];
    return sqrt(sum);
}

/* |z| / |score| of one sample, or of the batch: the ratio of the mean norms. */
static double norm_ratio(const mcvdi_run *run, double s, size_t first_sample, size_t num_samples)
{
    double score = 0.0;
    double noise = 0.0;

    for (size_t b = first_sample; b < first_sample + num_samples; b++) {
        score += norm(run->eps + b * run->numel, run->numel) / s;
        noise += norm(run->noise + b * run->numel, run->numel);
    }
    return score > 0.0 ? noise / score : 0.0;
}

static void correct(mcvdi_run *run, const mcvdi_step *step)
{
    const bool of_batch = run->config->corrector_of_batch;
    const double r = step->level.a / step->next.a;

    for (size_t b = 0; b < run->batch; b++) {
        const double ratio =
            run->config->corrector_snr *
            norm_ratio(run, step->level.s, of_batch ? 0 : b, of_batch ? run->batch : 1);
        const double size = 2.0 * r * r * ratio * ratio;
        const float of_eps = (float)(-size / step->level.s);
        const float of_noise = (float)sqrt(2.0 * size);

        for (size_t i = b * run->numel; i < (b + 1) * run->numel; i++)
            run->x[i] += of_eps * run->eps[i] + of_noise * run->noise[i];
    }
}

static mcvd_status pc_step(mcvdi_run *run, const mcvdi_step *step)
{
    for (int k = 0; k < run->config->corrector_steps; k++) {
        mcvd_status st = mcvdi_run_estimate(run, step);
        if (st >= 0)
            st = mcvdi_run_draw(run);
        if (st < 0)
            return st;
        correct(run, step);
    }
    return reverse_diffusion_step(run, step);
}

const mcvdi_sampler_method mcvdi_sampler_pc = {
    .name = "pc",
    .help = "reverse diffusion with Langevin corrections before each step",
    .processes = MCVDI_ON_VP | MCVDI_ON_VE,
    .takes_repeats = true,
    .ending = MCVDI_ENDS_CLEAN,
    .step = pc_step,
};
