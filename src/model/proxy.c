/*
 * Frames are averaged to 56 x 56; three 3D convolutions with ReLU, 3 -> 16 -> 32 -> 64 channels,
 * halve rows and columns, the last two frames as well; features are the means of the last one over
 * all its positions. Weights are normal with variance 2 / fan-in (He et al. 2015), from a fixed
 * seed; biases are 0.
 */
#include "model/proxy.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <mcvd/rng.h>

#include "core/alloc.h"
#include "model/feature_net.h"

enum { LAYERS = 3, SEED = 2022, COLOURS = 3, MAX_FRAMES = 4096 };

typedef struct layer {
    const char *name;
    size_t in, out;
    size_t kernel[3], stride[3];
} layer;

static const layer layers[LAYERS] = {
    { "proxy.0", COLOURS, 16, { 3, 5, 5 }, { 1, 2, 2 } },
    { "proxy.1", 16, 32, { 3, 3, 3 }, { 2, 2, 2 } },
    { "proxy.2", 32, MCVDI_PROXY_FEATURES, { 3, 3, 3 }, { 2, 2, 2 } },
};

struct mcvdi_proxy {
    float *weights; /* of all layers in order, [out, in, kernel...] each */
    size_t starts[LAYERS + 1];
    mcvdi_graph *graph; /* for `frames` frames */
    size_t frames;
    mcvdi_value_id input, output;
};

static size_t fan_in(const layer *l)
{
    return l->in * l->kernel[0] * l->kernel[1] * l->kernel[2];
}

static mcvd_status draw_weights(mcvdi_proxy *net)
{
    for (size_t i = 0; i < LAYERS; i++)
        net->starts[i + 1] = net->starts[i] + layers[i].out * fan_in(&layers[i]);
    net->weights = mcvdi_alloc_aligned(net->starts[LAYERS] * sizeof *net->weights);
    if (!net->weights)
        return mcvdi_fail(MCVD_E_NOMEM, "proxy: out of memory");
    for (size_t i = 0; i < LAYERS; i++) {
        float *w = net->weights + net->starts[i];
        const size_t n = net->starts[i + 1] - net->starts[i];
        const float scale = (float)sqrt(2.0 / (double)fan_in(&layers[i]));
        mcvd_rng_normal(mcvd_rng_key_make(SEED, MCVD_RNG_INIT, i, 0), 0, w, n);
        for (size_t k = 0; k < n; k++)
            w[k] *= scale;
    }
    return MCVD_OK;
}

mcvd_status mcvdi_proxy_create(mcvdi_proxy **out)
{
    mcvdi_proxy *net = mcvdi_calloc(1, sizeof *net);

    *out = net;
    if (!net)
        return mcvdi_fail(MCVD_E_NOMEM, "proxy: out of memory");
    const mcvd_status st = draw_weights(net);
    if (st < 0)
        mcvdi_proxy_free(out);
    return st;
}

void mcvdi_proxy_free(mcvdi_proxy **net)
{
    if (!*net)
        return;
    mcvdi_graph_free(&(*net)->graph);
    mcvdi_free_aligned((*net)->weights);
    mcvdi_free(*net);
    *net = NULL;
}

static mcvd_status get_param(void *user, const mcvdi_param *p, size_t i, float *buffer,
                             const float **plain)
{
    const mcvdi_proxy *net = user;

    *plain = p->ndim == 1 ? buffer : net->weights + net->starts[i / 2];
    if (p->ndim == 1)
        memset(buffer, 0, p->numel * sizeof *buffer);
    return MCVD_OK;
}

static void build(mcvdi_proxy *net, size_t frames)
{
    const mcvdi_dims dims = { 1, frames * MCVDI_PROXY_SIDE, MCVDI_PROXY_SIDE, COLOURS };
    const mcvdi_window quarter = { .frames = frames, .kernel = { 1, 4, 4 }, .stride = { 1, 4, 4 } };
    size_t left = frames;

    net->input = mcvdi_graph_input(net->graph, dims);
    mcvdi_value_id x = mcvdi_pool(net->graph, net->input, MCVDI_POOL_MEAN, &quarter);
    for (size_t i = 0; i < LAYERS; i++) {
        const layer *l = &layers[i];
        const mcvdi_conv_window_spec spec = {
            .name = l->name,
            .out_channels = l->out,
            .window =
                mcvdi_window_same(mcvdi_graph_dims(net->graph, x), left, l->kernel, l->stride),
            .relu = true,
        };
        x = mcvdi_conv_window(net->graph, x, &spec);
        left = mcvdi_window_frames(&spec.window);
    }
    net->output = x;
    mcvdi_graph_mark_output(net->graph, x);
}

static mcvd_status build_for(mcvdi_proxy *net, size_t frames)
{
    const mcvdi_graph_options options = { .mode = MCVDI_INFER };
    const mcvdi_weight_source source = { .get = get_param, .user = net };

    mcvdi_graph_free(&net->graph);
    net->frames = 0;
    mcvd_status st = mcvdi_graph_create(&net->graph, &options);
    if (st < 0)
        return st;
    build(net, frames);
    st = mcvdi_feature_graph_finish(net->graph, &source);
    if (st < 0)
        mcvdi_graph_free(&net->graph);
    else
        net->frames = frames;
    return st;
}

mcvd_status mcvdi_proxy_features(mcvdi_proxy *net, const float *video, size_t frames, double *out)
{
    mcvd_status st = MCVD_OK;

    if (frames < MCVDI_PROXY_MIN_FRAMES || frames > MAX_FRAMES)
        return mcvdi_fail(MCVD_E_RANGE, "fvd-proxy: a video of %zu frames, expected %d to %d",
                          frames, MCVDI_PROXY_MIN_FRAMES, MAX_FRAMES);
    if (frames != net->frames)
        st = build_for(net, frames);
    if (st < 0)
        return st;
    memcpy(mcvdi_graph_data(net->graph, net->input), video,
           mcvdi_dims_numel(mcvdi_graph_dims(net->graph, net->input)) * sizeof *video);
    st = mcvdi_graph_forward(net->graph);
    if (st < 0)
        return st;
    const mcvdi_dims d = mcvdi_graph_dims(net->graph, net->output);
    const float *maps = mcvdi_graph_data(net->graph, net->output);
    memset(out, 0, MCVDI_PROXY_FEATURES * sizeof *out);
    for (size_t p = 0; p < d.h * d.w; p++)
        for (size_t c = 0; c < MCVDI_PROXY_FEATURES; c++)
            out[c] += (double)maps[p * MCVDI_PROXY_FEATURES + c] / (double)(d.h * d.w);
    return MCVD_OK;
}

double mcvdi_proxy_macs(const mcvdi_proxy *net)
{
    return net->graph ? mcvdi_graph_macs(net->graph) : 0.0;
}

const float *mcvdi_proxy_weights(const mcvdi_proxy *net, size_t *count)
{
    *count = net->starts[LAYERS];
    return net->weights;
}
