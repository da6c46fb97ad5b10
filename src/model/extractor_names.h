/* Tensors of the networks that judge pictures, and the names they have in public files. */
#ifndef MCVDI_EXTRACTOR_NAMES_H
#define MCVDI_EXTRACTOR_NAMES_H

#include <stddef.h>

#include <mcvd/features.h>

enum {
    MCVDI_EXTRACTOR_NAME = 64,
    MCVDI_EXTRACTOR_DIMS = 5,
    MCVDI_I3D_TENSORS = 287,
    MCVDI_ALEXNET_TENSORS = 10,
    MCVDI_LPIPS_HEADS = 5
};

typedef struct mcvdi_extractor_tensor {
    char name[MCVDI_EXTRACTOR_NAME];
    int ndim;
    size_t shape[MCVDI_EXTRACTOR_DIMS];
} mcvdi_extractor_tensor;

/* In the order in which the module of that layout registers them, the logits first.
 * tensors: MCVDI_I3D_TENSORS, MCVDI_ALEXNET_TENSORS, MCVDI_LPIPS_HEADS of them. */
void mcvdi_i3d_tensors(mcvdi_extractor_tensor *tensors);
void mcvdi_alexnet_tensors(mcvdi_extractor_tensor *tensors);
void mcvdi_lpips_head_tensors(mcvdi_extractor_tensor *tensors);

/* The name in kinetics-i3d's PyTorch port of one of ours. */
void mcvdi_i3d_other_name(char name[MCVDI_EXTRACTOR_NAME], const char *ours);

#endif
