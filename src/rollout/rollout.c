/*
 * A rollout keeps P + U condition frames per trajectory, [P + U, H, W, C], and stacks them for the
 * network as [H, W, (P + U) * C]. Trajectories run in groups of the network's batch.
 */
#include <string.h>

#include <mcvd/rollout.h>
#include <mcvd/sampler.h>

#include "core/alloc.h"
#include "core/checked.h"
#include "core/status.h"
#include "rollout/guidance.h"
#include "rollout/known.h"
#include "rollout/region.h"

struct mcvd_rollout {
    mcvd_rollout_config config;
    size_t num_past, num_frames, num_future;
    size_t pixels, channels; /* H * W, C */
    size_t frame;            /* floats of a frame */
    size_t batch;
    bool begun;
    bool past_given, future_given;
    bool gamma;      /* model.gamma: the noise of a call is that of its level */
    bool noisy_cond; /* model.noise_in_cond: every call has noise on its given frames */
    uint64_t block;
    uint64_t first_trajectory; /* number of trajectory 0, for its noise */

    mcvd_network *network;
    mcvd_network *own_network; /* NULL when the caller's is used */
    mcvd_schedule *schedule;
    mcvd_sampler *sampler;
    const char *sampler_name;
    float *known;        /* [samples, P + U, H, W, C] */
    float *cond;         /* [terms, batch, H, W, (P + U) * C] */
    float *mask;         /* [terms, batch] 1 = past given */
    float *x;            /* [batch, H, W, F * C] */
    float *last_x;       /* [samples, H, W, F * C] with init_prev_t */
    size_t calls_before; /* network calls of this block's groups before, for progress */

    /* The group at work. */
    mcvd_noise_philox noise;
    size_t group_call;
    float *cond_noise; /* like cond, with noisy_cond */

    mcvdi_guidance guidance;
    float *term_x;   /* [terms, batch, H, W, F * C] with more than one term */
    float *term_out; /* the same */
    double *term_t;  /* [terms, batch] */

    size_t action_dim;     /* A of model.action_dim; 0: the rest is not there */
    size_t num_actions;    /* rows of each trajectory's actions; 0: not set yet */
    const float **actions; /* [samples], the caller's [num_actions, A] */
    float *window_actions; /* [terms, batch, P + F + U, A] */

    mcvdi_region region; /* with config.inpaint */
    bool inpaints;       /* this block */
};

mcvd_rollout_config mcvd_rollout_config_default(const mcvd_config *model_config)
{
    return (mcvd_rollout_config) { .task = MCVD_TASK_PREDICT,
                                   .samples = 1,
                                   .sampling = model_config->sampling };
}

/* --- create --- */

/* Repeating each step 8 times halves the seam between known and made pixels (README). */
static int choose_repeats(const mcvd_rollout_config *config, const char *sampler)
{
    enum { OWN = 8 };

    if (!config->inpaint)
        return 1;
    if (config->sampling.inpaint_repeats)
        return (int)config->sampling.inpaint_repeats;
    return mcvd_sampler_takes_repeats(sampler) ? OWN : 1;
}

/* The texts of the sampler live in r->config, *model or are literals. */
static mcvd_status make_sampler(mcvd_rollout *r, const mcvd_config *model)
{
    mcvd_config config = *model;
    mcvd_status st = mcvd_schedule_of_config(&r->schedule, &model->model);

    config.sampling = r->config.sampling;
    mcvd_sampler_config sampler = mcvd_sampler_config_of(&config);
    sampler.max_batch = r->batch;
    sampler.numel = r->num_frames * r->frame;
    sampler.repeats = choose_repeats(&r->config, sampler.name);
    r->gamma = model->model.gamma;
    st = st < 0 ? st : mcvd_sampler_create(&r->sampler, &sampler, r->schedule);
    r->sampler_name = st < 0 ? NULL : mcvd_sampler_get_name(r->sampler);
    return st;
}

/* n * a * b floats; NULL when that does not fit. */
static float *new_floats(size_t n, size_t a, size_t b)
{
    size_t bytes = sizeof(float);

    if (!mcvdi_mul_size(&bytes, bytes, n) || !mcvdi_mul_size(&bytes, bytes, a) ||
        !mcvdi_mul_size(&bytes, bytes, b))
        return NULL;
    return mcvdi_alloc_aligned(bytes ? bytes : 1);
}

