#include <mcvd/config.h>

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/alloc.h"
#include "core/fileio.h"
#include "core/json.h"
#include "core/options.h"
#include "core/yaml.h"

/* Rows by type; s is the section's member of mcvd_config, n the field and the key. */
#define KEY(s, n)   #s, #n
#define PLACE(s, n) offsetof(mcvd_config, s.n)

#define BOOL(s, n, fallback, help)                                         \
    {                                                                      \
        KEY(s, n), MCVDI_OPT_BOOL, fallback, 0, 1, NULL, help, PLACE(s, n) \
    }
#define INT(s, n, fallback, min, max, help)                                   \
    {                                                                         \
        KEY(s, n), MCVDI_OPT_INT, fallback, min, max, NULL, help, PLACE(s, n) \
    }
#define REAL(s, n, fallback, min, max, help)                                   \
    {                                                                          \
        KEY(s, n), MCVDI_OPT_REAL, fallback, min, max, NULL, help, PLACE(s, n) \
    }
#define TEXT(s, n, fallback, help)                                         \
    {                                                                      \
        KEY(s, n), MCVDI_OPT_TEXT, fallback, 0, 0, NULL, help, PLACE(s, n) \
    }
#define CHOICE(s, n, fallback, choices, help)                                   \
    {                                                                           \
        KEY(s, n), MCVDI_OPT_CHOICE, fallback, 0, 0, choices, help, PLACE(s, n) \
    }
#define LIST(s, n, fallback, min, max, help)                                       \
    {                                                                              \
        KEY(s, n), MCVDI_OPT_INT_LIST, fallback, min, max, NULL, help, PLACE(s, n) \
    }
/* plain is the value that asks for nothing; NULL when every value is harmless. */
#define IGNORED(s, n, plain, help)                          \
    {                                                       \
        s, n, MCVDI_OPT_IGNORED, plain, 0, 0, NULL, help, 0 \
    }

enum { MAX_FILE_BYTES = 16 << 20 };

#define MAX_SEED  9007199254740991.0 /* 2^53 - 1 */
#define MAX_STEPS 1e12
#define OR_NEVER  "0: never"

