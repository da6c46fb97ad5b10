/*
 * Networks that judge pictures: AlexNet with learned heads (LPIPS) and the inflated 3D Inception of
 * Kinetics-400 (features of FVD). Their weights are not part of the program: `mcvd import i3d` and
 * `mcvd import alexnet` make model files of the public ones. A fixed network with seeded weights
 * stands in for I3D where that is missing; its distance is called fvd-proxy and never FVD.
 *
 * Sources: Zhang et al. 2018 (LPIPS), Carreira and Zisserman 2017 (I3D), Unterthiner et al. 2018
 * (FVD).
 */
#ifndef MCVD_FEATURES_H
#define MCVD_FEATURES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mcvd/export.h>
#include <mcvd/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/* identifier, name in `mcvd import` and in files, default file name */
#define MCVD_EXTRACTOR_LIST(X)                                  \
    X(MCVD_EXTRACTOR_I3D, "i3d", "i3d.safetensors")             \
    X(MCVD_EXTRACTOR_ALEXNET, "alexnet", "alexnet.safetensors") \
    X(MCVD_EXTRACTOR_PROXY, "proxy", NULL)

#define MCVD_EXTRACTOR_ENUM(id, name, file) id,
typedef enum mcvd_extractor_kind {
    MCVD_EXTRACTOR_LIST(MCVD_EXTRACTOR_ENUM) MCVD_NUM_EXTRACTORS
} mcvd_extractor_kind;

MCVD_API const char *mcvd_extractor_name(mcvd_extractor_kind kind);

/**
 * Where the file of an extractor is looked for: folder/<default file name>; with folder NULL the
 * folder is $MCVD_FEATURES, else $XDG_DATA_HOME/mcvd, else $HOME/.local/share/mcvd.
 * @param path  of `bytes` bytes; set even when nothing is there
 * @return MCVD_OK, MCVD_E_INPUT (no file there: the message says which file to fetch from where and
 *         with which command to import it), MCVD_E_RANGE (path too long)
 */
MCVD_API mcvd_status mcvd_extractor_path(char *path, size_t bytes, mcvd_extractor_kind kind,
                                         const char *folder);

/* ---- one vector per video ----------------------------------------------------------------------
 */

typedef struct mcvd_video_features mcvd_video_features;

/**
 * @param kind  MCVD_EXTRACTOR_I3D or MCVD_EXTRACTOR_PROXY
 * @param path  model file; NULL for the proxy
 * @return MCVD_OK, MCVD_E_MODEL (not such a file, a tensor missing or of another shape),
 * MCVD_E_RANGE, MCVD_E_NOMEM
 */
MCVD_API mcvd_status mcvd_video_features_open(mcvd_video_features **out, mcvd_extractor_kind kind,
                                              const char *path);
MCVD_API void mcvd_video_features_free(mcvd_video_features **features);

/** Values per video: 400 logits of I3D. */
MCVD_API size_t mcvd_video_features_dim(const mcvd_video_features *features);
/** Fewest frames of a video: 9 for I3D; published scores have at least 10. */
MCVD_API size_t mcvd_video_features_min_frames(const mcvd_video_features *features);
/** SHA-256 of the weights' file in hex; of the seeded weights for the proxy. */
MCVD_API const char *mcvd_video_features_sha256(const mcvd_video_features *features);
/** "fvd" or "fvd-proxy": what a Fréchet distance on these features may be called. */
MCVD_API const char *mcvd_video_features_distance(const mcvd_video_features *features);

/** Multiply-adds of the network for a video of as many frames as the last one; 0 before the first.
 */
MCVD_API double mcvd_video_features_macs(const mcvd_video_features *features);

typedef struct mcvd_video_shape {
    size_t frames, height, width, channels; /* channels 1 or 3 */
} mcvd_video_shape;

/**
 * Features of one video. Gray becomes three equal channels; frames are resized so that the shorter
 * side is 224 (bilinear, half-pixel centres, no antialiasing), the centre 224 x 224 is taken,
 * pixels go to [-1, 1]. The network is built for the frames of the first call and again when they
 * change.
 * @param video     [T, H, W, C], pixels in [0, 1]
 * @param features  [dim]
 * @return MCVD_OK, MCVD_E_RANGE (too few frames, channels), MCVD_E_NONFINITE, MCVD_E_NOMEM
 */
MCVD_API mcvd_status mcvd_video_features_extract(mcvd_video_features *features, const float *video,
                                                 const mcvd_video_shape *shape, double *out);

