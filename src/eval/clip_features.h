/* Features of one video while its frames pass by. */
#ifndef MCVDI_CLIP_FEATURES_H
#define MCVDI_CLIP_FEATURES_H

#include <mcvd/metrics.h>
#include <mcvd/video.h>

/* A longer video has no features: I3D alone would take gigabytes for it. */
enum { MCVDI_CLIP_MAX_FRAMES = 512 };

typedef struct mcvdi_clip_features {
    const mcvd_compare_config *config; /* says what is wanted */
    size_t frames;                     /* so far */
    size_t capacity;                   /* frames that there is room for */
    float *pixels;                     /* of one frame, in [0, 1] */
    float *prepared;                   /* [frames, 224, 224, 3], up to MCVDI_CLIP_MAX_FRAMES */
    double *frame_values;              /* [frames, MCVD_LPIPS_FEATURES] */
    double *video_values;              /* [dim] */
} mcvdi_clip_features;

mcvd_status mcvdi_clip_features_add(mcvdi_clip_features *c, const mcvd_frame *frame);
/* Extract, and let the result's `side` point at the features, which live until free; its size is
 * set already. */
mcvd_status mcvdi_clip_features_finish(mcvdi_clip_features *c, int side,
                                       mcvd_compare_result *result);
void mcvdi_clip_features_free(mcvdi_clip_features *c);

#endif
