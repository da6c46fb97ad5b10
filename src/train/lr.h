/* The learning rate as a function of the number of completed optimizer steps. */
#ifndef MCVDI_LR_H
#define MCVDI_LR_H

#include <stdbool.h>
#include <stdint.h>

typedef struct mcvdi_lr_config {
    double lr;        /* the largest value */
    int64_t warmup;   /* steps of linear warm-up; 0: none */
    bool cosine;      /* after the warm-up: half a cosine from lr to 0 at n_iters; else constant */
    int64_t n_iters;  /* used by cosine and cooldown only */
    int64_t cooldown; /* the last steps, in which the rate falls linearly to 0; 0: none; at most
                       * half of the steps after the warm-up */
    bool warmup_zero_stays_zero; /* golden tests only: the reference's warm-up of 0 never learns */
} mcvdi_lr_config;

/*
 * Rate for the next step when `completed` steps (>= 0) are done:
 *
 *     completed <= warmup:  lr * completed / warmup        so the very first step has rate 0
 *     in the cooldown:      lr * (n_iters - completed) / cooldown   (Zhai et al. 2022, section 3.5)
 *     later:                lr, or lr * (1 + cos(pi * (completed - warmup) / (n_iters - warmup))) /
 * 2
 */
double mcvdi_lr_at(const mcvdi_lr_config *config, int64_t completed);

#endif
