/*
 * One optimizer step (Voleti et al. 2022, section 3; Ho et al. 2020, algorithm 1). For each sample
 * of the batch: t uniform over the timesteps, eps standard normal (or gamma noise, gamma.h),
 *
 *     x_t  = a[t] x0 + s[t] eps
 *     loss = w[t] / 2 |target - network(x_t, t, masked frames)|^2
 *
 * with the target of model.prediction (parameterisation.h) and the weight w of training.loss_weight
 * (weighting.h), averaged over the batch; then clip by global norm, Adam, EMA. With
 * model.noise_in_cond the frames that the network is given are noised like x, at the same t with
 * noise of their own. A lesson may choose other timesteps and another target (distill.c).
 */
#include <string.h>

#include <mcvd/rng.h>
#include <mcvd/sampler.h>

#include "core/alloc.h"
#include "diffusion/gamma.h"
#include "diffusion/loss.h"
#include "model/noise_in_cond.h"
#include "train/adam.h"
#include "train/clip.h"
#include "train/ema.h"
#include "train/lr.h"
#include "train/trainer_internal.h"

/* --- create --- */

static mcvd_status make_objective(mcvd_trainer *tr)
{
    mcvdi_weighting *w = &tr->weighting;
    mcvd_status st = mcvd_schedule_of_config(&tr->schedule, &tr->config.model);

    if (st >= 0)
        st = mcvdi_parameterisation_find(&tr->prediction, tr->config.model.prediction);
    if (st >= 0)
        st = mcvdi_weighting_find(w, tr->config.training.loss_weight);
    w->param = tr->prediction;
    w->l1 = tr->config.training.l1;
    w->min_snr_gamma = tr->config.training.min_snr_gamma;
    return st;
}

static mcvd_status make_graph(mcvd_trainer *tr)
{
    const mcvdi_graph_options options = { .mode = MCVDI_TRAIN };
    const size_t size = (size_t)tr->config.data.image_size;
    mcvd_status st = mcvdi_graph_create(&tr->graph, &options);

    if (st >= 0)
        st = mcvdi_unet_build(&tr->unet, tr->graph, &tr->config, tr->part, size, size);
    if (st >= 0)
        st = mcvdi_graph_compile(tr->graph);
    if (st >= 0)
        tr->numel = mcvdi_dims_numel(mcvdi_graph_dims(tr->graph, tr->unet.x)) / tr->part;
    return st;
}

/* Floats of the given frames of a sample; the network must have some. */
static size_t cond_numel(const mcvd_trainer *tr)
{
    return mcvdi_dims_numel(mcvdi_graph_dims(tr->graph, tr->unet.cond)) / tr->part;
}

static mcvd_status make_buffers(mcvd_trainer *tr)
{
    const bool noisy_cond = tr->config.model.noise_in_cond && tr->unet.cond >= 0;
    const size_t slab = mcvdi_graph_param_floats(tr->graph) * sizeof(float);
    const size_t block = tr->part * tr->numel * sizeof(float);

    tr->m = mcvdi_alloc_aligned(slab);
    tr->v = mcvdi_alloc_aligned(slab);
    tr->v_max = tr->config.optim.amsgrad ? mcvdi_alloc_aligned(slab) : NULL;
    tr->ema = tr->config.model.ema ? mcvdi_alloc_aligned(slab) : NULL;
    tr->eps = mcvdi_alloc_aligned(block);
    tr->target = mcvdi_alloc_aligned(block);
    tr->t = mcvdi_calloc(tr->part, sizeof *tr->t);
    tr->weights = mcvdi_calloc(tr->part, sizeof *tr->weights);
    if (noisy_cond)
        tr->cond_noise = mcvdi_alloc_aligned(tr->part * cond_numel(tr) * sizeof(float));
    if ((noisy_cond && !tr->cond_noise) || !tr->m || !tr->v || !tr->eps || !tr->target || !tr->t ||
        !tr->weights || (tr->config.optim.amsgrad && !tr->v_max) ||
        (tr->config.model.ema && !tr->ema))
        return mcvdi_fail(MCVD_E_NOMEM, "trainer: %zu bytes of optimizer state", 3 * slab);
    return MCVD_OK;
}

mcvd_status mcvdi_trainer_begin(mcvd_trainer *trainer, const mcvd_model *model)
{
    const size_t slab = mcvdi_graph_param_floats(trainer->graph) * sizeof(float);
    const mcvdi_weight_source source = mcvdi_model_source(model);
    const mcvd_status st = mcvdi_weights_load(trainer->graph, &source);

    if (st < 0)
        return st;
    if (trainer->ema)
        memcpy(trainer->ema, mcvdi_graph_values(trainer->graph), slab);
    memset(trainer->m, 0, slab);
    memset(trainer->v, 0, slab);
    if (trainer->v_max)
        memset(trainer->v_max, 0, slab);
    trainer->begun = trainer->steps;
    return MCVD_OK;
}

