/* The layers of the U-Net: convolution, norm, residual block, attention, frame mixer. */
#include <stdio.h>

#include "model/unet_builder.h"

/* --- convolutions (model.md 5.2 and 8) --- */

static mcvdi_value_id one_conv(mcvdi_unet_builder *b, mcvdi_value_id x, mcvdi_conv_kind kind,
                               const mcvdi_unet_conv_spec *spec, const char *suffix)
{
    const mcvdi_part part = mcvdi_part_join(spec->part, suffix);
    const mcvdi_layer_name name = mcvdi_layer_name_of(spec->layer, part.text);
    const mcvdi_conv_spec conv = {
        .name = name.text,
        .out_channels = spec->out,
        .kernel = spec->kernel,
        /* The reference's frame convolutions know no small start. */
        .init_scale = b->convs == MCVDI_CONVS_2D ? spec->init_scale : 1.0,
        .kind = kind,
        .frames = b->frames,
    };
    return mcvdi_conv(b->g, x, &conv);
}

static void stage_conv(mcvdi_unet_builder *b, mcvdi_value_id value, mcvdi_stage_order order,
                       const mcvdi_unet_conv_spec *spec, const char *suffix)
{
    const mcvdi_part part = mcvdi_part_join(spec->part, suffix);
    mcvdi_unet_stage(b, value, order, spec->layer, part.text);
}

mcvdi_value_id mcvdi_unet_conv(mcvdi_unet_builder *b, mcvdi_value_id x,
                               const mcvdi_unet_conv_spec *spec)
{
    switch (b->convs) {
    case MCVDI_CONVS_2D:
        x = one_conv(b, x, MCVDI_CONV_2D, spec, "");
        break;
    case MCVDI_CONVS_3D:
        x = one_conv(b, x, MCVDI_CONV_3D, spec, ".conv");
        stage_conv(b, x, MCVDI_STAGE_CHANNEL_MAJOR, spec, ".conv");
        break;
    case MCVDI_CONVS_PSEUDO:
        x = one_conv(b, x, MCVDI_CONV_2D, spec, ".space_conv");
        stage_conv(b, x, MCVDI_STAGE_BY_FRAME, spec, ".space_conv");
        x = one_conv(b, mcvdi_silu(b->g, x), MCVDI_CONV_TIME, spec, ".time_conv");
        stage_conv(b, x, MCVDI_STAGE_BY_PIXEL, spec, ".time_conv");
        break;
    }
    stage_conv(b, x, MCVDI_STAGE_CHANNEL_MAJOR, spec, "");
    return x;
}

/* --- frames --- */

/* Each frame of a stack becomes a sample. */
static mcvdi_value_id frames_apart(const mcvdi_unet_builder *b, mcvdi_value_id x)
{
    const mcvdi_dims d = mcvdi_graph_dims(b->g, x);
    const mcvdi_dims apart = { d.n * b->frames, d.h / b->frames, d.w, d.c };
    return b->frames > 1 ? mcvdi_graph_view(b->g, x, apart) : x;
}

static mcvdi_value_id frames_together(const mcvdi_unet_builder *b, mcvdi_value_id x)
{
    const mcvdi_dims d = mcvdi_graph_dims(b->g, x);
    const mcvdi_dims together = { d.n / b->frames, d.h * b->frames, d.w, d.c };
    return b->frames > 1 ? mcvdi_graph_view(b->g, x, together) : x;
}

mcvdi_value_id mcvdi_unet_mix_frames(mcvdi_unet_builder *b, mcvdi_value_id x)
{
    const int layer = b->next_layer++;
    const mcvdi_layer_name name = mcvdi_layer_name_of(layer, "");
    const mcvdi_frame_mix_spec spec = { name.text, b->frames_down, b->frames_up, 4 };

    x = mcvdi_frame_mix(b->g, x, &spec);
    b->frames = b->frames_up;
    mcvdi_unet_stage(b, x, MCVDI_STAGE_CHANNEL_MAJOR, layer, "");
    return x;
}

/* --- norms --- */

typedef struct norm_place {
    int layer;
    const char *part; /* of the norm: ".actnorm0.Norm_0" */
    mcvdi_value_id scale_shift;
} norm_place;

/* Group norm, with weights of its own where no timestep modulates it. The reference has the norm
 * before modulation and activation as a stage; ours is fused, and taken apart for stages. */
