/* The runner of a benchmark: clips in, frame scores of the model and of every baseline out. */
#include <mcvd/metrics.h>

#include <math.h>

#include "core/alloc.h"
#include "core/checked.h"
#include "core/status.h"
#include "eval/record.h"
#include "eval/report.h"

typedef struct eval_run {
    const mcvd_eval_protocol *protocol;
    const mcvd_eval_options *options;
    mcvd_eval_report *report;
    mcvd_scorer *scorer;
    size_t numel;       /* H * W * C */
    float *clip;        /* [past + frames + future, H, W, C] in [-1, 1] */
    float *predicted;   /* [trajectories, frames, H, W, C] in [-1, 1] */
    float *truth01;     /* [frames, H, W, C] in [0, 1] */
    float *predicted01; /* [H, W, C] in [0, 1] */
    float *video;       /* [video_frames, H, W, C] in [0, 1], with features */
} eval_run;

static void free_run(eval_run *r)
{
    mcvd_scorer_free(&r->scorer);
    mcvdi_free_aligned(r->clip);
    mcvdi_free_aligned(r->predicted);
    mcvdi_free(r->truth01);
    mcvdi_free(r->predicted01);
    mcvdi_free(r->video);
}

/* frames * numel floats, 64-byte aligned when aligned is set: callbacks get these. */
static mcvd_status allocate_frames(float **out, size_t frames, size_t numel, bool aligned)
{
    size_t bytes;

    if (!mcvdi_mul_size(&bytes, frames, numel) || !mcvdi_mul_size(&bytes, bytes, sizeof(float)))
        return mcvdi_fail(MCVD_E_CONFIG, "protocol: %zu frames of %zu values are too many", frames,
                          numel);
    *out = aligned ? mcvdi_alloc_aligned(bytes) : mcvdi_malloc(bytes);
    if (!*out)
        return mcvdi_fail(MCVD_E_NOMEM, "evaluation: %zu bytes for %zu frames", bytes, frames);
    return MCVD_OK;
}

static mcvd_status allocate_buffers(eval_run *r)
{
    const mcvd_eval_protocol *p = r->protocol;
    const size_t frames = (size_t)p->frames;
    const size_t all_frames = (size_t)p->past + frames + (size_t)p->future;
    size_t predicted = 0;

    if (!mcvdi_mul_size(&predicted, (size_t)p->trajectories, frames))
        return mcvdi_fail(MCVD_E_CONFIG, "protocol: too many trajectories");
    mcvd_status st = allocate_frames(&r->clip, all_frames, r->numel, true);
    if (st >= 0)
        st = allocate_frames(&r->predicted, predicted, r->numel, true);
    if (st >= 0)
        st = allocate_frames(&r->truth01, frames, r->numel, false);
    if (st >= 0)
        st = allocate_frames(&r->predicted01, 1, r->numel, false);
    if (st >= 0 && r->report->video_frames)
        st = allocate_frames(&r->video, r->report->video_frames, r->numel, false);
    return st;
}

static mcvd_status create_scorer(eval_run *r)
{
    const mcvd_scorer_config config = {
        .height = (size_t)r->protocol->image_size,
        .width = (size_t)r->protocol->image_size,
        .channels = (size_t)r->protocol->channels,
        .metrics = r->report->metrics,
        .binarise = r->protocol->binarise,
        .lpips = r->options->lpips,
    };

    return mcvd_scorer_create(&r->scorer, &config);
}

/* [-1, 1] -> [0, 1], clamped; a NaN stays one and the scorer refuses it. */
static void to_unit_range(float *out, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const float v = (x[i] + 1.0f) / 2.0f;
        out[i] = v < 0.0f ? 0.0f : v > 1.0f ? 1.0f : v;
    }
}

