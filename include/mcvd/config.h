/*
 * Configuration: the authors' two-level keys (data.num_frames_cond, model.ch_mult, ...) and ours
 * beside them. Precedence: default < file < command line. `mcvd config --keys` prints every
 * key with its default, range and meaning from the same table that reads them.
 */
#ifndef MCVD_CONFIG_H
#define MCVD_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mcvd/export.h>
#include <mcvd/status.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { MCVD_CONFIG_TEXT = 256, MCVD_CONFIG_LIST = 16 };

/* Values of sampling.sampler, in the order of mcvd_sampler_name (a test holds them together). */
#define MCVD_SAMPLER_NAMES                                                                \
    "ddpm|ddim|pndm|langevin|cas|euler-maruyama|reverse-diffusion|pc|euler|heun|dpm++2m|" \
    "dpm++2m-sde|unipc"
#define MCVD_SPACING_NAMES "uniform|quadratic|logsnr|even"

typedef struct mcvd_int_list {
    int count;
    int values[MCVD_CONFIG_LIST];
} mcvd_int_list;

typedef struct mcvd_data_config {
    char dataset[MCVD_CONFIG_TEXT]; /* StochasticMovingMNIST | VIDEOS | BAIR | ... */
    int64_t image_size;             /* height and width of a frame */
    int64_t channels;               /* 1 gray, 3 RGB */
    int64_t num_frames;             /* F: predicted at once */
    int64_t num_frames_cond;        /* P: past */
    int64_t num_frames_future;      /* U: future */
    double prob_mask_cond;          /* probability that the past of a sample is masked */
    double prob_mask_future;
    bool prob_mask_sync; /* one draw for both */
    bool random_flip;
    double color_jitter;  /* largest hue shift of a training clip, in turns; RGB only */
    bool rescaled;        /* pixels in [-1, 1]; false is refused */
    bool logit_transform; /* refused when true */
    int64_t num_workers;
    int64_t num_digits;             /* moving digits per clip */
    int64_t frame_step;             /* ours: take every n-th frame of a video */
    double test_fraction;           /* ours: the last part of every video is held out for testing */
    char resize[MCVD_CONFIG_TEXT];  /* ours: area | bicubic */
    char windows[MCVD_CONFIG_TEXT]; /* ours: all | reference: starts of windows in clips */
    int64_t test_digits;            /* ours: test images that digits are drawn from; 0: all */
    int64_t start_at;               /* ours: first frames of each clip that are left out */
    char kth_clips[MCVD_CONFIG_TEXT];       /* ours: files | sequences */
    int64_t ucf101_split;                   /* ours: 1, 2 or 3 */
    char cityscapes_test[MCVD_CONFIG_TEXT]; /* ours: test | val */
} mcvd_data_config;

typedef struct mcvd_model_config {
    char version[MCVD_CONFIG_TEXT]; /* DDPM | DDIM | FPNDM | SMLD: the sampler that the authors'
                                     * configs name; see sampling.sampler */
    char arch[MCVD_CONFIG_TEXT];    /* unetmore | unetmore3d | unetmorepseudo3d */
    int64_t ngf;
    mcvd_int_list ch_mult;
    int64_t num_res_blocks;
    mcvd_int_list attn_resolutions;
    int64_t n_head_channels; /* -1: one head */
    double dropout;
    bool time_conditional;
    bool cond_emb;
    bool noise_in_cond;
    bool output_all_frames;
    bool spade;
    int64_t spade_dim;
    int64_t num_classes;               /* T: diffusion steps */
    char sigma_dist[MCVD_CONFIG_TEXT]; /* linear | cosine | geometric | flow, see schedule.h */
    double sigma_begin;                /* linear: betas, geometric: sigmas; noisiest step */
    double sigma_end;                  /* the same, cleanest step */
    bool zero_terminal_snr;            /* ours: linear and cosine end in pure noise */
    bool gamma;                        /* gamma noise of unit variance instead of normal noise */
    bool ema;
    double ema_rate;
    bool ema_warmup; /* ours: forget the initial weights quickly; off in the reference */
    char prediction[MCVD_CONFIG_TEXT]; /* ours: eps | v | x0 | score | flow: the output */
    int64_t space_to_depth;            /* ours: s: the U-Net works on s x s pixel cells; 1 is off */
    int64_t action_dim; /* ours: A numbers per frame, the actions of a robot; 0: none */
} mcvd_model_config;

typedef struct mcvd_training_config {
    int64_t batch_size;
    int64_t n_iters;                    /* total optimizer steps */
    bool l1;                            /* key L1 */
    char loss_weight[MCVD_CONFIG_TEXT]; /* ours: of the noise levels, see weighting.h */
    double min_snr_gamma;               /* ours: largest weight of min-snr */
    int64_t snapshot_freq;
    int64_t sample_freq;      /* 0: no sample grids */
    int64_t val_freq;         /* 0: no validation */
    int64_t log_freq;         /* steps between plain progress lines */
    int64_t accumulate;       /* ours: micro-batches per optimizer step; batch_size is their sum */
    int64_t keep_checkpoints; /* ours: the newest K stay */
    int64_t seed;             /* ours */
    char task[MCVD_CONFIG_TEXT];         /* ours: see mcvd_config_apply_task; "": masks as given */
    char export_dtype[MCVD_CONFIG_TEXT]; /* ours: F32 | F16, weights of the model file */
} mcvd_training_config;

typedef struct mcvd_optim_config {
    char optimizer[MCVD_CONFIG_TEXT]; /* Adam */
    double lr;
    double beta1;
    double beta2; /* ours; 0.999 in the reference */
    double eps;
    double weight_decay;
    bool amsgrad;
    int64_t warmup;
    double grad_clip;                   /* <= 0: off */
    int64_t cooldown;                   /* ours: last steps, in which lr falls to 0 */
    char lr_schedule[MCVD_CONFIG_TEXT]; /* ours: constant | cosine, towards 0 at n_iters */
} mcvd_optim_config;

