/* What the model folder and the trainer share. */
#ifndef MCVDI_MODEL_INTERNAL_H
#define MCVDI_MODEL_INTERNAL_H

#include <mcvd/model.h>
#include <mcvd/safetensors.h>

#include "graph/graph.h"
#include "model/unet.h"

enum { MCVDI_MODEL_FORMAT = 1 };

/* Where weights come from: fill or find parameter i. *plain may point into a mapping, or at
 * buffer [param->numel], which the caller provides. */
typedef struct mcvdi_weight_source {
    mcvd_status (*get)(void *user, const mcvdi_param *param, size_t i, float *buffer,
                       const float **plain);
    /* The values were taken; may be NULL. Lets a mapped file give its pages back. */
    void (*taken)(void *user, const mcvdi_param *param);
    void *user;
} mcvdi_weight_source;

/* Load every parameter of a compiled graph. */
mcvd_status mcvdi_weights_load(mcvdi_graph *graph, const mcvdi_weight_source *source);

/* The source of a model's own weights. */
mcvdi_weight_source mcvdi_model_source(const mcvd_model *model);

/* A network on any weights; mcvd_network_create is this with the model's own. */
mcvd_status mcvdi_network_create(mcvd_network **out, const mcvd_config *config,
                                 const mcvdi_weight_source *source,
                                 const mcvd_network_config *network_config);

/* Reload the weights of a network (a trainer's EMA between evaluations). */
mcvd_status mcvdi_network_reload(mcvd_network *network, const mcvdi_weight_source *source);

/* The reference's label of timestep t (float32 arithmetic as in its embedding). */
float mcvdi_label_of_timestep(const mcvd_config *config, double t);

typedef enum mcvdi_weight_dtype { MCVDI_WEIGHT_F32, MCVDI_WEIGHT_F16 } mcvdi_weight_dtype;

/* Write a model file from a slab in parameter order (mcvdi_graph_get_param(...)->offset). */
typedef struct mcvdi_model_file {
    const mcvd_config *config;
    const mcvdi_graph *graph; /* names, shapes, order */
    const float *slab;
    const char *summary; /* JSON, may be NULL */
    mcvdi_weight_dtype dtype;
} mcvdi_model_file;
mcvd_status mcvdi_model_write(const mcvdi_model_file *file, const char *path, bool overwrite);

#endif
