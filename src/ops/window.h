/* How many places a window has in an image. */
#ifndef MCVDI_WINDOW_H
#define MCVDI_WINDOW_H

#include "ops/ops.h"

/* [n, D'*H', W', c] of a window over x; h or w is 0 where it does not fit. */
mcvdi_dims mcvdi_window_output(mcvdi_dims x, const mcvdi_window *window);

#endif
