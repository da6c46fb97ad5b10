/* Schedules and samplers from a configuration: the one place that trainer, rollout and programs
 * share. */
#include <mcvd/sampler.h>

#include <string.h>

#include "core/status.h"
#include "diffusion/sampler.h"

mcvd_status mcvd_schedule_of_config(mcvd_schedule **out, const mcvd_model_config *model)
{
    const mcvd_schedule_config config = { .kind = model->sigma_dist,
                                          .num_timesteps = (int)model->num_classes,
                                          .beta_begin = model->sigma_begin,
                                          .beta_end = model->sigma_end,
                                          .sigma_begin = model->sigma_begin,
                                          .sigma_end = model->sigma_end,
                                          .zero_terminal_snr = model->zero_terminal_snr };
    return mcvd_schedule_create(out, &config);
}

const char *mcvd_sampler_of_config(const mcvd_config *config)
{
    const char *version = config->model.version;

    if (config->sampling.sampler[0])
        return config->sampling.sampler;
    if (strcmp(version, "DDIM") == 0)
        return "ddim";
    if (strcmp(version, "FPNDM") == 0)
        return "pndm";
    if (strcmp(version, "SMLD") == 0)
        return config->sampling.consistent ? "cas" : "langevin";
    return "ddpm";
}

static mcvd_spacing spacing_of(const mcvd_sampling_config *s, const char *sampler)
{
    if (strcmp(s->spacing, "quadratic") == 0)
        return MCVD_SPACING_QUADRATIC;
    if (strcmp(s->spacing, "logsnr") == 0)
        return MCVD_SPACING_LOG_SNR;
    if (strcmp(s->spacing, "even") == 0)
        return MCVD_SPACING_EVEN;
    return s->spacing[0] ? MCVD_SPACING_UNIFORM : mcvd_sampler_own_spacing(sampler);
}

mcvd_sampler_config mcvd_sampler_config_of(const mcvd_config *config)
{
    const mcvd_sampling_config *s = &config->sampling;
    mcvd_sampler_config c = mcvd_sampler_config_default();

    c.name = mcvd_sampler_of_config(config);
    c.prediction = config->model.prediction;
    c.num_steps = s->subsample < config->model.num_classes ? (int)s->subsample : 0;
    c.spacing = spacing_of(s, c.name);
    c.clip = s->clip_before;
    c.dynamic_clip = s->dynamic_clip;
    c.recompute_eps_after_clip = s->recompute_eps;
    c.denoise = s->denoise;
    if (strcmp(s->denoise_label, "count") == 0)
        c.denoise_label = MCVD_DENOISE_COUNT_LABEL;
    c.eta = s->eta;
    c.just_beta = strcmp(s->variance, "large") == 0;
    c.sigma_hat = c.just_beta && strcmp(c.name, "ddim") == 0;
    c.t_min = s->init_prev_t;
    c.corrector_steps = (int)s->corrector_steps;
    c.corrector_snr = s->corrector_snr;
    c.step_size = s->step_size;
    if (s->steps_per_level)
        c.steps_per_level = (int)s->steps_per_level;
    c.gamma_noise = config->model.gamma;
    return c;
}

mcvd_status mcvd_sampler_check_config(const mcvd_config *config)
{
    mcvd_sampler_config c = mcvd_sampler_config_of(config);
    mcvd_schedule *sched = NULL;
    mcvd_sampler *sampler = NULL;
    mcvd_status st = mcvd_schedule_of_config(&sched, &config->model);

    c.max_batch = c.numel = 1;
    if (st >= 0)
        st = mcvd_sampler_create(&sampler, &c, sched);
    mcvd_sampler_free(&sampler);
    mcvd_schedule_free(&sched);
    return st;
}