static mcvd_status make_buffers(mcvd_rollout *r)
{
    const size_t known = r->num_past + r->num_future;
    const size_t rows = r->batch * r->guidance.num_terms;

    r->known = new_floats(r->config.samples, known, r->frame);
    r->cond = new_floats(rows, known, r->frame);
    r->mask = new_floats(rows, 1, 1);
    r->x = new_floats(r->batch, r->num_frames, r->frame);
    if (r->config.sampling.init_prev_t > 0.0)
        r->last_x = new_floats(r->config.samples, r->num_frames, r->frame);
    if (r->noisy_cond)
        r->cond_noise = new_floats(rows, known, r->frame);
    if (!r->known || !r->cond || !r->mask || !r->x ||
        (r->config.sampling.init_prev_t > 0.0 && !r->last_x) || (r->noisy_cond && !r->cond_noise))
        return mcvdi_fail(MCVD_E_NOMEM, "rollout: out of memory for %zu trajectories",
                          r->config.samples);
    return MCVD_OK;
}

static mcvd_status make_action_buffers(mcvd_rollout *r)
{
    const size_t rows = r->batch * r->guidance.num_terms;

    if (!r->action_dim)
        return MCVD_OK;
    r->actions = mcvdi_calloc(r->config.samples, sizeof *r->actions);
    r->window_actions =
        new_floats(rows, r->num_past + r->num_frames + r->num_future, r->action_dim);
    if (!r->actions || !r->window_actions)
        return mcvdi_fail(MCVD_E_NOMEM, "rollout: out of memory for actions");
    return MCVD_OK;
}

/* Of guidance by masks, with more than one term. */
static mcvd_status make_term_buffers(mcvd_rollout *r)
{
    const size_t rows = r->batch * r->guidance.num_terms;

    if (r->guidance.num_terms == 1)
        return MCVD_OK;
    r->term_x = new_floats(rows, r->num_frames, r->frame);
    r->term_out = new_floats(rows, r->num_frames, r->frame);
    r->term_t = mcvdi_calloc(rows, sizeof *r->term_t);
    if (!r->term_x || !r->term_out || !r->term_t)
        return mcvdi_fail(MCVD_E_NOMEM, "rollout: out of memory for guidance");
    return MCVD_OK;
}

static size_t choose_batch(const mcvd_rollout_config *config)
{
    size_t batch = config->batch ? config->batch : (size_t)config->sampling.batch_size;

    if (batch > config->samples)
        batch = config->samples;
    return batch ? batch : 1;
}

static mcvd_status check_config(const mcvd_config *model, const mcvd_rollout_config *config)
{
    const char *why = mcvd_task_impossible(model, config->task);

    if (why)
        return mcvdi_fail(MCVD_E_USAGE, "task %s: %s", mcvd_task_word(config->task), why);
    if (config->samples < 1)
        return mcvdi_fail(MCVD_E_RANGE, "rollout: samples = 0, expected at least 1");
    return MCVD_OK;
}

/* Everything that is known before the network; the caller sets the batch. */
static mcvd_status new_rollout(mcvd_rollout **out, const mcvd_config *model,
                               const mcvd_rollout_config *config)
{
    const size_t size = (size_t)model->data.image_size;
    mcvdi_guidance guidance;
    mcvd_status st = check_config(model, config);

    *out = NULL;
    if (st >= 0)
        st = mcvdi_guidance_plan(&guidance, model, config);
    if (st < 0)
        return st;
    mcvd_rollout *r = mcvdi_calloc(1, sizeof *r);
    if (!r)
        return mcvdi_fail(MCVD_E_NOMEM, "rollout: out of memory");
    r->config = *config;
    r->guidance = guidance;
    r->num_past = (size_t)model->data.num_frames_cond;
    r->num_frames = (size_t)model->data.num_frames;
    r->num_future = (size_t)model->data.num_frames_future;
    r->pixels = size * size;
    r->channels = (size_t)model->data.channels;
    r->frame = r->pixels * r->channels;
    r->noisy_cond = model->model.noise_in_cond && r->num_past + r->num_future;
    r->action_dim = (size_t)model->model.action_dim;
    *out = r;
    return MCVD_OK;
}

