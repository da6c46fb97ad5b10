/* The moving average of the weights: ema <- (1 - rate) * params + rate * ema. */
#ifndef MCVDI_EMA_H
#define MCVDI_EMA_H

#include <stddef.h>

/* One thread; rate in [0, 1]. ema, params: [n], no overlap. No bias correction: start ema as a copy
 * of the initial weights. mcvdi_adam_step calls this on pieces that are still in the cache. */
void mcvdi_ema_update(float *restrict ema, const float *restrict params, double rate, size_t n);

#endif
