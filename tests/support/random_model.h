/* A small model file whose output really depends on all of its inputs: no layer is near zero. */
#ifndef TESTS_SUPPORT_RANDOM_MODEL_H
#define TESTS_SUPPORT_RANDOM_MODEL_H

#include "model/model_internal.h"
#include "support/tiny_unet.h"

typedef struct window_shape {
    int num_past;
    int num_frames;
    int num_future;
    int channels;
    bool cond_emb; /* the network is told whether the past is given */
} window_shape;

/* configs/tiny.json with another window, trained (so it says) for everything. */
static inline mcvd_config window_config(window_shape shape)
{
    mcvd_config config = tiny_config();

    config.training.task[0] = '\0';
    config.data.num_frames_cond = shape.num_past;
    config.data.num_frames = shape.num_frames;
    config.data.num_frames_future = shape.num_future;
    config.data.channels = shape.channels;
    config.data.prob_mask_cond = shape.num_past ? 0.5 : 0.0;
    config.data.prob_mask_future = shape.num_future ? 0.5 : 0.0;
    config.model.cond_emb = shape.cond_emb;
    config.sampling.subsample = 4;
    return config;
}

static inline void write_random_model(const mcvd_config *config, const char *path)
{
    const mcvdi_graph_options options = { .mode = MCVDI_TRAIN };
    tiny_unet unet;

    make_tiny_unet(&unet, config, 1, &options, "random model");
    const mcvdi_model_file file = { .config = config,
                                    .graph = unet.graph,
                                    .slab = mcvdi_graph_values(unet.graph),
                                    .dtype = MCVDI_WEIGHT_F32 };
    CHECK_OK(mcvdi_model_write(&file, path, true));
    mcvdi_graph_free(&unet.graph);
}

#endif