static mcvd_status finish(mcvd_rollout **out, mcvd_rollout *r, const mcvd_config *model)
{
    mcvd_status st = make_sampler(r, model);

    if (st >= 0)
        st = make_buffers(r);
    if (st >= 0)
        st = make_term_buffers(r);
    if (st >= 0)
        st = make_action_buffers(r);
    if (st >= 0 && r->config.inpaint)
        st = mcvdi_region_allocate(&r->region, r->num_frames * r->frame);
    if (st < 0)
        mcvd_rollout_free(&r);
    *out = r;
    return st;
}

mcvd_status mcvd_rollout_create_on(mcvd_rollout **out, mcvd_network *network,
                                   const mcvd_config *model_config,
                                   const mcvd_rollout_config *config)
{
    const size_t rows = mcvd_network_batch(network);
    mcvd_rollout *r = NULL;

    *out = NULL;
    const mcvd_status st = new_rollout(&r, model_config, config);
    if (st < 0)
        return st;
    const size_t terms = r->guidance.num_terms;
    if (rows % terms) {
        mcvd_rollout_free(&r);
        return mcvdi_fail(MCVD_E_RANGE,
                          "rollout: guidance has %zu terms, which do not divide the network's "
                          "batch of %zu",
                          terms, rows);
    }
    r->batch = rows / terms;
    r->network = network;
    return finish(out, r, model_config);
}

mcvd_status mcvd_rollout_create(mcvd_rollout **out, const mcvd_model *model,
                                const mcvd_rollout_config *config)
{
    const mcvd_config *model_config = mcvd_model_get_config(model);
    mcvd_rollout *r = NULL;

    *out = NULL;
    mcvd_status st = new_rollout(&r, model_config, config);
    if (st < 0)
        return st;
    r->batch = choose_batch(config);
    const mcvd_network_config network = { .batch = r->batch * r->guidance.num_terms };
    st = mcvd_network_create(&r->own_network, model, &network);
    if (st < 0) {
        mcvd_rollout_free(&r);
        return st;
    }
    r->network = r->own_network;
    return finish(out, r, model_config);
}

void mcvd_rollout_free(mcvd_rollout **rollout)
{
    mcvd_rollout *r = *rollout;

    if (!r)
        return;
    mcvd_sampler_free(&r->sampler);
    mcvd_schedule_free(&r->schedule);
    mcvd_network_free(&r->own_network);
    mcvdi_free_aligned(r->known);
    mcvdi_free_aligned(r->cond);
    mcvdi_free_aligned(r->mask);
    mcvdi_free_aligned(r->x);
    mcvdi_free_aligned(r->last_x);
    mcvdi_free_aligned(r->cond_noise);
    mcvdi_free(r->actions);
    mcvdi_free_aligned(r->window_actions);
    mcvdi_free_aligned(r->term_x);
    mcvdi_free_aligned(r->term_out);
    mcvdi_free(r->term_t);
    mcvdi_region_free(&r->region);
    mcvdi_free(r);
    *rollout = NULL;
}

/* --- known frames --- */

static float *known_of(const mcvd_rollout *r, size_t sample)
{
    return r->known + sample * (r->num_past + r->num_future) * r->frame;
}

static mcvd_status fail_missing(const mcvd_rollout *r, const char *which)
{
    return mcvdi_fail(MCVD_E_STATE, "rollout: task %s needs %s frames",
                      mcvd_task_word(r->config.task), which);
}

/* The known frames of one trajectory; what the task masks is 0. */
static mcvd_status set_known(const mcvd_rollout *r, size_t sample, const float *past,
                             const float *future)
{
    float *known = known_of(r, sample);

    if (r->past_given && !past)
        return fail_missing(r, "past");
    if (r->future_given && !future)
        return fail_missing(r, "future");
    memset(known, 0, (r->num_past + r->num_future) * r->frame * sizeof(float));
    if (r->past_given)
        memcpy(known, past, r->num_past * r->frame * sizeof(float));
    if (r->future_given)
        memcpy(known + r->num_past * r->frame, future, r->num_future * r->frame * sizeof(float));
    return MCVD_OK;
}

static void start_at(mcvd_rollout *r, uint64_t first)
{
    r->past_given = mcvd_task_past_given(r->config.task);
    r->future_given = mcvd_task_future_given(r->config.task);
    r->block = 0;
    r->num_actions = 0;
    r->first_trajectory = first;
}

mcvd_status mcvd_rollout_begin(mcvd_rollout *rollout, const float *past, const float *future)
{
    mcvd_status st = MCVD_OK;

    start_at(rollout, 0);
    for (size_t s = 0; st >= 0 && s < rollout->config.samples; s++)
        st = set_known(rollout, s, past, future);
    rollout->begun = st >= 0;
    return st;
}

