/*
 * The U-Net as one numbered list of layers: the number is part of each parameter's name, so the
 * construction order below is the file format (model.md, sections 6 and 8).
 */
#include "model/unet.h"

#include <string.h>

#include "model/unet_builder.h"

/* --- embedding --- */

static mcvdi_value_id embedding_linear(mcvdi_unet_builder *b, mcvdi_value_id x, size_t out)
{
    const int layer = b->next_layer++;
    const mcvdi_layer_name name = mcvdi_layer_name_of(layer, "");
    const mcvdi_linear_spec spec = { name.text, out, MCVDI_LINEAR_OUT_IN, 1.0 };
    const mcvdi_value_id y = mcvdi_linear(b->g, x, &spec);

    mcvdi_unet_stage(b, y, MCVDI_STAGE_PLAIN, layer, "");
    return y;
}

/* What the actions of the window add to the timestep embedding: W1 silu(W0 a + b0) + b1, with W1
 * near zero at first. No numbered layers, so that every other name stays that of the reference. */
static mcvdi_value_id action_embedding(mcvdi_unet_builder *b, size_t batch, size_t width)
{
    const mcvdi_dims dims = { batch, 1, 1, mcvd_config_window_actions(b->config) };
    const mcvdi_linear_spec first = { "unet.action_embedding.0", width, MCVDI_LINEAR_OUT_IN, 1.0 };
    const mcvdi_linear_spec second = { "unet.action_embedding.1", width, MCVDI_LINEAR_OUT_IN,
                                       MCVDI_NEAR_ZERO };

    b->unet->actions = mcvdi_graph_input(b->g, dims);
    const mcvdi_value_id hidden = mcvdi_silu(b->g, mcvdi_linear(b->g, b->unet->actions, &first));
    const mcvdi_value_id e = mcvdi_linear(b->g, hidden, &second);
    mcvdi_unet_named_stage(b, e, "action_embedding");
    return e;
}

/* Timestep and mask embedding (model.md, section 4); fills silu_temb. */
static void build_embedding(mcvdi_unet_builder *b, size_t batch)
{
    const size_t width = (size_t)b->config->model.ngf * b->frames_down;
    const mcvdi_dims scalar = { batch, 1, 1, 1 };

    b->unet->labels = b->unet->cond_mask = b->unet->actions = b->silu_temb = -1;
    if (!b->config->model.time_conditional && !b->unet->stages)
        return;
    b->unet->labels = mcvdi_graph_input(b->g, scalar);
    const mcvdi_value_id e = mcvdi_timestep_embedding(b->g, b->unet->labels, width);
    /* The reference computes it even where nothing reads it. */
    mcvdi_unet_named_stage(b, e, "temb_sinusoid");
    if (!b->config->model.time_conditional)
        return;
    mcvdi_value_id temb = mcvdi_silu(b->g, embedding_linear(b, e, 4 * width));
    temb = embedding_linear(b, temb, 4 * width);
    if (b->config->model.action_dim)
        temb = mcvdi_add(b->g, temb, action_embedding(b, batch, 4 * width));
    if (b->config->model.cond_emb) {
        const int layer = b->next_layer++;
        const mcvdi_layer_name name = mcvdi_layer_name_of(layer, "");
        b->unet->cond_mask = mcvdi_graph_input(b->g, scalar);
        const mcvdi_value_id mask =
            mcvdi_mask_embedding(b->g, b->unet->cond_mask, name.text, width / 2);
        mcvdi_unet_stage(b, mask, MCVDI_STAGE_PLAIN, layer, "");
        temb = mcvdi_concat(b->g, temb, mask);
    }
    mcvdi_unet_named_stage(b, temb, "temb");
    b->silu_temb = mcvdi_silu(b->g, temb);
}

/* --- the two halves --- */

static bool attends(const mcvdi_unet_builder *b, size_t resolution)
{
    const mcvd_int_list *at = &b->config->model.attn_resolutions;

    for (int i = 0; i < at->count; i++)
        if ((size_t)at->values[i] == resolution)
            return true;
    return false;
}

static void push(mcvdi_unet_builder *b, mcvdi_value_id value)
{
    if (b->num_skips < MCVDI_MAX_SKIPS)
        b->skips[b->num_skips++] = value;
    else
        mcvdi_graph_build_failed(
            b->g, mcvdi_fail(MCVD_E_CONFIG, "model: more than %d blocks", MCVDI_MAX_SKIPS));
}

