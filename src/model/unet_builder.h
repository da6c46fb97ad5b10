/*
 * What the files of the U-Net share: the builder, its layers, its stages.
 *
 * An activation of a 3D net is [N, D*H, W, c]: D frames one below the other, c channels per frame.
 * In a 2D net the frames are channels and D is 1. All widths here are per frame.
 */
#ifndef MCVDI_UNET_BUILDER_H
#define MCVDI_UNET_BUILDER_H

#include "model/unet.h"
#include "ops/ops.h"

enum { MCVDI_MAX_SKIPS = 256, MCVDI_MAX_LEVELS = MCVD_CONFIG_LIST };

#define MCVDI_NEAR_ZERO 1e-10 /* initial scale of layers that start with no effect */

typedef enum mcvdi_unet_convs {
    MCVDI_CONVS_2D,
    MCVDI_CONVS_3D,    /* over frames, rows and columns at once */
    MCVDI_CONVS_PSEUDO /* each frame for itself, SiLU, then over frames */
} mcvdi_unet_convs;

typedef struct mcvdi_unet_builder {
    mcvdi_graph *g;
    const mcvd_config *config;
    mcvdi_unet *unet;
    mcvdi_unet_convs convs;
    bool spade;
    size_t frames_down, frames_up; /* D of the two halves */
    size_t frames;                 /* D where the construction stands */
    size_t cond_frames;            /* D of cond */
    mcvdi_value_id
        cond; /* SPADE: the given frames [N, D*H, W, c], D = K in 3D; -1 in concat nets */
    mcvdi_value_id cond_at[MCVDI_MAX_LEVELS]; /* 2D SPADE: cond at the size of each level, or -1 */
    mcvdi_value_id silu_temb;                 /* SiLU of the timestep embedding, -1 without */
    int next_layer;
    mcvdi_value_id skips[MCVDI_MAX_SKIPS];
    int num_skips;
} mcvdi_unet_builder;

static inline size_t mcvdi_unet_channels(const mcvdi_unet_builder *b, mcvdi_value_id value)
{
    return mcvdi_graph_dims(b->g, value).c;
}

/* --- unet_stages.c: names and stages --- */

/* The part of a name behind the layer's number: ".actnorm0.Norm_0". */
typedef struct mcvdi_part {
    char text[64];
} mcvdi_part;
mcvdi_part mcvdi_part_join(const char *part, const char *suffix);

/* "unet.all_modules.<layer><part>" */
typedef struct mcvdi_layer_name {
    char text[96];
} mcvdi_layer_name;
mcvdi_layer_name mcvdi_layer_name_of(int layer, const char *part);

/* The order in which the reference has a value of a 3D net. In 2D nets all are MCVDI_STAGE_PLAIN.
 */
typedef enum mcvdi_stage_order {
    MCVDI_STAGE_PLAIN,               /* as it is */
    MCVDI_STAGE_CHANNEL_MAJOR,       /* channel * D + frame are the channels */
    MCVDI_STAGE_FRAME_MAJOR,         /* frame * c + channel are the channels */
    MCVDI_STAGE_BY_FRAME,            /* each frame is a sample */
    MCVDI_STAGE_BY_PIXEL,            /* each pixel is a sample of c channels and D positions */
    MCVDI_STAGE_BY_PIXEL_FRAME_MAJOR /* each pixel is a sample of D channels and c positions */
} mcvdi_stage_order;

/* Where stages are wanted, "all_modules.<layer><part>" is value. */
void mcvdi_unet_stage(mcvdi_unet_builder *b, mcvdi_value_id value, mcvdi_stage_order order,
                      int layer, const char *part);
/* The same for a vector with a name of its own. */
void mcvdi_unet_named_stage(mcvdi_unet_builder *b, mcvdi_value_id value, const char *name);

/* --- unet_layers.c --- */

typedef struct mcvdi_unet_conv_spec {
    int layer;
    const char *part;
    size_t out;
    int kernel;
    double init_scale;
} mcvdi_unet_conv_spec;
mcvdi_value_id mcvdi_unet_conv(mcvdi_unet_builder *b, mcvdi_value_id x,
                               const mcvdi_unet_conv_spec *spec);

typedef enum mcvdi_unet_resample {
    MCVDI_RESAMPLE_NONE,
    MCVDI_RESAMPLE_DOWN,
    MCVDI_RESAMPLE_UP
} mcvdi_unet_resample;
mcvdi_value_id mcvdi_unet_res_block(mcvdi_unet_builder *b, mcvdi_value_id x, size_t out,
                                    mcvdi_unet_resample how);
mcvdi_value_id mcvdi_unet_attention(mcvdi_unet_builder *b, mcvdi_value_id x);
/* From the frames of the down half to those of the up half. */
mcvdi_value_id mcvdi_unet_mix_frames(mcvdi_unet_builder *b, mcvdi_value_id x);
/* The norm before the last convolution. */
mcvdi_value_id mcvdi_unet_last_norm(mcvdi_unet_builder *b, mcvdi_value_id x);

#endif
