/* A U-Net of configs/tiny.json as a bare graph, with weights and inputs made from hashed numbers.
 */
#ifndef TESTS_SUPPORT_TINY_UNET_H
#define TESTS_SUPPORT_TINY_UNET_H

#include <mcvd/config.h>

#include "graph/graph.h"
#include "model/unet.h"
#include "support/check.h"
#include "support/hashed.h"

typedef struct tiny_unet {
    mcvdi_graph *graph;
    mcvdi_unet net;
} tiny_unet;

static inline mcvd_config tiny_config(void)
{
    mcvd_config config;

    mcvd_config_default(&config);
    CHECK_OK(mcvd_config_read(&config, MCVD_TEST_GOLDEN "/../../configs/tiny.json"));
    CHECK_OK(mcvd_config_apply_task(&config, NULL));
    return config;
}

/* The smallest network of each kind: 8 x 8 pixels, two levels, two frames after two. */
static inline mcvd_config tiny_variant(const char *arch, bool spade)
{
    mcvd_config config = tiny_config();

    CHECK_TRUE(strlen(arch) < sizeof config.model.arch);
    snprintf(config.model.arch, sizeof config.model.arch, "%s", arch);
    config.model.spade = spade;
    config.model.spade_dim = 7; /* 6 in 3D: a multiple of two frames */
    config.model.ngf = 4;
    config.model.n_head_channels = 4;
    config.model.attn_resolutions = (mcvd_int_list) { 1, { 4 } };
    config.data.image_size = 8;
    return config;
}

/* Weights with gradients of a useful size everywhere: unlike the real start, no layer is near zero.
 */
static inline void fill_param(const mcvdi_param *p, const char *key, float *values)
{
    char name[256];
    const double scale = p->ndim > 1 ? sqrt((double)p->shape[0] / (double)p->numel) : 0.1;
    const double offset = p->init == MCVDI_INIT_ONE ? 1.0 : 0.0;

    snprintf(name, sizeof name, "%s %s", key, p->name);
    for (size_t i = 0; i < p->numel; i++)
        values[i] = (float)(offset + scale * (double)hashed_gauss(name, (uint32_t)i));
}

static inline void fill_input(mcvdi_graph *g, mcvdi_value_id value, const char *key)
{
    if (value < 0)
        return;
    const size_t n = mcvdi_dims_numel(mcvdi_graph_dims(g, value));
    for (size_t i = 0; i < n; i++)
        mcvdi_graph_data(g, value)[i] = hashed_gauss(key, (uint32_t)i);
}

static inline void fill_inputs(tiny_unet *u, const char *key)
{
    mcvdi_graph *g = u->graph;
    const size_t batch = mcvdi_graph_dims(g, u->net.x).n;
    char name[64];

    snprintf(name, sizeof name, "%s x", key);
    fill_input(g, u->net.x, name);
    snprintf(name, sizeof name, "%s cond", key);
    fill_input(g, u->net.cond, name);
    snprintf(name, sizeof name, "%s actions", key);
    fill_input(g, u->net.actions, name);
    for (size_t n = 0; n < batch; n++) {
        if (u->net.labels >= 0)
            mcvdi_graph_data(g, u->net.labels)[n] = (float)(7 + 31 * n % 90);
        if (u->net.cond_mask >= 0)
            mcvdi_graph_data(g, u->net.cond_mask)[n] = (float)(n % 2);
    }
}

/* Built, compiled, weights and inputs filled, ready for forward in a training run. */
static inline void make_tiny_unet(tiny_unet *u, const mcvd_config *config, size_t batch,
                                  const mcvdi_graph_options *options, const char *key)
{
    static float values[1 << 16];
    const size_t size = (size_t)config->data.image_size;

    memset(u, 0, sizeof *u);
    CHECK_OK(mcvdi_graph_create(&u->graph, options));
    CHECK_OK(mcvdi_unet_build(&u->net, u->graph, config, batch, size, size));
    CHECK_OK(mcvdi_graph_compile(u->graph));
    for (size_t i = 0; i < mcvdi_graph_num_params(u->graph); i++) {
        const mcvdi_param *p = mcvdi_graph_get_param(u->graph, i);
        CHECK_TRUE(p->numel <= sizeof values / sizeof *values);
        fill_param(p, key, values);
        CHECK_OK(mcvdi_graph_load_param(u->graph, i, values));
    }
    fill_inputs(u, key);
    *mcvdi_graph_run(u->graph) =
        (mcvdi_run) { .seed = 5, .step = 3, .first_sample = 8, .training = true };
}

#endif
