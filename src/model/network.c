/* A compiled U-Net behind plain arrays: one call of the network. */
#include <math.h>
#include <string.h>

#include "core/alloc.h"
#include "model/model_internal.h"
#include "model/noise_in_cond.h"

struct mcvd_network {
    mcvd_config config;
    mcvdi_graph *graph;
    mcvdi_unet unet;
    size_t batch;
    bool holds_cond;        /* what depends on cond alone is kept between calls */
    double *alphas_cumprod; /* [T] by timestep, for noise_in_cond only */
};

mcvd_status mcvdi_weights_load(mcvdi_graph *graph, const mcvdi_weight_source *source)
{
    size_t largest = 1;
    mcvd_status st = MCVD_OK;

    for (size_t i = 0; i < mcvdi_graph_num_params(graph); i++)
        if (mcvdi_graph_get_param(graph, i)->numel > largest)
            largest = mcvdi_graph_get_param(graph, i)->numel;
    float *buffer = mcvdi_alloc_aligned(largest * sizeof *buffer);
    if (!buffer)
        return mcvdi_fail(MCVD_E_NOMEM, "weights: out of memory for %zu bytes",
                          largest * sizeof *buffer);
    for (size_t i = 0; st >= 0 && i < mcvdi_graph_num_params(graph); i++) {
        const float *plain = NULL;
        st = source->get(source->user, mcvdi_graph_get_param(graph, i), i, buffer, &plain);
        if (st >= 0)
            st = mcvdi_graph_load_param(graph, i, plain);
        if (source->taken)
            source->taken(source->user, mcvdi_graph_get_param(graph, i));
    }
    mcvdi_free_aligned(buffer);
    return st;
}

float mcvdi_label_of_timestep(const mcvd_config *config, double t)
{
    return (float)((double)(config->model.num_classes - 1) - t);
}

static size_t value_bytes(mcvd_network *net, mcvdi_value_id value)
{
    return mcvdi_dims_numel(mcvdi_graph_dims(net->graph, value)) * sizeof(float);
}

static mcvd_status build(mcvd_network *net, const mcvd_network_config *nc)
{
    const size_t size = (size_t)net->config.data.image_size;
    const mcvdi_graph_options options = { .mode = nc->gradient ? MCVDI_TRAIN : MCVDI_INFER,
                                          .keep_all = nc->keep_stages,
                                          .no_onednn = nc->no_onednn,
                                          .input_gradient = nc->gradient,
                                          .no_param_gradient = nc->gradient };
    mcvd_status st = mcvdi_graph_create(&net->graph, &options);

    if (st < 0)
        return st;
    if (nc->keep_stages) {
        net->unet.stages = mcvdi_calloc(MCVDI_MAX_STAGES, sizeof *net->unet.stages);
        if (!net->unet.stages)
            return mcvdi_fail(MCVD_E_NOMEM, "network: out of memory");
    }
    st = mcvdi_unet_build(&net->unet, net->graph, &net->config, nc->batch,
                          nc->height ? nc->height : size, nc->width ? nc->width : size);
    if (st < 0)
        return st;
    net->holds_cond =
        net->unet.cond >= 0 && !nc->no_reuse && !nc->gradient && !net->config.model.noise_in_cond;
    if (net->holds_cond)
        mcvdi_graph_hold(net->graph, net->unet.cond);
    mcvdi_graph_no_gradient(net->graph, net->unet.cond);
    mcvdi_graph_no_gradient(net->graph, net->unet.labels);
    mcvdi_graph_no_gradient(net->graph, net->unet.cond_mask);
    mcvdi_graph_no_gradient(net->graph, net->unet.actions);
    return mcvdi_graph_compile(net->graph);
}

