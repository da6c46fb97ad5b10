/*
 * Scores of predicted frames: MSE, PSNR, SSIM, their aggregates over trajectories and clips, the
 * baselines that every table shows, and the runner of a benchmark. A score without its definition
 * cannot be compared, so the definitions are here:
 *
 *   mse              mean over the frames of a trajectory of the mean square error of a frame,
 *                    pixels in [0, 1], all colour channels alike
 *   psnr             10 log10(1 / mse): one value per trajectory, from the mean of its frame MSEs
 *   psnr_frame_mean  the plain mean over the frames of 10 log10(1 / frame MSE)
 *   ssim             mean over the frames of the SSIM of the gray 8-bit frames (see mcvd_ssim_u8)
 *   lpips            mean over the frames of LPIPS v0.1 with AlexNet between the 8-bit frames
 *                    floor(255 x), gray as RGB, resized to 128 x 128 (see mcvd_lpips_u8); needs its
 *                    weights
 *
 * and of sets of videos, one number for two sets (mcvd/features.h has the formulas):
 *
 *   fvd              Frechet distance between the I3D features of the videos; needs its weights
 *   fvd-proxy        the same distance on a fixed network with seeded weights: not FVD, comparable
 *                    with nothing but itself
 *   fid-alexnet      the same distance between frames, on AlexNet's last features: not FID
 *   precision        share of test videos within reach of a reference video, k = 3 neighbours, on
 *   recall           the features of fvd or fvd-proxy; and with the roles swapped
 *
 * Nothing is capped: identical frames have mse 0 and psnr INFINITY. Means inside a clip (over
 * frames, over trajectories) are plain, so one infinite term makes them infinite; means over clips
 * leave infinite clips out and report how many there were.
 * Source: Wang et al. 2004 for SSIM; the evaluation protocol of Voleti et al. 2022.
 */
#ifndef MCVD_METRICS_H
#define MCVD_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mcvd/config.h>
#include <mcvd/export.h>
#include <mcvd/features.h>
#include <mcvd/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- one pair of frames ---------------------------------------------------------------------- */

/* identifier, name in files and flags, column title, higher is better, digits after the point */
#define MCVD_METRIC_LIST(X)                                                        \
    X(MCVD_METRIC_MSE, "mse", "MSE", false, 5)                                     \
    X(MCVD_METRIC_PSNR, "psnr", "PSNR", true, 3)                                   \
    X(MCVD_METRIC_PSNR_FRAME, "psnr_frame_mean", "PSNR of single frames", true, 3) \
    X(MCVD_METRIC_SSIM, "ssim", "SSIM", true, 4)                                   \
    X(MCVD_METRIC_LPIPS, "lpips", "LPIPS", false, 4)

#define MCVD_METRIC_ENUM(id, name, title, higher, digits) id,
typedef enum mcvd_metric { MCVD_METRIC_LIST(MCVD_METRIC_ENUM) MCVD_NUM_METRICS } mcvd_metric;

/* A set of metrics is a bit mask, 1 << mcvd_metric. */
#define MCVD_METRIC_BIT(id) (1u << (unsigned)(id))
#define MCVD_METRIC_ALL     ((1u << (unsigned)MCVD_NUM_METRICS) - 1u)
/* Those that need no network. */
#define MCVD_METRIC_PIXELS (MCVD_METRIC_ALL & ~MCVD_METRIC_BIT(MCVD_METRIC_LPIPS))

MCVD_API const char *mcvd_metric_name(mcvd_metric metric);
MCVD_API const char *mcvd_metric_title(mcvd_metric metric);
MCVD_API bool mcvd_metric_higher_is_better(mcvd_metric metric);
MCVD_API int mcvd_metric_digits(mcvd_metric metric);

