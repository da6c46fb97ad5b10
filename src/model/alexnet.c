#include "model/alexnet.h"

#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "model/feature_net.h"

enum { NAME_BYTES = 64, COLOURS = 3 };

struct mcvdi_alexnet {
    char *path;
    mcvd_safetensors *file;
    mcvdi_graph *graph;
    mcvdi_value_id input;
    mcvdi_value_id taps[MCVDI_ALEXNET_TAPS];
    const float *heads[MCVDI_ALEXNET_TAPS];
};

/* One convolution; the first three are followed by pooling but the third. */
typedef struct layer {
    const char *name;
    size_t channels, kernel, stride, padding;
    bool pool_before;
} layer;

static const layer layers[MCVDI_ALEXNET_TAPS] = {
    { "features.0", 64, 11, 4, 2, false },  { "features.3", 192, 5, 1, 2, true },
    { "features.6", 384, 3, 1, 1, true },   { "features.8", 256, 3, 1, 1, false },
    { "features.10", 256, 3, 1, 1, false },
};

static mcvdi_value_id add_layer(mcvdi_graph *g, mcvdi_value_id x, const layer *l)
{
    static const mcvdi_window halving = { .kernel = { 1, 3, 3 }, .stride = { 1, 2, 2 } };
    const mcvdi_conv_window_spec spec = {
        .name = l->name,
        .out_channels = l->channels,
        .window = { .kernel = { 1, l->kernel, l->kernel },
                    .stride = { 1, l->stride, l->stride },
                    .before = { 0, l->padding, l->padding },
                    .after = { 0, l->padding, l->padding } },
        .flat = true,
        .relu = true,
    };

    if (l->pool_before)
        x = mcvdi_pool(g, x, MCVDI_POOL_MAX, &halving);
    return mcvdi_conv_window(g, x, &spec);
}

static void build(mcvdi_alexnet *net)
{
    const mcvdi_dims dims = { 1, MCVDI_ALEXNET_SIDE, MCVDI_ALEXNET_SIDE, COLOURS };
    mcvdi_value_id x = net->input = mcvdi_graph_input(net->graph, dims);

    for (size_t i = 0; i < MCVDI_ALEXNET_TAPS; i++) {
        x = net->taps[i] = add_layer(net->graph, x, &layers[i]);
        mcvdi_graph_mark_output(net->graph, x);
    }
}

static mcvd_status get_param(void *user, const mcvdi_param *p, size_t i, float *buffer,
                             const float **plain)
{
    const mcvdi_alexnet *net = user;

    (void)i;
    (void)buffer;
    return mcvdi_feature_tensor(net->file, net->path, p->name, p->ndim, p->shape, plain);
}

static mcvd_status find_heads(mcvdi_alexnet *net)
{
    char name[NAME_BYTES];
    mcvd_status st = MCVD_OK;

    for (size_t i = 0; st >= 0 && i < MCVDI_ALEXNET_TAPS; i++) {
        const size_t shape[] = { 1, layers[i].channels, 1, 1 };
        snprintf(name, sizeof name, "lin%zu.model.1.weight", i);
        if (i == 0 && !mcvd_safetensors_has(net->file, name))
            return MCVD_OK;
        st = mcvdi_feature_tensor(net->file, net->path, name, 4, shape, &net->heads[i]);
    }
    return st;
}

static mcvd_status open_parts(mcvdi_alexnet *net, const char *path)
{
    const mcvdi_graph_options options = { .mode = MCVDI_INFER };
    const mcvdi_weight_source source = { .get = get_param, .user = net };

    net->path = mcvdi_sprintf("%s", path);
    if (!net->path)
        return mcvdi_fail(MCVD_E_NOMEM, "alexnet: out of memory");
    mcvd_status st = mcvdi_feature_file_open(&net->file, path, "alexnet");
    if (st >= 0)
        st = mcvdi_graph_create(&net->graph, &options);
    if (st < 0)
        return st;
    build(net);
    st = mcvdi_feature_graph_finish(net->graph, &source);
    return st < 0 ? st : find_heads(net);
}

mcvd_status mcvdi_alexnet_create(mcvdi_alexnet **out, const char *path)
{
    mcvdi_alexnet *net = mcvdi_calloc(1, sizeof *net);

    *out = net;
    if (!net)
        return mcvdi_fail(MCVD_E_NOMEM, "alexnet: out of memory");
    const mcvd_status st = open_parts(net, path);
    if (st < 0)
        mcvdi_alexnet_free(out);
    return st;
}

void mcvdi_alexnet_free(mcvdi_alexnet **net)
{
    if (!*net)
        return;
    mcvdi_graph_free(&(*net)->graph);
    mcvd_safetensors_close(&(*net)->file);
    mcvdi_free((*net)->path);
    mcvdi_free(*net);
    *net = NULL;
}

mcvd_status mcvdi_alexnet_taps(mcvdi_alexnet *net, const float *picture,
                               mcvdi_alexnet_map taps[MCVDI_ALEXNET_TAPS])
{
    memcpy(mcvdi_graph_data(net->graph, net->input), picture,
           (size_t)MCVDI_ALEXNET_SIDE * MCVDI_ALEXNET_SIDE * COLOURS * sizeof *picture);
    const mcvd_status st = mcvdi_graph_forward(net->graph);
    for (size_t i = 0; i < MCVDI_ALEXNET_TAPS; i++) {
        const mcvdi_dims d = mcvdi_graph_dims(net->graph, net->taps[i]);
        taps[i] =
            (mcvdi_alexnet_map) { mcvdi_graph_data(net->graph, net->taps[i]), d.h * d.w, d.c };
    }
    return st;
}

double mcvdi_alexnet_macs(const mcvdi_alexnet *net)
{
    return mcvdi_graph_macs(net->graph);
}

const float *mcvdi_alexnet_head(const mcvdi_alexnet *net, size_t tap)
{
    return net->heads[tap];
}
