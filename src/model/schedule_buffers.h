/* The noise schedule as the authors' networks store it beside their parameters. */
#ifndef MCVDI_SCHEDULE_BUFFERS_H
#define MCVDI_SCHEDULE_BUFFERS_H

#include <mcvd/config.h>

#include "core/status.h"

enum { MCVDI_MAX_SCHEDULE_BUFFERS = 7 };

typedef struct mcvdi_schedule_buffers {
    size_t count;
    const char *names[MCVDI_MAX_SCHEDULE_BUFFERS]; /* in the order of their files */
    float *values[MCVDI_MAX_SCHEDULE_BUFFERS];     /* [T], index 0 is the noisiest step */
    size_t num_timesteps;                          /* T */
    float *slab;
} mcvdi_schedule_buffers;

/* model.md, section 10. linear and cosine only. Freed with mcvdi_schedule_buffers_free.
 * MCVD_OK, MCVD_E_CONFIG (another schedule), MCVD_E_NOMEM. */
mcvd_status mcvdi_schedule_buffers_make(mcvdi_schedule_buffers *buffers,
                                        const mcvd_model_config *config);
void mcvdi_schedule_buffers_free(mcvdi_schedule_buffers *buffers);

#endif