static const mcvdi_option rows[] = {
    TEXT(data, dataset, "StochasticMovingMNIST", "name of the data set"),
    INT(data, image_size, "64", 1, 4096, "height and width of a frame in pixels"),
    INT(data, channels, "1", 1, 3, "1 gray, 3 RGB"),
    INT(data, num_frames, "5", 1, 256, "frames predicted at once"),
    INT(data, num_frames_cond, "5", 0, 256, "past frames given to the network"),
    INT(data, num_frames_future, "0", 0, 256, "future frames given to the network"),
    REAL(data, prob_mask_cond, "0", 0, 1, "probability that the past of a sample is masked"),
    REAL(data, prob_mask_future, "0", 0, 1, "probability that the future of a sample is masked"),
    BOOL(data, prob_mask_sync, "false", "one draw masks past and future together"),
    BOOL(data, random_flip, "true", "mirror half of the training clips (not moving digits)"),
    REAL(data, color_jitter, "0", 0, 0.5,
         "largest shift of the hues of a training clip, in turns of the circle; RGB only"),
    BOOL(data, rescaled, "true", "pixels in [-1, 1]"),
    BOOL(data, logit_transform, "false", "refused when true"),
    INT(data, num_workers, "1", 0, 64, "loader threads; 0 loads within the training thread"),
    INT(data, num_digits, "2", 1, 16, "moving digits per clip"),
    INT(data, test_digits, "256", 0, 1000000,
        "moving digits: the first n test images are drawn from, 256 as published; 0: all"),
    INT(data, frame_step, "1", 1, 1000, "take every n-th frame of a video"),
    REAL(data, test_fraction, "0", 0, 0.9, "last part of every video, held out for testing"),
    CHOICE(data, resize, "area", "area|bicubic", "filter that brings frames to image_size"),
    CHOICE(data, windows, "all", "all|reference",
           "windows of the clips of public sets: reference never starts at the last possible "
           "frame and maps test clips as published"),
    INT(data, start_at, "0", 0, 100000, "first frames of each clip of a public set left out"),
    CHOICE(data, kth_clips, "files", "files|sequences",
           "clips of KTH: whole files as published, or the stretches that 00sequences.txt lists"),
    INT(data, ucf101_split, "3", 1, 3, "official split of UCF-101, published scores use 3"),
    CHOICE(data, cityscapes_test, "test", "test|val", "folder of Cityscapes that is tested"),
    IGNORED("data", "uniform_dequantization", "false", "noise below one gray level"),
    IGNORED("data", "gaussian_dequantization", "false", "noise of about one gray level"),
    IGNORED("data", "step_length", NULL, "digits move by their own rule"),
    IGNORED("data", "subset", "-1", "first n items only"),
    IGNORED("data", "test_subset", "-1", "first n test items only"),
    IGNORED("data", "category", NULL, "image data sets"),
    IGNORED("data", "classes", NULL, "image data sets"),

    CHOICE(model, version, "DDPM", "DDPM|DDIM|FPNDM|SMLD", "sampler named by the authors' files"),
    TEXT(model, arch, "unetmore", "unetmore (2D), unetmore3d or unetmorepseudo3d"),
    INT(model, ngf, "32", 4, 4096, "channels of the first level before ch_mult"),
    LIST(model, ch_mult, "1,2,2,2", 1, 64, "channels of each level in units of ngf"),
    INT(model, num_res_blocks, "1", 1, 32, "residual blocks per level on the way down"),
    LIST(model, attn_resolutions, "8,16", 1, 4096, "widths inside the U-Net that get attention"),
    INT(model, n_head_channels, "64", -1, 4096, "channels per attention head; -1: one head"),
    REAL(model, dropout, "0", 0, 0.99, "probability of dropout in residual blocks"),
    BOOL(model, time_conditional, "true", "the network is told the timestep"),
    BOOL(model, cond_emb, "false", "the network is told whether the past is masked"),
    BOOL(model, noise_in_cond, "false", "noise the given frames too"),
    BOOL(model, output_all_frames, "false", "refused when true"),
    BOOL(model, spade, "false", "given frames enter through normalisation layers"),
    INT(model, spade_dim, "128", 1, 4096,
        "hidden width of these layers; in 3D rounded down to a multiple of num_frames"),
    INT(model, num_classes, "1000", 1, 100000, "diffusion steps T"),
    CHOICE(model, sigma_dist, "linear", "linear|cosine|geometric|flow",
           "noise schedule: linear and cosine keep the variance, in geometric it explodes (score "
           "matching), flow is the straight path"),
    REAL(model, sigma_begin, "0.02", 0, 1000, "noisiest step: beta (linear), sigma (geometric)"),
    REAL(model, sigma_end, "0.0001", 0, 1000, "cleanest step: beta (linear), sigma (geometric)"),
    BOOL(model, zero_terminal_snr, "false", "linear, cosine: the noisiest step is pure noise"),
    BOOL(model, gamma, "false", "gamma instead of normal noise; samplers ddpm and ddim only"),
    BOOL(model, ema, "true", "keep a moving average of the weights and use it for results"),
    REAL(model, ema_rate, "0.999", 0, 1, "share of the old average kept per step"),
    BOOL(model, ema_warmup, "true", "let the average forget the initial weights quickly"),
    CHOICE(model, prediction, "eps", "eps|v|x0|score|flow", "what the network outputs"),
    INT(model, space_to_depth, "1", 1, 64, "the U-Net works on cells of n x n pixels; 1: off"),
    INT(model, action_dim, "0", 0, 64, "numbers per frame that condition the network, BAIR has 4"),
    IGNORED("model", "depth", NULL, "a remark of the authors' files"),
    IGNORED("model", "type", NULL, "a remark of the authors' files"),
    IGNORED("model", "spec_norm", "false", "spectral norm"),
    IGNORED("model", "normalization", NULL, "always group norm"),
    IGNORED("model", "nonlinearity", NULL, "always SiLU"),
    IGNORED("model", "conditional", NULL, "see time_conditional"),
    IGNORED("model", "gff", NULL, "older files"),

    INT(training, batch_size, "16", 1, 65536, "clips per optimizer step"),
    INT(training, n_iters, "100000", 1, MAX_STEPS, "optimizer steps in all"),
    { "training", "L1", MCVDI_OPT_BOOL, "false", 0, 1, NULL, "absolute instead of squared error",
      PLACE(training, l1) },
    CHOICE(training, loss_weight, "uniform", "uniform|min-snr|elbo|sigma|truncated-snr|snr+1",
           "weight of the noise levels in the loss"),
    REAL(training, min_snr_gamma, "5", 1e-6, 1e6, "min-snr: largest weight"),
    INT(training, snapshot_freq, "1000", 1, MAX_STEPS, "steps between checkpoints"),
    INT(training, sample_freq, "1000", 0, MAX_STEPS, "steps between sample grids; " OR_NEVER),
    INT(training, val_freq, "1000", 0, MAX_STEPS, "steps between validations; " OR_NEVER),
    INT(training, log_freq, "50", 1, MAX_STEPS, "steps between plain progress lines"),
    INT(training, accumulate, "1", 1, 65536, "parts of a batch computed one after the other"),
    INT(training, keep_checkpoints, "3", 1, 1000000, "newest checkpoints that stay"),
    INT(training, seed, "1234", 0, MAX_SEED, "start of every random stream"),
    TEXT(training, task, "", "predict, predict-past, interp, generate joined by +: sets the masks"),
    CHOICE(training, export_dtype, "F32", "F32|F16", "of the weights in model.safetensors"),
    IGNORED("training", "n_epochs", NULL, "n_iters decides"),
    IGNORED("training", "snapshot_sampling", NULL, "see sample_freq"),
    IGNORED("training", "log_all_sigmas", "false", "test loss per noise level"),
    IGNORED("training", "anneal_power", NULL, "see loss_weight"),
    IGNORED("training", "loss_type", NULL, "see L1 and loss_weight"),

    CHOICE(optim, optimizer, "Adam", "Adam|RMSProp|SGD", "only Adam in this version"),
    REAL(optim, lr, "0.0002", 0, 10, "learning rate after warmup"),
    REAL(optim, beta1, "0.9", 0, 0.999999, "decay of the mean gradient"),
    REAL(optim, beta2, "0.999", 0, 0.99999999, "decay of the mean squared gradient"),
    REAL(optim, eps, "1e-8", 0, 1, "added to the root of the mean squared gradient"),
    REAL(optim, weight_decay, "0", 0, 10, "L2 penalty added to the gradient"),
    BOOL(optim, amsgrad, "false", "divide by the largest mean squared gradient so far"),
    INT(optim, warmup, "1000", 0, MAX_STEPS, "steps of linearly growing learning rate; 0: none"),
    REAL(optim, grad_clip, "1", -1, 1e12, "largest global gradient norm; <= 0: no clipping"),
    INT(optim, cooldown, "0", 0, MAX_STEPS,
        "last steps, in which lr falls to 0; at most half of those after warmup"),
    CHOICE(optim, lr_schedule, "constant", "constant|cosine", "after warmup; cosine ends at 0"),

    INT(sampling, batch_size, "16", 1, 65536, "clips times samples computed together"),
    INT(sampling, subsample, "100", 0, 100000, "denoising steps; 0 or >= num_classes: all"),
    BOOL(sampling, clip_before, "true", "clip the estimated clean frames to [-1, 1]"),
    BOOL(sampling, denoise, "true", "last call that removes the remaining noise"),
    INT(sampling, num_frames_pred, "20", 1, 1000000, "frames that an evaluation predicts"),
    INT(sampling, preds_per_test, "1", 1, 100000, "samples per clip in an evaluation"),
    REAL(sampling, init_prev_t, "-1", -1, 1, "start from the previous block noised to this share"),
    CHOICE(sampling, sampler, "", "|" MCVD_SAMPLER_NAMES, "empty follows model.version"),
    CHOICE(sampling, spacing, "", "|" MCVD_SPACING_NAMES,
           "where the steps lie; empty: the sampler's own"),
    REAL(sampling, eta, "-1", -1, 1,
         "ddim: 0 deterministic, 1 like ddpm; euler-maruyama: 0 the ODE, 1 the SDE; -1: the "
         "sampler's own, 0 and 1"),
    CHOICE(sampling, variance, "small", "small|large",
           "ddpm, ddim: noise of the posterior or of the forward step"),
    BOOL(sampling, recompute_eps, "false", "ddpm, ddim: eps follows the clipped frames"),
    REAL(sampling, dynamic_clip, "0", 0, 0.999999,
         "clip at this quantile of the pixels where it is above 1; 0: off"),
    BOOL(sampling, consistent, "false", "model.version = SMLD: sampler cas instead of langevin"),
    { "sampling", "step_lr", MCVDI_OPT_REAL, "0", 0, 1e6, NULL,
      "langevin, cas: step at the cleanest level; 0: 6.2e-6, for cas sigma_end squared",
      PLACE(sampling, step_size) },
    { "sampling", "n_steps_each", MCVDI_OPT_INT, "0", 0, 1000, NULL,
      "langevin, cas: steps per level; 0: 5", PLACE(sampling, steps_per_level) },
    INT(sampling, corrector_steps, "1", 0, 100, "pc: corrections before each step"),
    REAL(sampling, corrector_snr, "0.16", 1e-6, 1, "pc: size of a correction"),
    CHOICE(sampling, denoise_label, "last", "last|count",
           "timestep of the denoise call: the last one used, or the authors' count of steps"),
    REAL(sampling, guidance_past, "1", 0, 100,
         "how strongly the past counts: 1 as trained, 0 not at all, above 1 more than as trained"),
    REAL(sampling, guidance_future, "1", 0, 100, "the same for the future"),
    INT(sampling, inpaint_repeats, "0", 0, 100,
        "times that inpainting takes each step; 0: 8, or 1 where the sampler cannot repeat"),
    IGNORED("sampling", "data_init", "false", "start noise from data"),
    IGNORED("sampling", "ckpt_id", NULL, "the model file is named on the command line"),
    IGNORED("sampling", "final_only", NULL, "always"),
    IGNORED("sampling", "fid", NULL, "image scores"),
    IGNORED("sampling", "ssim", NULL, "chosen on the command line"),
    IGNORED("sampling", "fvd", NULL, "chosen on the command line"),
    IGNORED("sampling", "num_samples4fid", NULL, "image scores"),
    IGNORED("sampling", "num_samples4fvd", NULL, "chosen on the command line"),
    IGNORED("sampling", "inpainting", "false", "images"),
    IGNORED("sampling", "interpolation", "false", "images; video interpolation is a task"),
    IGNORED("sampling", "n_interpolations", NULL, "images"),
    IGNORED("sampling", "train", "false", "evaluate on the training set"),
    IGNORED("sampling", "max_data_iter", NULL, "chosen on the command line"),
    IGNORED("sampling", "one_frame_at_a_time", "false", "blocks advance by num_frames"),

    IGNORED("fast_fid", "*", NULL, "image scores over checkpoints"),
    IGNORED("test", "*", NULL, "mean test loss over checkpoints"),
};

