/* A configuration as the authors' programs keep it beside a checkpoint: config.yml (model.md,
 * section 16.3; pipeline.md, section 9). */
#include <mcvd/torch_export.h>

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/c_locale.h"
#include "core/status.h"

enum { NUMBER_BYTES = 48, PAGE_BYTES = 1 << 15 };

/* Every row with the longest texts takes less than half of it. */
typedef struct page {
    char text[PAGE_BYTES];
    size_t used;
} page;

typedef enum yaml_type {
    YAML_INT,
    YAML_REAL,
    YAML_BOOL,
    YAML_TEXT,
    YAML_LIST,
    YAML_FIXED
} yaml_type;

typedef struct yaml_row {
    const char *section;
    const char *key;
    yaml_type type;
    size_t offset;
    const char *fixed; /* YAML_FIXED: the value, for keys that have no counterpart here */
} yaml_row;

#define ROW(type, s, n)                                \
    {                                                  \
#s, #n, type, offsetof(mcvd_config, s.n), NULL \
    }
#define FIXED(s, n, value)           \
    {                                \
#s, #n, YAML_FIXED, 0, value \
    }
#define INT(s, n)  ROW(YAML_INT, s, n)
#define REAL(s, n) ROW(YAML_REAL, s, n)
#define BOOL(s, n) ROW(YAML_BOOL, s, n)
#define TEXT(s, n) ROW(YAML_TEXT, s, n)
#define LIST(s, n) ROW(YAML_LIST, s, n)

/* Sections and keys in the order of their bytes, capitals first. */
static const yaml_row rows[] = {
    INT(data, channels),
    REAL(data, color_jitter),
    TEXT(data, dataset),
    FIXED(data, gaussian_dequantization, "false"),
    INT(data, image_size),
    BOOL(data, logit_transform),
    INT(data, num_digits),
    INT(data, num_frames),
    INT(data, num_frames_cond),
    INT(data, num_frames_future),
    INT(data, num_workers),
    REAL(data, prob_mask_cond),
    REAL(data, prob_mask_future),
    BOOL(data, prob_mask_sync),
    BOOL(data, random_flip),
    BOOL(data, rescaled),
    FIXED(data, step_length, "0.1"),
    FIXED(data, uniform_dequantization, "false"),

    FIXED(fast_fid, batch_size, "1000"),
    FIXED(fast_fid, begin_ckpt, "5000"),
    FIXED(fast_fid, end_ckpt, "300000"),
    FIXED(fast_fid, ensemble, "false"),
    FIXED(fast_fid, freq, "5000"),
    FIXED(fast_fid, n_steps_each, "0"),
    FIXED(fast_fid, num_samples, "1000"),
    FIXED(fast_fid, pr_nn_k, "3"),
    FIXED(fast_fid, step_lr, "0.0"),
    FIXED(fast_fid, verbose, "false"),

    TEXT(model, arch),
    LIST(model, attn_resolutions),
    LIST(model, ch_mult),
    BOOL(model, cond_emb),
    FIXED(model, conditional, "true"),
    FIXED(model, depth, "deep"),
    REAL(model, dropout),
    BOOL(model, ema),
    REAL(model, ema_rate),
    BOOL(model, gamma),
    INT(model, n_head_channels),
    INT(model, ngf),
    BOOL(model, noise_in_cond),
    FIXED(model, nonlinearity, "swish"),
    FIXED(model, normalization, "InstanceNorm++"),
    INT(model, num_classes),
    INT(model, num_res_blocks),
    BOOL(model, output_all_frames),
    REAL(model, sigma_begin),
    TEXT(model, sigma_dist),
    REAL(model, sigma_end),
    BOOL(model, spade),
    INT(model, spade_dim),
    FIXED(model, spec_norm, "false"),
    BOOL(model, time_conditional),
    FIXED(model, type, "v1"),
    TEXT(model, version),

    BOOL(optim, amsgrad),
    REAL(optim, beta1),
    REAL(optim, eps),
    REAL(optim, grad_clip),
    REAL(optim, lr),
    TEXT(optim, optimizer),
    INT(optim, warmup),
    REAL(optim, weight_decay),

    INT(sampling, batch_size),
    FIXED(sampling, ckpt_id, "0"),
    BOOL(sampling, clip_before),
    FIXED(sampling, consistent, "true"),
    FIXED(sampling, data_init, "false"),
    BOOL(sampling, denoise),
    FIXED(sampling, fid, "false"),
    FIXED(sampling, final_only, "true"),
    FIXED(sampling, fvd, "true"),
    REAL(sampling, init_prev_t),
    FIXED(sampling, inpainting, "false"),
    FIXED(sampling, interpolation, "false"),
    FIXED(sampling, max_data_iter, "100000"),
    FIXED(sampling, n_interpolations, "15"),
    FIXED(sampling, n_steps_each, "0"),
    INT(sampling, num_frames_pred),
    FIXED(sampling, num_samples4fid, "10000"),
    FIXED(sampling, num_samples4fvd, "10000"),
    FIXED(sampling, one_frame_at_a_time, "false"),
    INT(sampling, preds_per_test),
    FIXED(sampling, ssim, "true"),
    FIXED(sampling, step_lr, "0.0"),
    INT(sampling, subsample),
    FIXED(sampling, train, "false"),

    FIXED(test, batch_size, "100"),
    FIXED(test, begin_ckpt, "5000"),
    FIXED(test, end_ckpt, "300000"),

    { "training", "L1", YAML_BOOL, offsetof(mcvd_config, training.l1), NULL },
    INT(training, batch_size),
    FIXED(training, log_all_sigmas, "false"),
    INT(training, log_freq),
    FIXED(training, n_epochs, "1000000"),
    INT(training, n_iters),
    INT(training, sample_freq),
    INT(training, snapshot_freq),
    FIXED(training, snapshot_sampling, "true"),
    INT(training, val_freq),
};

