/* Initial weights (model.md, section 12). */
#ifndef MCVDI_INIT_H
#define MCVDI_INIT_H

#include "graph/graph.h"

/* Fill values [param->numel] of parameter `index` from its own random stream. */
void mcvdi_init_param(const mcvdi_param *param, size_t index, uint64_t seed, float *values);

#endif