static mcvd_status init_weights(mcvd_trainer *tr)
{
    mcvd_model *model = NULL;
    mcvd_status st = mcvd_model_create(&model, &tr->config, (uint64_t)tr->config.training.seed);

    if (st < 0)
        return st;
    st = mcvdi_trainer_begin(tr, model);
    mcvd_model_free(&model);
    return st;
}

/* --- the usual lesson: any timestep, the true frames and noise --- */

static int32_t any_timestep(void *user, const mcvd_trainer *tr, mcvd_rng_key key)
{
    (void)user;
    return (int32_t)mcvd_rng_below(key, 0, (uint32_t)tr->config.model.num_classes);
}

static mcvd_status true_target(void *user, mcvd_trainer *tr, const mcvdi_example *example)
{
    const mcvd_timesteps steps = { tr->t, tr->part, tr->numel };

    (void)user;
    return mcvdi_training_target(tr->prediction, tr->schedule, &steps, example->x0, tr->eps,
                                 tr->target);
}

mcvd_status mcvd_trainer_create(mcvd_trainer **out, const mcvd_config *config)
{
    *out = NULL;
    mcvd_status st = mcvd_config_check(config);
    if (st >= 0)
        st = mcvd_sampler_check_config(config); /* samples on the way, and of the result */
    if (st < 0)
        return st;
    mcvd_trainer *tr = mcvdi_calloc(1, sizeof *tr);
    if (!tr)
        return mcvdi_fail(MCVD_E_NOMEM, "trainer: out of memory");
    tr->config = *config;
    tr->lesson = (mcvdi_lesson) { .timestep = any_timestep, .target = true_target };
    tr->batch = (size_t)config->training.batch_size;
    tr->part = tr->batch / (size_t)config->training.accumulate;
    st = make_objective(tr);
    if (st >= 0)
        st = make_graph(tr);
    if (st >= 0)
        st = make_buffers(tr);
    if (st >= 0)
        st = init_weights(tr);
    if (st < 0) {
        mcvd_trainer_free(&tr);
        return st;
    }
    *out = tr;
    return MCVD_OK;
}

void mcvd_trainer_free(mcvd_trainer **trainer)
{
    mcvd_trainer *tr = *trainer;

    if (!tr)
        return;
    mcvdi_graph_free(&tr->graph);
    mcvd_schedule_free(&tr->schedule);
    mcvdi_free_aligned(tr->m);
    mcvdi_free_aligned(tr->v);
    mcvdi_free_aligned(tr->v_max);
    mcvdi_free_aligned(tr->ema);
    mcvdi_free_aligned(tr->eps);
    mcvdi_free_aligned(tr->target);
    mcvdi_free_aligned(tr->cond_noise);
    mcvdi_free(tr->t);
    mcvdi_free(tr->weights);
    mcvdi_free(tr);
    *trainer = NULL;
}

/* --- one step --- */

static mcvd_status check_batch(const mcvd_trainer *tr, const mcvd_batch *b)
{
    const mcvd_data_config *d = &tr->config.data;

    if (b->batch_size != tr->batch || b->image_size != (size_t)d->image_size ||
        b->channels != (size_t)d->channels || b->num_frames != (size_t)d->num_frames ||
        b->num_frames_cond != (size_t)d->num_frames_cond ||
        b->num_frames_future != (size_t)d->num_frames_future)
        return mcvdi_fail(MCVD_E_SHAPE,
                          "batch of %zu windows %zu|%zu|%zu of %zu x %zu x %zu does not fit the "
                          "configuration",
                          b->batch_size, b->num_frames_cond, b->num_frames, b->num_frames_future,
                          b->image_size, b->image_size, b->channels);
    if ((tr->unet.actions >= 0) != (b->actions != NULL))
        return mcvdi_fail(MCVD_E_SHAPE, "model.action_dim = %lld, but the batch has %s actions",
                          (long long)tr->config.model.action_dim, b->actions ? "some" : "no");
    return MCVD_OK;
}

void mcvdi_trainer_noise(const mcvd_trainer *trainer, mcvd_rng_key key, int t, float *out, size_t n)
{
    if (trainer->config.model.gamma)
        mcvdi_gamma_noise(key, mcvd_schedule_gamma_shape(trainer->schedule, t), out, n);
    else
        mcvd_rng_normal(key, 0, out, n);
}

