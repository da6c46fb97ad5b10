/*
 * A unit is a 3D convolution, a batch norm and ReLU. The norm is that of inference, a scale and a
 * shift per channel, and goes into the convolution when the weights are loaded:
 *
 *     k = gamma / sqrt(var + eps),   w' = k w,   b' = beta - k mean
 *
 * Padding is "same" in every axis: ceil(size / stride) outputs. A mixed block joins four branches
 * along the channels.
 */
#include "model/i3d.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "core/real_text.h"
#include "model/feature_net.h"

enum { NAME_BYTES = 128, MAX_FRAMES = 4096, FIRST_CHANNELS = 3, NUM_STAGES = 16 };

static const double default_eps = 1e-5;

/* A named part of the trunk, as the reference names them. */
typedef struct trunk_stage {
    const char *name;
    mcvdi_value_id output;
    size_t frames;
} trunk_stage;

struct mcvdi_i3d {
    char *path;
    mcvd_safetensors *file;
    double eps;
    mcvdi_graph *graph; /* for `frames` frames */
    size_t frames;
    mcvdi_value_id input, pooled, logits;
    trunk_stage stages[NUM_STAGES];
    size_t num_stages;
    bool keep_stages; /* their outputs, for tests */
};

/* --- the network --- */

typedef struct builder {
    mcvdi_graph *g;
    mcvdi_value_id x;
    size_t frames; /* of x */
    mcvdi_i3d *net;
} builder;

/* x is the output of a stage. */
static void end_stage(builder *b, const char *name)
{
    mcvdi_i3d *net = b->net;

    net->stages[net->num_stages++] = (trunk_stage) { name, b->x, b->frames };
    if (net->keep_stages)
        mcvdi_graph_mark_output(b->g, b->x);
}

static const size_t one[3] = { 1, 1, 1 };
static const size_t three[3] = { 3, 3, 3 };

static mcvdi_value_id add_unit(builder *b, mcvdi_value_id x, const char *name, size_t channels,
                               const size_t kernel[3], const size_t stride[3])
{
    const mcvdi_conv_window_spec spec = {
        .name = name,
        .out_channels = channels,
        .window = mcvdi_window_same(mcvdi_graph_dims(b->g, x), b->frames, kernel, stride),
        .relu = true,
    };

    return mcvdi_conv_window(b->g, x, &spec);
}

static void unit(builder *b, const char *name, size_t channels, const size_t kernel[3],
                 const size_t stride[3])
{
    const mcvdi_dims dims = mcvdi_graph_dims(b->g, b->x);
    const mcvdi_window window = mcvdi_window_same(dims, b->frames, kernel, stride);

    b->x = add_unit(b, b->x, name, channels, kernel, stride);
    b->frames = mcvdi_window_frames(&window);
    end_stage(b, name);
}

static void max_pool(builder *b, const char *name, const size_t kernel[3], const size_t stride[3])
{
    const mcvdi_dims dims = mcvdi_graph_dims(b->g, b->x);
    const mcvdi_window window = mcvdi_window_same(dims, b->frames, kernel, stride);

    b->x = mcvdi_pool(b->g, b->x, MCVDI_POOL_MAX, &window);
    b->frames = mcvdi_window_frames(&window);
    end_stage(b, name);
}

typedef struct mixed_spec {
    const char *name;
    size_t channels[6];
} mixed_spec;

static mcvdi_value_id branch(builder *b, const mixed_spec *spec, const char *part, mcvdi_value_id x,
                             int channels)
{
    char name[NAME_BYTES];
    const bool wide = strcmp(part, "b1b") == 0 || strcmp(part, "b2b") == 0;

    snprintf(name, sizeof name, "%s.%s", spec->name, part);
    return add_unit(b, x, name, spec->channels[channels], wide ? three : one, one);
}