/* Metrics between two sets of videos. identifier, name, column title, higher is better, digits */
#define MCVD_SET_METRIC_LIST(X)                                            \
    X(MCVD_SET_METRIC_FVD, "fvd", "FVD", false, 2)                         \
    X(MCVD_SET_METRIC_FVD_PROXY, "fvd-proxy", "FVD-proxy", false, 4)       \
    X(MCVD_SET_METRIC_FID_ALEXNET, "fid-alexnet", "FID-AlexNet", false, 4) \
    X(MCVD_SET_METRIC_PRECISION, "precision", "precision", true, 4)        \
    X(MCVD_SET_METRIC_RECALL, "recall", "recall", true, 4)

typedef enum mcvd_set_metric {
    MCVD_SET_METRIC_LIST(MCVD_METRIC_ENUM) MCVD_NUM_SET_METRICS
} mcvd_set_metric;

MCVD_API const char *mcvd_set_metric_name(mcvd_set_metric metric);
MCVD_API const char *mcvd_set_metric_title(mcvd_set_metric metric);
MCVD_API bool mcvd_set_metric_higher_is_better(mcvd_set_metric metric);
MCVD_API int mcvd_set_metric_digits(mcvd_set_metric metric);

/* Neighbours of precision and recall. */
enum { MCVD_PRECISION_RECALL_K = 3 };

/**
 * Read a list like "psnr,ssim,fvd" into bit masks of mcvd_metric and mcvd_set_metric.
 * @param sets  NULL: metrics of sets are refused
 * @return MCVD_OK
 *         MCVD_E_UNSUPPORTED  a metric of sets, and sets is NULL
 *         MCVD_E_USAGE        empty, or an unknown name (the message lists the known ones)
 */
MCVD_API mcvd_status mcvd_metrics_parse(unsigned *metrics, unsigned *sets, const char *list);

/* Values by metric; NAN where it was not asked for, but mse is always there. */
typedef struct mcvd_scores {
    double value[MCVD_NUM_METRICS];
} mcvd_scores;

typedef struct mcvd_scorer_config {
    size_t height;
    size_t width;
    size_t channels;   /* 1 or 3 */
    unsigned metrics;  /* bit mask */
    bool binarise;     /* SSIM on pixels rounded to 0 or 1 (half to even), as the reference does on
                        * Moving MNIST; MSE and PSNR keep the unrounded pixels */
    mcvd_lpips *lpips; /* borrowed until the scorer is freed; NULL unless LPIPS is asked for */
} mcvd_scorer_config;

typedef struct mcvd_scorer mcvd_scorer;

/**
 * A scorer owns the scratch of SSIM; frames are scored without allocation. One thread at a time.
 * @return MCVD_OK, MCVD_E_NOMEM
 *         MCVD_E_SHAPE  channels are not 1 or 3, a side is 0, or SSIM of a side below 11 pixels
 *         MCVD_E_RANGE  no metric, a bit that is none, or LPIPS without its network
 */
MCVD_API mcvd_status mcvd_scorer_create(mcvd_scorer **out, const mcvd_scorer_config *config);
MCVD_API void mcvd_scorer_free(mcvd_scorer **scorer);

/**
 * Score one frame.
 * @param truth, prediction  [H, W, C], pixels in [0, 1]; values outside are clamped
 * @param scores             psnr and psnr_frame_mean are the same number here
 * @return MCVD_OK, MCVD_E_NONFINITE (a NaN or infinity among the pixels), and for LPIPS
 * MCVD_E_NOMEM
 */
MCVD_API mcvd_status mcvd_scorer_frame(mcvd_scorer *scorer, const float *truth,
                                       const float *prediction, mcvd_scores *scores);

/** The same from 8-bit frames: pixels are v / 255. */
MCVD_API mcvd_status mcvd_scorer_frame_u8(mcvd_scorer *scorer, const uint8_t *truth,
                                          const uint8_t *prediction, mcvd_scores *scores);

/** One trajectory from its num_frames >= 1 frames, as defined at the top of this file. */
MCVD_API mcvd_scores mcvd_scores_of_frames(const mcvd_scores *frames, size_t num_frames);

/** 10 log10(1 / mse), peak 1; INFINITY for 0. */
MCVD_API double mcvd_psnr_of_mse(double mse);

