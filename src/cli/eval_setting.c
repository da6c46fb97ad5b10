/* Which protocol a run follows: the benchmark's, fitted to the model, changed by --set. */
#include "cli/eval_run.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <mcvd/prepare.h>

#include "cli/fail.h"
#include "cli/guidance_args.h"
#include "cli/parse.h"
#include "cli/settings.h"
#include "cli/shared.h"

enum { MIN_SSIM_SIDE = 11, MAX_BENCHMARKS = 64, MOVING_DIGITS = 2, MOST_TOGETHER = 16 };

static mcvd_status find_benchmark(eval_run *r)
{
    const char *names[MAX_BENCHMARKS];
    const size_t count = mcvd_eval_protocol_count();

    for (size_t i = 0; i < count && i < MAX_BENCHMARKS; i++) {
        names[i] = mcvd_eval_protocol_name(i);
        if (strcmp(names[i], r->a.benchmark) == 0) {
            const mcvd_status st = mcvd_eval_protocol_find(&r->protocol, names[i]);
            r->moving_digits = strcmp(r->protocol.dataset, "StochasticMovingMNIST") == 0;
            r->own_videos = strcmp(r->protocol.dataset, "VIDEOS") == 0;
            r->set_channels = r->own_videos ? 0 : r->protocol.channels;
            return st;
        }
    }
    return mcvdi_cli_fail(MCVD_E_USAGE, "eval: unknown benchmark '%s', the nearest is %s",
                          r->a.benchmark, mcvdi_nearest_name(r->a.benchmark, names, count));
}

/* What a store of videos holds out was decided when it was made; nobody has to say it again. */
static mcvd_status take_fraction_of_store(eval_run *r)
{
    const char *kind = r->own_videos ? mcvd_dataset_kind_of(r->a.data) : NULL;
    mcvd_data_config data = r->config.data;

    if (!kind || strcmp(kind, "STORE") != 0)
        return MCVD_OK;
    const mcvd_status st = mcvd_prepare_settings(r->a.data, &data);
    r->config.data.test_fraction = data.test_fraction;
    return st;
}

static mcvd_status load_model(eval_run *r)
{
    mcvd_status st = mcvdi_model_path(r->model_path, sizeof r->model_path, r->a.model);

    if (st >= 0)
        st = mcvdi_model_load(&r->model, r->model_path, r->a.config_file);
    if (st < 0)
        return st;
    r->config = *mcvd_model_get_config(r->model);
    /* The authors' 100 samples a call fill a GPU. Here they take as long per sample as 10 do
     * (within 4 %), several times the memory, and a stop loses ten clips. --set comes after this.
     */
    if (r->config.sampling.batch_size > MOST_TOGETHER)
        r->config.sampling.batch_size = MOST_TOGETHER;
    if (r->moving_digits)
        r->config.data.num_digits = MOVING_DIGITS;
    else if (r->own_videos && r->config.data.test_fraction <= 0.0)
        r->config.data.test_fraction = mcvd_prepare_data_default().test_fraction;
    return take_fraction_of_store(r);
}

/* Scored frames when none are asked for: what is published, of own videos a block of the model.
 * The block also is what interpolation fills; generated clips are as long as predicted ones
 * together with the frames they start from. */
static int64_t default_frames(const eval_run *r)
{
    const mcvd_data_config *d = &r->config.data;
    const bool one_past = strcmp(r->protocol.name, "bair") == 0 && d->num_frames_cond == 1;
    const int64_t ahead = r->own_videos ? d->num_frames : one_past ? 15 : r->protocol.frames;

    switch (r->job.task) {
    case MCVD_TASK_PREDICT:
        return ahead;
    case MCVD_TASK_GENERATE:
        return d->num_frames_cond + ahead;
    default:
        return d->num_frames;
    }
}

/* The published number of past frames and so on give way to those of the model: a model that was
 * trained on 2 past frames is asked with 2. */
static void fit_protocol(eval_run *r)
{
    mcvd_eval_protocol *p = &r->protocol;
    const mcvd_data_config *d = &r->config.data;
    const mcvd_task task = r->job.task;

    snprintf(p->task, sizeof p->task, "%s", r->a.task);
    p->frames = r->a.frames ? r->a.frames : default_frames(r);
    p->past = mcvd_task_past_given(task) ? d->num_frames_cond : 0;
    p->future = mcvd_task_future_given(task) ? d->num_frames_future : 0;
    p->image_size = d->image_size;
    p->channels = d->channels;
    p->ssim = d->image_size >= MIN_SSIM_SIDE;
    if (r->a.clips)
        p->clips = r->a.clips;
    if (r->a.trajectories)
        p->trajectories = r->a.trajectories;
    else if (r->config.sampling.preds_per_test > 1)
        p->trajectories = r->config.sampling.preds_per_test;
    if (r->a.seed >= 0)
        p->seed = r->a.seed;
}

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

