/* The protocol card: how the scores of a report were made, one line for each question. */
#include <stdio.h>
#include <string.h>

#include <mcvd/version.h>

#include "eval/report.h"

enum { CARD_TEXT = 512 };

/* Who receives the lines. */
typedef struct card {
    const mcvd_eval_report *report;
    mcvdi_card_fn fn;
    void *user;
} card;

static void put(const card *c, const char *name, const char *text)
{
    c->fn(c->user, name, text);
}

static void put_clips(const card *c)
{
    const mcvd_eval_protocol *p = &c->report->protocol;
    char text[CARD_TEXT];
    int used = snprintf(text, sizeof text, "%zu", c->report->clips);

    if (c->report->clips < (size_t)p->clips)
        used +=
            snprintf(text + used, sizeof text - (size_t)used, " of %d asked for", (int)p->clips);
    snprintf(text + used, sizeof text - (size_t)used,
             ", windows by the rule '%s', a fixed list; %d %s each, seed %lld", p->windows,
             (int)p->trajectories, p->trajectories == 1 ? "trajectory" : "trajectories",
             (long long)p->seed);
    put(c, "clips", text);
}

static void put_frame_metrics(const card *c)
{
    const mcvd_eval_protocol *p = &c->report->protocol;
    char text[CARD_TEXT];

    if (!c->report->scored) {
        put(c, "frame metrics", "none: generated clips have no truth to be compared with");
        return;
    }
    snprintf(text, sizeof text,
             "%d predicted frames per trajectory, known ones left out; best and mean of %d",
             (int)p->frames, (int)p->trajectories);
    put(c, "frame metrics", text);
    put(c, "interval", "95 % over clips, 1.959964 s / sqrt(n)");
    if (c->report->lpips_sha256) {
        snprintf(text, sizeof text, "v0.1 AlexNet, SHA-256 %s, frames bilinear to 128 x 128",
                 c->report->lpips_sha256);
        put(c, "lpips", text);
    } else {
        put(c, "lpips", "not available: " MCVDI_NO_LPIPS);
    }
}

/* ---- the distance --------------------------------------------------------------------------- */

static void put_extractor(const card *c)
{
    const mcvd_eval_report *r = c->report;
    const bool proxy = strcmp(r->distance_name, "fvd-proxy") == 0;
    const bool known =
        mcvdi_eval_known_past(&r->protocol) + mcvdi_eval_known_future(&r->protocol) > 0;
    char text[CARD_TEXT];

    snprintf(text, sizeof text, "%s, SHA-256 %s, %zu features, %zu frames per video, %s",
             proxy ? "fixed random network (a stand-in, not FVD)" : "I3D logits (Kinetics-400)",
             r->features_sha256, r->feature_dim, r->video_frames,
             known ? "known frames included" : "generated frames alone");
    put(c, r->distance_name, text);
    put(c, "resize for features", "shorter side to 224, bilinear, centre 224 x 224");
}

static void put_sets(const card *c)
{
    const mcvd_eval_report *r = c->report;
    const int k = (int)r->protocol.trajectories;
    char text[CARD_TEXT];

    snprintf(
        text, sizeof text,
        "%zu true videos, %zu predicted; per trajectory: mean over %d +- 1.959964 s / sqrt(%d)",
        r->clips, r->clips * (size_t)k, k, k);
    put(c, "sets", text);
    if (r->clips >= r->feature_dim)
        return;
    snprintf(text, sizeof text,
             "%zu clips are fewer than the %zu features: the covariance is rank-deficient and "
             "the distance biased; comparable only at the same number of clips",
             r->clips, r->feature_dim);
    put(c, "warning", text);
}

static void put_distance(const card *c)
{
    const mcvd_eval_report *r = c->report;
    char text[CARD_TEXT];

    if (!r->distance_name) {
        put(c, "fvd", "not available: " MCVDI_NO_FEATURES);
        return;
    }
    if (r->distance.missing) {
        snprintf(text, sizeof text, "not available: %s", r->distance.missing);
        put(c, r->distance_name, text);
        return;
    }
    put_extractor(c);
    put_sets(c);
}

void mcvdi_eval_card(const mcvd_eval_report *report, mcvdi_card_fn fn, void *user)
{
    const card c = { report, fn, user };

    put_clips(&c);
    put_frame_metrics(&c);
    put_distance(&c);
    put(&c, "frames", "scored as the model made them, never through a video file");
    put(&c, "code", "mcvd " MCVD_VERSION);
}