/* In 3D concat nets the down half also holds the given frames, which the up half lets go. */
static bool mixes_frames(const mcvdi_unet_builder *b)
{
    return b->convs != MCVDI_CONVS_2D && !b->spade;
}

static mcvdi_value_id pop(mcvdi_unet_builder *b)
{
    const mcvdi_value_id skip = b->skips[--b->num_skips];
    return mixes_frames(b) ? mcvdi_unet_mix_frames(b, skip) : skip;
}

static size_t level_width(const mcvdi_unet_builder *b, int level)
{
    return (size_t)(b->config->model.ngf * b->config->model.ch_mult.values[level]);
}

static mcvdi_value_id same_width(mcvdi_unet_builder *b, mcvdi_value_id x, mcvdi_unet_resample how)
{
    return mcvdi_unet_res_block(b, x, mcvdi_unet_channels(b, x), how);
}

static mcvdi_value_id build_down(mcvdi_unet_builder *b, mcvdi_value_id x, size_t resolution)
{
    const mcvd_model_config *m = &b->config->model;

    push(b, x);
    for (int level = 0; level < m->ch_mult.count; level++) {
        for (int64_t r = 0; r < m->num_res_blocks; r++) {
            x = mcvdi_unet_res_block(b, x, level_width(b, level), MCVDI_RESAMPLE_NONE);
            if (attends(b, resolution >> level))
                x = mcvdi_unet_attention(b, x);
            push(b, x);
        }
        if (level + 1 < m->ch_mult.count) {
            x = same_width(b, x, MCVDI_RESAMPLE_DOWN);
            push(b, x);
        }
    }
    return x;
}

static mcvdi_value_id build_middle(mcvdi_unet_builder *b, mcvdi_value_id x)
{
    x = same_width(b, x, MCVDI_RESAMPLE_NONE);
    x = mcvdi_unet_attention(b, x);
    if (mixes_frames(b))
        x = mcvdi_unet_mix_frames(b, x);
    return same_width(b, x, MCVDI_RESAMPLE_NONE);
}

static mcvdi_value_id build_up(mcvdi_unet_builder *b, mcvdi_value_id x, size_t resolution)
{
    const mcvd_model_config *m = &b->config->model;

    for (int level = m->ch_mult.count - 1; level >= 0; level--) {
        for (int64_t r = 0; r <= m->num_res_blocks && b->num_skips; r++) {
            x = mcvdi_concat(b->g, x, pop(b));
            x = mcvdi_unet_res_block(b, x, level_width(b, level), MCVDI_RESAMPLE_NONE);
        }
        if (attends(b, resolution >> level))
            x = mcvdi_unet_attention(b, x);
        if (level > 0)
            x = same_width(b, x, MCVDI_RESAMPLE_UP);
    }
    return x;
}

/* --- the two ends --- */

/* A concat net in inference: what the given frames add to the first convolution is a node of its
 * own, which a graph that holds them computes once. */
static bool splits_first_conv(const mcvdi_unet_builder *b)
{
    const mcvd_model_config *m = &b->config->model;

    return b->convs == MCVDI_CONVS_2D && !b->spade && b->unet->cond >= 0 && !b->unet->stages &&
           m->space_to_depth == 1 && !m->noise_in_cond &&
           mcvdi_graph_get_options(b->g)->mode == MCVDI_INFER;
}

static mcvdi_value_id build_first(mcvdi_unet_builder *b)
{
    const int layer = b->next_layer++;
    const size_t cell = (size_t)b->config->model.space_to_depth;
    const size_t width = (size_t)b->config->model.ngf;
    mcvdi_value_id x = b->unet->x;

    if (splits_first_conv(b)) {
        const mcvdi_layer_name name = mcvdi_layer_name_of(layer, "");
        const mcvdi_conv_spec pair = { name.text, width, 3, 1.0, MCVDI_CONV_2D, 1 };
        return mcvdi_conv_pair(b->g, x, b->unet->cond, &pair);
    }
    const mcvdi_unet_conv_spec conv = { layer, "", width, 3, 1.0 };
    if (!b->spade)
        x = mcvdi_concat(b->g, x, b->unet->cond);
    if (b->convs != MCVDI_CONVS_2D)
        x = mcvdi_frames_to_rows(b->g, x, b->frames);
    else if (cell > 1)
        x = mcvdi_space_to_depth(b->g, x, cell);
    return mcvdi_unet_conv(b, x, &conv);
}