static void mixed(builder *b, const mixed_spec *spec)
{
    const mcvdi_dims dims = mcvdi_graph_dims(b->g, b->x);
    const mcvdi_window window = mcvdi_window_same(dims, b->frames, three, one);
    const mcvdi_value_id b0 = branch(b, spec, "b0", b->x, 0);
    const mcvdi_value_id b1 = branch(b, spec, "b1b", branch(b, spec, "b1a", b->x, 1), 2);
    const mcvdi_value_id b2 = branch(b, spec, "b2b", branch(b, spec, "b2a", b->x, 3), 4);
    const mcvdi_value_id pooled = mcvdi_pool(b->g, b->x, MCVDI_POOL_MAX, &window);
    const mcvdi_value_id b3 = branch(b, spec, "b3b", pooled, 5);

    b->x = mcvdi_concat(b->g, mcvdi_concat(b->g, b0, b1), mcvdi_concat(b->g, b2, b3));
    end_stage(b, spec->name);
}

static void mixed_blocks(builder *b, const mixed_spec *specs, size_t count)
{
    for (size_t i = 0; i < count; i++)
        mixed(b, &specs[i]);
}

static void build_trunk(builder *b)
{
    static const size_t seven[3] = { 7, 7, 7 };
    static const size_t two[3] = { 2, 2, 2 };
    static const size_t flat_three[3] = { 1, 3, 3 };
    static const size_t flat_two[3] = { 1, 2, 2 };
    static const mixed_spec level3[] = { { "Mixed_3b", { 64, 96, 128, 16, 32, 32 } },
                                         { "Mixed_3c", { 128, 128, 192, 32, 96, 64 } } };
    static const mixed_spec level4[] = { { "Mixed_4b", { 192, 96, 208, 16, 48, 64 } },
                                         { "Mixed_4c", { 160, 112, 224, 24, 64, 64 } },
                                         { "Mixed_4d", { 128, 128, 256, 24, 64, 64 } },
                                         { "Mixed_4e", { 112, 144, 288, 32, 64, 64 } },
                                         { "Mixed_4f", { 256, 160, 320, 32, 128, 128 } } };
    static const mixed_spec level5[] = { { "Mixed_5b", { 256, 160, 320, 32, 128, 128 } },
                                         { "Mixed_5c", { 384, 192, 384, 48, 128, 128 } } };

    unit(b, "Conv3d_1a_7x7", 64, seven, two);
    max_pool(b, "MaxPool3d_2a_3x3", flat_three, flat_two);
    unit(b, "Conv3d_2b_1x1", 64, one, one);
    unit(b, "Conv3d_2c_3x3", 192, three, one);
    max_pool(b, "MaxPool3d_3a_3x3", flat_three, flat_two);
    mixed_blocks(b, level3, sizeof level3 / sizeof *level3);
    max_pool(b, "MaxPool3d_4a_3x3", three, two);
    mixed_blocks(b, level4, sizeof level4 / sizeof *level4);
    max_pool(b, "MaxPool3d_5a_2x2", two, two);
    mixed_blocks(b, level5, sizeof level5 / sizeof *level5);
}

static void build(mcvdi_i3d *net, size_t frames)
{
    const mcvdi_dims dims = { 1, frames * MCVDI_I3D_SIDE, MCVDI_I3D_SIDE, FIRST_CHANNELS };
    builder b = { .g = net->graph, .frames = frames, .net = net };

    net->num_stages = 0;
    net->input = b.x = mcvdi_graph_input(b.g, dims);
    build_trunk(&b);
    const mcvdi_window mean = { .frames = b.frames, .kernel = { 2, 7, 7 }, .stride = { 1, 1, 1 } };
    net->pooled = mcvdi_pool(b.g, b.x, MCVDI_POOL_MEAN, &mean);
    const mcvdi_conv_window_spec logits = {
        .name = "logits",
        .out_channels = MCVDI_I3D_FEATURES,
        .window = { .frames = mcvdi_window_frames(&mean),
                    .kernel = { 1, 1, 1 },
                    .stride = { 1, 1, 1 } },
    };
    net->logits = mcvdi_conv_window(b.g, net->pooled, &logits);
    mcvdi_graph_mark_output(b.g, net->pooled);
    mcvdi_graph_mark_output(b.g, net->logits);
}