/* Frames [0, frames) of one trajectory in [-1, 1] against truth01. */
static mcvd_status score_trajectory(eval_run *r, const float *trajectory, mcvd_scores *scores)
{
    for (size_t f = 0; f < (size_t)r->protocol->frames; f++) {
        to_unit_range(r->predicted01, trajectory + f * r->numel, r->numel);
        const mcvd_status st =
            mcvd_scorer_frame(r->scorer, r->truth01 + f * r->numel, r->predicted01, &scores[f]);
        if (st < 0)
            return st;
    }
    return MCVD_OK;
}

static const float *target_frames(const eval_run *r)
{
    return r->clip + (size_t)r->protocol->past * r->numel;
}

static const float *future_frames(const eval_run *r)
{
    return target_frames(r) + (size_t)r->protocol->frames * r->numel;
}

/* The last past frame lies directly before the target, so a task that knows the past knows all of
 * its protocol->past frames; the same for the future. */
static mcvd_known_frames known_frames(const eval_run *r)
{
    const size_t past = mcvdi_eval_known_past(r->protocol);
    const size_t future = mcvdi_eval_known_future(r->protocol);

    return (mcvd_known_frames) {
        .past = past ? r->clip : NULL,
        .future = future ? future_frames(r) : NULL,
        .num_past = past,
        .num_future = future,
        .frame_numel = r->numel,
    };
}

static mcvd_status score_baselines(eval_run *r, size_t clip)
{
    const size_t frames = (size_t)r->protocol->frames;
    const mcvd_known_frames known = known_frames(r);
    size_t row = 1;

    for (int b = 0; b < MCVD_NUM_BASELINES; b++) {
        if (mcvd_baseline_missing((mcvd_baseline)b, known.num_past, known.num_future))
            continue;
        mcvd_status st = mcvd_baseline_predict((mcvd_baseline)b, &known, frames, r->predicted);
        if (st >= 0)
            st = score_trajectory(r, r->predicted, r->report->rows[row].frames + clip * frames);
        if (st < 0)
            return st;
        row++;
    }
    return MCVD_OK;
}

static mcvd_status score_clip(eval_run *r, size_t clip)
{
    const size_t k = (size_t)r->protocol->trajectories;
    const size_t frames = (size_t)r->protocol->frames;

    to_unit_range(r->truth01, target_frames(r), frames * r->numel);
    for (size_t j = 0; j < k; j++) {
        const mcvd_status st =
            score_trajectory(r, r->predicted + j * frames * r->numel,
                             r->report->rows[0].frames + (clip * k + j) * frames);
        if (st < 0)
            return mcvdi_fail_context(st, "clip %zu, trajectory %zu", clip, j);
    }
    return score_baselines(r, clip);
}

static double frame_contrast(const float *x, size_t n, double *mean)
{
    double sum = 0.0;
    double squares = 0.0;

    for (size_t i = 0; i < n; i++)
        sum += (double)x[i];
    *mean = sum / (double)n;
    for (size_t i = 0; i < n; i++)
        squares += ((double)x[i] - *mean) * ((double)x[i] - *mean);
    return sqrt(squares / (double)n);
}

/* Add share times the statistics of a video [frames, numel] in [-1, 1], which becomes [0, 1]. */
static mcvd_status add_statistics(const eval_run *r, float *video, double share,
                                  double stats[MCVDI_NUM_STATS])
{
    const size_t frames = (size_t)r->protocol->frames;
    const size_t numel = r->numel;
    double sums[MCVDI_NUM_STATS] = { 0.0 };

    for (size_t f = 0; f < frames; f++) {
        float *x = video + f * numel;
        double mean;
        to_unit_range(x, x, numel);
        sums[MCVDI_STAT_CONTRAST] += frame_contrast(x, numel, &mean) / (double)frames;
        sums[MCVDI_STAT_BRIGHTNESS] += mean / (double)frames;
        for (size_t i = 0; f > 0 && i < numel; i++)
            sums[MCVDI_STAT_MOTION] +=
                fabs((double)x[i] - (double)x[i - numel]) / (double)((frames - 1) * numel);
    }
    for (int s = 0; s < MCVDI_NUM_STATS; s++) {
        if (!isfinite(sums[s]))
            return mcvdi_fail(MCVD_E_NONFINITE, "a NaN or infinity among the generated pixels");
        stats[s] += share * sums[s];
    }
    return MCVD_OK;
}