mcvd_status mcvd_rollout_begin_each(mcvd_rollout *rollout, uint64_t first, const float *const *past,
                                    const float *const *future)
{
    mcvd_status st = MCVD_OK;

    start_at(rollout, first);
    for (size_t s = 0; st >= 0 && s < rollout->config.samples; s++)
        st = set_known(rollout, s, past ? past[s] : NULL, future ? future[s] : NULL);
    rollout->begun = st >= 0;
    return st;
}

/* one: the same for all trajectories; each: [samples]. */
static mcvd_status set_actions(mcvd_rollout *rollout, const float *one, const float *const *each,
                               size_t num_frames)
{
    if (!rollout->action_dim)
        return mcvdi_fail(MCVD_E_STATE, "rollout: the model takes no actions");
    if (!rollout->begun)
        return mcvdi_fail(MCVD_E_STATE, "rollout: actions before the known frames were set");
    if (!num_frames)
        return mcvdi_fail(MCVD_E_RANGE, "rollout: actions of no frame");
    for (size_t s = 0; s < rollout->config.samples; s++)
        rollout->actions[s] = each ? each[s] : one;
    rollout->num_actions = num_frames;
    return MCVD_OK;
}

mcvd_status mcvd_rollout_set_actions(mcvd_rollout *rollout, const float *actions, size_t num_frames)
{
    return set_actions(rollout, actions, NULL, num_frames);
}

mcvd_status mcvd_rollout_set_actions_each(mcvd_rollout *rollout, const float *const *actions,
                                          size_t num_frames)
{
    return set_actions(rollout, NULL, actions, num_frames);
}

/* [n, H * W, C] frames <-> [H * W, n * C] stack: one block of the network per trajectory. */
static void stack_frames(float *stack, const float *frames, size_t n, size_t pixels, size_t c)
{
    for (size_t f = 0; f < n; f++)
        for (size_t p = 0; p < pixels; p++)
            memcpy(stack + (p * n + f) * c, frames + (f * pixels + p) * c, c * sizeof(float));
}

static void unstack_frames(float *frames, const float *stack, size_t n, size_t pixels, size_t c)
{
    for (size_t f = 0; f < n; f++)
        for (size_t p = 0; p < pixels; p++)
            memcpy(frames + (f * pixels + p) * c, stack + (p * n + f) * c, c * sizeof(float));
}

static void slide(mcvd_rollout *r, size_t sample, const float *block)
{
    const mcvdi_known known = { known_of(r, sample), r->num_past, r->num_future, r->frame };

    mcvdi_known_slide(&known, r->config.task, block, r->num_frames);
}

/* --- one block --- */

static void set_noise_level(mcvd_rollout *r, int t)
{
    if (r->gamma)
        r->noise.gamma_shape = mcvd_schedule_gamma_shape(r->schedule, t);
}

/* Noise of the noisiest level: unit variance in a vp process, as the reference starts (of gamma
 * noise the real one), sigma_begin in a ve process. */
static void start_noise(mcvd_rollout *r, size_t numel)
{
    const int last = mcvd_schedule_num_timesteps(r->schedule) - 1;
    const bool scaled = r->gamma || mcvd_schedule_process(r->schedule) == MCVD_PROCESS_VE;
    const float s = (float)mcvd_schedule_level(r->schedule, last).s;

    set_noise_level(r, last);
    mcvd_noise_philox_start(&r->noise, r->x, r->batch, numel);
    for (size_t i = 0; scaled && i < r->batch * numel; i++)
        r->x[i] *= s;
    set_noise_level(r, (int)mcvd_sampler_timestep(r->sampler, 0)); /* init_prev_t noises again */
}

/* The same noise for all terms, so that they differ by the masks alone. */
static mcvd_status draw_cond_noise(mcvd_rollout *r)
{
    const size_t n = (r->num_past + r->num_future) * r->frame;
    const mcvd_status st =
        mcvd_noise_philox_cond(&r->noise, r->group_call++, r->cond_noise, r->batch, n);

    for (size_t k = 1; k < r->guidance.num_terms; k++)
        memcpy(r->cond_noise + k * r->batch * n, r->cond_noise,
               r->batch * n * sizeof *r->cond_noise);
    return st;
}