mcvd_status mcvdi_network_create(mcvd_network **out, const mcvd_config *config,
                                 const mcvdi_weight_source *source,
                                 const mcvd_network_config *network_config)
{
    *out = NULL;
    if (!network_config->batch)
        return mcvdi_fail(MCVD_E_RANGE, "network: batch = 0, expected at least 1");
    mcvd_network *net = mcvdi_calloc(1, sizeof *net);
    if (!net)
        return mcvdi_fail(MCVD_E_NOMEM, "network: out of memory");
    net->config = *config;
    net->batch = network_config->batch;
    mcvd_status st = build(net, network_config);
    if (st >= 0 && config->model.noise_in_cond && net->unet.cond >= 0)
        st = mcvdi_cond_schedule(&net->alphas_cumprod, &config->model);
    if (st >= 0 && net->holds_cond) /* copy_cond compares with it */
        memset(mcvdi_graph_data(net->graph, net->unet.cond), 0, value_bytes(net, net->unet.cond));
    if (st >= 0)
        st = mcvdi_weights_load(net->graph, source);
    if (st < 0) {
        mcvd_network_free(&net);
        return st;
    }
    *out = net;
    return MCVD_OK;
}

mcvd_status mcvdi_network_reload(mcvd_network *network, const mcvdi_weight_source *source)
{
    return mcvdi_weights_load(network->graph, source);
}

mcvd_status mcvd_network_create(mcvd_network **out, const mcvd_model *model,
                                const mcvd_network_config *config)
{
    const mcvdi_weight_source source = mcvdi_model_source(model);
    return mcvdi_network_create(out, mcvd_model_get_config(model), &source, config);
}

void mcvd_network_free(mcvd_network **network)
{
    mcvd_network *net = *network;

    if (!net)
        return;
    mcvdi_graph_free(&net->graph);
    mcvdi_free(net->unet.stages);
    mcvdi_free(net->alphas_cumprod);
    mcvdi_free(net);
    *network = NULL;
}

size_t mcvd_network_batch(const mcvd_network *network)
{
    return network->batch;
}

/* The reference looks every label up in a table of T entries after truncation towards zero. */
static mcvd_status set_labels(mcvd_network *net, const double *t)
{
    const double steps = (double)net->config.model.num_classes;

    for (size_t n = 0; n < net->batch; n++) {
        const float label = mcvdi_label_of_timestep(&net->config, t[n]);
        if (!(label > (float)-steps) || !(label < (float)steps))
            return mcvdi_fail(MCVD_E_RANGE, "timestep %g is outside the schedule of %g steps", t[n],
                              steps);
        if (net->unet.labels >= 0)
            mcvdi_graph_data(net->graph, net->unet.labels)[n] = label;
    }
    return MCVD_OK;
}

static void set_mask(mcvd_network *net, const float *cond_mask)
{
    if (net->unet.cond_mask < 0)
        return;
    float *mask = mcvdi_graph_data(net->graph, net->unet.cond_mask);
    for (size_t n = 0; n < net->batch; n++)
        mask[n] = cond_mask ? cond_mask[n] : 1.0f;
}

/* cond as the network of a noise_in_cond model sees it: noised like x, with the caller's noise. */
static mcvd_status set_noised_cond(mcvd_network *net, const mcvd_network_input *in)
{
    const size_t numel = value_bytes(net, net->unet.cond) / sizeof(float) / net->batch;
    float *cond = mcvdi_graph_data(net->graph, net->unet.cond);

    for (size_t n = 0; n < net->batch; n++) {
        const double t = in->t[n];
        if (!(t >= 0.0 && t < (double)net->config.model.num_classes) || t != floor(t))
            return mcvdi_fail(MCVD_E_RANGE,
                              "timestep %g: model.noise_in_cond needs whole timesteps in 0..%g", t,
                              (double)(net->config.model.num_classes - 1));
        mcvdi_noise_cond(cond + n * numel, in->cond + n * numel, in->cond_noise + n * numel,
                         net->alphas_cumprod[(size_t)t], numel);
    }
    return MCVD_OK;
}

/* The network's own copy tells whether anything changed: bit for bit, so reuse is exact. */
static void copy_cond(mcvd_network *net, const float *cond)
{
    float *own = mcvdi_graph_data(net->graph, net->unet.cond);
    const size_t bytes = value_bytes(net, net->unet.cond);

    if (net->holds_cond && memcmp(own, cond, bytes) == 0)
        return;
    memcpy(own, cond, bytes);
    mcvdi_graph_held_changed(net->graph);
}