static mcvdi_value_id build_last(mcvdi_unet_builder *b, mcvdi_value_id x)
{
    const size_t cell = (size_t)b->config->model.space_to_depth;
    const size_t channels = (size_t)b->config->data.channels;
    const size_t frames = (size_t)b->config->data.num_frames;
    mcvdi_unet_conv_spec conv = { 0, "", channels, 3, MCVDI_NEAR_ZERO };

    x = mcvdi_unet_last_norm(b, x);
    conv.layer = b->next_layer++;
    if (b->convs != MCVDI_CONVS_2D)
        return mcvdi_rows_to_frames(b->g, mcvdi_unet_conv(b, x, &conv), frames);
    conv.out = frames * channels * cell * cell;
    x = mcvdi_unet_conv(b, x, &conv);
    return cell > 1 ? mcvdi_depth_to_space(b->g, x, cell) : x;
}

/* --- the whole --- */

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

/* Which member of the family the configuration names. */
static mcvd_status choose_kind(mcvdi_unet_builder *b)
{
    const mcvd_config *config = b->config;
    const size_t frames = (size_t)config->data.num_frames;
    const size_t given = (size_t)(config->data.num_frames_cond + config->data.num_frames_future);

    b->spade = config->model.spade;
    b->frames_down = b->frames_up = b->cond_frames = 1;
    if (b->spade && !given)
        return mcvdi_fail(MCVD_E_CONFIG, "model.spade = true needs given frames");
    if (strcmp(config->model.arch, "unetmore") == 0) {
        b->convs = MCVDI_CONVS_2D;
    } else if (strcmp(config->model.arch, "unetmore3d") == 0) {
        b->convs = MCVDI_CONVS_3D;
    } else if (strcmp(config->model.arch, "unetmorepseudo3d") == 0) {
        b->convs = MCVDI_CONVS_PSEUDO;
    } else {
        return mcvdi_fail(MCVD_E_CONFIG, "model.arch = %s: no such network", config->model.arch);
    }
    if (b->convs != MCVDI_CONVS_2D) {
        b->frames_up = frames;
        b->frames_down = b->spade ? frames : frames + given;
        b->cond_frames = given;
    }
    b->frames = b->frames_down;
    return MCVD_OK;
}

static void build_inputs(mcvdi_unet_builder *b, mcvdi_dims pixel_rows)
{
    const mcvd_data_config *d = &b->config->data;
    const size_t given = (size_t)(d->num_frames_cond + d->num_frames_future);
    mcvdi_dims dims = pixel_rows;

    dims.c = (size_t)(d->num_frames * d->channels);
    b->unet->x = mcvdi_graph_input(b->g, dims);
    b->unet->cond = b->cond = -1;
    for (size_t level = 0; level < MCVDI_MAX_LEVELS; level++)
        b->cond_at[level] = -1;
    if (!given)
        return;
    dims.c = given * (size_t)d->channels;
    b->unet->cond = mcvdi_graph_input(b->g, dims);
    if (!b->spade)
        return;
    b->cond = b->unet->cond;
    if (b->convs != MCVDI_CONVS_2D)
        b->cond = mcvdi_frames_to_rows(b->g, b->cond, b->cond_frames);
}

mcvd_status mcvdi_unet_build(mcvdi_unet *unet, mcvdi_graph *graph, const mcvd_config *config,
                             size_t batch, size_t height, size_t width)
{
    const size_t resolution =
        (size_t)config->data.image_size / (size_t)config->model.space_to_depth;
    mcvdi_unet_builder b = { .g = graph, .config = config, .unet = unet };
    mcvd_status st = check_size(config, height, width);

    if (st >= 0)
        st = choose_kind(&b);
    if (st < 0)
        return st;
    unet->num_stages = 0;
    build_inputs(&b, (mcvdi_dims) { batch, height, width, 0 });
    build_embedding(&b, batch);
    mcvdi_value_id x = build_first(&b);
    x = build_down(&b, x, resolution);
    x = build_middle(&b, x);
    x = build_up(&b, x, resolution);
    unet->out = build_last(&b, x);
    mcvdi_graph_mark_output(graph, unet->out);
    return MCVD_OK; /* a failed build step comes back from mcvdi_graph_compile */
}
