/*
 * A stand-in for I3D where its weights are missing: a small fixed network with random weights.
 * Distances on its features order videos by obvious differences (noise, blur, wrong motion), and
 * cannot be compared with FVD.
 */
#ifndef MCVDI_PROXY_H
#define MCVDI_PROXY_H

#include <stddef.h>

#include "core/status.h"

enum { MCVDI_PROXY_FEATURES = 64, MCVDI_PROXY_SIDE = 224, MCVDI_PROXY_MIN_FRAMES = 4 };

typedef struct mcvdi_proxy mcvdi_proxy;

mcvd_status mcvdi_proxy_create(mcvdi_proxy **out);
void mcvdi_proxy_free(mcvdi_proxy **net);

/* video [frames, 224, 224, 3] in [-1, 1] -> out [64]. MCVD_E_RANGE (frames), MCVD_E_NOMEM. */
mcvd_status mcvdi_proxy_features(mcvdi_proxy *net, const float *video, size_t frames, double *out);

/* Multiply-adds of a video of as many frames as the last one; 0 before the first. */
double mcvdi_proxy_macs(const mcvdi_proxy *net);

/* All weights in the order of the layers, so that a report can name them by a checksum. */
const float *mcvdi_proxy_weights(const mcvdi_proxy *net, size_t *count);

#endif