static const mcvdi_option_table table = { rows, sizeof rows / sizeof rows[0] };

size_t mcvd_config_window_actions(const mcvd_config *config)
{
    const mcvd_data_config *d = &config->data;

    return (size_t)(config->model.action_dim *
                    (d->num_frames_cond + d->num_frames + d->num_frames_future));
}

void mcvd_config_default(mcvd_config *config)
{
    memset(config, 0, sizeof *config);
    /* The fallbacks are literals of this file, and a test sets each of them. */
    (void)mcvdi_options_defaults(&table, config);
}

/* The sections may also stand below one key "config", beside remarks of the tool that wrote them.
 * Foreign files may have keys that we do not know. */
static mcvd_status overlay(mcvd_config *config, cJSON *json, const char *origin, bool foreign)
{
    mcvd_config copy = *config;
    cJSON *wrapped = cJSON_GetObjectItemCaseSensitive(json, "config");
    cJSON *sections = cJSON_IsObject(wrapped) ? wrapped : json;

    if (foreign)
        mcvdi_options_drop_unknown(&table, sections, origin);
    const mcvd_status st = mcvdi_options_read(&table, &copy, sections, origin);
    cJSON_Delete(json);
    if (st >= 0)
        *config = copy;
    return st;
}

/* By the name's ending, or else by the first character: JSON starts with a bracket. */
static bool is_yaml(const char *path, const char *text)
{
    const char *end = strrchr(path, '.');

    if (end && (strcasecmp(end, ".yml") == 0 || strcasecmp(end, ".yaml") == 0))
        return true;
    if (end && strcasecmp(end, ".json") == 0)
        return false;
    if (strncmp(text, "\xEF\xBB\xBF", 3) == 0)
        text += 3;
    text += strspn(text, " \t\r\n");
    return *text != '{' && *text != '[';
}