/* Timestep, its weight, and noise of samples [first, first + part) of the step. */
static void draw_noise(mcvd_trainer *tr, size_t first)
{
    const uint64_t seed = (uint64_t)tr->config.training.seed;

#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < tr->part; i++) {
        const uint64_t sample = first + i;
        tr->t[i] = tr->lesson.timestep(
            tr->lesson.user, tr, mcvd_rng_key_make(seed, MCVD_RNG_TIMESTEP, tr->steps, sample));
        tr->weights[i] = mcvdi_weighting_at(&tr->weighting, tr->schedule, tr->t[i]);
        mcvdi_trainer_noise(tr, mcvd_rng_key_make(seed, MCVD_RNG_TRAIN_NOISE, tr->steps, sample),
                            tr->t[i], tr->eps + i * tr->numel, tr->numel);
    }
}

/* Given frames of the part at the noise levels of its samples, masked frames included. */
static void noise_conditions(const mcvd_trainer *tr, const float *given, size_t first, float *cond)
{
    const uint64_t seed = (uint64_t)tr->config.training.seed;
    const size_t numel = cond_numel(tr);

#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < tr->part; i++) {
        float *z = tr->cond_noise + i * numel;
        mcvdi_trainer_noise(tr, mcvd_rng_key_make(seed, MCVD_RNG_COND_NOISE, tr->steps, first + i),
                            tr->t[i], z, numel);
        mcvdi_noise_cond(cond + i * numel, given + i * numel, z,
                         mcvd_schedule_alpha_cumprod(tr->schedule, tr->t[i]), numel);
    }
}

static void set_conditions(mcvd_trainer *tr, const mcvd_batch *batch, size_t first)
{
    mcvdi_graph *g = tr->graph;

    if (tr->unet.cond >= 0) {
        const size_t numel = cond_numel(tr);
        const float *given = batch->cond + first * numel;
        float *cond = mcvdi_graph_data(g, tr->unet.cond);
        if (tr->cond_noise)
            noise_conditions(tr, given, first, cond);
        else
            memcpy(cond, given, tr->part * numel * sizeof(float));
    }
    if (tr->unet.actions >= 0) {
        const size_t numel = mcvd_config_window_actions(&tr->config);
        memcpy(mcvdi_graph_data(g, tr->unet.actions), batch->actions + first * numel,
               tr->part * numel * sizeof(float));
    }
    for (size_t i = 0; i < tr->part; i++) {
        if (tr->unet.labels >= 0)
            mcvdi_graph_data(g, tr->unet.labels)[i] =
                mcvdi_label_of_timestep(&tr->config, (double)tr->t[i]);
        if (tr->unet.cond_mask >= 0)
            mcvdi_graph_data(g, tr->unet.cond_mask)[i] = (float)batch->cond_mask[first + i];
    }
}

/* Forward and backward of one part of the batch; adds to the gradients and to *loss. */
static mcvd_status run_part(mcvd_trainer *tr, const mcvd_batch *batch, size_t first,
                            mcvdi_loss_result *loss)
{
    mcvdi_graph *g = tr->graph;
    const mcvd_timesteps steps = { tr->t, tr->part, tr->numel };
    float *x_t = mcvdi_graph_data(g, tr->unet.x);
    const mcvdi_example example = { batch, first, batch->x0 + first * tr->numel, x_t };
    mcvdi_loss_result part_loss;

    *mcvdi_graph_run(g) = (mcvdi_run) { .seed = (uint64_t)tr->config.training.seed,
                                        .step = tr->steps,
                                        .first_sample = first,
                                        .training = true };
    draw_noise(tr, first);
    set_conditions(tr, batch, first);
    mcvd_status st = mcvd_schedule_q_sample(tr->schedule, &steps, example.x0, tr->eps, x_t);
    if (st >= 0)
        st = tr->lesson.target(tr->lesson.user, tr, &example);
    if (st >= 0)
        st = mcvdi_graph_forward(g);
    if (st < 0)
        return st;
    const mcvdi_loss_input in = { .l1 = tr->config.training.l1,
                                  .batch = tr->part,
                                  .numel = tr->numel,
                                  .target = tr->target,
                                  .pred = mcvdi_graph_data(g, tr->unet.out),
                                  .grad_scale = 1.0 / (double)tr->batch,
                                  .weights = tr->weights };
    st = mcvdi_loss(&in, mcvdi_graph_grad(g, tr->unet.out), NULL, &part_loss);
    if (st < 0)
        return st;
    loss->mean += part_loss.mean * (double)tr->part / (double)tr->batch;
    loss->per_element += part_loss.per_element * (double)tr->part / (double)tr->batch;
    return mcvdi_graph_backward(g);
}