static mcvdi_value_id group_norm_silu(mcvdi_unet_builder *b, mcvdi_value_id x, const norm_place *at)
{
    const mcvdi_layer_name name = mcvdi_layer_name_of(at->layer, at->part);
    const bool affine = at->scale_shift < 0;
    const mcvdi_group_norm_spec bare = { .name = affine ? name.text : NULL,
                                         .scale_shift = -1,
                                         .norm_eps = 1e-5 };
    const mcvdi_group_norm_spec fused = {
        .name = bare.name, .scale_shift = at->scale_shift, .norm_eps = 1e-5, .silu = true
    };
    if (!b->unet->stages)
        return mcvdi_group_norm(b->g, x, &fused);
    const mcvdi_value_id n = mcvdi_group_norm(b->g, x, &bare);
    mcvdi_unet_stage(b, n, MCVDI_STAGE_CHANNEL_MAJOR, at->layer, at->part);
    return affine ? mcvdi_silu(b->g, n) : mcvdi_group_norm(b->g, x, &fused);
}

/* The K given frames as F frames (model.md 8). In pseudo-3D the frames play the channels. */
static mcvdi_value_id convert_cond(mcvdi_unet_builder *b, const norm_place *at)
{
    const bool pseudo = b->convs == MCVDI_CONVS_PSEUDO;
    const char *suffix = pseudo ? ".converter.space_conv" : ".converter.conv";
    mcvdi_part part = mcvdi_part_join(at->part, suffix);
    mcvdi_layer_name name = mcvdi_layer_name_of(at->layer, part.text);
    const mcvdi_frame_mix_spec first = { name.text, b->cond_frames, b->frames, pseudo ? 4 : 5 };

    mcvdi_value_id y = mcvdi_frame_mix(b->g, b->cond, &first);
    mcvdi_unet_stage(b, y, pseudo ? MCVDI_STAGE_CHANNEL_MAJOR : MCVDI_STAGE_FRAME_MAJOR, at->layer,
                     part.text);
    if (pseudo) {
        part = mcvdi_part_join(at->part, ".converter.time_conv");
        name = mcvdi_layer_name_of(at->layer, part.text);
        const mcvdi_frame_mix_spec second = { name.text, b->frames, b->frames, 3 };
        y = mcvdi_frame_mix(b->g, mcvdi_silu(b->g, y), &second);
        mcvdi_unet_stage(b, y, MCVDI_STAGE_BY_PIXEL_FRAME_MAJOR, at->layer, part.text);
    }
    part = mcvdi_part_join(at->part, ".converter");
    mcvdi_unet_stage(b, y, MCVDI_STAGE_FRAME_MAJOR, at->layer, part.text);
    return y;
}

static mcvdi_value_id shrunk(mcvdi_unet_builder *b, mcvdi_value_id cond, size_t factor)
{
    return factor > 1 ? mcvdi_nearest_down(b->g, cond, factor) : cond;
}

/* The given frames at the size of x. Without a converter all norms of a level share them. */
static mcvdi_value_id cond_for(mcvdi_unet_builder *b, mcvdi_value_id x, const norm_place *at)
{
    const size_t width = mcvdi_graph_dims(b->g, x).w;
    size_t level = 0;

    if (!mcvdi_graph_ok(b->g))
        return -1;
    while (width << level < mcvdi_graph_dims(b->g, b->cond).w)
        level++;
    if (b->convs != MCVDI_CONVS_2D)
        return shrunk(b, convert_cond(b, at), (size_t)1 << level);
    if (b->cond_at[level] < 0)
        b->cond_at[level] = shrunk(b, b->cond, (size_t)1 << level);
    return b->cond_at[level];
}

static mcvdi_value_id spade_conv(mcvdi_unet_builder *b, mcvdi_value_id x, const norm_place *at,
                                 const char *suffix, size_t out)
{
    const mcvdi_part part = mcvdi_part_join(at->part, suffix);
    const mcvdi_unet_conv_spec spec = { at->layer, part.text, out, 3, 1.0 };
    return mcvdi_unet_conv(b, x, &spec);
}

/* The norm before any modulation, and after that by the given frames, as stages of their own. */
static void stage_spade(mcvdi_unet_builder *b, mcvdi_value_id x, const norm_place *at,
                        const mcvdi_spade_norm_spec *fused)
{
    const mcvdi_group_norm_spec bare = { .scale_shift = -1, .norm_eps = fused->norm_eps };
    const mcvdi_part part = mcvdi_part_join(at->part, ".param_free_norm");
    mcvdi_spade_norm_spec apart = *fused;

    if (!b->unet->stages)
        return;
    apart.scale_shift = -1;
    apart.silu = false;
    mcvdi_unet_stage(b, mcvdi_group_norm(b->g, x, &bare), MCVDI_STAGE_CHANNEL_MAJOR, at->layer,
                     part.text);
    mcvdi_unet_stage(b, mcvdi_spade_norm(b->g, x, &apart), MCVDI_STAGE_CHANNEL_MAJOR, at->layer,
                     at->part);
}

