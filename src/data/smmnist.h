/* Stochastic Moving MNIST: the rules by which digits move, apart from where they come from. */
#ifndef MCVDI_SMMNIST_H
#define MCVDI_SMMNIST_H

#include <stddef.h>
#include <stdint.h>

/* An integer in [low, high). The order of the calls is part of the definition. */
typedef int (*mcvdi_draw_fn)(void *user, int low, int high);

/* Draws in [0, limit) place a digit, draws in [-speed, speed] move it. 64x64: 32 and 4. */
typedef struct mcvdi_smmnist_rules {
    int limit;
    int speed;
    mcvdi_draw_fn draw;
    void *user;
} mcvdi_smmnist_rules;

typedef struct mcvdi_smmnist_mover {
    int row;
    int column;
    int row_step;
    int column_step;
} mcvdi_smmnist_mover;

/* Place a digit: draws column, row, column step, row step. */
mcvdi_smmnist_mover mcvdi_smmnist_start(const mcvdi_smmnist_rules *rules);

/* Before a frame is drawn: back inside at a border, with a new random direction. Rows first; the
 * step of the axis that hit is drawn before the other one. */
void mcvdi_smmnist_bounce(mcvdi_smmnist_mover *mover, const mcvdi_smmnist_rules *rules);

/* Add a digit [digit_side, digit_side] to a frame [side, side] at (row, column); sums above 255
 * become 255. */
void mcvdi_smmnist_add(uint8_t *frame, size_t side, const uint8_t *digit, size_t digit_side,
                       const mcvdi_smmnist_mover *at);

#endif