/* ---- LPIPS -------------------------------------------------------------------------------------
 */

typedef struct mcvd_lpips mcvd_lpips;

enum { MCVD_LPIPS_TAPS = 5, MCVD_LPIPS_FEATURES = 256 };

typedef struct mcvd_picture_shape {
    size_t height, width, channels; /* channels 1 or 3 */
} mcvd_picture_shape;

/** MCVD_OK, MCVD_E_MODEL (also: a file without the heads), MCVD_E_NOMEM */
MCVD_API mcvd_status mcvd_lpips_open(mcvd_lpips **out, const char *path);
MCVD_API void mcvd_lpips_free(mcvd_lpips **lpips);
MCVD_API const char *mcvd_lpips_sha256(const mcvd_lpips *lpips);
/** Multiply-adds of the network for one picture. */
MCVD_API double mcvd_lpips_macs(const mcvd_lpips *lpips);

/**
 * LPIPS v0.1 with AlexNet between two 8-bit pictures, as the published tables have it: gray
 * replicated, resized to 128 x 128 as Pillow's bilinear does, [-1, 1].
 * @param a, b      [H, W, C], C = 1 or 3; the distance is symmetric
 * @param distance  NAN on failure
 * @param per_tap   [MCVD_LPIPS_TAPS], the five terms of the sum; NULL: not wanted
 * @return MCVD_OK, MCVD_E_SHAPE, MCVD_E_NOMEM
 */
MCVD_API mcvd_status mcvd_lpips_u8(mcvd_lpips *lpips, const uint8_t *a, const uint8_t *b,
                                   const mcvd_picture_shape *shape, double *distance,
                                   double *per_tap);

/**
 * Keep the features of the last `pictures` different first arguments of mcvd_lpips_u8 (0.6 MB
 * each) and look equal ones up: a truth that is compared with K predictions is then computed once,
 * which halves the work. 1 after opening.
 * @return MCVD_OK, MCVD_E_RANGE (0 or above 4096), MCVD_E_NOMEM (what was kept stays)
 */
MCVD_API mcvd_status mcvd_lpips_remember(mcvd_lpips *lpips, size_t pictures);

/**
 * Features of one picture for distances between sets of frames: the last tap averaged over its
 * positions. A Fréchet distance on them is called fid-alexnet; it is not FID, which is Inception's.
 * @param out  [MCVD_LPIPS_FEATURES]
 */
MCVD_API mcvd_status mcvd_lpips_features_u8(mcvd_lpips *lpips, const uint8_t *picture,
                                            size_t height, size_t width, size_t channels,
                                            double *out);

/* ---- distances between sets --------------------------------------------------------------------
 */

/* n feature vectors of dim values each, [n, dim]. */
typedef struct mcvd_feature_set {
    const double *values;
    size_t n;
    size_t dim;
} mcvd_feature_set;

/**
 * Fréchet distance of the normal distributions with the sets' means and covariances (divisor n-1):
 * |m_a - m_b|^2 + tr(S_a + S_b - 2 (S_a S_b)^(1/2)), never below 0. The last trace is the sum of
 * the singular values of A B^T for S_a = A^T A and S_b = B^T B, as eigenvalues of the symmetric
 * matrix that has it beside its diagonal. All in double, right to about 1e-12 of the traces; sets
 * with fewer vectors than dimensions are fine.
 * @return MCVD_OK, MCVD_E_RANGE (below 2 vectors, unlike dims, above 4096 of them),
 *         MCVD_E_NONFINITE (also: too large to be squared), MCVD_E_NOMEM
 */
MCVD_API mcvd_status mcvd_frechet_distance(double *distance, const mcvd_feature_set *a,
                                           const mcvd_feature_set *b);

/**
 * k-nearest-neighbour precision and recall (Kynkäänniemi et al. 2019): the share of fakes within
 * the distance of some real vector to its k-th neighbour (itself not counted), and with the roles
 * swapped.
 * @return MCVD_OK, MCVD_E_RANGE (a set of k or fewer vectors, k = 0, unlike dims),
 * MCVD_E_NONFINITE, MCVD_E_NOMEM
 */
MCVD_API mcvd_status mcvd_precision_recall(double *precision, double *recall,
                                           const mcvd_feature_set *fake,
                                           const mcvd_feature_set *real, size_t k);

#ifdef __cplusplus
}
#endif

#endif