/* SPADE (model.md 7): scale and shift maps from the given frames, with a SiLU in between. */
static mcvdi_value_id spade_norm_silu(mcvdi_unet_builder *b, mcvdi_value_id x, const norm_place *at)
{
    const size_t hidden = (size_t)b->config->model.spade_dim / b->frames; /* rounded down */
    const size_t channels = mcvdi_unet_channels(b, x);
    const mcvdi_part shared = mcvdi_part_join(at->part, ".mlp_shared");

    mcvdi_value_id a = spade_conv(b, cond_for(b, x, at), at, ".mlp_shared.0", hidden);
    a = mcvdi_silu(b->g, a);
    mcvdi_unet_stage(b, a, MCVDI_STAGE_CHANNEL_MAJOR, at->layer, shared.text);
    const mcvdi_value_id gamma = spade_conv(b, a, at, ".mlp_gamma", channels);
    const mcvdi_value_id beta = spade_conv(b, a, at, ".mlp_beta", channels);
    const mcvdi_spade_norm_spec norm = {
        .gamma = gamma, .beta = beta, .scale_shift = at->scale_shift, .norm_eps = 1e-6, .silu = true
    };
    stage_spade(b, x, at, &norm);
    return mcvdi_spade_norm(b->g, x, &norm);
}

/* Normalise, modulate by the timestep unless silu_temb is -1, activate (model.md 5.3). */
static mcvdi_value_id act_norm(mcvdi_unet_builder *b, mcvdi_value_id x, mcvdi_value_id silu_temb,
                               int layer, const char *part)
{
    const mcvdi_part norm_part = mcvdi_part_join(part, ".Norm_0");
    norm_place at = { layer, norm_part.text, -1 };

    if (silu_temb >= 0) {
        const mcvdi_part dense_part = mcvdi_part_join(part, ".Dense_0");
        const mcvdi_layer_name name = mcvdi_layer_name_of(layer, dense_part.text);
        const mcvdi_linear_spec dense = { name.text, 2 * mcvdi_unet_channels(b, x),
                                          MCVDI_LINEAR_OUT_IN, 1.0 };
        at.scale_shift = mcvdi_linear(b->g, silu_temb, &dense);
        mcvdi_unet_stage(b, at.scale_shift, MCVDI_STAGE_PLAIN, layer, dense_part.text);
    }
    x = b->spade ? spade_norm_silu(b, x, &at) : group_norm_silu(b, x, &at);
    mcvdi_unet_stage(b, x, MCVDI_STAGE_CHANNEL_MAJOR, layer, part);
    return x;
}

mcvdi_value_id mcvdi_unet_last_norm(mcvdi_unet_builder *b, mcvdi_value_id x)
{
    return act_norm(b, x, -1, b->next_layer++, "");
}

/* --- residual block (model.md 5.5) --- */

static mcvdi_value_id resampled(mcvdi_unet_builder *b, mcvdi_value_id x, mcvdi_unet_resample how)
{
    if (how == MCVDI_RESAMPLE_NONE)
        return x;
    x = frames_apart(b, x);
    x = how == MCVDI_RESAMPLE_DOWN ? mcvdi_fir_down(b->g, x) : mcvdi_fir_up(b->g, x);
    return frames_together(b, x);
}

mcvdi_value_id mcvdi_unet_res_block(mcvdi_unet_builder *b, mcvdi_value_id x, size_t out,
                                    mcvdi_unet_resample how)
{
    const int layer = b->next_layer++;
    const bool shortcut = mcvdi_unet_channels(b, x) != out || how != MCVDI_RESAMPLE_NONE;
    const mcvdi_unet_conv_spec conv_0 = { layer, ".Conv_0", out, 3, 1.0 };
    const mcvdi_unet_conv_spec conv_1 = { layer, ".Conv_1", out, 3, MCVDI_NEAR_ZERO };
    const mcvdi_unet_conv_spec conv_2 = { layer, ".Conv_2", out, 1, 1.0 };

    mcvdi_value_id h = act_norm(b, x, b->silu_temb, layer, ".actnorm0");
    h = resampled(b, h, how);
    x = resampled(b, x, how);
    h = mcvdi_unet_conv(b, h, &conv_0);
    h = act_norm(b, h, b->silu_temb, layer, ".actnorm1");
    if (b->config->model.dropout > 0.0)
        h = mcvdi_dropout(b->g, h, b->config->model.dropout);
    h = mcvdi_unet_conv(b, h, &conv_1);
    if (shortcut)
        x = mcvdi_unet_conv(b, x, &conv_2);
    x = mcvdi_residual(b->g, x, h);
    mcvdi_unet_stage(b, x, MCVDI_STAGE_CHANNEL_MAJOR, layer, "");
    return x;
}