mcvd_status mcvd_config_read(mcvd_config *config, const char *path)
{
    cJSON *tree = NULL;
    char *text = NULL;
    size_t bytes = 0;
    mcvd_status st = mcvdi_file_read(&text, &bytes, path, MAX_FILE_BYTES);

    if (st < 0)
        return st;
    const bool yaml = is_yaml(path, text);
    st = yaml ? mcvdi_yaml_parse(&tree, text, bytes, path)
              : mcvdi_json_parse(&tree, text, bytes, path);
    mcvdi_free(text);
    return st < 0 ? st : overlay(config, tree, path, yaml);
}

mcvd_status mcvd_config_parse(mcvd_config *config, const char *json, const char *origin)
{
    cJSON *tree;
    const mcvd_status st = mcvdi_json_parse(&tree, json, strlen(json), origin);

    return st < 0 ? st : overlay(config, tree, origin, false);
}

mcvd_status mcvd_config_set(mcvd_config *config, const char *assignment)
{
    return mcvdi_options_set(&table, config, assignment);
}

/* ---- as text ----------------------------------------------------------------------------------
 */

typedef struct text_builder {
    char *text;
    size_t length;
    size_t capacity;
    bool failed;
} text_builder;

static void append(text_builder *b, const char *text)
{
    const size_t more = strlen(text);

    if (b->length + more + 1 > b->capacity) {
        const size_t capacity = 2 * (b->length + more + 1);
        char *grown = b->failed ? NULL : mcvdi_realloc(b->text, capacity);
        if (!grown) {
            b->failed = true;
            return;
        }
        b->text = grown;
        b->capacity = capacity;
    }
    memcpy(b->text + b->length, text, more + 1);
    b->length += more;
}

