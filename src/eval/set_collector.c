/* Features of many videos, and the metrics between the two sets of them. */
#include <mcvd/metrics.h>

#include <math.h>
#include <string.h>

#include "core/alloc.h"
#include "core/status.h"
#include "eval/clip_features.h"
#include "eval/video_features.h"

/* Vectors of reference and test. */
typedef struct vectors {
    double *values[2]; /* [n, dim] */
    size_t n[2];
    size_t capacity[2];
    size_t dim;
} vectors;

struct mcvd_set_collector {
    vectors of_videos;
    vectors of_frames;
    size_t videos;    /* of both sides */
    size_t too_short; /* of them, and so without features */
    size_t too_long;
    size_t too_narrow;
    const char *distance; /* "fvd" or "fvd-proxy"; NULL without features */
    size_t min_frames;
};

mcvd_status mcvd_set_collector_create(mcvd_set_collector **out, const mcvd_video_features *features)
{
    mcvd_set_collector *c = mcvdi_calloc(1, sizeof *c);

    *out = c;
    if (!c)
        return mcvdi_fail(MCVD_E_NOMEM, "metrics: %zu bytes", sizeof *c);
    c->of_frames.dim = MCVD_LPIPS_FEATURES;
    if (features) {
        c->of_videos.dim = mcvd_video_features_dim(features);
        c->distance = mcvd_video_features_distance(features);
        c->min_frames = mcvd_video_features_min_frames(features);
    }
    return MCVD_OK;
}

void mcvd_set_collector_free(mcvd_set_collector **collector)
{
    mcvd_set_collector *c = *collector;

    if (!c)
        return;
    for (int i = 0; i < 2; i++) {
        mcvdi_free(c->of_videos.values[i]);
        mcvdi_free(c->of_frames.values[i]);
    }
    mcvdi_free(c);
    *collector = NULL;
}

static mcvd_status append(vectors *v, int side, const double *values, size_t count)
{
    const size_t needed = v->n[side] + count;
    const size_t twice = 2 * v->capacity[side];
    const size_t capacity = needed > twice ? needed : twice;

    if (needed > v->capacity[side]) {
        double *grown = mcvdi_realloc(v->values[side], capacity * v->dim * sizeof *grown);
        if (!grown)
            return mcvdi_fail(MCVD_E_NOMEM, "metrics: %zu vectors of features", capacity);
        v->values[side] = grown;
        v->capacity[side] = capacity;
    }
    memcpy(v->values[side] + v->n[side] * v->dim, values, count * v->dim * sizeof *values);
    v->n[side] = needed;
    return MCVD_OK;
}

static void count_without(mcvd_set_collector *c, const mcvd_compare_result *result)
{
    if (result->frames > MCVDI_CLIP_MAX_FRAMES)
        c->too_long++;
    else if (result->frames < c->min_frames)
        c->too_short++;
    else
        c->too_narrow++;
}

mcvd_status mcvd_set_collector_add(mcvd_set_collector *c, const mcvd_compare_result *result)
{
    const char *const paths[2] = { result->reference, result->test };
    mcvd_status st = MCVD_OK;

    for (int side = 0; st >= 0 && side < 2; side++) {
        if (!paths[side])
            continue;
        c->videos++;
        if (result->video_features[side])
            st = append(&c->of_videos, side, result->video_features[side], 1);
        else
            count_without(c, result);
        if (st >= 0 && result->frame_features[side])
            st = append(&c->of_frames, side, result->frame_features[side], result->frames);
    }
    return st;
}

static size_t fewer(const vectors *v)
{
    return v->n[0] < v->n[1] ? v->n[0] : v->n[1];
}

