/*
 * Data: clips of frames from moving digits or from videos, cut into windows past | current |
 * future, masked, assembled into batches, and prefetched by worker threads.
 *
 * A training sample is a pure function of (seed, sample number): neither the number of workers nor
 * the moment at which it is made changes it. Resuming a run is asking for a later sample number.
 */
#ifndef MCVD_DATA_H
#define MCVD_DATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mcvd/config.h>
#include <mcvd/export.h>
#include <mcvd/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Datasets ---------------------------------------------------------------------------- */

typedef enum mcvd_split { MCVD_SPLIT_TRAIN, MCVD_SPLIT_TEST } mcvd_split;

typedef struct mcvd_dataset mcvd_dataset;

typedef struct mcvd_dataset_config {
    mcvd_data_config data;
    /* Where the frames are: a folder with the MNIST files train-images-idx3-ubyte and
     * t10k-images-idx3-ubyte (moving digits); a video; a folder of videos, of images, or of such
     * folders. NULL: moving digits from the first folder below that has the files. */
    const char *path;
    /* Folders searched for MNIST files when path is NULL; the digits that ship with the program
     * (installed, or in the source tree) come after these. */
    const char *const *digit_folders;
    size_t num_digit_folders;
    mcvd_split split;
    uint64_t seed;         /* of training windows; test clips never depend on it */
    size_t num_frames;     /* frames of a window; 0: past + current + future of `data` */
    size_t num_test_clips; /* test clips wanted; 0: 256. A short video has fewer, see below */
    size_t cache_bytes;    /* decoded frames of videos kept in memory at most */
} mcvd_dataset_config;

/** Training split, no path, seed 0, a frame cache of 2 GB. `data` is copied. */
MCVD_API mcvd_dataset_config mcvd_dataset_config_default(const mcvd_data_config *data);

/**
 * Open a source of clips; everything is checked here so that windows can hardly fail later.
 *
 * Videos: the last data.test_fraction of every video (in time) is the test split and training
 * never touches it; with a fraction of 0 both splits are the whole video. Videos too short for a
 * window are skipped with a warning that names them.
 *
 * @return MCVD_OK
 *         MCVD_E_INPUT   path missing or unreadable, nothing usable in it, no digits found,
 *                        every video shorter than a window (what was needed and what was found)
 *         MCVD_E_FORMAT  a damaged list or file of the set: MNIST's, TFRecords, HDF5 shards,
 *                        00sequences.txt, a list of UCF-101 whose line leads out of the set; the
 *                        manifest or index of a store, an option in it that its set does not have
 *         MCVD_E_DECODE  a damaged video
 *         MCVD_E_CONFIG  data.channels or data.image_size do not fit the source;
 *                        data.start_at with digits or videos, data.frame_step > 1 with anything
 *                        but videos, data.ucf101_split out of range, data.kth_clips = sequences
 *                        without the list; a store that was prepared with other options (see
 *                        mcvd_prepare_has_option; data.test_fraction = 0 asks for nothing), HDF5
 *                        shards asked for others than they hold; in the training split an option
 *                        of another set, or data.color_jitter where frames are not RGB pictures
 *                        (passed over with a warning in the test split)
 *         MCVD_E_UNSUPPORTED  a video whose codec FFmpeg does not have, shards without HDF5
 *         MCVD_E_NOMEM
 */
MCVD_API mcvd_status mcvd_dataset_open(mcvd_dataset **out, const mcvd_dataset_config *config);
MCVD_API void mcvd_dataset_free(mcvd_dataset **dataset);

/** What a path would be opened as, "StochasticMovingMNIST" or "VIDEOS", without opening it; NULL
 * when nothing is there. That it can be opened is not said. */
MCVD_API const char *mcvd_dataset_kind_of(const char *path);

/** "StochasticMovingMNIST" or "VIDEOS". */
MCVD_API const char *mcvd_dataset_name(const mcvd_dataset *dataset);

/** One line for people: what was opened, how much of it. Lives as long as the dataset. */
MCVD_API const char *mcvd_dataset_describe(const mcvd_dataset *dataset);

/** Frames of a window, and bytes of a clip: frames * image_size * image_size * channels. */
MCVD_API size_t mcvd_dataset_num_frames(const mcvd_dataset *dataset);
MCVD_API size_t mcvd_dataset_clip_bytes(const mcvd_dataset *dataset);

/** Distinct windows of the split; UINT64_MAX for moving digits, which never repeat. */
MCVD_API uint64_t mcvd_dataset_num_windows(const mcvd_dataset *dataset);

/** Clips of a fixed test set: the wanted number, or num_windows if that is smaller; 0 in the
 * training split. */
MCVD_API size_t mcvd_dataset_num_test_clips(const mcvd_dataset *dataset);

