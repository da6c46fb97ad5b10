/* Rules between keys, and tasks as masks. What a single key may hold is in the table of config.c.
 */
#include <mcvd/config.h>

#include <inttypes.h>
#include <string.h>

#include "core/status.h"

/* ---- the network ------------------------------------------------------------------------------
 */

/* True settings that cannot work or that this version does not have, and why. */
static mcvd_status refuse_unavailable(const mcvd_config *config)
{
    if (config->model.output_all_frames)
        return mcvdi_fail(MCVD_E_CONFIG, "model.output_all_frames = true: the network outputs "
                                         "data.num_frames frames only, there are no others to "
                                         "return");
    if (config->data.logit_transform)
        return mcvdi_fail(MCVD_E_CONFIG, "data.logit_transform = true: pixels are rescaled to "
                                         "[-1, 1], and one transform must undo the other");
    if (!config->data.rescaled)
        return mcvdi_fail(MCVD_E_CONFIG, "data.rescaled = false: pixels inside the program are "
                                         "always in [-1, 1]");
    return MCVD_OK;
}

static bool is_2d(const mcvd_model_config *m)
{
    return strcmp(m->arch, "unetmore") == 0;
}

static mcvd_status check_arch(const mcvd_model_config *m)
{
    if (is_2d(m) || strcmp(m->arch, "unetmore3d") == 0 || strcmp(m->arch, "unetmorepseudo3d") == 0)
        return MCVD_OK;
    if (strcmp(m->arch, "unet") == 0)
        return mcvdi_fail(MCVD_E_CONFIG, "model.arch = unet: a network of an ancestor that the "
                                         "authors' program does not build either; its "
                                         "successor is unetmore");
    return mcvdi_fail(MCVD_E_CONFIG,
                      "model.arch: expected unetmore, unetmore3d or unetmorepseudo3d, found '%s'",
                      m->arch);
}

/* What SPADE and the 3D networks ask of the other keys. */
static mcvd_status check_variant(const mcvd_config *config)
{
    const mcvd_model_config *m = &config->model;
    const mcvd_data_config *d = &config->data;

    if (m->spade && d->num_frames_cond + d->num_frames_future == 0)
        return mcvdi_fail(MCVD_E_CONFIG, "model.spade = true needs given frames, found "
                                         "data.num_frames_cond = 0 and data.num_frames_future = 0");
    if (m->spade && !is_2d(m) && m->spade_dim < d->num_frames)
        return mcvdi_fail(MCVD_E_CONFIG,
                          "model.spade_dim = %" PRId64 ": model.arch = %s divides it by "
                          "data.num_frames = %" PRId64 " and has nothing left",
                          m->spade_dim, m->arch, d->num_frames);
    if (m->space_to_depth > 1 && (m->spade || !is_2d(m)))
        return mcvdi_fail(MCVD_E_CONFIG,
                          "model.space_to_depth = %" PRId64 " is for model.arch = unetmore with "
                          "model.spade = false",
                          m->space_to_depth);
    return MCVD_OK;
}

static mcvd_status check_levels(const mcvd_config *config)
{
    const mcvd_model_config *m = &config->model;
    const int levels = m->ch_mult.count;
    const int64_t size = config->data.image_size;

    if (levels < 1)
        return mcvdi_fail(MCVD_E_CONFIG, "model.ch_mult: expected one number per level, found "
                                         "none");
    /* A list has at most 16 elements and space_to_depth is at most 64: no overflow. */
    const int64_t cell = m->space_to_depth << (levels - 1);
    if (size % cell)
        return mcvdi_fail(MCVD_E_CONFIG,
                          "data.image_size = %" PRId64 " is not divisible by %" PRId64
                          " = model.space_to_depth %" PRId64 " * 2^%d for %d levels",
                          size, cell, m->space_to_depth, levels - 1, levels);
    for (int l = 0; l < levels; l++)
        if (m->ngf * m->ch_mult.values[l] < 4)
            return mcvdi_fail(MCVD_E_CONFIG,
                              "model.ngf = %" PRId64 " and model.ch_mult = %d: level %d has "
                              "%" PRId64 " channels, a norm needs 4",
                              m->ngf, m->ch_mult.values[l], l, m->ngf * m->ch_mult.values[l]);
    return MCVD_OK;
}

static bool list_has(const mcvd_int_list *list, int64_t value)
{
    for (int i = 0; i < list->count; i++)
        if (list->values[i] == value)
            return true;
    return false;
}

/* Attention at the listed widths, and always in the middle, at the last level's width. Channels
 * are those of one frame in 3D networks. */
