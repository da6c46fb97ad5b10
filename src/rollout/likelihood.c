/* A model behind the functions that the likelihoods know: frames become stacks, doubles become the
 * network's floats and back. */
#include <string.h>

#include <mcvd/model_likelihood.h>
#include <mcvd/rng.h>

#include "core/alloc.h"
#include "core/checked.h"
#include "core/status.h"

enum { DEFAULT_BATCH = 8 };

struct mcvd_model_likelihood {
    mcvd_model_likelihood_config config;
    char prediction[MCVD_CONFIG_TEXT];
    mcvd_schedule *schedule;
    mcvd_network *predictor; /* of `batch` timesteps; NULL without the bound */
    mcvd_network *gradient;  /* of one; NULL without the flow */
    size_t batch;
    size_t pixels, channels, num_frames, num_known;
    size_t numel;
    size_t cond_numel;
    bool noisy_cond;

    uint8_t *levels;   /* [H, W, F * C] */
    double *x0;        /* [numel] */
    float *x;          /* [batch, numel] */
    float *out;        /* [batch, numel] */
    float *v;          /* [numel] */
    float *vj;         /* [numel] */
    float *cond;       /* [batch, H, W, (P + U) * C], the same in every sample */
    float *cond_noise; /* like cond; with model.noise_in_cond */
    float *mask;       /* [batch] */
    double *t;         /* [batch] */
    double *bound_each;
    double *flow_each;

    uint64_t block;      /* at work */
    uint64_t cond_draws; /* noise on given frames drawn in this block */
};

mcvd_model_likelihood_config mcvd_model_likelihood_config_default(void)
{
    const mcvd_ode_config ode = mcvd_ode_config_default();

    return (mcvd_model_likelihood_config) { .bound = true,
                                            .flow = true,
                                            .samples = 1,
                                            .solver = ode.solver,
                                            .tolerance = ode.tolerance,
                                            .num_steps = ode.num_steps,
                                            .probes = ode.probes };
}

/* --- create --- */

static mcvd_status check(const mcvd_config *model, const mcvd_model_likelihood_config *config)
{
    const int64_t terms = model->model.num_classes - 1;

    if (!config->bound && !config->flow)
        return mcvdi_fail(MCVD_E_USAGE, "likelihood: neither the bound nor the flow was asked for");
    if (model->model.gamma)
        return mcvdi_fail(MCVD_E_USAGE, "likelihood: model.gamma = true: both ways are those of "
                                        "normal noise");
    if (model->model.action_dim)
        return mcvdi_fail(MCVD_E_USAGE,
                          "likelihood: model.action_dim = %lld: a video file has no "
                          "actions",
                          (long long)model->model.action_dim);
    if (config->flow && model->model.noise_in_cond)
        return mcvdi_fail(MCVD_E_USAGE,
                          "likelihood: model.noise_in_cond = true: the network's answers are "
                          "random, so it has no probability flow; the bound exists");
    if (!config->samples || !config->probes)
        return mcvdi_fail(MCVD_E_RANGE,
                          "likelihood: samples = %zu and probes = %zu, expected at least 1",
                          config->samples, config->probes);
    if (config->bound && config->num_terms > terms)
        return mcvdi_fail(MCVD_E_RANGE, "likelihood: %d terms of the bound, the model has %lld",
                          config->num_terms, (long long)terms);
    return MCVD_OK;
}

static mcvd_status make_networks(mcvd_model_likelihood *l, const mcvd_model *model)
{
    const mcvd_network_config predictor = { .batch = l->batch };
    const mcvd_network_config gradient = { .batch = 1, .gradient = true };
    mcvd_status st = MCVD_OK;

    if (l->config.bound)
        st = mcvd_network_create(&l->predictor, model, &predictor);
    if (st >= 0 && l->config.flow)
        st = mcvd_network_create(&l->gradient, model, &gradient);
    return st;
}

/* n * each * bytes, NULL when that does not fit; never of no size. */
static void *new_array(size_t n, size_t each, size_t bytes)
{
    if (!mcvdi_mul_size(&bytes, bytes, n) || !mcvdi_mul_size(&bytes, bytes, each))
        return NULL;
    return mcvdi_alloc_aligned(bytes ? bytes : 1);
}

static mcvd_status make_buffers(mcvd_model_likelihood *l)
{
    const size_t samples = l->config.samples;

    l->levels = new_array(l->numel, 1, 1);
    l->x0 = new_array(l->numel, 1, sizeof(double));
    l->x = new_array(l->batch, l->numel, sizeof(float));
    l->out = new_array(l->batch, l->numel, sizeof(float));
    l->v = new_array(l->numel, 1, sizeof(float));
    l->vj = new_array(l->numel, 1, sizeof(float));
    l->cond = new_array(l->batch, l->cond_numel, sizeof(float));
    l->cond_noise = new_array(l->batch, l->noisy_cond ? l->cond_numel : 0, sizeof(float));
    l->mask = new_array(l->batch, 1, sizeof(float));
    l->t = new_array(l->batch, 1, sizeof(double));
    l->bound_each = new_array(samples, 1, sizeof(double));
    l->flow_each = new_array(samples, l->config.probes, sizeof(double));
    if (!l->levels || !l->x0 || !l->x || !l->out || !l->v || !l->vj || !l->cond || !l->cond_noise ||
        !l->mask || !l->t || !l->bound_each || !l->flow_each)
        return mcvdi_fail(MCVD_E_NOMEM, "likelihood: out of memory for blocks of %zu values",
                          l->numel);
    return MCVD_OK;
}

