/* Features of the two videos of a pair while their frames pass by. */
#ifndef MCVDI_PAIR_FEATURES_H
#define MCVDI_PAIR_FEATURES_H

#include <mcvd/metrics.h>
#include <mcvd/video.h>

typedef struct mcvdi_pair_features {
    const mcvd_compare_config *config; /* says what is wanted */
    mcvd_video_shape shape;            /* frames: so far */
    size_t capacity;                   /* frames that there is room for */
    float *videos[2];                  /* [T, H, W, C] in [0, 1] */
    double *frame_values[2];           /* [T, MCVD_LPIPS_FEATURES] */
    double *video_values[2];           /* [dim] */
} mcvdi_pair_features;

mcvd_status mcvdi_pair_features_add(mcvdi_pair_features *p, const mcvd_frame frames[2]);
/* Extract, and let the result point at the features, which live until free. */
mcvd_status mcvdi_pair_features_finish(mcvdi_pair_features *p, mcvd_compare_result *result);
void mcvdi_pair_features_free(mcvdi_pair_features *p);

#endif
