/*
 * The U-Nets of model.md as a graph: 2D, 3D and pseudo-3D, each with the given frames concatenated
 * or in its normalisation layers (SPADE). One construction: they differ in what a convolution, a
 * norm and an attention layer is, and in how many frames an activation holds.
 */
#ifndef MCVDI_UNET_H
#define MCVDI_UNET_H

#include <mcvd/config.h>

#include "graph/graph.h"

enum { MCVDI_MAX_STAGES = 8192, MCVDI_STAGE_NAME = 64 };

typedef struct mcvdi_stage {
    char name[MCVDI_STAGE_NAME]; /* "all_modules.3.Conv_0" */
    /* Channels-last; as [N, C, H, W] its numbers are in the reference's order. */
    mcvdi_value_id value;
} mcvdi_stage;

typedef struct mcvdi_unet {
    mcvdi_value_id x;         /* [N, H, W, F*C] */
    mcvdi_value_id cond;      /* [N, H, W, K*C], -1 when K = 0 */
    mcvdi_value_id labels;    /* [N, 1, 1, 1], -1 without timestep embedding */
    mcvdi_value_id cond_mask; /* [N, 1, 1, 1], -1 without cond_emb */
    mcvdi_value_id actions;   /* [N, 1, 1, A*(P+F+U)], -1 without model.action_dim */
    mcvdi_value_id out;       /* [N, H, W, F*C] */
    mcvdi_stage *stages;      /* NULL, or MCVDI_MAX_STAGES to be filled */
    size_t num_stages;
} mcvdi_unet;

/* Add the whole network to an empty graph. unet->stages is set by the caller, the rest is filled.
 * MCVD_E_CONFIG: the configuration names a network that is not available.
 * MCVD_E_SHAPE: height or width does not fit the levels. */
mcvd_status mcvdi_unet_build(mcvdi_unet *unet, mcvdi_graph *graph, const mcvd_config *config,
                             size_t batch, size_t height, size_t width);

#endif