static double learning_rate(const mcvd_trainer *tr)
{
    const mcvd_optim_config *o = &tr->config.optim;
    const mcvdi_lr_config lr = { .lr = o->lr,
                                 .warmup = o->warmup,
                                 .cosine = strcmp(o->lr_schedule, "cosine") == 0,
                                 .n_iters = tr->config.training.n_iters,
                                 .cooldown = o->cooldown };
    return mcvdi_lr_at(&lr, (int64_t)(tr->steps - tr->begun));
}

/* Clip, Adam, EMA. */
static mcvd_status update(mcvd_trainer *tr, double lr, double *grad_norm)
{
    const mcvd_optim_config *o = &tr->config.optim;
    const size_t n = mcvdi_graph_param_floats(tr->graph);
    const mcvdi_grad_slab grads = { mcvdi_graph_gradients(tr->graph), n };
    const mcvd_status st = mcvdi_grad_norm(&grads, 1, grad_norm);

    if (st < 0)
        return st;
    const mcvdi_adam_config config = { o->beta1, o->beta2, o->eps, o->weight_decay };
    const uint64_t done = tr->steps - tr->begun;
    const mcvdi_adam_now now = { .t = (int64_t)done + 1,
                                 .lr = lr,
                                 .grad_scale = mcvdi_clip_factor(*grad_norm, o->grad_clip),
                                 .ema_rate = mcvdi_ema_rate_at(tr->config.model.ema_rate,
                                                               tr->config.model.ema_warmup, done) };
    const mcvdi_adam_slab slab = { .params = mcvdi_graph_values(tr->graph),
                                   .grads = grads.data,
                                   .m = tr->m,
                                   .v = tr->v,
                                   .v_max = tr->v_max,
                                   .ema = tr->ema,
                                   .n = n };
    return mcvdi_adam_step(&config, &now, &slab);
}

mcvd_status mcvd_trainer_step(mcvd_trainer *trainer, const mcvd_batch *batch,
                              mcvd_step_report *report)
{
    mcvdi_loss_result loss = { 0.0, 0.0 };
    const double lr = learning_rate(trainer);
    mcvd_status st = check_batch(trainer, batch);

    *report = (mcvd_step_report) { .step = trainer->steps, .lr = lr };
    if (st < 0)
        return st;
    mcvdi_graph_zero_gradients(trainer->graph);
    for (size_t first = 0; st >= 0 && first < trainer->batch; first += trainer->part)
        st = run_part(trainer, batch, first, &loss);
    if (st >= 0)
        st = update(trainer, lr, &report->grad_norm);
    if (st == MCVD_E_NONFINITE)
        return mcvdi_fail_context(st, "a NaN or infinity appeared in step %llu",
                                  (unsigned long long)trainer->steps + 1);
    if (st < 0)
        return st;
    report->step = ++trainer->steps;
    report->loss = loss.mean;
    report->loss_per_element = loss.per_element;
    return MCVD_OK;
}

/* --- accessors --- */

uint64_t mcvd_trainer_steps(const mcvd_trainer *trainer)
{
    return trainer->steps;
}

double mcvd_trainer_macs(const mcvd_trainer *trainer)
{
    return mcvdi_graph_macs(trainer->graph) * (double)(trainer->batch / trainer->part);
}

size_t mcvd_trainer_bytes(const mcvd_trainer *trainer)
{
    return mcvdi_graph_activation_bytes(trainer->graph);
}

const float *mcvdi_trainer_result_weights(const mcvd_trainer *trainer)
{
    return trainer->ema ? trainer->ema : mcvdi_graph_values(trainer->graph);
}

/* --- networks on the EMA weights --- */

static mcvd_status slab_weight(void *user, const mcvdi_param *param, size_t i, float *buffer,
                               const float **plain)
{
    (void)i;
    (void)buffer;
    *plain = (const float *)user + param->offset;
    return MCVD_OK;
}

static mcvdi_weight_source result_source(const mcvd_trainer *trainer)
{
    const float *slab = mcvdi_trainer_result_weights(trainer);
    mcvdi_weight_source source = { .get = slab_weight };

    memcpy(&source.user, &slab, sizeof slab); /* only read */
    return source;
}

mcvd_status mcvd_trainer_network(mcvd_network **out, const mcvd_trainer *trainer, size_t batch)
{
    const mcvd_network_config config = { .batch = batch };
    const mcvdi_weight_source source = result_source(trainer);

    return mcvdi_network_create(out, &trainer->config, &source, &config);
}

mcvd_status mcvd_trainer_refresh(mcvd_network *network, const mcvd_trainer *trainer)
{
    const mcvdi_weight_source source = result_source(trainer);
    return mcvdi_network_reload(network, &source);
}