static mcvd_status check_heads(const mcvd_config *config)
{
    const mcvd_model_config *m = &config->model;
    const int64_t head = m->n_head_channels;
    int64_t width = config->data.image_size / m->space_to_depth;

    if (head == 0)
        return mcvdi_fail(MCVD_E_CONFIG, "model.n_head_channels = 0: expected -1 for one head, or "
                                         "the channels of each");
    for (int l = 0; l < m->ch_mult.count; l++, width /= 2) {
        const int64_t channels = m->ngf * m->ch_mult.values[l];
        const bool attends = l == m->ch_mult.count - 1 || list_has(&m->attn_resolutions, width);
        if (attends && head > 0 && channels >= head && channels % head)
            return mcvdi_fail(MCVD_E_CONFIG,
                              "model.n_head_channels = %" PRId64 " does not divide the %" PRId64
                              " channels%s of level %d, which has attention",
                              head, channels, is_2d(m) ? "" : " per frame", l);
    }
    return MCVD_OK;
}

static bool is(const char *text, const char *word)
{
    return strcmp(text, word) == 0;
}

static bool keeps_variance(const mcvd_model_config *m)
{
    return is(m->sigma_dist, "linear") || is(m->sigma_dist, "cosine");
}

/* noise_in_cond is part of the network: it noises what it is given as x is noised. */
static mcvd_status check_noisy_conditions(const mcvd_model_config *m)
{
    if (m->noise_in_cond && (!keeps_variance(m) || m->zero_terminal_snr))
        return mcvdi_fail(MCVD_E_CONFIG,
                          "model.noise_in_cond = true with %s%s: the given frames would drown in "
                          "noise; expected linear or cosine without zero_terminal_snr",
                          m->zero_terminal_snr ? "model.zero_terminal_snr = true"
                                               : "model.sigma_dist = ",
                          m->zero_terminal_snr ? "" : m->sigma_dist);
    return MCVD_OK;
}

static mcvd_status check_actions(const mcvd_model_config *m)
{
    if (m->action_dim && !m->time_conditional)
        return mcvdi_fail(MCVD_E_CONFIG,
                          "model.action_dim = %lld needs model.time_conditional = true, which "
                          "carries actions into the network",
                          (long long)m->action_dim);
    return MCVD_OK;
}

mcvd_status mcvd_config_check_network(const mcvd_config *config)
{
    const mcvd_model_config *m = &config->model;
    mcvd_status st = check_arch(m);

    if (st >= 0)
        st = refuse_unavailable(config);
    if (st >= 0)
        st = check_variant(config);
    if (st >= 0 && config->data.channels == 2)
        st = mcvdi_fail(MCVD_E_CONFIG, "data.channels = 2: expected 1 (gray) or 3 (RGB)");
    if (st >= 0)
        st = check_levels(config);
    if (st >= 0)
        st = check_heads(config);
    if (st >= 0)
        st = check_noisy_conditions(m);
    if (st >= 0)
        st = check_actions(m);
    if (st >= 0 && m->cond_emb && !m->time_conditional)
        st = mcvdi_fail(MCVD_E_CONFIG, "model.cond_emb = true needs model.time_conditional = true, "
                                       "which carries it into the network");
    if (st >= 0 && m->cond_emb && !(config->data.prob_mask_cond > 0.0))
        st = mcvdi_fail(MCVD_E_CONFIG, "model.cond_emb = true needs data.prob_mask_cond > 0: it "
                                       "tells masked from given past");
    return st;
}

/* ---- everything else --------------------------------------------------------------------------
 */

static mcvd_status check_flip(const mcvd_config *config)
{
    if (config->model.action_dim && config->data.random_flip)
        return mcvdi_fail(MCVD_E_CONFIG,
                          "model.action_dim = %lld with data.random_flip = true: a mirrored clip "
                          "has other actions; set data.random_flip=false",
                          (long long)config->model.action_dim);
    return MCVD_OK;
}

static mcvd_status check_masks(const mcvd_data_config *d)
{
    if (!d->prob_mask_sync)
        return MCVD_OK;
    if (!(d->prob_mask_cond > 0.0) || d->prob_mask_cond != d->prob_mask_future)
        return mcvdi_fail(MCVD_E_CONFIG,
                          "data.prob_mask_sync = true needs equal masks above 0, found "
                          "prob_mask_cond %g and prob_mask_future %g",
                          d->prob_mask_cond, d->prob_mask_future);
    return MCVD_OK;
}

