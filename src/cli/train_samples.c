#include "cli/train_samples.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mcvd/rollout.h>

#include "cli/fail.h"
#include "cli/path.h"
#include "cli/signals.h"
#include "cli/strip.h"

enum { SHOWN_WINDOWS = 4, PATH_BYTES = 4096 };

/* One picture in the making. */
typedef struct samples {
    const mcvd_config *config;
    const mcvd_batch *batch;
    mcvd_task task;
    size_t frame;          /* values of a frame */
    size_t window_frames;  /* past + current + future */
    float *known;          /* [B, P + F + U] in [-1, 1] */
    const float **past;    /* [B] */
    const float **future;  /* [B] */
    const float **actions; /* [B] */
    float *made_f;         /* [B, F] */
    uint8_t *made;         /* [B, F] */
    const uint8_t **tiles;
} samples;

static mcvd_task choose_task(const mcvd_config *config)
{
    static const mcvd_task wanted[] = { MCVD_TASK_PREDICT, MCVD_TASK_INTERP, MCVD_TASK_GENERATE,
                                        MCVD_TASK_PREDICT_PAST };

    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        if (!mcvd_task_impossible(config, wanted[i]) && !mcvd_task_untrained(config, wanted[i]))
            return wanted[i];
    return MCVD_TASK_GENERATE;
}

const char *mcvdi_train_samples_task(const mcvd_config *config)
{
    return mcvd_task_word(choose_task(config));
}

static int stop_on_signal(void *user, size_t call, size_t num_calls)
{
    (void)user;
    (void)call;
    (void)num_calls;
    return *mcvdi_signals_flag() != 0;
}

static void release(samples *s)
{
    free(s->known);
    free(s->past);
    free(s->future);
    free(s->actions);
    free(s->made_f);
    free(s->made);
    free(s->tiles);
}

static mcvd_status allocate(samples *s)
{
    const size_t b = s->batch->batch_size;
    const size_t made = b * s->batch->num_frames;

    s->known = calloc(b * s->window_frames, s->frame * sizeof(float));
    s->past = calloc(b, sizeof *s->past);
    s->future = calloc(b, sizeof *s->future);
    s->actions = calloc(b, sizeof *s->actions);
    s->made_f = calloc(made, s->frame * sizeof(float));
    s->made = calloc(made, s->frame);
    s->tiles = calloc(2 * SHOWN_WINDOWS * s->window_frames, sizeof *s->tiles);
    if (s->known && s->past && s->future && s->actions && s->made_f && s->made && s->tiles)
        return MCVD_OK;
    return mcvdi_cli_fail(MCVD_E_NOMEM, "samples: out of memory for %zu windows", b);
}

static void set_known(samples *s)
{
    const mcvd_batch *b = s->batch;

    mcvd_pixels_to_float(s->known, b->frames, b->batch_size * s->window_frames * s->frame);
    for (size_t i = 0; i < b->batch_size; i++) {
        s->past[i] = s->known + i * s->window_frames * s->frame;
        s->future[i] = s->past[i] + (b->num_frames_cond + b->num_frames) * s->frame;
        if (b->actions)
            s->actions[i] = b->actions + i * mcvd_config_window_actions(s->config);
    }
}

static mcvd_status sample(samples *s, mcvd_network *network)
{
    mcvd_rollout_config rc = mcvd_rollout_config_default(s->config);
    mcvd_rollout *rollout = NULL;

    rc.task = s->task;
    rc.samples = s->batch->batch_size;
    rc.seed = (uint64_t)s->config->training.seed;
    rc.progress = stop_on_signal;
    rc.sampling.guidance_past = rc.sampling.guidance_future = 1.0; /* the network as it is */
    mcvd_status st = mcvd_rollout_create_on(&rollout, network, s->config, &rc);
    if (st >= 0)
        st = mcvd_rollout_begin_each(rollout, 0, s->past, s->future);
    if (st >= 0 && s->batch->actions)
        st = mcvd_rollout_set_actions_each(rollout, s->actions, s->window_frames);
    if (st >= 0)
        st = mcvd_rollout_next(rollout, s->made_f);
    if (st >= 0)
        mcvd_float_to_pixels(s->made, s->made_f,
                             s->batch->batch_size * s->batch->num_frames * s->frame);
    mcvd_rollout_free(&rollout);
    return st;
}

/* Frame f of window w as the second row shows it; NULL where the task masks it. */
static const uint8_t *shown_frame(const samples *s, size_t w, size_t f)
{
    const mcvd_batch *b = s->batch;
    const uint8_t *truth = b->frames + (w * s->window_frames + f) * s->frame;

    if (f < b->num_frames_cond)
        return mcvd_task_past_given(s->task) ? truth : NULL;
    if (f >= b->num_frames_cond + b->num_frames)
        return mcvd_task_future_given(s->task) ? truth : NULL;
    return s->made + (w * b->num_frames + f - b->num_frames_cond) * s->frame;
}

static mcvd_status draw(const samples *s, const char *path)
{
    const mcvd_batch *b = s->batch;
    const size_t windows = b->batch_size < SHOWN_WINDOWS ? b->batch_size : SHOWN_WINDOWS;
    const size_t n = s->window_frames;
    const mcvdi_strip strip = {
        .size = b->image_size,
        .channels = b->channels,
        .rows = 2 * windows,
        .cols = n,
        .breaks = { b->num_frames_cond,
                    b->num_frames_future ? b->num_frames_cond + b->num_frames : 0 },
        .group = 2,
        .zoom = mcvdi_strip_zoom(b->image_size),
        .at = s->tiles,
    };

    for (size_t w = 0; w < windows; w++)
        for (size_t f = 0; f < n; f++) {
            s->tiles[2 * w * n + f] = b->frames + (w * n + f) * s->frame;
            s->tiles[(2 * w + 1) * n + f] = shown_frame(s, w, f);
        }
    return mcvdi_strip_write(path, &strip, true);
}

mcvd_status mcvdi_train_samples_write(const char *folder, uint64_t step, mcvd_network *network,
                                      const mcvd_config *config, const mcvd_batch *batch)
{
    samples s = { .config = config, .batch = batch, .task = choose_task(config) };
    char path[PATH_BYTES];

    s.frame = batch->image_size * batch->image_size * batch->channels;
    s.window_frames = batch->num_frames_cond + batch->num_frames + batch->num_frames_future;
    mcvd_status st =
        mcvdi_path(path, sizeof path, "%s/samples/step-%08" PRIu64 ".png", folder, step);
    if (st >= 0)
        st = allocate(&s);
    if (st >= 0) {
        set_known(&s);
        st = sample(&s, network);
    }
    if (st >= 0)
        st = draw(&s, path);
    release(&s);
    return st;
}