/* --- weights --- */

static mcvd_status get_tensor(const mcvdi_i3d *net, const char *stage, const char *part, int ndim,
                              const size_t *shape, const float **values)
{
    char name[2 * NAME_BYTES];

    snprintf(name, sizeof name, "%s.%s", stage, part);
    return mcvdi_feature_tensor(net->file, net->path, name, ndim, shape, values);
}

/* Scale and mean of the batch norm: gamma, beta, mean, variance. */
typedef struct norm {
    const float *gamma, *beta, *mean, *variance;
} norm;

static mcvd_status get_norm(const mcvdi_i3d *net, const char *stage, size_t channels, norm *n)
{
    mcvd_status st = get_tensor(net, stage, "bn.weight", 1, &channels, &n->gamma);

    if (st >= 0)
        st = get_tensor(net, stage, "bn.bias", 1, &channels, &n->beta);
    if (st >= 0)
        st = get_tensor(net, stage, "bn.running_mean", 1, &channels, &n->mean);
    if (st >= 0)
        st = get_tensor(net, stage, "bn.running_var", 1, &channels, &n->variance);
    for (size_t c = 0; st >= 0 && c < channels; c++)
        if (!((double)n->variance[c] + net->eps > 0.0))
            st = mcvdi_fail(MCVD_E_MODEL, "%s: %s.bn.running_var[%zu] = %g: below 0", net->path,
                            stage, c, (double)n->variance[c]);
    return st;
}

static double norm_scale(const mcvdi_i3d *net, const norm *n, size_t c)
{
    return (double)n->gamma[c] / sqrt((double)n->variance[c] + net->eps);
}

static mcvd_status folded_weight(const mcvdi_i3d *net, const char *stage, const mcvdi_param *p,
                                 float *buffer)
{
    const size_t per_channel = p->numel / p->shape[0];
    const float *plain = NULL;
    norm n;

    mcvd_status st = get_tensor(net, stage, "conv3d.weight", p->ndim, p->shape, &plain);
    if (st >= 0)
        st = get_norm(net, stage, p->shape[0], &n);
    for (size_t c = 0; st >= 0 && c < p->shape[0]; c++) {
        const double k = norm_scale(net, &n, c);
        for (size_t i = 0; i < per_channel; i++)
            buffer[c * per_channel + i] = (float)(k * (double)plain[c * per_channel + i]);
    }
    return st;
}

static mcvd_status folded_bias(const mcvdi_i3d *net, const char *stage, const mcvdi_param *p,
                               float *buffer)
{
    norm n;
    const mcvd_status st = get_norm(net, stage, p->shape[0], &n);

    for (size_t c = 0; st >= 0 && c < p->shape[0]; c++)
        buffer[c] = (float)((double)n.beta[c] - norm_scale(net, &n, c) * (double)n.mean[c]);
    return st;
}

/* The graph's parameters are "<stage>.weight" and "<stage>.bias". */
static mcvd_status get_param(void *user, const mcvdi_param *p, size_t i, float *buffer,
                             const float **plain)
{
    const mcvdi_i3d *net = user;
    const char *dot = strrchr(p->name, '.');
    const bool weight = strcmp(dot, ".weight") == 0;
    char stage[NAME_BYTES];

    (void)i;
    snprintf(stage, sizeof stage, "%.*s", (int)(dot - p->name), p->name);
    *plain = buffer;
    if (strcmp(stage, "logits") == 0)
        return get_tensor(net, stage, weight ? "conv3d.weight" : "conv3d.bias", p->ndim, p->shape,
                          plain);
    return weight ? folded_weight(net, stage, p, buffer) : folded_bias(net, stage, p, buffer);
}

/* --- use --- */

static mcvd_status build_for(mcvdi_i3d *net, size_t frames)
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