/**
 * Window `index` of the split.
 *
 * Training: sample number `index` of an endless random sequence, a function of (seed, index) alone;
 * flipped left-right by a fair coin when data.random_flip is set, the hues of RGB frames shifted by
 * one draw when data.color_jitter is (pictures only, not digits).
 * Test: clip `index` of the fixed test set, index < num_test_clips; the same for every seed.
 * Digits: drawn from the first data.test_digits test images, 256 as the published scores are.
 * Videos: starts spread evenly over the test part, in order.
 *
 * @param clip  [num_frames, H, W, C]  output, 0..255, overwritten (contents unspecified on failure)
 * @return MCVD_OK
 *         MCVD_E_RANGE   no such test clip
 *         MCVD_E_DECODE, MCVD_E_INPUT  the video has changed or is damaged
 *
 * Safe from several threads on one dataset.
 */
MCVD_API mcvd_status mcvd_dataset_window(mcvd_dataset *dataset, uint64_t index, uint8_t *clip);

/**
 * The same with the actions of its frames.
 * @param actions  [num_frames, mcvd_dataset_action_dim], NULL: not wanted
 * @return as mcvd_dataset_window; MCVD_E_STATE (actions of a dataset that has none)
 */
MCVD_API mcvd_status mcvd_dataset_window_actions(mcvd_dataset *dataset, uint64_t index,
                                                 uint8_t *clip, float *actions);

/** Numbers per frame beside the picture, the actions of a robot; 0 where there are none. */
MCVD_API size_t mcvd_dataset_action_dim(const mcvd_dataset *dataset);

/** Calls fn once per kind of dataset: name and one line of help. */
typedef void (*mcvd_dataset_list_fn)(void *user, const char *name, const char *help);
MCVD_API void mcvd_dataset_list(mcvd_dataset_list_fn fn, void *user);

/* ---- Pixels ------------------------------------------------------------------------------ */

/** out[i] = 2 pixels[i] / 255 - 1: bytes to the [-1, 1] of the networks. */
MCVD_API void mcvd_pixels_to_float(float *out, const uint8_t *pixels, size_t n);
/** Back, cut to 0..255 and rounded to the nearest level. */
MCVD_API void mcvd_float_to_pixels(uint8_t *pixels, const float *in, size_t n);

/* ---- Batches ----------------------------------------------------------------------------- */

/* What a training step consumes. K = P + U condition frames, past before future. */
typedef struct mcvd_batch {
    uint64_t step;              /* the loader's step that this batch belongs to */
    size_t batch_size;          /* B */
    size_t image_size;          /* H = W */
    size_t channels;            /* C */
    size_t num_frames;          /* F */
    size_t num_frames_cond;     /* P */
    size_t num_frames_future;   /* U */
    const float *x0;            /* [B, H, W, F*C]  clean current frames in [-1, 1] */
    const float *cond;          /* [B, H, W, K*C]  in [-1, 1], masked frames 0; NULL if K = 0 */
    const int32_t *cond_mask;   /* [B]  1 = the past is given, 0 = masked */
    const int32_t *future_mask; /* [B]  1 = the future is given, 0 = masked or there is none */
    const uint8_t *frames;      /* [B, P+F+U, H, W, C]  the same windows before masking */
    const float *actions;       /* [B, P+F+U, A]; NULL unless asked for */
} mcvd_batch;

typedef struct mcvd_loader mcvd_loader;

typedef struct mcvd_loader_config {
    size_t batch_size;
    uint64_t seed;       /* of the masks */
    size_t num_workers;  /* threads; 0: batches are made inside mcvd_loader_next */
    size_t num_prefetch; /* batches made ahead; 0: 2 per worker. Memory: num_prefetch + 1 batches */
    uint64_t first_step; /* the first batch is that of this step: resume */
    bool actions;        /* batches bring the actions of their windows */
} mcvd_loader_config;

/** Batch 1, seed 0, as many workers as data.num_workers of the dataset, step 0. */
MCVD_API mcvd_loader_config mcvd_loader_config_default(const mcvd_dataset *dataset);

/**
 * Start making batches: step s holds the samples s * batch_size ... (s + 1) * batch_size - 1.
 * Windows of the test split repeat after num_test_clips. The dataset must outlive the loader and
 * its window be past + current + future frames long.
 *
 * Each sample's past and future are masked by Bernoulli draws with data.prob_mask_cond and
 * data.prob_mask_future (one draw for both with data.prob_mask_sync): a function of
 * (seed, sample number). A masked frame is 0 in [-1, 1], mid-grey.
 *
 * @return MCVD_OK, MCVD_E_RANGE (batch_size 0, more than 64 workers), MCVD_E_CONFIG (frames),
 *         MCVD_E_NOMEM, MCVD_E_STATE (a thread cannot be started)
 */
MCVD_API mcvd_status mcvd_loader_create(mcvd_loader **out, mcvd_dataset *dataset,
                                        const mcvd_loader_config *config);

/** Stops and joins the workers; takes NULL. */
MCVD_API void mcvd_loader_free(mcvd_loader **loader);

/**
 * The batch of the next step, in order; waits for it. Allocates nothing. One consumer thread.
 *
 * @param batch  points to the loader's memory until the next call or free; unchanged on failure
 * @return MCVD_OK, or what mcvd_dataset_window returned in a worker (with its message); after a
 *         failure every further call returns it again
 */
MCVD_API mcvd_status mcvd_loader_next(mcvd_loader *loader, mcvd_batch *batch);

#ifdef __cplusplus
}
#endif

#endif