static mcvd_status call_network(mcvd_rollout *r, const float *x, const double *t, float *out)
{
    const mcvd_network_input in = { .x = x,
                                    .t = t,
                                    .cond = r->num_past + r->num_future ? r->cond : NULL,
                                    .cond_mask = r->mask,
                                    .cond_noise = r->cond_noise,
                                    .actions = r->window_actions };

    return mcvd_network_forward(r->network, &in, out);
}

/* All terms in one call. */
static mcvd_status call_guided(mcvd_rollout *r, const float *x, const double *t, float *out)
{
    const size_t n = r->batch * r->num_frames * r->frame;

    for (size_t k = 0; k < r->guidance.num_terms; k++) {
        memcpy(r->term_x + k * n, x, n * sizeof *x);
        memcpy(r->term_t + k * r->batch, t, r->batch * sizeof *t);
    }
    const mcvd_status st = call_network(r, r->term_x, r->term_t, r->term_out);
    if (st >= 0)
        mcvdi_guidance_combine(&r->guidance, r->term_out, n, out);
    return st;
}

static mcvd_status denoise(void *user, const float *x_t, const double *t, size_t batch, float *out)
{
    mcvd_rollout *r = user;
    mcvd_status st = MCVD_OK;

    (void)batch;                   /* always r->batch */
    set_noise_level(r, (int)t[0]); /* also of the draw that may follow the call */
    if (r->noisy_cond)
        st = draw_cond_noise(r);
    if (st < 0)
        return st;
    return (r->guidance.num_terms > 1 ? call_guided : call_network)(r, x_t, t, out);
}

static int report_progress(void *user, int call, int num_calls, const float *x)
{
    mcvd_rollout *r = user;
    const size_t groups = (r->config.samples + r->batch - 1) / r->batch;

    (void)x;
    return r->config.progress
               ? r->config.progress(r->config.progress_user, r->calls_before + (size_t)call + 1,
                                    groups * (size_t)num_calls)
               : 0;
}

/* Trajectories [first, first + batch); the last group repeats its last one to fill the batch. */
static size_t trajectory(const mcvd_rollout *r, size_t first, size_t b)
{
    return first + b < r->config.samples ? first + b : r->config.samples - 1;
}

/* The condition of a term: frames that it masks are 0, as in training. */
static void set_cond(mcvd_rollout *r, const mcvdi_term *term, size_t row, size_t sample)
{
    const bool own_past = r->config.task == MCVD_TASK_GENERATE && r->block;
    const size_t known = r->num_past + r->num_future;
    const size_t c = r->channels;
    float *cond = r->cond + row * known * r->frame;

    stack_frames(cond, known_of(r, sample), known, r->pixels, c);
    for (size_t p = 0; p < r->pixels && !term->past; p++)
        memset(cond + p * known * c, 0, r->num_past * c * sizeof *cond);
    for (size_t p = 0; p < r->pixels && !term->future; p++)
        memset(cond + (p * known + r->num_past) * c, 0, r->num_future * c * sizeof *cond);
    r->mask[row] = term->past && (r->past_given || own_past) ? 1.0f : 0.0f;
}

/* Where the window of this block begins, counted from the first frame that has actions; windows of
 * predict-past move backwards from the last one. */
static ptrdiff_t window_start(const mcvd_rollout *r)
{
    const ptrdiff_t moved = (ptrdiff_t)(r->block * r->num_frames);
    const ptrdiff_t window = (ptrdiff_t)(r->num_past + r->num_frames + r->num_future);

    if (r->config.task == MCVD_TASK_PREDICT_PAST)
        return (ptrdiff_t)r->num_actions - window - moved;
    return moved;
}

/* Actions of the window; beyond the ends the first or the last ones again. */
static void set_window_actions(mcvd_rollout *r, size_t row, size_t sample)
{
    const size_t window = r->num_past + r->num_frames + r->num_future;
    const ptrdiff_t start = window_start(r);
    const ptrdiff_t last = (ptrdiff_t)r->num_actions - 1;
    float *to = r->window_actions + row * window * r->action_dim;

    for (size_t f = 0; f < window; f++) {
        const ptrdiff_t at = start + (ptrdiff_t)f;
        const size_t from = (size_t)(at < 0 ? 0 : at > last ? last : at);
        memcpy(to + f * r->action_dim, r->actions[sample] + from * r->action_dim,
               r->action_dim * sizeof *to);
    }
}