/**
 * The 8-bit gray picture that SSIM sees: v = floor(255 x) in single precision, then
 * (19595 R + 38470 G + 7471 B + 32768) >> 16 for colour.
 * @param frame  [H, W, C], C = 1 or 3, pixels in [0, 1]
 * @param gray   [H, W]
 */
MCVD_API void mcvd_gray_u8(uint8_t *gray, const float *frame, size_t pixels, size_t channels,
                           bool binarise);

/**
 * SSIM of two gray 8-bit pictures: Gaussian window of 11 x 11, sigma 1.5, normalised; population
 * covariances; C1 = (0.01 * 255)^2, C2 = (0.03 * 255)^2; mean over the windows that lie inside the
 * picture (so no padding rule matters). Double precision.
 * @param a, b  [height, width]
 * @return MCVD_OK, MCVD_E_SHAPE (a side below 11), MCVD_E_NOMEM
 */
MCVD_API mcvd_status mcvd_ssim_u8(double *ssim, const uint8_t *a, const uint8_t *b, size_t height,
                                  size_t width);

/* ---- aggregates ------------------------------------------------------------------------------ */

typedef struct mcvd_summary {
    size_t count;    /* finite values behind mean, std and conf95 */
    size_t infinite; /* values left out because they are infinite */
    double mean;     /* INFINITY when every value is infinite; NAN without values */
    double std;      /* divisor n; NAN without finite values */
    double conf95;   /* half-width of the 95 % interval, 1.959964 s / sqrt(n) with s of divisor
                      * n - 1; NAN below two finite values */
} mcvd_summary;

MCVD_API mcvd_summary mcvd_summarize(const double *values, size_t n);

/* How the K trajectories of a clip become one number. */
typedef enum mcvd_over_k {
    MCVD_BEST_OF_K, /* the best trajectory, for each metric separately; favours diversity */
    MCVD_MEAN_OF_K, /* the plain mean */
    MCVD_NUM_OVER_K
} mcvd_over_k;

/** "best_of_k" or "mean_of_k". */
MCVD_API const char *mcvd_over_k_name(mcvd_over_k over);

/** Index of the best of k >= 1 values, the first among equals. */
MCVD_API size_t mcvd_best_index(const double *values, size_t k, bool higher_is_better);

/** @param values  [clips, k] of one metric; per_clip [clips] receives one number per clip. */
MCVD_API void mcvd_reduce_k(double *per_clip, const double *values, size_t clips, size_t k,
                            mcvd_metric metric, mcvd_over_k over);

/* ---- baselines ------------------------------------------------------------------------------- */

/* identifier, name in files and reports */
#define MCVD_BASELINE_LIST(X)       \
    X(MCVD_BASELINE_COPY, "copy")   \
    X(MCVD_BASELINE_MEAN, "mean")   \
    X(MCVD_BASELINE_BLACK, "black") \
    X(MCVD_BASELINE_LINEAR, "linear")

#define MCVD_BASELINE_ENUM(id, name) id,
typedef enum mcvd_baseline {
    MCVD_BASELINE_LIST(MCVD_BASELINE_ENUM) MCVD_NUM_BASELINES
} mcvd_baseline;

/* Known frames around an unknown stretch; [n, numel] each, frame_numel = H * W * C. */
typedef struct mcvd_known_frames {
    const float *past;   /* the frames before, in order; NULL when num_past is 0 */
    const float *future; /* the frames after, in order */
    size_t num_past;
    size_t num_future;
    size_t frame_numel;
} mcvd_known_frames;

/** Short name, and what it does when such frames are known: "copy the last frame". */
MCVD_API const char *mcvd_baseline_name(mcvd_baseline baseline);
MCVD_API const char *mcvd_baseline_title(mcvd_baseline baseline, size_t num_past,
                                         size_t num_future);

/** Why a baseline does not exist for so many known frames; NULL when it does. COPY and MEAN need a
 * known frame; LINEAR needs one on each side, or two on the side that is known. */
MCVD_API const char *mcvd_baseline_missing(mcvd_baseline baseline, size_t num_past,
                                           size_t num_future);