static mcvd_status check_schedule(const mcvd_model_config *m)
{
    if (is(m->version, "SMLD") && !is(m->sigma_dist, "geometric"))
        return mcvdi_fail(MCVD_E_CONFIG,
                          "model.version = SMLD is score matching: expected model.sigma_dist = "
                          "geometric with sigmas, found %s",
                          m->sigma_dist);
    if (is(m->sigma_dist, "linear") && (m->sigma_begin >= 1.0 || m->sigma_end >= 1.0 ||
                                        m->sigma_begin <= 0.0 || m->sigma_end <= 0.0))
        return mcvdi_fail(MCVD_E_CONFIG,
                          "model.sigma_begin = %g and model.sigma_end = %g: betas of the "
                          "linear schedule lie between 0 and 1",
                          m->sigma_begin, m->sigma_end);
    if (is(m->sigma_dist, "geometric") && !(m->sigma_end > 0.0 && m->sigma_begin > m->sigma_end))
        return mcvdi_fail(MCVD_E_CONFIG,
                          "model.sigma_begin = %g and model.sigma_end = %g: sigmas of the "
                          "geometric schedule fall from the first to the second, above 0",
                          m->sigma_begin, m->sigma_end);
    if (!keeps_variance(m) && (m->zero_terminal_snr || m->gamma))
        return mcvdi_fail(MCVD_E_CONFIG,
                          "model.%s = true belongs to model.sigma_dist = linear or cosine, found "
                          "%s",
                          m->gamma ? "gamma" : "zero_terminal_snr", m->sigma_dist);
    return MCVD_OK;
}

/* The rules of mcvdi_parameterisation_check, which this folder does not know; a test compares. */
static mcvd_status check_prediction(const mcvd_model_config *m)
{
    const bool all_noise = m->zero_terminal_snr || is(m->sigma_dist, "flow");

    if (is(m->prediction, "v") && !keeps_variance(m))
        return mcvdi_fail(MCVD_E_CONFIG,
                          "model.prediction = v belongs to model.sigma_dist = linear or cosine, "
                          "found %s; x0 and flow suit every schedule",
                          m->sigma_dist);
    if (all_noise && (is(m->prediction, "eps") || is(m->prediction, "score")))
        return mcvdi_fail(MCVD_E_CONFIG,
                          "model.prediction = %s says nothing about the frames where the schedule "
                          "is all noise, as with %s; expected x0, flow%s",
                          m->prediction,
                          m->zero_terminal_snr ? "model.zero_terminal_snr = true"
                                               : "model.sigma_dist = flow",
                          m->zero_terminal_snr ? " or v" : "");
    return MCVD_OK;
}

static mcvd_status check_diffusion(const mcvd_config *config)
{
    mcvd_status st = check_schedule(&config->model);

    return st < 0 ? st : check_prediction(&config->model);
}

static mcvd_status check_training(const mcvd_config *config)
{
    const mcvd_training_config *t = &config->training;

    if (strcmp(config->optim.optimizer, "Adam") != 0)
        return mcvdi_fail(MCVD_E_CONFIG,
                          "optim.optimizer = %s is not in this version, expected Adam",
                          config->optim.optimizer);
    if (t->batch_size % t->accumulate)
        return mcvdi_fail(MCVD_E_CONFIG,
                          "training.accumulate = %" PRId64 " does not divide "
                          "training.batch_size = %" PRId64,
                          t->accumulate, t->batch_size);
    return MCVD_OK;
}

/* The task and the masks in force must tell the same story. */
static mcvd_status check_task(const mcvd_config *config)
{
    mcvd_config applied = *config;
    const mcvd_data_config *d = &config->data;
    const mcvd_status st = mcvd_config_apply_task(&applied, NULL);

    if (st < 0 || (applied.data.prob_mask_cond == d->prob_mask_cond &&
                   applied.data.prob_mask_future == d->prob_mask_future &&
                   applied.data.prob_mask_sync == d->prob_mask_sync))
        return st;
    return mcvdi_fail(MCVD_E_CONFIG,
                      "training.task = %s means prob_mask_cond %g, prob_mask_future %g, "
                      "prob_mask_sync %s, found %g, %g, %s; an empty task leaves them free",
                      config->training.task, applied.data.prob_mask_cond,
                      applied.data.prob_mask_future, applied.data.prob_mask_sync ? "true" : "false",
                      d->prob_mask_cond, d->prob_mask_future, d->prob_mask_sync ? "true" : "false");
}

