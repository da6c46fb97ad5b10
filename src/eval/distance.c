/* The distance between predicted and true videos of a run. */
#include <math.h>
#include <string.h>

#include <mcvd/features.h>

#include "core/alloc.h"
#include "core/checked.h"
#include "core/status.h"
#include "eval/report.h"

/* Published scores have at least so many frames per video. */
enum { MIN_FVD_FRAMES = 10 };

/* ---- storage -------------------------------------------------------------------------------- */

static mcvd_status keep_text(char **to, const char *text)
{
    *to = mcvdi_sprintf("%s", text);
    return *to ? MCVD_OK : mcvdi_fail(MCVD_E_NOMEM, "report: a text");
}

static mcvd_status allocate_features(mcvd_eval_report *r)
{
    const size_t clips = (size_t)r->protocol.clips;
    size_t fakes = 0;

    if (!mcvdi_mul_size(&fakes, clips * r->feature_dim, (size_t)r->protocol.trajectories))
        return mcvdi_fail(MCVD_E_CONFIG, "protocol '%s': too many features", r->protocol.name);
    r->real_features = mcvdi_calloc(clips * r->feature_dim, sizeof(double));
    r->fake_features = mcvdi_calloc(fakes, sizeof(double));
    if (!r->real_features || !r->fake_features)
        return mcvdi_fail(MCVD_E_NOMEM, "evaluation: features of %zu clips", clips);
    return MCVD_OK;
}

mcvd_status mcvdi_eval_report_add_features(mcvd_eval_report *report,
                                           const mcvd_eval_options *options)
{
    const mcvd_eval_protocol *p = &report->protocol;
    mcvd_status st = MCVD_OK;

    if (options->lpips) {
        report->metrics |= MCVD_METRIC_BIT(MCVD_METRIC_LPIPS);
        st = keep_text(&report->lpips_sha256, mcvd_lpips_sha256(options->lpips));
    }
    if (st < 0 || !options->features)
        return st;
    const mcvd_video_features *f = options->features;
    const bool is_fvd = strcmp(mcvd_video_features_distance(f), "fvd") == 0;
    const size_t least = is_fvd ? MIN_FVD_FRAMES : mcvd_video_features_min_frames(f);
    const size_t frames = mcvdi_eval_known_past(p) + (size_t)p->frames + mcvdi_eval_known_future(p);
    report->distance_name = mcvd_video_features_distance(f);
    st = keep_text(&report->features_sha256, mcvd_video_features_sha256(f));
    if (st >= 0 && frames < least) {
        report->distance_missing = mcvdi_sprintf("videos of %zu frames, %s needs %zu", frames,
                                                 report->distance_name, least);
        return report->distance_missing ? MCVD_OK : mcvdi_fail(MCVD_E_NOMEM, "report: a text");
    }
    report->video_frames = frames;
    report->feature_dim = mcvd_video_features_dim(f);
    return st < 0 ? st : allocate_features(report);
}

/* ---- distance ------------------------------------------------------------------------------- */

/* Trajectory j of every clip, against the true ones. */
static mcvd_status trajectory_distance(const mcvd_eval_report *r, size_t j, double *rows,
                                       double *distance)
{
    const size_t dim = r->feature_dim;
    const size_t k = (size_t)r->protocol.trajectories;
    const mcvd_feature_set real = { r->real_features, r->clips, dim };
    const mcvd_feature_set fake = { rows, r->clips, dim };

    for (size_t c = 0; c < r->clips; c++)
        memcpy(rows + c * dim, r->fake_features + (c * k + j) * dim, dim * sizeof *rows);
    return mcvd_frechet_distance(distance, &fake, &real);
}

/* Mean over trajectories, deviation with divisor K, half-width with divisor K - 1. */
static mcvd_status over_trajectories(mcvd_eval_report *r)
{
    const size_t k = (size_t)r->protocol.trajectories;
    double *values = mcvdi_calloc(k, sizeof *values);
    double *rows = mcvdi_calloc(r->clips * r->feature_dim, sizeof *rows);
    mcvd_status st =
        values && rows ? MCVD_OK : mcvdi_fail(MCVD_E_NOMEM, "report: %zu distances", k);

    for (size_t j = 0; st >= 0 && j < k; j++)
        st = trajectory_distance(r, j, rows, &values[j]);
    if (st >= 0) {
        const mcvd_summary s = mcvd_summarize(values, k);
        r->distance.traj_mean = s.mean;
        r->distance.traj_std = k > 1 ? s.std : (double)NAN;
        r->distance.traj_conf95 = s.conf95;
    }
    mcvdi_free(values);
    mcvdi_free(rows);
    return st;
}

mcvd_status mcvdi_eval_distance(mcvd_eval_report *report)
{
    mcvd_eval_report *r = report;
    const size_t k = (size_t)r->protocol.trajectories;
    const mcvd_feature_set real = { r->real_features, r->clips, r->feature_dim };
    const mcvd_feature_set fake = { r->fake_features, r->clips * k, r->feature_dim };
    mcvd_eval_distance *d = &r->distance;

    *d = (mcvd_eval_distance) { .name = r->distance_name,
                                .missing = r->distance_missing,
                                .clips = r->clips,
                                .frames = r->video_frames,
                                .dim = r->feature_dim,
                                .all = NAN,
                                .traj_mean = NAN,
                                .traj_std = NAN,
                                .traj_conf95 = NAN,
                                .precision = NAN,
                                .recall = NAN };
    if (!d->name || d->missing)
        return MCVD_OK;
    if (r->clips < 2) {
        d->missing = "fewer than 2 clips";
        return MCVD_OK;
    }
    mcvd_status st = mcvd_frechet_distance(&d->all, &fake, &real);
    if (st >= 0)
        st = over_trajectories(r);
    if (st >= 0 && r->clips > MCVD_PRECISION_RECALL_K)
        st =
            mcvd_precision_recall(&d->precision, &d->recall, &fake, &real, MCVD_PRECISION_RECALL_K);
    return st;
}

mcvd_eval_distance mcvd_eval_report_distance(const mcvd_eval_report *report)
{
    return report->distance;
}