static mcvd_status open_file(mcvdi_i3d *net, const char *path)
{
    net->path = mcvdi_sprintf("%s", path);
    if (!net->path)
        return mcvdi_fail(MCVD_E_NOMEM, "i3d: out of memory");
    const mcvd_status st = mcvdi_feature_file_open(&net->file, path, "i3d");
    if (st < 0)
        return st;
    const char *eps = mcvd_safetensors_metadata(net->file, "bn_eps");
    net->eps = default_eps;
    if (eps && (!mcvdi_text_to_real(&net->eps, eps) || !(net->eps > 0.0 && net->eps <= 1.0)))
        return mcvdi_fail(MCVD_E_MODEL, "%s: bn_eps = %.20s, expected a number above 0, up to 1",
                          path, eps);
    return MCVD_OK;
}

mcvd_status mcvdi_i3d_create(mcvdi_i3d **out, const char *path)
{
    mcvdi_i3d *net = mcvdi_calloc(1, sizeof *net);

    *out = net;
    if (!net)
        return mcvdi_fail(MCVD_E_NOMEM, "i3d: out of memory");
    mcvd_status st = open_file(net, path);
    if (st >= 0) /* which checks every tensor */
        st = build_for(net, MCVDI_I3D_MIN_FRAMES);
    if (st < 0)
        mcvdi_i3d_free(out);
    return st;
}

void mcvdi_i3d_free(mcvdi_i3d **net)
{
    if (!*net)
        return;
    mcvdi_graph_free(&(*net)->graph);
    mcvd_safetensors_close(&(*net)->file);
    mcvdi_free((*net)->path);
    mcvdi_free(*net);
    *net = NULL;
}

mcvd_status mcvdi_i3d_features(mcvdi_i3d *net, const float *video, size_t frames, double *out)
{
    mcvd_status st = MCVD_OK;

    if (frames < MCVDI_I3D_MIN_FRAMES || frames > MAX_FRAMES)
        return mcvdi_fail(MCVD_E_RANGE, "i3d: a video of %zu frames, expected %d to %d", frames,
                          MCVDI_I3D_MIN_FRAMES, MAX_FRAMES);
    if (frames != net->frames)
        st = build_for(net, frames);
    if (st < 0)
        return st;
    memcpy(mcvdi_graph_data(net->graph, net->input), video,
           mcvdi_dims_numel(mcvdi_graph_dims(net->graph, net->input)) * sizeof *video);
    st = mcvdi_graph_forward(net->graph);
    if (st < 0)
        return st;
    const size_t positions = mcvdi_graph_dims(net->graph, net->logits).h;
    const float *logits = mcvdi_graph_data(net->graph, net->logits);
    for (size_t c = 0; c < MCVDI_I3D_FEATURES; c++) {
        out[c] = 0.0;
        for (size_t p = 0; p < positions; p++)
            out[c] += (double)logits[p * MCVDI_I3D_FEATURES + c] / (double)positions;
    }
    return MCVD_OK;
}

double mcvdi_i3d_macs(const mcvdi_i3d *net)
{
    return net->graph ? mcvdi_graph_macs(net->graph) : 0.0;
}

void mcvdi_i3d_keep_stages(mcvdi_i3d *net)
{
    net->keep_stages = true;
    net->frames = 0; /* build again */
}

const float *mcvdi_i3d_stage(const mcvdi_i3d *net, size_t i, const char **name, mcvdi_dims *dims,
                             size_t *frames)
{
    if (!net->keep_stages || i >= net->num_stages)
        return NULL;
    *name = net->stages[i].name;
    *dims = mcvdi_graph_dims(net->graph, net->stages[i].output);
    *frames = net->stages[i].frames;
    return mcvdi_graph_data(net->graph, net->stages[i].output);
}

const float *mcvdi_i3d_pooled(const mcvdi_i3d *net, size_t *positions)
{
    *positions = mcvdi_graph_dims(net->graph, net->pooled).h;
    return mcvdi_graph_data(net->graph, net->pooled);
}
