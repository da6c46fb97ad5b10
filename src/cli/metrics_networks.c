#include "cli/metrics_networks.h"

#include <math.h>
#include <string.h>

#include <mcvd/version.h>

#include "cli/fail.h"

enum { PATH_BYTES = 4096, TEXT_BYTES = 512 };

#define BIT MCVD_METRIC_BIT
#define VIDEO_SETS                                                                                \
    (BIT(MCVD_SET_METRIC_FVD) | BIT(MCVD_SET_METRIC_FVD_PROXY) | BIT(MCVD_SET_METRIC_PRECISION) | \
     BIT(MCVD_SET_METRIC_RECALL))

static const char resize_rule[] = "shorter side to 224, bilinear, centre 224 x 224";
static const char lpips_rule[] = "8-bit, Pillow bilinear to 128 x 128";
static const char source_rule[] = "decoded from the given files, nothing encoded again";

static void note(const char *what, const char *why)
{
    fprintf(stderr, "mcvd: note: %s: %s\n", what, why);
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
    note("no fvd, features of fvd-proxy instead (not comparable with FVD)", mcvd_last_error());
    return mcvd_video_features_open(&n->features, MCVD_EXTRACTOR_PROXY, NULL);
}

static mcvd_status choose(metrics_networks *n, mcvd_compare_config *config, const char *folder,
                          size_t pairs)
{
    char path[PATH_BYTES];
    mcvd_status st = mcvd_extractor_path(path, sizeof path, MCVD_EXTRACTOR_ALEXNET, folder);

    n->chosen_here = true;
    config->metrics = MCVD_METRIC_PIXELS;
    if (st == MCVD_E_INPUT) {
        note("no lpips", mcvd_last_error());
        st = MCVD_OK;
    } else if (st == MCVD_OK) {
        st = mcvd_lpips_open(&n->lpips, path);
        config->metrics |= BIT(MCVD_METRIC_LPIPS);
    }
    if (st < 0 || pairs < 2)
        return st;
    st = open_best_features(n, folder);
    if (st < 0)
        return st;
    const bool is_fvd = strcmp(mcvd_video_features_distance(n->features), "fvd") == 0;
    n->sets = is_fvd ? BIT(MCVD_SET_METRIC_FVD) : BIT(MCVD_SET_METRIC_FVD_PROXY);
    if (n->lpips)
        n->sets |= BIT(MCVD_SET_METRIC_FID_ALEXNET);
    if (pairs > MCVD_PRECISION_RECALL_K)
        n->sets |= BIT(MCVD_SET_METRIC_PRECISION) | BIT(MCVD_SET_METRIC_RECALL);
    return MCVD_OK;
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

/* Exactly what the list says. */
static mcvd_status obey(metrics_networks *n, mcvd_compare_config *config, const char *list,
                        const char *folder, size_t pairs)
{
    mcvd_status st = mcvd_metrics_parse(&config->metrics, &n->sets, list);
    const bool lpips = (config->metrics & BIT(MCVD_METRIC_LPIPS)) != 0;
    const bool fid = (n->sets & BIT(MCVD_SET_METRIC_FID_ALEXNET)) != 0;

    if (st < 0)
        return st;
    if ((n->sets & VIDEO_SETS) && pairs < 2)
        return mcvdi_cli_fail(
            MCVD_E_INPUT, "metrics: '%s' compares sets of videos: 1 pair, at least 2 are needed",
            list);
    if (lpips || fid)
        st = open_lpips(n, folder, lpips ? "lpips" : "fid-alexnet");
    if (st >= 0 && (n->sets & VIDEO_SETS))
        st = open_features(n, folder);
    if (config->metrics == 0)
        config->metrics = BIT(MCVD_METRIC_MSE);
    return st;
}

mcvd_status mcvdi_metrics_networks_open(metrics_networks *n, mcvd_compare_config *config,
                                        const char *list, const char *folder, size_t pairs)
{
    const mcvd_status st =
        list ? obey(n, config, list, folder, pairs) : choose(n, config, folder, pairs);

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

mcvd_status mcvdi_metrics_networks_scores(metrics_networks *n, const mcvd_set_collector *collector,
                                          double *values)
{
    double one[MCVD_NUM_SET_METRICS];

    for (int m = 0; m < MCVD_NUM_SET_METRICS; m++) {
        values[m] = NAN;
        if (!(n->sets & BIT(m)))
            continue;
        const mcvd_status st = mcvd_set_collector_scores(collector, BIT(m), one);
        if (st == MCVD_E_INPUT && n->chosen_here) {
            note(mcvd_set_metric_name((mcvd_set_metric)m), mcvd_last_error());
            n->sets &= ~BIT(m);
        } else if (st < 0) {
            return st;
        }
        values[m] = one[m];
    }
    return MCVD_OK;
}

/* ---- the protocol card ---------------------------------------------------------------------- */

static const char *extractor_of(const metrics_networks *n)
{
    return mcvd_extractor_name(strcmp(mcvd_video_features_distance(n->features), "fvd") == 0
                                   ? MCVD_EXTRACTOR_I3D
                                   : MCVD_EXTRACTOR_PROXY);
}

/* Too few videos for the covariance; "" when there are enough. */
static void small_sample(const metrics_networks *n, const metrics_counts *c, char text[TEXT_BYTES])
{
    const size_t dim = n->features ? mcvd_video_features_dim(n->features) : 0;

    *text = '\0';
    if ((n->sets & VIDEO_SETS) && c->videos < dim)
        snprintf(text, TEXT_BYTES,
                 "%zu videos are fewer than the %zu features of %s: comparable only with scores of "
                 "as many videos",
                 c->videos, dim, extractor_of(n));
    else if ((n->sets & BIT(MCVD_SET_METRIC_FID_ALEXNET)) && c->frames < MCVD_LPIPS_FEATURES)
        snprintf(text, TEXT_BYTES, "%zu frames are fewer than the %d features of fid-alexnet",
                 c->frames, MCVD_LPIPS_FEATURES);
}

void mcvdi_metrics_networks_json(const metrics_networks *n, const metrics_counts *c, FILE *stream)
{
    char warning[TEXT_BYTES];

    small_sample(n, c, warning);
    fprintf(stream, ",\"card\":{\"code\":\"mcvd %s\",\"source\":\"%s\",\"videos\":%zu",
            mcvd_version(), source_rule, c->videos);
    fprintf(stream, ",\"frames\":%zu,\"least_frames\":%zu,\"most_frames\":%zu", c->frames,
            c->least_frames, c->most_frames);
    if (n->lpips)
        fprintf(stream, ",\"alexnet_sha256\":\"%s\",\"alexnet_resize\":\"%s\"",
                mcvd_lpips_sha256(n->lpips), lpips_rule);
    if (n->features && (n->sets & VIDEO_SETS))
        fprintf(stream,
                ",\"extractor\":\"%s\",\"extractor_sha256\":\"%s\",\"features\":%zu,"
                "\"resize\":\"%s\",\"neighbours\":%d",
                extractor_of(n), mcvd_video_features_sha256(n->features),
                mcvd_video_features_dim(n->features), resize_rule, MCVD_PRECISION_RECALL_K);
    if (*warning)
        fprintf(stream, ",\"warning\":\"%s\"", warning);
    fputc('}', stream);
}

void mcvdi_metrics_networks_text(const metrics_networks *n, const metrics_counts *c, FILE *stream)
{
    if (n->lpips)
        fprintf(stream, "alexnet: SHA-256 %s, %s\n", mcvd_lpips_sha256(n->lpips), lpips_rule);
    if (n->features && (n->sets & VIDEO_SETS)) {
        fprintf(stream, "%s: SHA-256 %s, %zu features, %s\n", extractor_of(n),
                mcvd_video_features_sha256(n->features), mcvd_video_features_dim(n->features),
                resize_rule);
        fprintf(stream, "sets: %zu videos each, %zu to %zu frames; %s; mcvd %s\n", c->videos,
                c->least_frames, c->most_frames, source_rule, mcvd_version());
    }
}

void mcvdi_metrics_networks_warn(const metrics_networks *n, const metrics_counts *c)
{
    char warning[TEXT_BYTES];

    small_sample(n, c, warning);
    if (*warning)
        mcvdi_cli_warn("%s", warning);
}
