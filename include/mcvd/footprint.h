/* What a network costs before it is run: multiply-adds and memory, from its configuration alone. */
#ifndef MCVD_FOOTPRINT_H
#define MCVD_FOOTPRINT_H

#include <stddef.h>

#include <mcvd/config.h>
#include <mcvd/export.h>
#include <mcvd/status.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mcvd_footprint {
    double macs;          /* multiply-adds of one call for one sample */
    double reused_macs;   /* of these, what a call with the same given frames does not repeat */
    size_t weights_bytes; /* float32 */
    size_t forward_bytes; /* weights, activations and scratch of a call for one sample */
    /* Weights, gradients, Adam's moments, averages, activations and scratch of a training step
     * with training.batch_size / training.accumulate samples at once; 0 when this version does not
     * train the network. A batch that the system would not even promise memory for is
     * extrapolated from one and two samples. */
    size_t training_bytes;
} mcvd_footprint;

/**
 * Plan the network as a run would, without weights and without touching the planned memory.
 * What libraries keep for themselves, and frames outside the network, come on top.
 *
 * @return MCVD_OK, MCVD_E_CONFIG, MCVD_E_NOMEM (the system refuses even to promise the memory),
 *         MCVD_E_UNSUPPORTED (oneDNN refused a convolution)
 */
MCVD_API mcvd_status mcvd_footprint_of(mcvd_footprint *footprint, const mcvd_config *config);

#ifdef __cplusplus
}
#endif

#endif