static mcvd_status describe_clip(eval_run *r, size_t clip)
{
    const size_t k = (size_t)r->protocol->trajectories;
    const size_t numel = (size_t)r->protocol->frames * r->numel;
    double real[MCVDI_NUM_STATS] = { 0.0 };
    double model[MCVDI_NUM_STATS] = { 0.0 };

    mcvd_status st = add_statistics(r, r->clip + (size_t)r->protocol->past * r->numel, 1.0, real);
    for (size_t j = 0; st >= 0 && j < k; j++)
        st = add_statistics(r, r->predicted + j * numel, 1.0 / (double)k, model);
    for (size_t s = 0; s < MCVDI_NUM_STATS; s++) {
        r->report->real_stats[clip * MCVDI_NUM_STATS + s] = real[s];
        r->report->model_stats[clip * MCVDI_NUM_STATS + s] = model[s];
    }
    return st;
}

/* ---- features ------------------------------------------------------------------------------- */

static mcvd_status extract(const eval_run *r, double *out)
{
    const size_t side = (size_t)r->protocol->image_size;
    const mcvd_video_shape shape = { r->report->video_frames, side, side,
                                     (size_t)r->protocol->channels };

    return mcvd_video_features_extract(r->options->features, r->video, &shape, out);
}

/* Frames from `first` of the clip on. */
static void put_clip_frames(const eval_run *r, size_t to, size_t first, size_t count)
{
    to_unit_range(r->video + to * r->numel, r->clip + first * r->numel, count * r->numel);
}

/* The videos that are compared: known past, target or prediction, known future. */
static mcvd_status extract_clip(eval_run *r, size_t clip)
{
    const mcvd_eval_protocol *p = r->protocol;
    const size_t dim = r->report->feature_dim;
    const size_t past = mcvdi_eval_known_past(p);
    const size_t future = mcvdi_eval_known_future(p);
    const size_t frames = (size_t)p->frames;
    const size_t k = (size_t)p->trajectories;

    if (!r->report->real_features)
        return MCVD_OK;
    put_clip_frames(r, 0, (size_t)p->past - past, past + frames + future);
    mcvd_status st = extract(r, r->report->real_features + clip * dim);
    for (size_t j = 0; st >= 0 && j < k; j++) {
        to_unit_range(r->video + past * r->numel, r->predicted + j * frames * r->numel,
                      frames * r->numel);
        st = extract(r, r->report->fake_features + (clip * k + j) * dim);
    }
    return st < 0 ? mcvdi_fail_context(st, "clip %zu", clip) : MCVD_OK;
}

/* ---- clips ---------------------------------------------------------------------------------- */

static mcvd_status compute_clip(eval_run *r, const mcvd_eval_callbacks *callbacks, size_t clip)
{
    const mcvd_known_frames known = known_frames(r);
    const mcvd_eval_case eval_case = {
        .clip = clip,
        .past = known.past,
        .future = known.future,
        .trajectories = (size_t)r->protocol->trajectories,
        .seed = (uint64_t)r->protocol->seed,
    };

    mcvd_status st = callbacks->predict(callbacks->predict_user, &eval_case, r->predicted);
    if (st >= 0)
        st = extract_clip(r, clip); /* before the scores use the buffers for baselines */
    if (st >= 0)
        st = r->report->scored ? score_clip(r, clip) : describe_clip(r, clip);
    if (st >= 0)
        st = mcvdi_eval_record_write(r->report, r->options, clip);
    return st;
}

/* MCVD_EOF where the data has no such clip. */
static mcvd_status do_clip(eval_run *r, const mcvd_eval_callbacks *callbacks, size_t clip)
{
    bool found = false;
    mcvd_status st = mcvdi_eval_record_read(r->report, r->options, clip, &found);

    if (st >= 0 && !found)
        st = callbacks->get_clip(callbacks->clip_user, clip, r->clip);
    if (st == MCVD_OK && !found)
        st = compute_clip(r, callbacks, clip);
    if (st == MCVD_OK && r->options->on_clip && r->options->on_clip(r->options->user, clip, found))
        st = mcvdi_fail(MCVD_E_INTERRUPTED, "stopped after clip %zu", clip);
    return st;
}

