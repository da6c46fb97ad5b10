/* The preparation of videos for I3D; the networks behind it are in model/. */
#ifndef MCVDI_VIDEO_FEATURES_H
#define MCVDI_VIDEO_FEATURES_H

#include <mcvd/features.h>

/* video [T, H, W, C] in [0, 1] -> out [T, side, side, 3] in [-1, 1]: the shorter side becomes
 * `side` and the longer ceil(longer side / shorter), bilinear with half-pixel centres and without
 * antialiasing, then the centre. */
void mcvdi_video_prepare(float *out, const float *video, const mcvd_video_shape *shape,
                         size_t side);

#endif