static void prepare_group(mcvd_rollout *r, size_t first)
{
    const size_t numel = r->num_frames * r->frame;

    start_noise(r, numel);
    for (size_t b = 0; b < r->batch; b++) {
        const size_t s = trajectory(r, first, b);
        for (size_t k = 0; k < r->guidance.num_terms; k++) {
            set_cond(r, &r->guidance.terms[k], k * r->batch + b, s);
            if (r->action_dim)
                set_window_actions(r, k * r->batch + b, s);
        }
        if (r->last_x && r->block)
            memcpy(r->x + b * numel, r->last_x + s * numel, numel * sizeof(float));
    }
}

static mcvd_status run_group(mcvd_rollout *r, size_t first, float *frames)
{
    const size_t numel = r->num_frames * r->frame;

    r->noise = (mcvd_noise_philox) { .seed = r->config.seed,
                                     .first_sample = r->first_trajectory + first,
                                     .block = r->block };
    r->group_call = 0;
    r->calls_before = first / r->batch * (size_t)mcvd_sampler_num_calls(r->sampler);
    const mcvd_sampler_job job = { .batch = r->batch,
                                   .denoiser = denoise,
                                   .denoiser_user = r,
                                   .noise = mcvd_noise_philox_draw,
                                   .noise_user = &r->noise,
                                   .progress = report_progress,
                                   .progress_user = r,
                                   .guide = r->inpaints ? mcvdi_region_guide : NULL,
                                   .guide_user = &r->region,
                                   .guide_weight = 1.0 };
    prepare_group(r, first);
    const mcvd_status st = mcvd_sampler_run(r->sampler, &job, r->x);
    if (st < 0)
        return st;
    if (r->inpaints)
        mcvdi_region_paste(&r->region, r->batch, r->x);
    for (size_t b = 0; b < r->batch && first + b < r->config.samples; b++) {
        if (r->last_x)
            memcpy(r->last_x + (first + b) * numel, r->x + b * numel, numel * sizeof(float));
        unstack_frames(frames + (first + b) * numel, r->x + b * numel, r->num_frames, r->pixels,
                       r->channels);
    }
    return MCVD_OK;
}

static mcvd_status next_block(mcvd_rollout *r, float *frames)
{
    mcvd_status st = MCVD_OK;

    if (!r->begun)
        return mcvdi_fail(MCVD_E_STATE, "rollout: a block before the known frames were set");
    if (r->action_dim && !r->num_actions)
        return mcvdi_fail(MCVD_E_STATE, "rollout: the model needs actions (model.action_dim = %zu)",
                          r->action_dim);
    if (r->block >= MCVD_ROLLOUT_MAX_BLOCKS)
        return mcvdi_fail(MCVD_E_RANGE, "rollout: %d blocks are the most",
                          (int)MCVD_ROLLOUT_MAX_BLOCKS);
    for (size_t first = 0; st >= 0 && first < r->config.samples; first += r->batch)
        st = run_group(r, first, frames);
    r->begun = st >= 0; /* a broken off block may have moved last_x of some trajectories */
    if (st < 0)
        return st;
    for (size_t s = 0; s < r->config.samples; s++)
        slide(r, s, frames + s * r->num_frames * r->frame);
    r->block++;
    return MCVD_OK;
}

mcvd_status mcvd_rollout_next(mcvd_rollout *rollout, float *frames)
{
    rollout->inpaints = false;
    return next_block(rollout, frames);
}

mcvd_status mcvd_rollout_next_inpainted(mcvd_rollout *rollout, const mcvd_rollout_region *region,
                                        float *frames)
{
    mcvd_rollout *r = rollout;

    if (!r->config.inpaint)
        return mcvdi_fail(MCVD_E_STATE, "rollout: not created to inpaint");
    stack_frames(r->region.truth, region->truth, r->num_frames, r->pixels, r->channels);
    mcvdi_region_set_known(&r->region, region->unknown, r->num_frames, r->channels);
    r->inpaints = true;
    return next_block(r, frames);
}

int mcvd_rollout_num_steps(const mcvd_rollout *rollout)
{
    return mcvd_sampler_num_steps(rollout->sampler);
}

int mcvd_rollout_num_calls(const mcvd_rollout *rollout)
{
    return mcvd_sampler_num_calls(rollout->sampler);
}

const char *mcvd_rollout_sampler_name(const mcvd_rollout *rollout)
{
    return rollout->sampler_name;
}