typedef struct mcvd_sampling_config {
    int64_t batch_size;
    int64_t subsample; /* S: denoising steps; 0 or >= T: all */
    bool clip_before;
    bool denoise;
    int64_t num_frames_pred;
    int64_t preds_per_test;
    double init_prev_t;
    bool consistent;         /* SMLD: cas instead of langevin */
    double step_size;        /* key step_lr; langevin, cas; 0: the method's own */
    int64_t steps_per_level; /* key n_steps_each; langevin, cas; 0: 5 */
    /* Ours from here on. */
    char sampler[MCVD_CONFIG_TEXT];  /* one of MCVD_SAMPLER_NAMES; "" follows model.version: ddpm,
                                      * ddim, pndm of FPNDM, langevin or cas of SMLD */
    char spacing[MCVD_CONFIG_TEXT];  /* one of MCVD_SPACING_NAMES; "": the method's own */
    double eta;                      /* share of noise in [0, 1]; -1: the method's own */
    char variance[MCVD_CONFIG_TEXT]; /* ddpm, ddim: small (posterior) | large */
    bool recompute_eps;              /* ddpm, ddim: eps follows the clipped frames */
    double dynamic_clip;             /* quantile in (0, 1) of the dynamic clip; 0: off */
    int64_t corrector_steps;         /* pc */
    double corrector_snr;            /* pc */
    char denoise_label[MCVD_CONFIG_TEXT]; /* last | count (the reference's quirk) */
    double guidance_past; /* classifier-free guidance by masks, see rollout.h; 1: off */
    double guidance_future;
    int64_t inpaint_repeats; /* times that inpainting takes each step; 0: 8 where the sampler can */
} mcvd_sampling_config;

typedef struct mcvd_config {
    mcvd_data_config data;
    mcvd_model_config model;
    mcvd_training_config training;
    mcvd_optim_config optim;
    mcvd_sampling_config sampling;
} mcvd_config;

/** Actions of a window, model.action_dim * (past + current + future frames); 0 without. */
MCVD_API size_t mcvd_config_window_actions(const mcvd_config *config);

/** All defaults. */
MCVD_API void mcvd_config_default(mcvd_config *config);

/**
 * Overwrite the keys that a file names: JSON, or YAML by the ending .yml or .yaml; another ending
 * leaves it to the content. YAML is the format of published settings: keys of a known section that
 * nobody knows are left out with a warning there, and an error in JSON.
 * @return MCVD_OK
 *         MCVD_E_INPUT   missing, unreadable, larger than 16 MB
 *         MCVD_E_FORMAT  neither JSON nor YAML; the message has line and column
 *         MCVD_E_CONFIG  an unknown key, a value that does not fit, an anchor, alias or tag of YAML
 */
MCVD_API mcvd_status mcvd_config_read(mcvd_config *config, const char *path);

/** The same from a JSON text in memory; origin names it in messages. */
MCVD_API mcvd_status mcvd_config_parse(mcvd_config *config, const char *json, const char *origin);

/** One "section.key=value" as on the command line. MCVD_E_CONFIG names the nearest known key. */
MCVD_API mcvd_status mcvd_config_set(mcvd_config *config, const char *assignment);

/**
 * Set training.task and the masks that teach it.
 *
 * A task is one word or several joined by '+': predict (past given), predict-past (future given),
 * interp (both given), generate (none given). Each sample draws whether its past (probability
 * data.prob_mask_cond) and its future (data.prob_mask_future) are masked; these become
 *
 *     predict                    0    1        predict-past + interp      0.5  0
 *     predict-past               1    0        predict-past + generate    1    0.5
 *     interp                     0    0        interp + generate          0.5  0.5, one draw
 *     generate                   1    1        predict + predict-past     0.5  0.5
 *     predict + interp           0    0.5      three or all four          0.5  0.5
 *     predict + generate         0.5  1
 *
 * Two draws cannot express "exactly one of both", so predict+predict-past also trains the other two
 * tasks, as three words also train the fourth. Without future frames prob_mask_future stays 0,
 * without past frames prob_mask_cond.
 *
 * @param task  the words; NULL applies training.task, and does nothing when that is ""
 * @return MCVD_OK
 *         MCVD_E_CONFIG  an unknown or repeated word; predict or interp without
 *                        data.num_frames_cond; interp or predict-past without
 *                        data.num_frames_future. config is untouched.
 */
MCVD_API mcvd_status mcvd_config_apply_task(mcvd_config *config, const char *task);

/**
 * Rules between keys: frames, masks, divisibility, what this build refuses and why.
 * Covers training and sampling; a single call of the network needs mcvd_config_check_network only.
 * @return MCVD_OK or MCVD_E_CONFIG
 */
MCVD_API mcvd_status mcvd_config_check(const mcvd_config *config);

/** The rules of data.* and model.* that shape the network; gamma is allowed. */
MCVD_API mcvd_status mcvd_config_check_network(const mcvd_config *config);

/** The resolved configuration as JSON text, freed with mcvd_text_free; NULL out of memory. */
MCVD_API char *mcvd_config_dump(const mcvd_config *config);
MCVD_API void mcvd_text_free(char *text);

/** Calls fn once per key, in table order: "section.key", default, range or choices, help. */
typedef void (*mcvd_config_help_fn)(void *user, const char *key, const char *fallback,
                                    const char *range, const char *help);
MCVD_API void mcvd_config_help(mcvd_config_help_fn fn, void *user);

#ifdef __cplusplus
}
#endif

#endif