/**
 * What each baseline "predicts" for num_frames frames, pixels in [-1, 1]:
 *   COPY    the nearest known frame in time (the last past one, the first future one when only the
 *           future is known; half way, the past one)
 *   MEAN    the mean of all known frames
 *   BLACK   -1, 0 in 8 bits
 *   LINEAR  past only: x[P-1] + j (x[P-1] - x[P-2]), j = 1, 2, ..., clipped to [-1, 1]; future
 * only: the same backwards; both: the blend of the two neighbours by distance
 *
 * @param out  [num_frames, frame_numel], no overlap with the inputs
 * @return MCVD_OK, MCVD_E_UNSUPPORTED (mcvd_baseline_missing says why)
 */
MCVD_API mcvd_status mcvd_baseline_predict(mcvd_baseline baseline, const mcvd_known_frames *known,
                                           size_t num_frames, float *out);

/* ---- videos against videos ---------------------------------------------------------------------
 */

typedef struct mcvd_compare_config {
    unsigned metrics;  /* bit mask */
    int size;          /* compare centre crops of size x size pixels (area filter); 0: native */
    size_t frames;     /* compare the first ones; 0: all, and both must have as many */
    bool gray;         /* compare luma instead of RGB */
    bool binarise;     /* see mcvd_scorer_config */
    mcvd_lpips *lpips; /* borrowed; for LPIPS and frame_features, else NULL */
    mcvd_video_features *features; /* borrowed; features of each video; NULL: none */
    bool frame_features;           /* features of each frame, of lpips */
    bool unpaired;                 /* two folders as sets: see mcvd_compare */
    bool leave_out; /* what the size of a video's frames does not allow is NAN or NULL instead of a
                     * failure: SSIM, and features where a side is more than 32 times the other */
} mcvd_compare_config;

/** All metrics that need no network, native size, all frames, RGB. */
MCVD_API mcvd_compare_config mcvd_compare_config_default(void);

typedef struct mcvd_compare_result {
    const char *name;      /* of the pair: the file's name without extension */
    const char *reference; /* paths; one of them NULL for a video that has no counterpart */
    const char *test;
    size_t frames;
    size_t identical_frames; /* of these, the ones without any difference */
    int width;
    int height;
    int channels;
    mcvd_scores scores; /* of the video as one trajectory; NAN without counterpart */
    /* Of reference and test, until the callback returns; NULL where not asked for, and where the
     * video has too few frames for its features, more than 512, or (config.leave_out) a side
     * more than 32 times the other. */
    const double *video_features[2]; /* [mcvd_video_features_dim] */
    const double *frame_features[2]; /* [frames, MCVD_LPIPS_FEATURES] */
} mcvd_compare_result;

/** Receives one pair; the texts live until it returns. A failure ends the comparison. */
typedef mcvd_status (*mcvd_compare_fn)(void *user, const mcvd_compare_result *result);

/**
 * Compare two videos, or two folders of videos matched by their names without extension, in the
 * order of the names. A folder with pictures and no video is one video, in a folder of videos as
 * well. Files that are no videos by their names are left out with a warning, and so is said that
 * two videos have different frame rates (frames are compared by their numbers); a test video whose
 * file is compressed with loss is noted once. Frames are 8 bits
 * per channel, decoded once and one at a time; features keep 0.6 MB per frame of the two videos.
 *
 * With config.unpaired two folders of videos are two sets: fn receives every video on its own, the
 * reference's first, for its features; names, sizes, numbers of videos and of frames may differ.
 *
 * @return MCVD_OK
 *         MCVD_E_INPUT  a path that is missing, unlike kinds of paths, a video without counterpart,
 *                       unlike sizes (config.size makes them equal) or numbers of frames
 *                       (config.frames takes the first ones), fewer frames than config.frames
 *         MCVD_E_SHAPE  SSIM of a side below 11 pixels, features of a side more than 32 times the
 *                       other
 *         MCVD_E_RANGE  config; and what reading videos, or fn, returns
 */
MCVD_API mcvd_status mcvd_compare(const char *reference, const char *test,
                                  const mcvd_compare_config *config, mcvd_compare_fn fn,
                                  void *user);

