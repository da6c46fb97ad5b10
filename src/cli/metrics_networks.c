#include "cli/metrics_networks.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/fail.h"

enum { PATH_BYTES = 4096 };

#define BIT MCVD_METRIC_BIT

/* ---- what is missing ------------------------------------------------------------------------- */

/* note: see metrics_missing */
static void miss(metrics_networks *n, const char *name, const char *note, const char *why)
{
    metrics_missing *m = &n->missing[n->num_missing];

    if (n->num_missing == METRICS_MAX_MISSING)
        return;
    n->num_missing++;
    m->name = name;
    m->note = note;
    snprintf(m->why, sizeof m->why, "%s", why);
}

void mcvdi_metrics_networks_note(const metrics_networks *n)
{
    for (size_t i = 0; i < n->num_missing; i++)
        if (n->missing[i].note)
            mcvdi_cli_note("note: %s: %s", n->missing[i].note, n->missing[i].why);
}

/* ---- opening -------------------------------------------------------------------------------- */

/* A missing file is a missing model here. */
static mcvd_status find(char path[PATH_BYTES], mcvd_extractor_kind kind, const char *folder,
                        const char *metric)
{
    const mcvd_status st = mcvd_extractor_path(path, PATH_BYTES, kind, folder);

    return st == MCVD_E_INPUT
               ? mcvdi_cli_fail(MCVD_E_MODEL, "%s needs %s", metric, mcvd_last_error())
               : st;
}

static mcvd_status open_lpips(metrics_networks *n, const char *folder, const char *metric)
{
    char path[PATH_BYTES];
    const mcvd_status st = find(path, MCVD_EXTRACTOR_ALEXNET, folder, metric);

    return st < 0 ? st : mcvd_lpips_open(&n->lpips, path);
}

/* I3D where it is, else the stand-in and a note. */
static mcvd_status open_best_features(metrics_networks *n, const char *folder)
{
    char path[PATH_BYTES];
    const mcvd_status st = mcvd_extractor_path(path, sizeof path, MCVD_EXTRACTOR_I3D, folder);

    if (st == MCVD_OK)
        return mcvd_video_features_open(&n->features, MCVD_EXTRACTOR_I3D, path);
    if (st != MCVD_E_INPUT)
        return st;
    miss(n, "fvd", "no fvd, features of fvd-proxy instead (not comparable with FVD)",
         mcvd_last_error());
    return mcvd_video_features_open(&n->features, MCVD_EXTRACTOR_PROXY, NULL);
}

/* AlexNet where it is, else a note. Sets without pairs have no LPIPS anyway. */
static mcvd_status choose_alexnet(metrics_networks *n, const char *folder, bool unpaired)
{
    char path[PATH_BYTES];
    const mcvd_status st = mcvd_extractor_path(path, sizeof path, MCVD_EXTRACTOR_ALEXNET, folder);

    if (st == MCVD_OK)
        return mcvd_lpips_open(&n->lpips, path);
    if (st != MCVD_E_INPUT)
        return st;
    if (!unpaired)
        miss(n, "lpips", "no lpips", mcvd_last_error());
    miss(n, "fid-alexnet", unpaired ? "no fid-alexnet" : NULL, mcvd_last_error());
    return MCVD_OK;
}

/* Sets of at least two videos have distances, and of more than k neighbours. */
static mcvd_status choose_sets(metrics_networks *n, const metrics_request *request)
{
    char why[METRICS_WHY];

    if (request->least_videos < 2) {
        miss(n, "fvd", NULL, "compares sets of videos: at least 2 are needed");
        if (n->lpips)
            miss(n, "fid-alexnet", NULL, "of one pair only when --metrics names it");
        miss(n, "precision", NULL, "compares sets of videos: at least 4 are needed");
        miss(n, "recall", NULL, "compares sets of videos: at least 4 are needed");
        return MCVD_OK;
    }
    const mcvd_status st = open_best_features(n, request->folder);
    if (st < 0)
        return st;
    n->sets = strcmp(mcvd_video_features_distance(n->features), "fvd") == 0
                  ? BIT(MCVD_SET_METRIC_FVD)
                  : BIT(MCVD_SET_METRIC_FVD_PROXY);
    if (n->lpips)
        n->sets |= BIT(MCVD_SET_METRIC_FID_ALEXNET);
    if (request->least_videos > MCVD_PRECISION_RECALL_K) {
        n->sets |= BIT(MCVD_SET_METRIC_PRECISION) | BIT(MCVD_SET_METRIC_RECALL);
        return MCVD_OK;
    }
    snprintf(why, sizeof why, "of %d neighbours: %zu videos, at least %d are needed",
             MCVD_PRECISION_RECALL_K, request->least_videos, MCVD_PRECISION_RECALL_K + 1);
    miss(n, "precision", "no precision and recall", why);
    miss(n, "recall", NULL, why);
    return MCVD_OK;
}

