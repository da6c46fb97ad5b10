/* The networks that `mcvd metrics` judges with, and what it says of them. */
#ifndef MCVDI_CLI_METRICS_NETWORKS_H
#define MCVDI_CLI_METRICS_NETWORKS_H

#include <stdio.h>

#include <mcvd/metrics.h>

typedef struct metrics_networks {
    mcvd_lpips *lpips;             /* NULL: not used */
    mcvd_video_features *features; /* NULL: not used */
    unsigned sets;                 /* metrics of sets to compute, a bit mask */
    bool chosen_here; /* the user named no metric: what cannot be computed is left out */
} metrics_networks;

/**
 * Complete the metrics of config and open what they need.
 * @param list    of --metrics; NULL: everything that can be computed
 * @param folder  of --features or NULL
 * @param pairs   of videos
 */
mcvd_status mcvdi_metrics_networks_open(metrics_networks *n, mcvd_compare_config *config,
                                        const char *list, const char *folder, size_t pairs);
void mcvdi_metrics_networks_free(metrics_networks *n);

/* How many went into the sets. */
typedef struct metrics_counts {
    size_t videos;
    size_t frames; /* of all videos of a side */
    size_t least_frames, most_frames;
} metrics_counts;

/* values [MCVD_NUM_SET_METRICS]; what is left out becomes NAN and a note on stderr. */
mcvd_status mcvdi_metrics_networks_scores(metrics_networks *n, const mcvd_set_collector *collector,
                                          double *values);

/* The protocol card: members of a JSON object, or lines; and warnings on stderr. */
void mcvdi_metrics_networks_json(const metrics_networks *n, const metrics_counts *counts,
                                 FILE *stream);
void mcvdi_metrics_networks_text(const metrics_networks *n, const metrics_counts *counts,
                                 FILE *stream);
void mcvdi_metrics_networks_warn(const metrics_networks *n, const metrics_counts *counts);

#endif
