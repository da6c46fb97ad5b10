/*
 * The convolutions of AlexNet (Krizhevsky 2014, as torchvision has them) and the learned heads of
 * LPIPS (Zhang et al. 2018): five taps, each after a ReLU.
 */
#ifndef MCVDI_ALEXNET_H
#define MCVDI_ALEXNET_H

#include <stddef.h>

#include "core/status.h"

enum { MCVDI_ALEXNET_TAPS = 5, MCVDI_ALEXNET_SIDE = 128 };

typedef struct mcvdi_alexnet mcvdi_alexnet;

/* MCVD_E_MODEL, MCVD_E_NOMEM. */
mcvd_status mcvdi_alexnet_create(mcvdi_alexnet **out, const char *path);
void mcvdi_alexnet_free(mcvdi_alexnet **net);

typedef struct mcvdi_alexnet_map {
    const float *values; /* [pixels, channels], the net's until its next picture */
    size_t pixels;
    size_t channels; /* 64, 192, 384, 256, 256 */
} mcvdi_alexnet_map;

/* picture [128, 128, 3], normalised as the weights expect it. */
mcvd_status mcvdi_alexnet_taps(mcvdi_alexnet *net, const float *picture,
                               mcvdi_alexnet_map taps[MCVDI_ALEXNET_TAPS]);

/* Multiply-adds of a picture. */
double mcvdi_alexnet_macs(const mcvdi_alexnet *net);

/* The learned weights of a tap's channels; NULL where the file has no heads. */
const float *mcvdi_alexnet_head(const mcvdi_alexnet *net, size_t tap);

#endif