static bool has_networks(const metrics_request *request)
{
    return !request->folder || strcmp(request->folder, "none") != 0;
}

/* --features none: pixels alone. */
static mcvd_status choose_no_network(metrics_networks *n, bool unpaired)
{
    static const char *const names[] = { "lpips", "fid-alexnet", "fvd", "precision", "recall" };

    if (unpaired)
        return mcvdi_cli_fail(MCVD_E_USAGE,
                              "metrics: --unpaired needs features of videos, --features none "
                              "leaves them out; fvd-proxy by its name needs no file");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        miss(n, names[i], NULL, "left out by --features none");
    return MCVD_OK;
}

static mcvd_status choose_networks(metrics_networks *n, const metrics_request *request,
                                   bool unpaired)
{
    if (unpaired && request->least_videos < 2)
        return mcvdi_cli_fail(MCVD_E_INPUT, "metrics: --unpaired: %zu video, at least 2 are needed",
                              request->least_videos);
    if (!has_networks(request))
        return choose_no_network(n, unpaired);
    const mcvd_status st = choose_alexnet(n, request->folder, unpaired);
    return st < 0 ? st : choose_sets(n, request);
}

static mcvd_status choose(metrics_networks *n, mcvd_compare_config *config,
                          const metrics_request *request)
{
    const mcvd_status st = choose_networks(n, request, config->unpaired);

    n->chosen_here = true;
    config->leave_out = true;
    config->metrics = config->unpaired ? 0 : MCVD_METRIC_PIXELS;
    if (n->lpips && !config->unpaired)
        config->metrics |= BIT(MCVD_METRIC_LPIPS);
    return st;
}

static mcvd_status open_features(metrics_networks *n, const char *folder)
{
    const bool fvd = (n->sets & BIT(MCVD_SET_METRIC_FVD)) != 0;
    const bool proxy = (n->sets & BIT(MCVD_SET_METRIC_FVD_PROXY)) != 0;
    char path[PATH_BYTES];

    if (fvd && proxy)
        return mcvdi_cli_fail(MCVD_E_USAGE, "metrics: either fvd or fvd-proxy, not both");
    if (proxy)
        return mcvd_video_features_open(&n->features, MCVD_EXTRACTOR_PROXY, NULL);
    if (!fvd)
        return open_best_features(n, folder);
    const mcvd_status st = find(path, MCVD_EXTRACTOR_I3D, folder, "fvd");
    return st < 0 ? st : mcvd_video_features_open(&n->features, MCVD_EXTRACTOR_I3D, path);
}

/* How many videos a metric of sets needs; of frames alone, those of one are enough. */
static size_t videos_needed(mcvd_set_metric metric)
{
    const unsigned neighbours = BIT(MCVD_SET_METRIC_PRECISION) | BIT(MCVD_SET_METRIC_RECALL);

    if (BIT(metric) & neighbours)
        return MCVD_PRECISION_RECALL_K + 1;
    return (BIT(metric) & METRICS_VIDEO_SETS) ? 2 : 1;
}