static mcvd_status apply_sets(eval_run *r)
{
    static const char *const allowed[] = {
        "sampling.",          "data.num_digits=",     "data.test_digits=", "data.frame_step=",
        "data.resize=",       "data.test_fraction=",  "data.start_at=",    "data.kth_clips=",
        "data.ucf101_split=", "data.cityscapes_test="
    };

    snprintf(r->config.data.windows, sizeof r->config.data.windows, "%s", r->protocol.windows);

    for (int i = 0; i < r->a.sets.count; i++) {
        const char *set = r->a.sets.values[i];
        bool known = false;
        mcvd_status st = MCVD_OK;
        for (size_t k = 0; k < sizeof allowed / sizeof *allowed; k++)
            known = known || starts_with(set, allowed[k]);
        if (starts_with(set, "protocol."))
            st = mcvd_eval_protocol_set(&r->protocol, set);
        else if (known)
            st = mcvd_config_set(&r->config, set);
        else
            return mcvdi_cli_fail(MCVD_E_USAGE,
                                  "--set %s: eval takes protocol.*, sampling.*, and the keys of "
                                  "data.* that mcvd eval --help names",
                                  set);
        if (st < 0)
            return mcvdi_cli_fail(st, "--set %s: %s", set, mcvd_last_error());
        if (starts_with(set, "sampling.preds_per_test="))
            r->protocol.trajectories = r->config.sampling.preds_per_test;
    }
    return MCVD_OK;
}

static mcvd_status expect(const eval_run *r, const char *what, int64_t asked, int64_t has)
{
    if (asked == has)
        return MCVD_OK;
    return mcvdi_cli_fail(MCVD_E_CONFIG, "protocol.%s = %" PRId64 ", but %s was made for %" PRId64,
                          what, asked, r->model_path, has);
}

/* What --set can have made of the protocol, against the model. */
static mcvd_status check_protocol(const eval_run *r)
{
    const mcvd_eval_protocol *p = &r->protocol;
    const mcvd_data_config *d = &r->config.data;
    const mcvd_task task = r->job.task;
    const char *why = mcvd_task_impossible(&r->config, task);
    mcvd_status st = MCVD_OK;

    if (why)
        return mcvdi_cli_fail(MCVD_E_MODEL, "%s cannot do %s: %s", r->model_path, p->task, why);
    if (r->set_channels && d->channels != r->set_channels)
        return mcvdi_cli_fail(
            MCVD_E_MODEL, "%s: expected a model of %s frames for %s, found %" PRId64 " channels",
            r->model_path, r->set_channels == 1 ? "gray" : "RGB",
            r->moving_digits ? "moving digits" : p->dataset, d->channels);
    if (strcmp(p->task, r->a.task) != 0)
        return mcvdi_cli_fail(MCVD_E_USAGE, "--set protocol.task: give --task instead");
    if (mcvd_task_past_given(task))
        st = expect(r, "past", p->past, d->num_frames_cond);
    if (st >= 0 && mcvd_task_future_given(task))
        st = expect(r, "future", p->future, d->num_frames_future);
    if (st >= 0)
        st = expect(r, "image_size", p->image_size, d->image_size);
    if (st >= 0)
        st = expect(r, "channels", p->channels, d->channels);
    if (st >= 0 && task == MCVD_TASK_INTERP && p->frames != d->num_frames)
        return mcvdi_cli_fail(MCVD_E_USAGE,
                              "--frames %" PRId64 ": interp fills the %" PRId64
                              " frames of one block of %s",
                              p->frames, d->num_frames, r->model_path);
    return st < 0 ? st : mcvd_eval_protocol_check(p);
}

mcvd_status eval_run_set_protocol(eval_run *r)
{
    mcvd_status st = find_benchmark(r);

    if (st >= 0 && !r->moving_digits && !r->a.data)
        st = mcvdi_cli_fail(MCVD_E_USAGE, "eval: %s needs --data PATH: %s", r->a.benchmark,
                            r->own_videos ? "a video or a folder of videos"
                                          : "the data set, see datasets/");
    if (st >= 0)
        st = mcvd_task_parse(&r->job.task, r->a.task);
    if (st >= 0)
        st = load_model(r);
    if (st < 0)
        return st;
    fit_protocol(r);
    st = apply_sets(r);
    if (st >= 0 && r->config.data.test_fraction <= 0.0)
        st = take_fraction_of_store(r); /* 0 asks for nothing */
    if (st >= 0)
        st = mcvdi_sampling_apply(&r->config, mcvd_model_get_config(r->model), &r->a.sampling,
                                  &r->a.sets);
    if (st >= 0)
        st = mcvdi_guidance_apply(&r->config, r->job.task, r->a.guidance);
    return st < 0 ? st : check_protocol(r);
}