static void set_sizes(mcvd_model_likelihood *l, const mcvd_config *model)
{
    const size_t size = (size_t)model->data.image_size;

    l->pixels = size * size;
    l->channels = (size_t)model->data.channels;
    l->num_frames = (size_t)model->data.num_frames;
    l->num_known = (size_t)(model->data.num_frames_cond + model->data.num_frames_future);
    l->numel = l->num_frames * l->pixels * l->channels;
    l->cond_numel = l->num_known * l->pixels * l->channels;
    l->noisy_cond = model->model.noise_in_cond && l->num_known;
}

mcvd_status mcvd_model_likelihood_create(mcvd_model_likelihood **out, const mcvd_model *model,
                                         const mcvd_model_likelihood_config *config)
{
    const mcvd_config *c = mcvd_model_get_config(model);

    *out = NULL;
    mcvd_status st = check(c, config);
    if (st < 0)
        return st;
    mcvd_model_likelihood *l = mcvdi_calloc(1, sizeof *l);
    if (!l)
        return mcvdi_fail(MCVD_E_NOMEM, "likelihood: out of memory");
    l->config = *config;
    l->batch = config->batch ? config->batch : DEFAULT_BATCH;
    memcpy(l->prediction, c->model.prediction, sizeof l->prediction);
    set_sizes(l, c);
    st = mcvd_schedule_of_config(&l->schedule, &c->model);
    if (st >= 0)
        st = make_networks(l, model);
    if (st >= 0)
        st = make_buffers(l);
    if (st < 0) {
        mcvd_model_likelihood_free(&l);
        return st;
    }
    *out = l;
    return MCVD_OK;
}

void mcvd_model_likelihood_free(mcvd_model_likelihood **likelihood)
{
    mcvd_model_likelihood *l = *likelihood;

    if (!l)
        return;
    mcvd_schedule_free(&l->schedule);
    mcvd_network_free(&l->predictor);
    mcvd_network_free(&l->gradient);
    mcvdi_free_aligned(l->levels);
    mcvdi_free_aligned(l->x0);
    mcvdi_free_aligned(l->x);
    mcvdi_free_aligned(l->out);
    mcvdi_free_aligned(l->v);
    mcvdi_free_aligned(l->vj);
    mcvdi_free_aligned(l->cond);
    mcvdi_free_aligned(l->cond_noise);
    mcvdi_free_aligned(l->mask);
    mcvdi_free_aligned(l->t);
    mcvdi_free_aligned(l->bound_each);
    mcvdi_free_aligned(l->flow_each);
    mcvdi_free(l);
    *likelihood = NULL;
}

size_t mcvd_model_likelihood_numel(const mcvd_model_likelihood *likelihood)
{
    return likelihood->numel;
}

/* --- the network as functions --- */

static void to_float(float *out, const double *in, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (float)in[i];
}

static void to_double(double *out, const float *in, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (double)in[i];
}

static mcvd_network_input input_of(const mcvd_model_likelihood *l)
{
    return (mcvd_network_input) { .x = l->x,
                                  .t = l->t,
                                  .cond = l->num_known ? l->cond : NULL,
                                  .cond_mask = l->mask,
                                  .cond_noise = l->noisy_cond ? l->cond_noise : NULL };
}

static void draw_cond_noise(mcvd_model_likelihood *l, size_t batch)
{
    for (size_t b = 0; l->noisy_cond && b < batch; b++) {
        const mcvd_rng_key key =
            mcvd_rng_key_make(l->config.seed, MCVD_RNG_SAMPLE_COND, l->block, l->cond_draws++);
        mcvd_rng_normal(key, 0, l->cond_noise + b * l->cond_numel, l->cond_numel);
    }
}

/* A batch that is not full repeats its last timestep. */
static mcvd_status predict(void *user, const double *x, const double *t, size_t batch, double *out)
{
    mcvd_model_likelihood *l = user;
    const mcvd_network_input in = input_of(l);

    to_float(l->x, x, batch * l->numel);
    for (size_t b = 0; b < l->batch; b++)
        l->t[b] = t[b < batch ? b : batch - 1];
    for (size_t b = batch; b < l->batch; b++)
        memcpy(l->x + b * l->numel, l->x + (batch - 1) * l->numel, l->numel * sizeof *l->x);
    draw_cond_noise(l, batch);
    const mcvd_status st = mcvd_network_forward(l->predictor, &in, l->out);
    if (st >= 0)
        to_double(out, l->out, batch * l->numel);
    return st;
}