/**
 * How many videos mcvd_compare would read of reference and test, as many of both unless unpaired;
 * the same failures before the first is decoded.
 */
MCVD_API mcvd_status mcvd_compare_count(size_t counts[2], const char *reference, const char *test,
                                        bool unpaired);

/* Features of many videos, for metrics between the two sets, which may differ in number. */
typedef struct mcvd_set_collector mcvd_set_collector;

/** @param features  what the results' video features come from; NULL: none. MCVD_E_NOMEM */
MCVD_API mcvd_status mcvd_set_collector_create(mcvd_set_collector **out,
                                               const mcvd_video_features *features);
MCVD_API void mcvd_set_collector_free(mcvd_set_collector **collector);
MCVD_API mcvd_status mcvd_set_collector_add(mcvd_set_collector *collector,
                                            const mcvd_compare_result *result);

/**
 * @param sets    bit mask of mcvd_set_metric
 * @param values  [MCVD_NUM_SET_METRICS], NAN where not asked for
 * @return MCVD_OK, MCVD_E_INPUT (too few videos; a video too short, too long or too narrow for
 * features), MCVD_E_RANGE (a distance of other features than the collector's), and what
 *         mcvd_frechet_distance and mcvd_precision_recall return
 */
MCVD_API mcvd_status mcvd_set_collector_scores(const mcvd_set_collector *collector, unsigned sets,
                                               double *values);

/* ---- benchmarks ------------------------------------------------------------------------------ */

typedef struct mcvd_eval_protocol {
    char name[MCVD_CONFIG_TEXT];    /* smmnist | videos | ... */
    char dataset[MCVD_CONFIG_TEXT]; /* where the clips come from, for the reader of the report */
    char task[MCVD_CONFIG_TEXT];    /* predict | interp | predict-past | generate */
    int64_t past;                   /* frames before the scored ones */
    int64_t frames;                 /* scored frames per trajectory */
    int64_t future;                 /* frames after them */
    int64_t clips;
    int64_t trajectories;           /* K per clip */
    int64_t seed;                   /* of clips and trajectories */
    int64_t image_size;             /* height and width */
    int64_t channels;               /* 1 or 3 */
    bool binarise;                  /* see mcvd_scorer_config */
    bool ssim;                      /* false for frames below 11 pixels */
    char windows[MCVD_CONFIG_TEXT]; /* all | reference: which windows the clips are, see data.h */
    int64_t trained; /* frames that the published models of the table were trained to predict */
} mcvd_eval_protocol;

/** Number and names of the built-in protocols; NULL when i is out of range. */
MCVD_API size_t mcvd_eval_protocol_count(void);
MCVD_API const char *mcvd_eval_protocol_name(size_t i);

/** A built-in protocol by name. MCVD_E_USAGE names the known ones. */
MCVD_API mcvd_status mcvd_eval_protocol_find(mcvd_eval_protocol *protocol, const char *name);

/** Overwrite what {"protocol": {"clips": 256, ...}} names. MCVD_E_INPUT, _FORMAT, _CONFIG. */
MCVD_API mcvd_status mcvd_eval_protocol_read(mcvd_eval_protocol *protocol, const char *path);

/** One "protocol.key=value". MCVD_E_CONFIG names the nearest known key. */
MCVD_API mcvd_status mcvd_eval_protocol_set(mcvd_eval_protocol *protocol, const char *assignment);

/** Rules between the fields: a task needs its known frames, SSIM its 11 pixels. MCVD_E_CONFIG. */
MCVD_API mcvd_status mcvd_eval_protocol_check(const mcvd_eval_protocol *protocol);

/**
 * Fetch clip number `clip` of the benchmark's fixed list.
 * @param frames  [past + frames + future, H, W, C] in time order, pixels in [-1, 1]
 * @return MCVD_OK, MCVD_EOF (the data has no further clip), or a failure, which ends the run
 */
typedef mcvd_status (*mcvd_eval_clip_fn)(void *user, size_t clip, float *frames);

