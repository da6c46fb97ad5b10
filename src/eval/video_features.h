/* The preparation of videos for I3D; the networks behind it are in model/. */
#ifndef MCVDI_VIDEO_FEATURES_H
#define MCVDI_VIDEO_FEATURES_H

#include <stdbool.h>

#include <mcvd/features.h>

/* video [T, H, W, C] in [0, 1] -> out [T, side, side, 3] in [-1, 1]: the shorter side becomes
 * `side` and the longer ceil(longer side / shorter), bilinear with half-pixel centres and without
 * antialiasing, then the centre. */
void mcvdi_video_prepare(float *out, const float *video, const mcvd_video_shape *shape,
                         size_t side);

/* The longer side of a frame may be at most so many times the other. */
enum { MCVDI_VIDEO_MAX_ASPECT = 32 };
bool mcvdi_video_features_fit(size_t height, size_t width);

/* Values of a prepared frame of [224, 224, 3]. */
enum { MCVDI_VIDEO_FRAME = 224 * 224 * 3 };

/* As mcvd_video_features_extract does before the network: [frames, MCVDI_VIDEO_FRAME]; refuses the
 * same pictures. */
mcvd_status mcvdi_video_features_prepare(float *out, const float *video,
                                         const mcvd_video_shape *shape);
/* And from there on. MCVD_E_RANGE (too few frames, too many), MCVD_E_NOMEM. */
mcvd_status mcvdi_video_features_prepared(mcvd_video_features *features, const float *prepared,
                                          size_t frames, double *out);

#endif
