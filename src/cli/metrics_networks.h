/* The networks that `mcvd metrics` judges with: which are there, and what cannot be computed. */
#ifndef MCVDI_CLI_METRICS_NETWORKS_H
#define MCVDI_CLI_METRICS_NETWORKS_H

#include <mcvd/metrics.h>

enum { METRICS_WHY = 1024, METRICS_MAX_MISSING = MCVD_NUM_METRICS + MCVD_NUM_SET_METRICS };

/* A metric that a user could expect, and why it is not there. */
typedef struct metrics_missing {
    const char *name;
    const char *note; /* how a line on stderr begins that says so; NULL: none does */
    char why[METRICS_WHY];
} metrics_missing;

typedef struct metrics_networks {
    mcvd_lpips *lpips;             /* NULL: not used */
    mcvd_video_features *features; /* NULL: not used */
    unsigned sets;                 /* metrics of sets to compute, a bit mask */
    bool chosen_here; /* the user named no metric: what cannot be computed is left out */
    metrics_missing missing[METRICS_MAX_MISSING];
    size_t num_missing;
} metrics_networks;

/* Metrics of sets that look at whole videos, not at their frames. */
#define METRICS_VIDEO_SETS                                                               \
    (MCVD_METRIC_BIT(MCVD_SET_METRIC_FVD) | MCVD_METRIC_BIT(MCVD_SET_METRIC_FVD_PROXY) | \
     MCVD_METRIC_BIT(MCVD_SET_METRIC_PRECISION) | MCVD_METRIC_BIT(MCVD_SET_METRIC_RECALL))

typedef struct metrics_request {
    const char *list;    /* of --metrics; NULL: everything that can be computed */
    const char *folder;  /* of --features or NULL; "none": no network that needs weights */
    size_t least_videos; /* of the smaller side */
} metrics_request;

/**
 * Complete the metrics of config and open what they need. What is left out on its own account is
 * in n->missing. config->metrics may be 0: metrics of sets alone.
 */
mcvd_status mcvdi_metrics_networks_open(metrics_networks *n, mcvd_compare_config *config,
                                        const metrics_request *request);
/* Say on stderr what is missing: once it is known that there is anything to compare. */
void mcvdi_metrics_networks_note(const metrics_networks *n);
/* Leave out what turned out not to exist, with a note; neighbours with the same reason share it. */
void mcvdi_metrics_leave_out(metrics_networks *n, const char *name, const char *why);
void mcvdi_metrics_networks_free(metrics_networks *n);

/* values [MCVD_NUM_SET_METRICS]; what is left out becomes NAN and missing. */
mcvd_status mcvdi_metrics_networks_scores(metrics_networks *n, const mcvd_set_collector *collector,
                                          double *values);

/* "i3d" or "proxy" */
const char *mcvdi_metrics_extractor(const metrics_networks *n);

#endif