mcvd_status mcvd_config_check(const mcvd_config *config)
{
    mcvd_status st = mcvd_config_check_network(config);

    if (st >= 0)
        st = check_masks(&config->data);
    if (st >= 0)
        st = check_flip(config);
    if (st >= 0)
        st = check_diffusion(config);
    if (st >= 0)
        st = check_training(config);
    if (st >= 0)
        st = check_task(config);
    return st;
}

/* ---- tasks ------------------------------------------------------------------------------------
 */

enum { PREDICT = 1, PREDICT_PAST = 2, INTERP = 4, GENERATE = 8 };

static const char *const task_words[] = { "predict", "predict-past", "interp", "generate" };

/* The masks of one set of tasks; sets that are not listed draw both independently. */
static const struct {
    int tasks;
    double mask_cond;
    double mask_future;
    bool sync;
} task_masks[] = {
    { PREDICT, 0.0, 1.0, false },
    { PREDICT_PAST, 1.0, 0.0, false },
    { INTERP, 0.0, 0.0, false },
    { GENERATE, 1.0, 1.0, false },
    { PREDICT | INTERP, 0.0, 0.5, false },
    { PREDICT | GENERATE, 0.5, 1.0, false },
    { PREDICT_PAST | INTERP, 0.5, 0.0, false },
    { PREDICT_PAST | GENERATE, 1.0, 0.5, false },
    { INTERP | GENERATE, 0.5, 0.5, true },
};

/* 0 when the word is none of them. */
static int task_of_word(const char *word, size_t length)
{
    for (int i = 0; i < 4; i++)
        if (strlen(task_words[i]) == length && memcmp(task_words[i], word, length) == 0)
            return 1 << i;
    return 0;
}

static mcvd_status parse_task(int *tasks, const char *text)
{
    *tasks = 0;
    for (const char *word = text;; word++) {
        const size_t length = strcspn(word, "+");
        const int task = task_of_word(word, length);
        if (!task)
            return mcvdi_fail(MCVD_E_CONFIG,
                              "task '%s': expected predict, predict-past, interp, generate or "
                              "several joined by '+', found '%.*s'",
                              text, length > 64 ? 64 : (int)length, word);
        if (*tasks & task)
            return mcvdi_fail(MCVD_E_CONFIG, "task '%s': '%.*s' appears twice", text, (int)length,
                              word);
        *tasks |= task;
        word += length;
        if (!*word)
            return MCVD_OK;
    }
}

static mcvd_status check_frames(int tasks, const char *text, const mcvd_data_config *d)
{
    if ((tasks & (PREDICT | INTERP)) && d->num_frames_cond == 0)
        return mcvdi_fail(MCVD_E_CONFIG,
                          "task '%s' needs past frames: expected data.num_frames_cond >= 1, "
                          "found 0",
                          text);
    if ((tasks & (PREDICT_PAST | INTERP)) && d->num_frames_future == 0)
        return mcvdi_fail(MCVD_E_CONFIG,
                          "task '%s' needs future frames: expected data.num_frames_future >= 1, "
                          "found 0",
                          text);
    return MCVD_OK;
}

static void set_masks(int tasks, mcvd_data_config *d)
{
    d->prob_mask_cond = 0.5;
    d->prob_mask_future = 0.5;
    d->prob_mask_sync = false;
    for (size_t i = 0; i < sizeof task_masks / sizeof task_masks[0]; i++) {
        if (task_masks[i].tasks != tasks)
            continue;
        d->prob_mask_cond = task_masks[i].mask_cond;
        d->prob_mask_future = task_masks[i].mask_future;
        d->prob_mask_sync = task_masks[i].sync;
    }
    /* Frames that do not exist are not masked. */
    if (d->num_frames_cond == 0)
        d->prob_mask_cond = 0.0;
    if (d->num_frames_future == 0)
        d->prob_mask_future = 0.0;
}

mcvd_status mcvd_config_apply_task(mcvd_config *config, const char *task)
{
    char text[MCVD_CONFIG_TEXT] = { 0 };
    int tasks;

    if (!task)
        task = config->training.task;
    if (!*task && task == config->training.task)
        return MCVD_OK;
    if (strlen(task) >= sizeof text)
        return mcvdi_fail(MCVD_E_CONFIG, "task: expected words joined by '+', found %zu bytes",
                          strlen(task));
    memcpy(text, task, strlen(task)); /* task may be the field that is written below */
    mcvd_status st = parse_task(&tasks, text);
    if (st >= 0)
        st = check_frames(tasks, text, &config->data);
    if (st < 0)
        return st;
    set_masks(tasks, &config->data);
    memcpy(config->training.task, text, sizeof text);
    return MCVD_OK;
}
