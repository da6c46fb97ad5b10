#include <mcvd/footprint.h>

#include <string.h>

#include "core/checked.h"
#include "graph/graph.h"
#include "model/unet.h"

/* A compiled graph; its memory is promised by the system but never touched. */
static mcvd_status plan(mcvdi_graph **graph, const mcvd_config *config, mcvdi_graph_mode mode,
                        size_t batch)
{
    const mcvdi_graph_options options = { .mode = mode };
    const size_t size = (size_t)config->data.image_size;
    mcvdi_unet unet = { 0 };
    mcvd_status st = mcvdi_graph_create(graph, &options);

    if (st >= 0)
        st = mcvdi_unet_build(&unet, *graph, config, batch, size, size);
    if (st >= 0 && mode == MCVDI_INFER && unet.cond >= 0 && !config->model.noise_in_cond)
        mcvdi_graph_hold(*graph, unet.cond);
    return st < 0 ? st : mcvdi_graph_compile(*graph);
}

static mcvd_status measure_forward(mcvd_footprint *f, const mcvd_config *config)
{
    mcvdi_graph *graph = NULL;
    const mcvd_status st = plan(&graph, config, MCVDI_INFER, 1);

    if (st >= 0) {
        f->macs = mcvdi_graph_macs(graph);
        f->reused_macs = mcvdi_graph_held_macs(graph);
        f->weights_bytes = mcvdi_graph_param_floats(graph) * sizeof(float);
        f->forward_bytes = f->weights_bytes + mcvdi_graph_activation_bytes(graph);
    }
    mcvdi_graph_free(&graph);
    return st;
}

static mcvd_status training_activations(size_t *bytes, const mcvd_config *config, size_t batch)
{
    mcvdi_graph *graph = NULL;
    const mcvd_status st = plan(&graph, config, MCVDI_TRAIN, batch);

    *bytes = st >= 0 ? mcvdi_graph_activation_bytes(graph) : 0;
    mcvdi_graph_free(&graph);
    return st;
}

/* Of a batch that the system would not promise memory for: from one and two samples on. */
static mcvd_status extrapolate(size_t *bytes, const mcvd_config *config, size_t batch)
{
    size_t two = 0;
    size_t more = 0;
    mcvd_status st = training_activations(bytes, config, 1);

    if (st >= 0)
        st = training_activations(&two, config, 2);
    if (st < 0)
        return st;
    if (!mcvdi_mul_size(&more, batch - 1, two > *bytes ? two - *bytes : 0) ||
        !mcvdi_add_size(bytes, *bytes, more))
        return mcvdi_fail(MCVD_E_NOMEM, "training: no machine holds a batch of %zu", batch);
    return MCVD_OK;
}

static mcvd_status measure_training(mcvd_footprint *f, const mcvd_config *config)
{
    const size_t batch = (size_t)(config->training.batch_size / config->training.accumulate);
    const size_t slabs = 4 + (size_t)config->model.ema + (size_t)config->optim.amsgrad;
    size_t activations = 0;
    mcvd_status st = training_activations(&activations, config, batch);

    if (st == MCVD_E_NOMEM)
        st = extrapolate(&activations, config, batch);
    if (st >= 0)
        f->training_bytes = slabs * f->weights_bytes + activations;
    return st;
}

mcvd_status mcvd_footprint_of(mcvd_footprint *footprint, const mcvd_config *config)
{
    mcvd_status st = mcvd_config_check_network(config);

    memset(footprint, 0, sizeof *footprint);
    if (st >= 0)
        st = measure_forward(footprint, config);
    if (st >= 0 && mcvd_config_check(config) >= 0)
        st = measure_training(footprint, config);
    return st;
}