typedef struct mcvd_eval_case {
    size_t clip;
    const float *past;   /* [past, H, W, C]; NULL where the task does not know the past */
    const float *future; /* [future, H, W, C]; NULL where the task does not know the future */
    size_t trajectories;
    uint64_t seed;
} mcvd_eval_case;

/**
 * Predict one clip.
 * @param out  [trajectories, frames, H, W, C], pixels in [-1, 1]
 * @return MCVD_OK or a failure, which ends the run
 */
typedef mcvd_status (*mcvd_eval_predict_fn)(void *user, const mcvd_eval_case *eval_case,
                                            float *out);

typedef struct mcvd_eval_report mcvd_eval_report;

typedef struct mcvd_eval_callbacks {
    mcvd_eval_clip_fn get_clip;
    void *clip_user;
    mcvd_eval_predict_fn predict;
    void *predict_user;
} mcvd_eval_callbacks;

/*
 * What a run may have beside these. Everything that a clip contributes is written to a record of
 * its own when the clip is done, so that a run that was killed goes on, and several processes can
 * share the clips: one with shard i of n does the groups i, i + n, ... of clips and leaves their
 * records; a run of all clips then finds them and makes the report.
 */
typedef struct mcvd_eval_options {
    mcvd_lpips *lpips;             /* borrowed: LPIPS of every frame; NULL: none */
    mcvd_video_features *features; /* borrowed: a distance between the videos; NULL: none */
    const char *work;              /* folder of the records; NULL: none are kept */
    const char *fingerprint;       /* whatever decides the predictions (model, sampler, data); "" */
    bool restart;                  /* records of another fingerprint are overwritten, not refused */
    size_t shard;
    size_t num_shards; /* 0 and 1: all clips */
    size_t group;      /* clips that are predicted together and stay in one shard; 0: 1 */
    /* Called after each clip, found or computed; anything but 0 stops with MCVD_E_INTERRUPTED. */
    int (*on_clip)(void *user, size_t clip, bool found);
    void *user;
} mcvd_eval_options;

/** No features, no records, all clips. */
MCVD_API mcvd_eval_options mcvd_eval_options_default(void);

/**
 * mcvd_eval_run with options.
 * @param out  NULL for a shard of several: it leaves records alone
 * @return as mcvd_eval_run; MCVD_E_EXISTS (records of another run in options->work), MCVD_E_IO,
 *         MCVD_E_RANGE (shard), MCVD_E_INTERRUPTED
 */
MCVD_API mcvd_status mcvd_eval_run_with(const mcvd_eval_protocol *protocol,
                                        const mcvd_eval_callbacks *callbacks,
                                        const mcvd_eval_options *options, mcvd_eval_report **out);

/* A distance between the predicted and the true videos. Videos have the frames that the task knows
 * and the predicted ones; gray is three equal channels. */
typedef struct mcvd_eval_distance {
    const char *name;    /* "fvd" or "fvd-proxy"; NULL: the run had no features */
    const char *missing; /* why there is no value, or NULL */
    size_t clips;        /* true videos; predicted ones are K times as many */
    size_t frames;       /* of a video */
    size_t dim;          /* of the features; fewer clips than this make a rank-deficient estimate */
    double all;          /* all predicted videos of all trajectories together */
    double traj_mean;    /* trajectory j of all clips alone: mean over j, the papers' average FVD */
    double traj_std;     /* divisor K */
    double traj_conf95;  /* NAN for K = 1, as is traj_std */
    double precision, recall; /* k = 3 on the same features; NAN below 4 clips */
} mcvd_eval_distance;

MCVD_API mcvd_eval_distance mcvd_eval_report_distance(const mcvd_eval_report *report);

/* A row of a published table, printed below ours as what others measured: every figure as it stands
 * there, with its digits, deviation or range ("94-96", "0.549 +- 0.06"); NULL: not given. */
typedef struct mcvd_eval_published {
    const char *method;
    int trained; /* frames it was trained to predict, k; 0: not said */
    const char *fvd, *psnr, *ssim, *lpips;
    const char *source;
} mcvd_eval_published;

