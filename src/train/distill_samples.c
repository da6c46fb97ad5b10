#include "train/distill_samples.h"

#include <stdio.h>
#include <string.h>

#include <mcvd/sampler.h>

#include "core/alloc.h"
#include "core/status.h"

enum { MAX_AT_ONCE = 16 };

typedef struct sampling {
    const mcvdi_distill_samples_config *config;
    const mcvd_batch *batch;
    mcvd_network *network;
    mcvd_schedule *schedule;
    mcvd_sampler *sampler;
    size_t at_once; /* windows per network call */
    size_t first;   /* window of the group at work */
    size_t numel;   /* floats of a block */
    size_t cond;    /* floats of the given frames */
    float mask[MAX_AT_ONCE];
} sampling;

void mcvdi_distill_sampling(mcvd_config *config, int num_steps)
{
    mcvd_sampling_config *s = &config->sampling;

    snprintf(s->sampler, sizeof s->sampler, "ddim");
    snprintf(s->spacing, sizeof s->spacing, "even");
    s->subsample = num_steps;
    s->eta = 0.0;
    s->denoise = false;
    s->recompute_eps = true; /* two steps are then one with the average of the two x0 */
    s->init_prev_t = -1.0;
    s->dynamic_clip = 0.0;
    s->guidance_past = s->guidance_future = 1.0;
}

static mcvd_status denoise(void *user, const float *x_t, const double *t, size_t batch, float *out)
{
    sampling *s = user;
    const mcvd_network_input in = {
        .x = x_t,
        .t = t,
        .cond = s->cond ? s->batch->cond + s->first * s->cond : NULL,
        .cond_mask = s->mask,
    };

    (void)batch; /* always at_once */
    const mcvd_status st = mcvd_network_forward(s->network, &in, out);
    if (st >= 0 && s->config->on_call && s->config->on_call(s->config->user))
        return mcvdi_fail(MCVD_E_INTERRUPTED, "stopped while a stage was measured");
    return st;
}

static mcvd_status open_model(sampling *s)
{
    mcvd_model *model = NULL;
    mcvd_status st = mcvd_model_load(&model, s->config->model, NULL);

    if (st < 0)
        return st;
    const mcvd_network_config nc = { .batch = s->at_once };
    mcvd_config config = *mcvd_model_get_config(model);
    mcvdi_distill_sampling(&config, s->config->num_steps);
    st = mcvd_network_create(&s->network, model, &nc);
    if (st >= 0)
        st = mcvd_schedule_of_config(&s->schedule, &config.model);
    mcvd_sampler_config sc = mcvd_sampler_config_of(&config);
    sc.max_batch = s->at_once;
    sc.numel = s->numel;
    if (st >= 0)
        st = mcvd_sampler_create(&s->sampler, &sc, s->schedule);
    mcvd_model_free(&model);
    return st;
}

/* Windows [first, first + at_once): the noise is that of the window, whatever the group. */
static mcvd_status run_group(sampling *s, size_t first, float *out)
{
    const mcvd_noise_philox noise = { .seed = s->config->seed, .first_sample = first };
    const mcvd_sampler_job job = { .batch = s->at_once, .denoiser = denoise, .denoiser_user = s };

    s->first = first;
    for (size_t i = 0; i < s->at_once; i++)
        s->mask[i] = (float)s->batch->cond_mask[first + i];
    mcvd_noise_philox_start(&noise, out, s->at_once, s->numel);
    return mcvd_sampler_run(s->sampler, &job, out);
}

mcvd_status mcvdi_distill_samples(const mcvdi_distill_samples_config *config,
                                  const mcvd_batch *batch, float *out)
{
    const size_t pixels = batch->image_size * batch->image_size * batch->channels;
    sampling s = { .config = config,
                   .batch = batch,
                   .at_once = batch->batch_size < MAX_AT_ONCE ? batch->batch_size : MAX_AT_ONCE,
                   .numel = pixels * batch->num_frames,
                   .cond = pixels * (batch->num_frames_cond + batch->num_frames_future) };
    mcvd_status st = open_model(&s);

    for (size_t done = 0; st >= 0 && done < batch->batch_size; done += s.at_once) {
        /* The last group reaches back so that it is whole. */
        const size_t last = batch->batch_size - s.at_once;
        const size_t first = done < last ? done : last;
        st = run_group(&s, first, out + first * s.numel);
    }
    mcvd_sampler_free(&s.sampler);
    mcvd_schedule_free(&s.schedule);
    mcvd_network_free(&s.network);
    return st;
}