static mcvd_status set_cond(mcvd_network *net, const mcvd_network_input *in)
{
    if ((net->unet.cond >= 0) != (in->cond != NULL))
        return mcvdi_fail(MCVD_E_STATE, "network: %s conditioning frames",
                          in->cond ? "the model takes no" : "missing");
    if ((net->alphas_cumprod != NULL) != (in->cond_noise != NULL))
        return mcvdi_fail(MCVD_E_STATE, in->cond_noise
                                            ? "network: cond_noise is for model.noise_in_cond only"
                                            : "network: model.noise_in_cond needs cond_noise");
    if (net->alphas_cumprod)
        return set_noised_cond(net, in);
    if (in->cond)
        copy_cond(net, in->cond);
    return MCVD_OK;
}

static mcvd_status set_actions(mcvd_network *net, const float *actions)
{
    if ((net->unet.actions >= 0) != (actions != NULL))
        return mcvdi_fail(MCVD_E_STATE, actions ? "network: the model takes no actions"
                                                : "network: model.action_dim needs actions");
    if (actions)
        memcpy(mcvdi_graph_data(net->graph, net->unet.actions), actions,
               value_bytes(net, net->unet.actions));
    return MCVD_OK;
}

mcvd_status mcvd_network_forward(mcvd_network *network, const mcvd_network_input *input, float *out)
{
    mcvd_status st = set_labels(network, input->t);

    if (st >= 0)
        st = set_cond(network, input);
    if (st >= 0)
        st = set_actions(network, input->actions);
    if (st < 0)
        return st;
    set_mask(network, input->cond_mask);
    memcpy(mcvdi_graph_data(network->graph, network->unet.x), input->x,
           value_bytes(network, network->unet.x));
    st = mcvdi_graph_forward(network->graph);
    if (st >= 0)
        memcpy(out, mcvdi_graph_data(network->graph, network->unet.out),
               value_bytes(network, network->unet.out));
    return st;
}

mcvd_status mcvd_network_vjp(mcvd_network *network, const mcvd_network_input *input, const float *v,
                             float *out, float *dx)
{
    mcvdi_graph *graph = network->graph;
    const size_t bytes = value_bytes(network, network->unet.x);

    if (mcvdi_graph_get_options(graph)->mode != MCVDI_TRAIN)
        return mcvdi_fail(MCVD_E_STATE, "network: made without mcvd_network_config.gradient");
    mcvd_status st = mcvd_network_forward(network, input, out);
    if (st < 0)
        return st;
    memcpy(mcvdi_graph_grad(graph, network->unet.out), v, bytes);
    st = mcvdi_graph_backward(graph);
    if (st >= 0)
        memcpy(dx, mcvdi_graph_grad(graph, network->unet.x), bytes);
    return st;
}

size_t mcvd_network_num_stages(const mcvd_network *network)
{
    return network->unet.num_stages;
}

mcvd_status mcvd_network_stage(const mcvd_network *network, size_t i, const char **name,
                               mcvd_tensor *stage)
{
    if (i >= network->unet.num_stages)
        return mcvdi_fail(MCVD_E_RANGE, "network: stage %zu of %zu", i, network->unet.num_stages);
    const mcvdi_stage *s = &network->unet.stages[i];
    const mcvdi_dims d = mcvdi_graph_dims(network->graph, s->value);
    const size_t shape[] = { d.n, d.h, d.w, d.c };
    *name = s->name;
    *stage = mcvd_tensor_view(MCVD_F32, mcvdi_graph_data(network->graph, s->value), 4, shape);
    return MCVD_OK;
}

double mcvd_network_macs(const mcvd_network *network)
{
    return mcvdi_graph_macs(network->graph);
}

double mcvd_network_reused_macs(const mcvd_network *network)
{
    return mcvdi_graph_held_macs(network->graph);
}

size_t mcvd_network_bytes(const mcvd_network *network)
{
    return mcvdi_graph_activation_bytes(network->graph);
}