/**
 * Published rows for the data set, task and numbers of past and predicted frames of a protocol, as
 * Voleti et al. 2022 print them in their tables, or as quoted by others, which `source` then says;
 * 0 rows where there are none that could be verified.
 * @param rows  literals, all of one source
 */
MCVD_API size_t mcvd_eval_published_rows(const mcvd_eval_published **rows,
                                         const mcvd_eval_protocol *protocol);

/**
 * Print these rows beside the report's own.
 * @param rows     kept by pointer: they must outlive the report
 * @param trained  frames that the model was trained to predict, for its own row
 */
MCVD_API void mcvd_eval_report_compare(mcvd_eval_report *report, const mcvd_eval_published *rows,
                                       size_t count, int trained);

/**
 * Run a benchmark: every clip through the predictor and every baseline that exists for the task.
 * Generated clips have no truth: "generate" reports statistics of the pictures beside those of the
 * real clips (over as many frames: Q26 of the reference), with features a distance, and no score.
 *
 * @return MCVD_OK; fewer clips than asked for are used and reported when the data ends early
 *         MCVD_E_INPUT  no clip at all
 *         MCVD_E_CONFIG, MCVD_E_NONFINITE, MCVD_E_NOMEM, or what a callback returned
 */
MCVD_API mcvd_status mcvd_eval_run(const mcvd_eval_protocol *protocol, mcvd_eval_clip_fn get_clip,
                                   void *clip_user, mcvd_eval_predict_fn predict,
                                   void *predict_user, mcvd_eval_report **out);
MCVD_API void mcvd_eval_report_free(mcvd_eval_report **report);

/** Write a line of the run beside the scores (model, sampler, steps); an existing key is replaced.
 *  MCVD_OK, MCVD_E_NOMEM */
MCVD_API mcvd_status mcvd_eval_report_note(mcvd_eval_report *report, const char *key,
                                           const char *value);

MCVD_API size_t mcvd_eval_report_clips(const mcvd_eval_report *report);

/**
 * A score of the report.
 * @param row  "model" or the name of a baseline
 * @return MCVD_OK, MCVD_E_UNSUPPORTED (no such row or metric in this report), MCVD_E_NOMEM
 */
MCVD_API mcvd_status mcvd_eval_report_score(const mcvd_eval_report *report, const char *row,
                                            mcvd_metric metric, mcvd_over_k over,
                                            mcvd_summary *summary);

/**
 * The score of every predicted frame index: best of K takes the frames of the trajectory that is
 * best as a whole. Infinite values are left out; INFINITY where all are.
 * @param curve  [protocol frames]
 */
MCVD_API mcvd_status mcvd_eval_report_curve(const mcvd_eval_report *report, const char *row,
                                            mcvd_metric metric, mcvd_over_k over, double *curve);

typedef enum mcvd_report_format {
    MCVD_REPORT_TABLE,    /* plain text for a terminal */
    MCVD_REPORT_MARKDOWN, /* the same as a Markdown table */
    MCVD_REPORT_JSON,     /* everything: protocol, run, scores, curves; infinite or absent: null */
    MCVD_REPORT_CSV       /* one line per row, clip, trajectory */
} mcvd_report_format;

/** *text is freed with mcvd_text_free. MCVD_OK, MCVD_E_NOMEM */
MCVD_API mcvd_status mcvd_eval_report_text(const mcvd_eval_report *report,
                                           mcvd_report_format format, char **text);

/** Write a text to a file, whole or not at all. MCVD_OK, MCVD_E_EXISTS, MCVD_E_IO, MCVD_E_NOMEM */
MCVD_API mcvd_status mcvd_text_save(const char *path, const char *text, bool overwrite);

/**
 * Write per_clip.csv, table.md and, last, scores.json into a folder, which is made when missing.
 * @param overwrite  false refuses when one of the three exists
 * @return MCVD_OK, MCVD_E_EXISTS, MCVD_E_IO, MCVD_E_NOMEM
 */
MCVD_API mcvd_status mcvd_eval_report_save(const mcvd_eval_report *report, const char *folder,
                                           bool overwrite);

#ifdef __cplusplus
}
#endif

#endif
