/* What the networks that judge pictures share: a file of weights, and graphs on it. */
#ifndef MCVDI_FEATURE_NET_H
#define MCVDI_FEATURE_NET_H

#include <mcvd/safetensors.h>

#include "graph/graph.h"
#include "model/model_internal.h"
#include "ops/ops.h"

/* Open the model file of an extractor ("i3d", "alexnet"). MCVD_E_MODEL: missing, damaged, or the
 * file of something else. */
mcvd_status mcvdi_feature_file_open(mcvd_safetensors **out, const char *path, const char *name);

/* A float tensor of exactly this shape. MCVD_E_MODEL names what is missing or other. */
mcvd_status mcvdi_feature_tensor(const mcvd_safetensors *file, const char *path, const char *name,
                                 int ndim, const size_t *shape, const float **values);

/* Compile a graph that was built, and load its weights. */
mcvd_status mcvdi_feature_graph_finish(mcvdi_graph *graph, const mcvdi_weight_source *source);

#endif
