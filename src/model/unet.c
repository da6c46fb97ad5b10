/*
 * The U-Net as one numbered list of layers: the number is part of each parameter's name, so the
 * construction order below is the file format (model.md, section 6).
 */
#include "model/unet.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ops/ops.h"

enum { MAX_SKIPS = 256 };

static const double near_zero = 1e-10; /* initial scale of layers that start with no effect */

typedef struct builder {
    mcvdi_graph *g;
    const mcvd_config *config;
    mcvdi_unet *unet;
    mcvdi_value_id silu_temb; /* SiLU of the timestep embedding, -1 without */
    int next_layer;
    mcvdi_value_id skips[MAX_SKIPS];
    int num_skips;
} builder;

/* "unet.all_modules.<layer><suffix>" */
typedef struct layer_name {
    char text[96];
} layer_name;

static layer_name name_of(int layer, const char *suffix)
{
    layer_name n;

    snprintf(n.text, sizeof n.text, "unet.all_modules.%d%s", layer, suffix);
    return n;
}

static void stage(builder *b, mcvdi_value_id value, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void stage(builder *b, mcvdi_value_id value, const char *format, ...)
{
    mcvdi_unet *u = b->unet;
    va_list args;

    if (!u->stages || u->num_stages >= MCVDI_MAX_STAGES || value < 0)
        return;
    va_start(args, format);
    vsnprintf(u->stages[u->num_stages].name, MCVDI_STAGE_NAME, format, args);
    va_end(args);
    u->stages[u->num_stages++].value = value;
}

static size_t channels_of(const builder *b, mcvdi_value_id value)
{
    return mcvdi_graph_dims(b->g, value).c;
}

/* --- layers --- */

static mcvdi_value_id conv(builder *b, mcvdi_value_id x, const char *name, size_t out, int kernel,
                           double init_scale)
{
    const mcvdi_conv_spec spec = { name, out, kernel, init_scale };
    return mcvdi_conv(b->g, x, &spec);
}

/* The reference has the norm before modulation as a stage of its own; ours is fused, so it is
 * computed once more where stages are wanted. */
static void stage_bare_norm(builder *b, mcvdi_value_id x, int layer, const char *suffix)
{
    const mcvdi_group_norm_spec bare = { .scale_shift = -1, .norm_eps = 1e-5 };

    if (b->unet->stages)
        stage(b, mcvdi_group_norm(b->g, x, &bare), "all_modules.%d%s.Norm_0", layer, suffix);
}

/* Norm with weights, then SiLU: fused, or apart where stages are wanted. */
static mcvdi_value_id affine_norm_silu(builder *b, mcvdi_value_id x, int layer, const char *suffix)
{
    char part[48];

    snprintf(part, sizeof part, "%s.Norm_0", suffix);
    const layer_name name = name_of(layer, part);
    const bool apart = b->unet->stages != NULL;
    const mcvdi_group_norm_spec norm = {
        .name = name.text, .scale_shift = -1, .norm_eps = 1e-5, .silu = !apart
    };
    mcvdi_value_id y = mcvdi_group_norm(b->g, x, &norm);
    if (apart) {
        stage(b, y, "all_modules.%d%s", layer, part);
        y = mcvdi_silu(b->g, y);
    }
    stage(b, y, "all_modules.%d%s", layer, suffix);
    return y;
}

/* Normalise, modulate with the timestep, activate (model.md 5.3). `suffix` is ".actnorm0" etc. */
static mcvdi_value_id act_norm(builder *b, mcvdi_value_id x, int layer, const char *suffix)
{
    char part[48];
    mcvdi_group_norm_spec norm = { .scale_shift = -1, .norm_eps = 1e-5, .silu = true };

    if (b->silu_temb >= 0) {
        stage_bare_norm(b, x, layer, suffix);
        snprintf(part, sizeof part, "%s.Dense_0", suffix);
        const layer_name dense_name = name_of(layer, part);
        const mcvdi_linear_spec dense = { dense_name.text, 2 * channels_of(b, x),
                                          MCVDI_LINEAR_OUT_IN, 1.0 };
        norm.scale_shift = mcvdi_linear(b->g, b->silu_temb, &dense);
        stage(b, norm.scale_shift, "all_modules.%d%s", layer, part);
        const mcvdi_value_id y = mcvdi_group_norm(b->g, x, &norm);
        stage(b, y, "all_modules.%d%s", layer, suffix);
        return y;
    }
    return affine_norm_silu(b, x, layer, suffix);
}

typedef enum resample { RESAMPLE_NONE, RESAMPLE_DOWN, RESAMPLE_UP } resample;

static mcvdi_value_id resampled(builder *b, mcvdi_value_id x, resample how)
{
    if (how == RESAMPLE_DOWN)
        return mcvdi_fir_down(b->g, x);
    return how == RESAMPLE_UP ? mcvdi_fir_up(b->g, x) : x;
}

/* Residual block (model.md 5.5). */
static mcvdi_value_id res_block(builder *b, mcvdi_value_id x, size_t out, resample how)
{
    const int layer = b->next_layer++;
    const bool shortcut = channels_of(b, x) != out || how != RESAMPLE_NONE;

    mcvdi_value_id h = act_norm(b, x, layer, ".actnorm0");
    h = resampled(b, h, how);
    x = resampled(b, x, how);
    h = conv(b, h, name_of(layer, ".Conv_0").text, out, 3, 1.0);
    stage(b, h, "all_modules.%d.Conv_0", layer);
    h = act_norm(b, h, layer, ".actnorm1");
    if (b->config->model.dropout > 0.0)
        h = mcvdi_dropout(b->g, h, b->config->model.dropout);
    h = conv(b, h, name_of(layer, ".Conv_1").text, out, 3, near_zero);
    stage(b, h, "all_modules.%d.Conv_1", layer);
    if (shortcut) {
        x = conv(b, x, name_of(layer, ".Conv_2").text, out, 1, 1.0);
        stage(b, x, "all_modules.%d.Conv_2", layer);
    }
    x = mcvdi_residual(b->g, x, h);
    stage(b, x, "all_modules.%d", layer);
    return x;
}

static mcvdi_value_id nin(builder *b, mcvdi_value_id x, int layer, int number)
{
    char suffix[16];

    snprintf(suffix, sizeof suffix, ".NIN_%d", number);
    const layer_name name = name_of(layer, suffix);
    const mcvdi_linear_spec spec = { name.text, channels_of(b, x), MCVDI_LINEAR_IN_OUT,
                                     number == 3 ? near_zero : 0.1 };
    const mcvdi_value_id y = mcvdi_linear(b->g, x, &spec);
    stage(b, y, "all_modules.%d%s", layer, suffix);
    return y;
}

static size_t num_heads(const builder *b, size_t channels)
{
    const int64_t head = b->config->model.n_head_channels;
    return head <= 0 || channels < (size_t)head ? 1 : channels / (size_t)head;
}

/* Self-attention over the positions of a frame stack (model.md 5.6). */
static mcvdi_value_id attention_block(builder *b, mcvdi_value_id x)
{
    const int layer = b->next_layer++;
    const layer_name norm_name = name_of(layer, ".GroupNorm_0");
    const mcvdi_group_norm_spec norm = { .name = norm_name.text,
                                         .scale_shift = -1,
                                         .norm_eps = 1e-6 };
    const mcvdi_value_id n = mcvdi_group_norm(b->g, x, &norm);
    stage(b, n, "all_modules.%d.GroupNorm_0", layer);
    const mcvdi_value_id q = nin(b, n, layer, 0);
    const mcvdi_value_id k = nin(b, n, layer, 1);
    const mcvdi_value_id v = nin(b, n, layer, 2);
    const mcvdi_value_id mixed = mcvdi_attention(b->g, q, k, v, num_heads(b, channels_of(b, x)));
    const mcvdi_value_id y = mcvdi_residual(b->g, x, nin(b, mixed, layer, 3));
    stage(b, y, "all_modules.%d", layer);
    return y;
}

/* --- embedding --- */

static mcvdi_value_id embedding_linear(builder *b, mcvdi_value_id x, size_t out)
{
    const int layer = b->next_layer++;
    const layer_name name = name_of(layer, "");
    const mcvdi_linear_spec spec = { name.text, out, MCVDI_LINEAR_OUT_IN, 1.0 };
    const mcvdi_value_id y = mcvdi_linear(b->g, x, &spec);

    stage(b, y, "all_modules.%d", layer);
    return y;
}

/* Timestep and mask embedding (model.md, section 4); fills silu_temb. */
static void build_embedding(builder *b, size_t batch)
{
    const size_t width = (size_t)b->config->model.ngf;
    const mcvdi_dims scalar = { batch, 1, 1, 1 };

    b->unet->labels = b->unet->cond_mask = b->silu_temb = -1;
    if (!b->config->model.time_conditional && !b->unet->stages)
        return;
    b->unet->labels = mcvdi_graph_input(b->g, scalar);
    const mcvdi_value_id e = mcvdi_timestep_embedding(b->g, b->unet->labels, width);
    stage(b, e, "temb_sinusoid"); /* the reference computes it even where nothing reads it */
    if (!b->config->model.time_conditional)
        return;
    mcvdi_value_id temb = mcvdi_silu(b->g, embedding_linear(b, e, 4 * width));
    temb = embedding_linear(b, temb, 4 * width);
    if (b->config->model.cond_emb) {
        const int layer = b->next_layer++;
        const layer_name name = name_of(layer, "");
        b->unet->cond_mask = mcvdi_graph_input(b->g, scalar);
        const mcvdi_value_id mask =
            mcvdi_mask_embedding(b->g, b->unet->cond_mask, name.text, width / 2);
        stage(b, mask, "all_modules.%d", layer);
        temb = mcvdi_concat(b->g, temb, mask);
    }
    stage(b, temb, "temb");
    b->silu_temb = mcvdi_silu(b->g, temb);
}

/* --- the two halves --- */

static bool attends(const builder *b, size_t resolution)
{
    const mcvd_int_list *at = &b->config->model.attn_resolutions;

    for (int i = 0; i < at->count; i++)
        if ((size_t)at->values[i] == resolution)
            return true;
    return false;
}

static void push(builder *b, mcvdi_value_id value)
{
    if (b->num_skips < MAX_SKIPS)
        b->skips[b->num_skips++] = value;
    else
        mcvdi_graph_build_failed(b->g, mcvdi_fail(MCVD_E_CONFIG, "model: too many blocks"));
}

static size_t level_width(const builder *b, int level)
{
    return (size_t)(b->config->model.ngf * b->config->model.ch_mult.values[level]);
}

static mcvdi_value_id build_down(builder *b, mcvdi_value_id x, size_t resolution)
{
    const mcvd_model_config *m = &b->config->model;

    push(b, x);
    for (int level = 0; level < m->ch_mult.count; level++) {
        for (int64_t r = 0; r < m->num_res_blocks; r++) {
            x = res_block(b, x, level_width(b, level), RESAMPLE_NONE);
            if (attends(b, resolution >> level))
                x = attention_block(b, x);
            push(b, x);
        }
        if (level + 1 < m->ch_mult.count) {
            x = res_block(b, x, channels_of(b, x), RESAMPLE_DOWN);
            push(b, x);
        }
    }
    return x;
}

static mcvdi_value_id build_up(builder *b, mcvdi_value_id x, size_t resolution)
{
    const mcvd_model_config *m = &b->config->model;

    for (int level = m->ch_mult.count - 1; level >= 0; level--) {
        for (int64_t r = 0; r <= m->num_res_blocks && b->num_skips; r++) {
            x = mcvdi_concat(b->g, x, b->skips[--b->num_skips]);
            x = res_block(b, x, level_width(b, level), RESAMPLE_NONE);
        }
        if (attends(b, resolution >> level))
            x = attention_block(b, x);
        if (level > 0)
            x = res_block(b, x, channels_of(b, x), RESAMPLE_UP);
    }
    return x;
}

static mcvdi_value_id build_middle(builder *b, mcvdi_value_id x)
{
    x = res_block(b, x, channels_of(b, x), RESAMPLE_NONE);
    x = attention_block(b, x);
    return res_block(b, x, channels_of(b, x), RESAMPLE_NONE);
}

/* Final norm without timestep (model.md 5.3) and the last convolution. */
static mcvdi_value_id build_head(builder *b, mcvdi_value_id x, size_t out)
{
    const int norm_layer = b->next_layer++;
    const int conv_layer = b->next_layer++;
    x = affine_norm_silu(b, x, norm_layer, "");
    x = conv(b, x, name_of(conv_layer, "").text, out, 3, near_zero);
    stage(b, x, "all_modules.%d", conv_layer);
    return x;
}

static mcvd_status check_size(const mcvd_config *config, size_t height, size_t width)
{
    const size_t cell = (size_t)config->model.space_to_depth << (config->model.ch_mult.count - 1);

    if (width != (size_t)config->data.image_size)
        return mcvdi_fail(MCVD_E_SHAPE,
                          "frames are %zu wide, the model is made for data.image_size = %zu", width,
                          (size_t)config->data.image_size);
    if (!height || height % cell || width % cell)
        return mcvdi_fail(MCVD_E_SHAPE, "frames of %zu x %zu: both must be multiples of %zu", width,
                          height, cell);
    return MCVD_OK;
}

mcvd_status mcvdi_unet_build(mcvdi_unet *unet, mcvdi_graph *graph, const mcvd_config *config,
                             size_t batch, size_t height, size_t width)
{
    const mcvd_data_config *d = &config->data;
    const size_t cell = (size_t)config->model.space_to_depth;
    const size_t frames = (size_t)d->num_frames;
    const size_t cond_frames = (size_t)(d->num_frames_cond + d->num_frames_future);
    const size_t channels = (size_t)d->channels;
    builder b = { .g = graph, .config = config, .unet = unet };
    const mcvd_status st = check_size(config, height, width);

    if (st < 0)
        return st;
    unet->num_stages = 0;
    unet->x = mcvdi_graph_input(graph, (mcvdi_dims) { batch, height, width, frames * channels });
    unet->cond = -1;
    if (cond_frames)
        unet->cond =
            mcvdi_graph_input(graph, (mcvdi_dims) { batch, height, width, cond_frames * channels });
    build_embedding(&b, batch);
    mcvdi_value_id x = mcvdi_concat(graph, unet->x, unet->cond);
    if (cell > 1)
        x = mcvdi_space_to_depth(graph, x, cell);
    const int first = b.next_layer++;
    x = conv(&b, x, name_of(first, "").text, (size_t)config->model.ngf, 3, 1.0);
    stage(&b, x, "all_modules.%d", first);
    const size_t resolution = (size_t)d->image_size / cell;
    x = build_down(&b, x, resolution);
    x = build_middle(&b, x);
    x = build_up(&b, x, resolution);
    x = build_head(&b, x, frames * channels * cell * cell);
    unet->out = cell > 1 ? mcvdi_depth_to_space(graph, x, cell) : x;
    mcvdi_graph_mark_output(graph, unet->out);
    return MCVD_OK; /* a failed build step comes back from mcvdi_graph_compile */
}
