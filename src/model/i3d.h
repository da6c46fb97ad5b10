/*
 * The inflated 3D Inception network of Kinetics-400 (Carreira and Zisserman 2017), RGB. Features
 * are the 400 logits before softmax, averaged over the time positions that are left.
 */
#ifndef MCVDI_I3D_H
#define MCVDI_I3D_H

#include <stddef.h>

#include "core/status.h"
#include "graph/graph.h"

enum { MCVDI_I3D_FEATURES = 400, MCVDI_I3D_POOLED = 1024, MCVDI_I3D_SIDE = 224 };
enum { MCVDI_I3D_MIN_FRAMES = 9 };

typedef struct mcvdi_i3d mcvdi_i3d;

/* All tensors of the file are checked here. MCVD_E_MODEL, MCVD_E_NOMEM. */
mcvd_status mcvdi_i3d_create(mcvdi_i3d **out, const char *path);
void mcvdi_i3d_free(mcvdi_i3d **net);

/* video [frames, 224, 224, 3] in [-1, 1] -> out [400]. The graph is built for a number of frames at
 * its first use and kept while it stays the same. MCVD_E_RANGE (too few or too many frames),
 * MCVD_E_NOMEM, MCVD_E_UNSUPPORTED. */
mcvd_status mcvdi_i3d_features(mcvdi_i3d *net, const float *video, size_t frames, double *out);

/* Multiply-adds of a video of as many frames as the last one. */
double mcvdi_i3d_macs(const mcvdi_i3d *net);

/* Keep what every stage puts out, for tests: from the next video on. */
void mcvdi_i3d_keep_stages(mcvdi_i3d *net);
/* Stage i of the last video, [1, frames * rows, columns, channels]; NULL when there is none. */
const float *mcvdi_i3d_stage(const mcvdi_i3d *net, size_t i, const char **name, mcvdi_dims *dims,
                             size_t *frames);

/* The average pool before the logits of the last video, [positions, 1024]; for tests. */
const float *mcvdi_i3d_pooled(const mcvdi_i3d *net, size_t *positions);

#endif