/* What the list asks for must make sense before anything is opened. */
static mcvd_status check_list(const metrics_networks *n, const mcvd_compare_config *config,
                              const metrics_request *request)
{
    const unsigned of_files = BIT(MCVD_SET_METRIC_FVD) | BIT(MCVD_SET_METRIC_FID_ALEXNET);
    const size_t videos = request->least_videos;

    if (config->unpaired && config->metrics)
        return mcvdi_cli_fail(MCVD_E_USAGE,
                              "metrics: '%s' has metrics of pairs, --unpaired has none: fvd, "
                              "fvd-proxy, fid-alexnet, precision, recall",
                              request->list);
    for (int m = 0; m < MCVD_NUM_SET_METRICS; m++)
        if ((n->sets & BIT(m)) && videos < videos_needed((mcvd_set_metric)m))
            return mcvdi_cli_fail(
                MCVD_E_INPUT,
                "metrics: '%s' compares sets of videos: %zu %s%s, at least %zu are "
                "needed",
                mcvd_set_metric_name((mcvd_set_metric)m), videos,
                config->unpaired ? "video" : "pair", videos == 1 ? "" : "s",
                videos_needed((mcvd_set_metric)m));
    const bool stand_in = (n->sets & BIT(MCVD_SET_METRIC_FVD_PROXY)) != 0;
    if (!has_networks(request) &&
        ((config->metrics & BIT(MCVD_METRIC_LPIPS)) || (n->sets & of_files) ||
         ((n->sets & METRICS_VIDEO_SETS) && !stand_in)))
        return mcvdi_cli_fail(MCVD_E_USAGE, "metrics: '%s' needs what --features none leaves out",
                              request->list);
    return MCVD_OK;
}

/* Exactly what the list says. */
static mcvd_status obey(metrics_networks *n, mcvd_compare_config *config,
                        const metrics_request *request)
{
    mcvd_status st = mcvd_metrics_parse(&config->metrics, &n->sets, request->list);
    const bool lpips = (config->metrics & BIT(MCVD_METRIC_LPIPS)) != 0;
    const bool fid = (n->sets & BIT(MCVD_SET_METRIC_FID_ALEXNET)) != 0;

    if (st >= 0)
        st = check_list(n, config, request);
    if (st >= 0 && (lpips || fid))
        st = open_lpips(n, request->folder, lpips ? "lpips" : "fid-alexnet");
    if (st >= 0 && (n->sets & METRICS_VIDEO_SETS))
        st = open_features(n, request->folder);
    return st;
}

mcvd_status mcvdi_metrics_networks_open(metrics_networks *n, mcvd_compare_config *config,
                                        const metrics_request *request)
{
    const mcvd_status st = request->list ? obey(n, config, request) : choose(n, config, request);

    if (config->metrics & BIT(MCVD_METRIC_PSNR))
        config->metrics |= BIT(MCVD_METRIC_PSNR_FRAME);
    config->lpips = n->lpips;
    config->features = n->features;
    config->frame_features = (n->sets & BIT(MCVD_SET_METRIC_FID_ALEXNET)) != 0;
    return st;
}

void mcvdi_metrics_networks_free(metrics_networks *n)
{
    mcvd_lpips_free(&n->lpips);
    mcvd_video_features_free(&n->features);
}

/* ---- scores --------------------------------------------------------------------------------- */

void mcvdi_metrics_leave_out(metrics_networks *n, const char *name, const char *why)
{
    if (!n->num_missing || strcmp(n->missing[n->num_missing - 1].why, why) != 0)
        mcvdi_cli_note("note: left out: %s", why);
    miss(n, name, NULL, why);
}

mcvd_status mcvdi_metrics_networks_scores(metrics_networks *n, const mcvd_set_collector *collector,
                                          double *values)
{
    double one[MCVD_NUM_SET_METRICS];

    for (int m = 0; m < MCVD_NUM_SET_METRICS; m++) {
        const char *name = mcvd_set_metric_name((mcvd_set_metric)m);
        values[m] = NAN;
        if (!(n->sets & BIT(m)))
            continue;
        const mcvd_status st = mcvd_set_collector_scores(collector, BIT(m), one);
        if (st == MCVD_E_INPUT && n->chosen_here) {
            mcvdi_metrics_leave_out(n, name, mcvd_last_error());
            n->sets &= ~BIT(m);
        } else if (st < 0) {
            return st;
        }
        values[m] = one[m];
    }
    return MCVD_OK;
}

const char *mcvdi_metrics_extractor(const metrics_networks *n)
{
    return mcvd_extractor_name(strcmp(mcvd_video_features_distance(n->features), "fvd") == 0
                                   ? MCVD_EXTRACTOR_I3D
                                   : MCVD_EXTRACTOR_PROXY);
}
