/* What a model makes of held-out windows, always from the same noise. */
#ifndef MCVDI_DISTILL_SAMPLES_H
#define MCVDI_DISTILL_SAMPLES_H

#include <mcvd/data.h>
#include <mcvd/model.h>

typedef struct mcvdi_distill_samples_config {
    const char *model;
    int num_steps;
    uint64_t seed;              /* of the noise */
    int (*on_call)(void *user); /* after each network call; anything but 0 stops; may be NULL */
    void *user;
} mcvdi_distill_samples_config;

/* Make config one of deterministic ddim with that many even steps, as teachers and students move.
 */
void mcvdi_distill_sampling(mcvd_config *config, int num_steps);

/*
 * One block for every window of the batch, with its given frames and masks.
 * out: like batch->x0. MCVD_OK, MCVD_E_MODEL, MCVD_E_INTERRUPTED, MCVD_E_NONFINITE, MCVD_E_NOMEM.
 */
mcvd_status mcvdi_distill_samples(const mcvdi_distill_samples_config *config,
                                  const mcvd_batch *batch, float *out);

#endif
