/* The U-Net of model.md, sections 4 to 6, as a graph. */
#ifndef MCVDI_UNET_H
#define MCVDI_UNET_H

#include <mcvd/config.h>

#include "graph/graph.h"

enum { MCVDI_MAX_STAGES = 1024, MCVDI_STAGE_NAME = 64 };

typedef struct mcvdi_stage {
    char name[MCVDI_STAGE_NAME]; /* "all_modules.3.Conv_0" */
    mcvdi_value_id value;
} mcvdi_stage;

typedef struct mcvdi_unet {
    mcvdi_value_id x;         /* [N, H, W, F*C] */
    mcvdi_value_id cond;      /* [N, H, W, K*C], -1 when K = 0 */
    mcvdi_value_id labels;    /* [N, 1, 1, 1], -1 without timestep embedding */
    mcvdi_value_id cond_mask; /* [N, 1, 1, 1], -1 without cond_emb */
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
