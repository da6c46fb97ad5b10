/* Validation: the training loss, its weights of the noise levels included, with timesteps and noise
 * that never change, so that two values differ by the network alone. */
#include <mcvd/rng.h>

#include "core/alloc.h"
#include "diffusion/loss.h"
#include "train/trainer_internal.h"

typedef struct validation_buffers {
    float *eps, *x_t, *target, *out, *mask;
    float *cond_noise; /* model.noise_in_cond only */
    int32_t *t;
    double *t_real;
    double *weights;
} validation_buffers;

static void free_buffers(validation_buffers *b)
{
    mcvdi_free(b->eps);
    mcvdi_free(b->x_t);
    mcvdi_free(b->target);
    mcvdi_free(b->out);
    mcvdi_free(b->mask);
    mcvdi_free(b->cond_noise);
    mcvdi_free(b->t);
    mcvdi_free(b->t_real);
    mcvdi_free(b->weights);
}

static mcvd_status make_buffers(validation_buffers *b, size_t batch, size_t numel,
                                size_t cond_numel)
{
    *b = (validation_buffers) { .eps = mcvdi_calloc(batch * numel, sizeof(float)),
                                .x_t = mcvdi_calloc(batch * numel, sizeof(float)),
                                .target = mcvdi_calloc(batch * numel, sizeof(float)),
                                .out = mcvdi_calloc(batch * numel, sizeof(float)),
                                .mask = mcvdi_calloc(batch, sizeof(float)),
                                .t = mcvdi_calloc(batch, sizeof(int32_t)),
                                .t_real = mcvdi_calloc(batch, sizeof(double)),
                                .weights = mcvdi_calloc(batch, sizeof(double)) };
    if (cond_numel)
        b->cond_noise = mcvdi_calloc(batch * cond_numel, sizeof(float));
    if ((b->cond_noise || !cond_numel) && b->eps && b->x_t && b->target && b->out && b->mask &&
        b->t && b->t_real && b->weights)
        return MCVD_OK;
    return mcvdi_fail(MCVD_E_NOMEM, "validation: out of memory");
}

/* Floats of the given frames of a sample where they are noised, else 0. */
static size_t noisy_cond_numel(const mcvd_trainer *tr)
{
    if (!tr->cond_noise)
        return 0;
    return mcvdi_dims_numel(mcvdi_graph_dims(tr->graph, tr->unet.cond)) / tr->part;
}

/* Timesteps at the centres of `batch` equal parts of the schedule. */
static void draw(const mcvd_trainer *tr, const mcvd_batch *batch, uint64_t key,
                 validation_buffers *b)
{
    const size_t cond_numel = noisy_cond_numel(tr);

    for (size_t i = 0; i < batch->batch_size; i++) {
        b->t[i] = (int32_t)((double)tr->config.model.num_classes * ((double)i + 0.5) /
                            (double)batch->batch_size);
        b->t_real[i] = (double)b->t[i];
        b->mask[i] = (float)batch->cond_mask[i];
        b->weights[i] = mcvdi_weighting_at(&tr->weighting, tr->schedule, b->t[i]);
        mcvdi_trainer_noise(tr, mcvd_rng_key_make(key, MCVD_RNG_TEST, 0, i), b->t[i],
                            b->eps + i * tr->numel, tr->numel);
        if (cond_numel)
            mcvdi_trainer_noise(tr, mcvd_rng_key_make(key, MCVD_RNG_COND_NOISE, 0, i), b->t[i],
                                b->cond_noise + i * cond_numel, cond_numel);
    }
}

static mcvd_status measure(const mcvd_trainer *tr, mcvd_network *network, const mcvd_batch *batch,
                           validation_buffers *b, double *loss)
{
    const mcvd_timesteps steps = { b->t, batch->batch_size, tr->numel };
    const mcvd_network_input in = {
        .x = b->x_t,
        .t = b->t_real,
        .cond = batch->cond,
        .cond_mask = b->mask,
        .cond_noise = b->cond_noise,
        .actions = batch->actions,
    };
    mcvdi_loss_result result = { 0.0, 0.0 };
    mcvd_status st = mcvd_schedule_q_sample(tr->schedule, &steps, batch->x0, b->eps, b->x_t);

    if (st >= 0)
        st = mcvdi_training_target(tr->prediction, tr->schedule, &steps, batch->x0, b->eps,
                                   b->target);
    if (st >= 0)
        st = mcvd_network_forward(network, &in, b->out);
    const mcvdi_loss_input li = { .l1 = tr->config.training.l1,
                                  .batch = batch->batch_size,
                                  .numel = tr->numel,
                                  .target = b->target,
                                  .pred = b->out,
                                  .grad_scale = 1.0,
                                  .weights = b->weights };
    if (st >= 0)
        st = mcvdi_loss(&li, NULL, NULL, &result);
    *loss = result.per_element;
    return st;
}

mcvd_status mcvd_trainer_validate(const mcvd_trainer *trainer, mcvd_network *network,
                                  const mcvd_batch *batch, uint64_t key, double *loss)
{
    validation_buffers b;
    mcvd_status st = make_buffers(&b, batch->batch_size, trainer->numel, noisy_cond_numel(trainer));

    *loss = 0.0;
    if (st >= 0) {
        draw(trainer, batch, key, &b);
        st = measure(trainer, network, batch, &b, loss);
    }
    free_buffers(&b);
    return st;
}