/* What means the same to the authors' program, which divides by these and reads no sampler of ours.
 */
static mcvd_config as_authors(const mcvd_config *config)
{
    static const int64_t never = 1000000000;
    mcvd_config c = *config;

    if (c.sampling.subsample == 0 || c.sampling.subsample > c.model.num_classes)
        c.sampling.subsample = c.model.num_classes;
    if (c.training.sample_freq == 0)
        c.training.sample_freq = never;
    if (c.training.val_freq == 0)
        c.training.val_freq = never;
    if (c.optim.warmup == 0)
        c.optim.warmup = 1; /* 0 would leave the learning rate at 0 for ever */
    if (strcmp(c.sampling.sampler, "ddpm") == 0)
        snprintf(c.model.version, sizeof c.model.version, "DDPM");
    if (strcmp(c.sampling.sampler, "ddim") == 0)
        snprintf(c.model.version, sizeof c.model.version, "DDIM");
    return c;
}

static void add(page *to, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(page *to, const char *format, ...)
{
    const size_t room = sizeof to->text - to->used;
    va_list args;

    va_start(args, format);
    const int length = vsnprintf(to->text + to->used, room, format, args);
    va_end(args);
    if (length > 0 && (size_t)length < room)
        to->used += (size_t)length;
}

/* As Python prints it: the fewest digits that read back as the same number, always with a point,
 * powers of ten below 1e-4 and from 1e16 on. */
static void print_real(page *to, double value)
{
    char text[NUMBER_BYTES];
    int digits = 0;

    do
        snprintf(text, sizeof text, "%.*e", digits, value);
    while (digits++ < 16 && strtod(text, NULL) != value);
    digits--;
    char *e = strchr(text, 'e');
    const int exponent = e ? atoi(e + 1) : 0;
    if (exponent >= -4 && exponent < 16) {
        const int decimals = digits - exponent;
        add(to, "%.*f", decimals > 1 ? decimals : 1, value);
        return;
    }
    if (e)
        *e = '\0';
    add(to, "%s%se%c%02d", text, strchr(text, '.') ? "" : ".0", exponent < 0 ? '-' : '+',
        exponent < 0 ? -exponent : exponent);
}

static bool is_word(const char *text, const char *const *words)
{
    for (; *words; words++)
        if (strcmp(text, *words) == 0)
            return true;
    return false;
}

/* Plain where nothing in it means something else to a YAML reader, else quoted with escapes. */
static void print_text(page *to, const char *text)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    static const char others[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "0123456789_+-";
    static const char *const words[] = { "y",     "Y",    "yes",  "Yes",  "YES",  "n",     "N",
                                         "no",    "No",   "NO",   "true", "True", "TRUE",  "on",
                                         "On",    "ON",   "off",  "Off",  "OFF",  "false", "False",
                                         "FALSE", "null", "Null", "NULL", NULL };

    if (*text && strspn(text, letters) > 0 && !text[strspn(text, others)] &&
        !is_word(text, words)) {
        add(to, "%s", text);
        return;
    }
    add(to, "%c", '"');
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        if (*c == '"' || *c == '\\')
            add(to, "\\%c", *c);
        else if (*c < 0x20 || *c == 0x7f)
            add(to, "\\x%02x", *c);
        else
            add(to, "%c", *c);
    }
    add(to, "%c", '"');
}

static void print_list(page *to, const mcvd_int_list *list)
{
    if (list->count == 0)
        add(to, "%s", " []");
    for (int i = 0; i < list->count; i++)
        add(to, "\n  - %d", list->values[i]);
}

static void print_row(page *to, const mcvd_config *config, const yaml_row *row)
{
    const void *field = (const char *)config + row->offset;
    int64_t number = 0;
    double real = 0.0;
    bool flag = false;

    add(to, "  %s:%s", row->key, row->type == YAML_LIST ? "" : " ");
    switch (row->type) {
    case YAML_INT:
        memcpy(&number, field, sizeof number);
        add(to, "%" PRId64, number);
        break;
    case YAML_REAL:
        memcpy(&real, field, sizeof real);
        print_real(to, real);
        break;
    case YAML_BOOL:
        memcpy(&flag, field, sizeof flag);
        add(to, "%s", flag ? "true" : "false");
        break;
    case YAML_TEXT:
        print_text(to, field);
        break;
    case YAML_LIST:
        print_list(to, field);
        break;
    case YAML_FIXED:
        add(to, "%s", row->fixed);
        break;
    }
    add(to, "%c", '\n');
}

char *mcvd_config_yaml(const mcvd_config *config)
{
    const mcvd_config theirs = as_authors(config);
    const mcvdi_c_locale entered = mcvdi_c_locale_enter();
    const char *section = "";
    page *to = mcvdi_calloc(1, sizeof *to);

    for (size_t i = 0; to && i < sizeof rows / sizeof *rows; i++) {
        if (strcmp(rows[i].section, section) != 0)
            add(to, "%s:\n", rows[i].section);
        section = rows[i].section;
        print_row(to, &theirs, &rows[i]);
    }
    mcvdi_c_locale_leave(entered);
    char *text = to ? mcvdi_strdup(to->text) : NULL;
    mcvdi_free(to);
    if (!text)
        mcvdi_fail(MCVD_E_NOMEM, "configuration as text: out of memory");
    return text;
}
