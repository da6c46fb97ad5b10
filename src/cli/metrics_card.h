/* The protocol card of `mcvd metrics`: what a reader must know to compare the scores. */
#ifndef MCVDI_CLI_METRICS_CARD_H
#define MCVDI_CLI_METRICS_CARD_H

#include <stdbool.h>
#include <stddef.h>

#include "cli/metrics_networks.h"

/* What was scored, of both sides; without --unpaired they are alike. */
typedef struct metrics_counts {
    size_t videos[2]; /* reference, test */
    size_t frames[2]; /* of all videos together */
    size_t least_frames, most_frames;
} metrics_counts;

/* One entry; text holds digits alone where it is a number. */
typedef void (*metrics_card_fn)(void *user, const char *key, const char *text, bool is_number);

void mcvdi_metrics_card(const metrics_networks *n, const mcvd_compare_config *config,
                        const metrics_counts *counts, metrics_card_fn fn, void *user);

/* Warnings of the card on stderr. */
void mcvdi_metrics_warn(const metrics_networks *n, const metrics_counts *counts);

#endif