static mcvd_status run_clips(eval_run *r, const mcvd_eval_callbacks *callbacks)
{
    const size_t shards = r->options->num_shards > 1 ? r->options->num_shards : 1;
    const size_t group = r->options->group ? r->options->group : 1;

    for (size_t clip = 0; clip < (size_t)r->protocol->clips; clip++) {
        if (clip / group % shards != r->options->shard)
            continue;
        const mcvd_status st = do_clip(r, callbacks, clip);
        if (st == MCVD_EOF)
            break;
        if (st < 0)
            return st;
        r->report->clips = clip + 1;
    }
    if (r->report->clips == 0 && shards == 1)
        return mcvdi_fail(MCVD_E_INPUT, "benchmark '%s': no clip to evaluate", r->protocol->name);
    return MCVD_OK;
}

mcvd_eval_options mcvd_eval_options_default(void)
{
    return (mcvd_eval_options) { .fingerprint = "" };
}

static mcvd_status check_options(const mcvd_eval_options *o)
{
    if (o->num_shards > 1 ? o->shard >= o->num_shards : o->shard > 0)
        return mcvdi_fail(MCVD_E_RANGE, "shard %zu of %zu: they count from 0", o->shard,
                          o->num_shards);
    if (o->num_shards > 1 && !o->work)
        return mcvdi_fail(MCVD_E_RANGE, "a shard needs a folder for its records");
    return MCVD_OK;
}

/* All trajectories of a clip, and the baselines, have the same true frames. */
static mcvd_status remember_truth(const eval_run *r)
{
    enum { MOST = 64 };
    const size_t frames = (size_t)r->protocol->frames;

    return r->options->lpips ? mcvd_lpips_remember(r->options->lpips, frames < MOST ? frames : MOST)
                             : MCVD_OK;
}

static mcvd_status set_up(eval_run *r)
{
    mcvd_status st = mcvdi_eval_report_create(&r->report, r->protocol);

    if (st >= 0)
        st = mcvdi_eval_report_add_features(r->report, r->options);
    if (st >= 0)
        st = create_scorer(r);
    if (st >= 0)
        st = remember_truth(r);
    if (st >= 0)
        st = allocate_buffers(r);
    if (st >= 0)
        st = mcvdi_eval_records_open(r->report, r->options);
    return st;
}

mcvd_status mcvd_eval_run_with(const mcvd_eval_protocol *protocol,
                               const mcvd_eval_callbacks *callbacks,
                               const mcvd_eval_options *options, mcvd_eval_report **out)
{
    eval_run r = { .protocol = protocol, .options = options };

    *out = NULL;
    mcvd_status st = mcvd_eval_protocol_check(protocol);
    if (st >= 0)
        st = check_options(options);
    if (st < 0)
        return st;
    r.numel =
        (size_t)protocol->image_size * (size_t)protocol->image_size * (size_t)protocol->channels;
    st = set_up(&r);
    if (st >= 0)
        st = run_clips(&r, callbacks);
    if (st >= 0 && options->num_shards <= 1)
        st = mcvdi_eval_distance(r.report);
    free_run(&r);
    if (st < 0 || options->num_shards > 1)
        mcvd_eval_report_free(&r.report);
    *out = r.report;
    return st;
}

mcvd_status mcvd_eval_run(const mcvd_eval_protocol *protocol, mcvd_eval_clip_fn get_clip,
                          void *clip_user, mcvd_eval_predict_fn predict, void *predict_user,
                          mcvd_eval_report **out)
{
    const mcvd_eval_callbacks callbacks = { get_clip, clip_user, predict, predict_user };
    const mcvd_eval_options options = mcvd_eval_options_default();

    return mcvd_eval_run_with(protocol, &callbacks, &options, out);
}