static void append_section(text_builder *b, const cJSON *section)
{
    append(b, "  \"");
    append(b, section->string);
    append(b, "\": {\n");
    for (const cJSON *item = section->child; item; item = item->next) {
        char *value = cJSON_PrintUnformatted(item);
        append(b, "    \"");
        append(b, item->string);
        append(b, "\": ");
        if (value)
            append(b, value);
        else
            b->failed = true;
        append(b, item->next ? ",\n" : "\n");
        cJSON_free(value);
    }
    append(b, section->next ? "  },\n" : "  }\n");
}

char *mcvd_config_dump(const mcvd_config *config)
{
    text_builder b = { 0 };
    cJSON *json = mcvdi_options_dump(&table, config);

    append(&b, "{\n");
    for (const cJSON *section = json ? json->child : NULL; section; section = section->next)
        append_section(&b, section);
    append(&b, "}\n");
    if (!json || b.failed) {
        mcvdi_free(b.text);
        b.text = NULL;
        mcvdi_fail(MCVD_E_NOMEM, "configuration as text: out of memory");
    }
    cJSON_Delete(json);
    return b.text;
}

void mcvd_text_free(char *text)
{
    mcvdi_free(text);
}

/* ---- help -------------------------------------------------------------------------------------
 */

static void describe_range(char *text, size_t bytes, const mcvdi_option *row)
{
    switch (row->type) {
    case MCVDI_OPT_BOOL:
        snprintf(text, bytes, "true|false");
        break;
    case MCVDI_OPT_INT:
        snprintf(text, bytes, "%.17g..%.17g", row->min, row->max);
        break;
    case MCVDI_OPT_REAL:
        snprintf(text, bytes, "%.10g..%.10g", row->min, row->max);
        break;
    case MCVDI_OPT_TEXT:
        snprintf(text, bytes, "text");
        break;
    case MCVDI_OPT_CHOICE:
        snprintf(text, bytes, "%s", row->choices);
        break;
    case MCVDI_OPT_INT_LIST:
        snprintf(text, bytes, "list of %.17g..%.17g", row->min, row->max);
        break;
    case MCVDI_OPT_IGNORED:
        snprintf(text, bytes, "no effect here");
        break;
    }
}

void mcvd_config_help(mcvd_config_help_fn fn, void *user)
{
    for (size_t i = 0; i < table.num_rows; i++) {
        const mcvdi_option *row = &table.rows[i];
        char key[96];
        char range[96];
        snprintf(key, sizeof key, "%s.%s", row->section, row->name);
        describe_range(range, sizeof range, row);
        fn(user, key, row->fallback ? row->fallback : "", range, row->help);
    }
}