/* --- attention (model.md 5.6 and 8) --- */

static mcvdi_value_id nin(mcvdi_unet_builder *b, mcvdi_value_id x, int layer, const char *part,
                          int number)
{
    char suffix[16];

    snprintf(suffix, sizeof suffix, ".NIN_%d", number);
    const mcvdi_part nin_part = mcvdi_part_join(part, suffix);
    const mcvdi_layer_name name = mcvdi_layer_name_of(layer, nin_part.text);
    const mcvdi_linear_spec spec = { name.text, mcvdi_unet_channels(b, x), MCVDI_LINEAR_IN_OUT,
                                     number == 3 ? MCVDI_NEAR_ZERO : 0.1 };
    const mcvdi_value_id y = mcvdi_linear(b->g, x, &spec);
    mcvdi_unet_stage(b, y, MCVDI_STAGE_PLAIN, layer, nin_part.text);
    return y;
}

static size_t num_heads(const mcvdi_unet_builder *b, size_t channels)
{
    const int64_t head = b->config->model.n_head_channels;
    return head <= 0 || channels < (size_t)head ? 1 : channels / (size_t)head;
}

/* Self-attention over the positions of each sample. */
static mcvdi_value_id attend(mcvdi_unet_builder *b, mcvdi_value_id x, int layer, const char *part)
{
    const mcvdi_part norm_part = mcvdi_part_join(part, ".GroupNorm_0");
    const mcvdi_layer_name norm_name = mcvdi_layer_name_of(layer, norm_part.text);
    const mcvdi_group_norm_spec norm = { .name = norm_name.text,
                                         .scale_shift = -1,
                                         .norm_eps = 1e-6 };
    const size_t heads = num_heads(b, mcvdi_unet_channels(b, x));

    const mcvdi_value_id n = mcvdi_group_norm(b->g, x, &norm);
    mcvdi_unet_stage(b, n, MCVDI_STAGE_PLAIN, layer, norm_part.text);
    const mcvdi_value_id q = nin(b, n, layer, part, 0);
    const mcvdi_value_id k = nin(b, n, layer, part, 1);
    const mcvdi_value_id v = nin(b, n, layer, part, 2);
    const mcvdi_value_id mixed = mcvdi_attention(b->g, q, k, v, heads);
    const mcvdi_value_id y = mcvdi_residual(b->g, x, nin(b, mixed, layer, part, 3));
    mcvdi_unet_stage(b, y, MCVDI_STAGE_PLAIN, layer, part);
    return y;
}

/* Over the frames at each pixel. */
static mcvdi_value_id attend_in_time(mcvdi_unet_builder *b, mcvdi_value_id x, int layer)
{
    const mcvdi_dims d = mcvdi_graph_dims(b->g, x);
    const size_t frames = b->frames;
    const size_t height = d.h / frames;
    const mcvdi_dims pixels = { d.n * height * d.w, 1, frames, d.c };
    const mcvdi_dims stacked = { d.n, height, d.w, frames * d.c };

    x = mcvdi_rows_to_frames(b->g, x, frames);
    x = attend(b, mcvdi_graph_view(b->g, x, pixels), layer, ".time_att");
    return mcvdi_frames_to_rows(b->g, mcvdi_graph_view(b->g, x, stacked), frames);
}

mcvdi_value_id mcvdi_unet_attention(mcvdi_unet_builder *b, mcvdi_value_id x)
{
    const int layer = b->next_layer++;

    if (b->convs == MCVDI_CONVS_2D)
        return attend(b, x, layer, "");
    x = attend(b, frames_apart(b, x), layer, ".space_att");
    x = attend_in_time(b, frames_together(b, x), layer);
    mcvdi_unet_stage(b, x, MCVDI_STAGE_CHANNEL_MAJOR, layer, "");
    return x;
}