static mcvd_status vjp(void *user, const double *x, double t, const double *v, double *out,
                       double *vj)
{
    mcvd_model_likelihood *l = user;
    const mcvd_network_input in = input_of(l);

    to_float(l->x, x, l->numel);
    to_float(l->v, v, l->numel);
    l->t[0] = t;
    const mcvd_status st = mcvd_network_vjp(l->gradient, &in, l->v, l->out, l->vj);
    if (st >= 0) {
        to_double(out, l->out, l->numel);
        to_double(vj, l->vj, l->numel);
    }
    return st;
}

static int report(void *user)
{
    const mcvd_model_likelihood *l = user;

    return l->config.progress ? l->config.progress(l->config.progress_user) : 0;
}

/* --- one block --- */

/* [n, H * W] pixels of `bytes` -> [H * W, n]. */
static void stack(void *to, const void *from, size_t n, size_t pixels, size_t bytes)
{
    for (size_t f = 0; f < n; f++)
        for (size_t p = 0; p < pixels; p++)
            memcpy((char *)to + (p * n + f) * bytes, (const char *)from + (f * pixels + p) * bytes,
                   bytes);
}

static mcvd_status set_block(mcvd_model_likelihood *l, const mcvd_likelihood_block *block)
{
    if ((l->num_known != 0) != (block->cond != NULL))
        return mcvdi_fail(MCVD_E_STATE, "likelihood: %s conditioning frames",
                          block->cond ? "the model takes no" : "missing");
    stack(l->levels, block->frames, l->num_frames, l->pixels, l->channels);
    for (size_t b = 0; b < l->batch; b++) {
        if (l->num_known)
            stack(l->cond + b * l->cond_numel, block->cond, l->num_known, l->pixels,
                  l->channels * sizeof(float));
        l->mask[b] = block->past_given ? 1.0f : 0.0f;
    }
    l->block = block->number;
    l->cond_draws = 0;
    return MCVD_OK;
}

static mcvd_status run_bound(mcvd_model_likelihood *l, const mcvd_likelihood_net *net,
                             mcvd_block_likelihood *result)
{
    const mcvd_bound_config config = { .prediction = l->prediction,
                                       .numel = l->numel,
                                       .batch = l->batch,
                                       .num_terms = l->config.num_terms,
                                       .clip = l->config.clip,
                                       .samples = l->config.samples,
                                       .seed = l->config.seed,
                                       .block = l->block,
                                       .each = l->bound_each };
    mcvd_bound bound;

    mcvd_levels_to_double(l->x0, l->levels, l->numel);
    const mcvd_status st = mcvd_bound_run(&bound, &config, l->schedule, net, l->x0);
    for (size_t s = 0; st >= 0 && s < config.samples; s++)
        l->bound_each[s] = mcvd_bits_of_mass(l->bound_each[s], l->numel);
    result->prior = mcvd_bits_of_mass(bound.prior, l->numel);
    result->terms = mcvd_bits_of_mass(bound.terms, l->numel);
    result->reconstruction = mcvd_bits_of_mass(bound.reconstruction, l->numel);
    result->bound = result->prior + result->terms + result->reconstruction;
    result->bound_calls = bound.calls;
    return st;
}

/* One draw of dequantisation with its probes. */
static mcvd_status run_flow(mcvd_model_likelihood *l, const mcvd_likelihood_net *net, size_t sample,
                            mcvd_block_likelihood *result)
{
    const size_t probes = l->config.probes;
    const mcvd_ode_config config = { .prediction = l->prediction,
                                     .numel = l->numel,
                                     .solver = l->config.solver,
                                     .tolerance = l->config.tolerance,
                                     .num_steps = l->config.num_steps,
                                     .probes = probes,
                                     .gaussian_probes = l->config.gaussian_probes,
                                     .seed = l->config.seed,
                                     .block = l->block,
                                     .sample = sample,
                                     .each = l->flow_each + sample * probes };
    mcvd_ode_result flow;

    mcvd_levels_dequantise(l->x0, l->levels, l->numel, l->config.seed, l->block, sample);
    const mcvd_status st = mcvd_ode_run(&flow, &config, l->schedule, net, l->x0);
    if (st < 0)
        return st;
    for (size_t p = 0; p < probes; p++)
        config.each[p] = mcvd_bits_of_density(config.each[p], l->numel);
    result->flow += mcvd_bits_of_density(flow.log_density, l->numel) / (double)l->config.samples;
    result->flow_calls += flow.calls;
    result->flow_steps += flow.steps;
    result->flow_rejected += flow.rejected;
    return MCVD_OK;
}

mcvd_status mcvd_model_likelihood_block(mcvd_model_likelihood *likelihood,
                                        const mcvd_likelihood_block *block,
                                        mcvd_block_likelihood *result)
{
    mcvd_model_likelihood *l = likelihood;
    const mcvd_likelihood_net net = {
        .predict = predict, .vjp = vjp, .progress = report, .user = l
    };

    memset(result, 0, sizeof *result);
    result->bound_each = l->bound_each;
    result->flow_each = l->flow_each;
    mcvd_status st = set_block(l, block);
    if (st >= 0 && l->config.bound)
        st = run_bound(l, &net, result);
    for (size_t s = 0; st >= 0 && l->config.flow && s < l->config.samples; s++)
        st = run_flow(l, &net, s, result);
    return st;
}
