/* The names of the numbered layers, and every activation under the reference's name and order. */
#include <stdio.h>

#include "model/unet_builder.h"

mcvdi_part mcvdi_part_join(const char *part, const char *suffix)
{
    mcvdi_part joined;

    snprintf(joined.text, sizeof joined.text, "%s%s", part, suffix);
    return joined;
}

mcvdi_layer_name mcvdi_layer_name_of(int layer, const char *part)
{
    mcvdi_layer_name name;

    snprintf(name.text, sizeof name.text, "unet.all_modules.%d%s", layer, part);
    return name;
}

/* [N, D*H, W, c] with the channel order of the reference, [N, H, W, c*D]: channel * D + frame. */
static mcvdi_value_id channel_major(mcvdi_unet_builder *b, mcvdi_value_id value, size_t frames)
{
    const mcvdi_dims d = mcvdi_graph_dims(b->g, value);
    const size_t height = d.h / frames;
    const mcvdi_dims one_by_one = { d.n * height * d.w, frames * d.c, 1, 1 };
    const mcvdi_dims result = { d.n, height, d.w, d.c * frames };

    value = mcvdi_rows_to_frames(b->g, value, frames);
    value = mcvdi_graph_view(b->g, value, one_by_one); /* at each pixel D frames of c rows */
    value = mcvdi_rows_to_frames(b->g, value, frames);
    return mcvdi_graph_view(b->g, value, result);
}

static mcvdi_value_id in_order(mcvdi_unet_builder *b, mcvdi_value_id value, mcvdi_stage_order order)
{
    const mcvdi_dims d = mcvdi_graph_dims(b->g, value);
    const size_t frames = b->frames;
    const size_t pixels = d.n * (d.h / frames) * d.w;

    switch (b->convs == MCVDI_CONVS_2D ? MCVDI_STAGE_PLAIN : order) {
    case MCVDI_STAGE_PLAIN:
        break;
    case MCVDI_STAGE_CHANNEL_MAJOR:
        return channel_major(b, value, frames);
    case MCVDI_STAGE_FRAME_MAJOR:
        return mcvdi_rows_to_frames(b->g, value, frames);
    case MCVDI_STAGE_BY_FRAME:
        return mcvdi_graph_view(b->g, value, (mcvdi_dims) { d.n * frames, d.h / frames, d.w, d.c });
    case MCVDI_STAGE_BY_PIXEL:
        value = mcvdi_rows_to_frames(b->g, value, frames);
        return mcvdi_graph_view(b->g, value, (mcvdi_dims) { pixels, frames, 1, d.c });
    case MCVDI_STAGE_BY_PIXEL_FRAME_MAJOR:
        value = mcvdi_rows_to_frames(b->g, value, frames);
        return mcvdi_graph_view(b->g, value, (mcvdi_dims) { pixels, 1, 1, frames * d.c });
    }
    return value;
}

void mcvdi_unet_named_stage(mcvdi_unet_builder *b, mcvdi_value_id value, const char *name)
{
    mcvdi_unet *u = b->unet;

    if (!u->stages || !mcvdi_graph_ok(b->g))
        return;
    if (u->num_stages == MCVDI_MAX_STAGES) {
        mcvdi_graph_build_failed(
            b->g, mcvdi_fail(MCVD_E_UNSUPPORTED, "model: more than %d stages", MCVDI_MAX_STAGES));
        return;
    }
    mcvdi_stage *stage = &u->stages[u->num_stages++];
    snprintf(stage->name, sizeof stage->name, "%s", name);
    stage->value = value;
}

void mcvdi_unet_stage(mcvdi_unet_builder *b, mcvdi_value_id value, mcvdi_stage_order order,
                      int layer, const char *part)
{
    char name[MCVDI_STAGE_NAME];

    if (!b->unet->stages || !mcvdi_graph_ok(b->g))
        return;
    snprintf(name, sizeof name, "all_modules.%d%s", layer, part);
    mcvdi_unet_named_stage(b, in_order(b, value, order), name);
}