static mcvd_status check_videos(const mcvd_set_collector *c, const char *name, size_t least)
{
    if (c->too_short > 0)
        return mcvdi_fail(MCVD_E_INPUT, "%s: fewer than %zu frames in %zu of %zu videos", name,
                          c->min_frames, c->too_short, c->videos);
    if (c->too_long > 0)
        return mcvdi_fail(MCVD_E_INPUT,
                          "%s: more than %d frames in %zu of %zu videos; --frames %d takes the "
                          "first ones",
                          name, MCVDI_CLIP_MAX_FRAMES, c->too_long, c->videos,
                          MCVDI_CLIP_MAX_FRAMES);
    if (c->too_narrow > 0)
        return mcvdi_fail(
            MCVD_E_INPUT,
            "%s: frames with a side more than %d times the other in %zu of %zu videos", name,
            MCVDI_VIDEO_MAX_ASPECT, c->too_narrow, c->videos);
    if (fewer(&c->of_videos) < least)
        return mcvdi_fail(MCVD_E_INPUT, "%s: sets of %zu videos, at least %zu are needed", name,
                          fewer(&c->of_videos), least);
    return MCVD_OK;
}

static mcvd_feature_set set_of(const vectors *v, int side)
{
    return (mcvd_feature_set) { v->values[side], v->n[side], v->dim };
}

static mcvd_status distance_of(double *value, const vectors *v)
{
    const mcvd_feature_set real = set_of(v, 0);
    const mcvd_feature_set fake = set_of(v, 1);

    return mcvd_frechet_distance(value, &fake, &real);
}

static mcvd_status video_distance(const mcvd_set_collector *c, mcvd_set_metric metric,
                                  double *values)
{
    const char *name = mcvd_set_metric_name(metric);

    if (!c->distance || strcmp(c->distance, name) != 0)
        return mcvdi_fail(MCVD_E_RANGE, "%s: the features are those of %s", name,
                          c->distance ? c->distance : "nothing");
    const mcvd_status st = check_videos(c, name, 2);
    return st < 0 ? st : distance_of(&values[metric], &c->of_videos);
}

static mcvd_status frame_distance(const mcvd_set_collector *c, double *values)
{
    if (fewer(&c->of_frames) < 2)
        return mcvdi_fail(MCVD_E_INPUT,
                          "fid-alexnet: features of %zu frames, at least 2 are needed",
                          fewer(&c->of_frames));
    return distance_of(&values[MCVD_SET_METRIC_FID_ALEXNET], &c->of_frames);
}

static mcvd_status neighbours(const mcvd_set_collector *c, double *precision, double *recall)
{
    const mcvd_feature_set real = set_of(&c->of_videos, 0);
    const mcvd_feature_set fake = set_of(&c->of_videos, 1);
    const mcvd_status st = check_videos(c, "precision and recall", MCVD_PRECISION_RECALL_K + 1);

    return st < 0 ? st
                  : mcvd_precision_recall(precision, recall, &fake, &real, MCVD_PRECISION_RECALL_K);
}

mcvd_status mcvd_set_collector_scores(const mcvd_set_collector *c, unsigned sets, double *values)
{
    const bool precision = (sets & MCVD_METRIC_BIT(MCVD_SET_METRIC_PRECISION)) != 0;
    const bool recall = (sets & MCVD_METRIC_BIT(MCVD_SET_METRIC_RECALL)) != 0;
    mcvd_status st = MCVD_OK;
    double p = NAN;
    double r = NAN;

    for (int m = 0; m < MCVD_NUM_SET_METRICS; m++)
        values[m] = NAN;
    if (sets & MCVD_METRIC_BIT(MCVD_SET_METRIC_FVD))
        st = video_distance(c, MCVD_SET_METRIC_FVD, values);
    if (st >= 0 && (sets & MCVD_METRIC_BIT(MCVD_SET_METRIC_FVD_PROXY)))
        st = video_distance(c, MCVD_SET_METRIC_FVD_PROXY, values);
    if (st >= 0 && (sets & MCVD_METRIC_BIT(MCVD_SET_METRIC_FID_ALEXNET)))
        st = frame_distance(c, values);
    if (st >= 0 && (precision || recall))
        st = neighbours(c, &p, &r);
    if (precision)
        values[MCVD_SET_METRIC_PRECISION] = p;
    if (recall)
        values[MCVD_SET_METRIC_RECALL] = r;
    return st;
}
