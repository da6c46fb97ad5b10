/* What `mcvd metrics` prints: a table, or one JSON object per line. */
#ifndef MCVDI_CLI_METRICS_OUTPUT_H
#define MCVDI_CLI_METRICS_OUTPUT_H

#include <stdio.h>

#include "cli/metrics_card.h"

typedef struct metrics_output {
    FILE *stream;
    bool json;
    mcvd_compare_config config;
    metrics_networks networks;
    metrics_counts counts;
    bool several;        /* pairs, or sets: a summary follows */
    unsigned columns;    /* of the table: metrics of pairs; config.metrics loses those left out */
    size_t without_ssim; /* pairs whose frames are too small */
    size_t pairs;        /* so far */
    size_t capacity;
    double *values; /* [pairs, MCVD_NUM_METRICS] */
    double sets[MCVD_NUM_SET_METRICS];
} metrics_output;

/* Count a result, and print its line where it is one of a pair. MCVD_OK, MCVD_E_NOMEM */
mcvd_status mcvdi_metrics_output_add(metrics_output *o, const mcvd_compare_result *result);

/* The rest of the line of one pair, or the summary of several; the card. MCVD_OK, MCVD_E_NOMEM */
mcvd_status mcvdi_metrics_output_finish(metrics_output *o);

#endif
