/* The moving average of the weights: ema <- (1 - rate) * params + rate * ema. */
#ifndef MCVDI_EMA_H
#define MCVDI_EMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One thread; rate in [0, 1]. ema, params: [n], no overlap. No bias correction: start ema as a copy
 * of the initial weights. mcvdi_adam_step calls this on pieces that are still in the cache. */
void mcvdi_ema_update(float *restrict ema, const float *restrict params, double rate, size_t n);

/* The rate of the step after `completed` ones. With warm-up min(rate, (1 + n) / (10 + n)), so that
 * the random initial weights are forgotten within a short run; without it a run of 300 steps at
 * 0.999 would still be three quarters of them. */
double mcvdi_ema_rate_at(double rate, bool warmup, uint64_t completed);

#endif
