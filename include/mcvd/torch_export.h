/*
 * Handing a model over to the authors' PyTorch code: a checkpoint in their layout, and the
 * configuration file that their programs read beside it.
 */
#ifndef MCVD_TORCH_EXPORT_H
#define MCVD_TORCH_EXPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mcvd/config.h>
#include <mcvd/export.h>
#include <mcvd/status.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mcvd_torch_export_options {
    const mcvd_config *config; /* of bare weights; NULL: the one inside the model */
    bool overwrite;            /* replace an existing output */
    /* Called before each tensor with bytes written so far and in all; false stops. May be NULL. */
    bool (*progress)(void *user, size_t done, size_t total);
    void *user;
} mcvd_torch_export_options;

typedef struct mcvd_torch_export_result {
    char source[4096];   /* the file that was read: a run folder's newest checkpoint, for example */
    mcvd_config config;  /* of the network */
    bool training_state; /* raw weights and Adam's moments are their own: training can go on */
    bool ema;            /* the list has a fifth element */
    int64_t step;
    size_t num_tensors; /* parameters, without buffers */
    size_t num_params;
    size_t bytes; /* of all numbers in the file */
} mcvd_torch_export_result;

/**
 * Write the list [model state, optimiser state, epoch, step, averaged weights] that the authors'
 * programs save and load, as a PyTorch file (zip, protocol 2).
 *
 * A training checkpoint, or a run folder by its newest one, gives everything, so that their
 * training can resume. A model file gives its weights as model state and as average (stored once),
 * an optimiser that has not stepped yet, and step 0. F16 and BF16 weights are widened to F32.
 * The schedule buffers are those of the file where it has them, else computed. Tensors are read
 * from the mapped file one after the other.
 *
 * @param model   model file, training checkpoint or run folder
 * @param result  may be NULL
 * @return MCVD_OK
 *         MCVD_E_MODEL        missing, damaged, or a network that the authors' code cannot build;
 *                             the message says which option of ours it has
 *         MCVD_E_CONFIG       options->config does not describe a network
 *         MCVD_E_EXISTS, MCVD_E_IO, MCVD_E_NOMEM
 *         MCVD_E_INTERRUPTED  progress said so; nothing is written
 */
MCVD_API mcvd_status mcvd_torch_export(const char *model, const char *output,
                                       const mcvd_torch_export_options *options,
                                       mcvd_torch_export_result *result);

/**
 * The configuration as the authors' programs write it (YAML in blocks, sorted keys), with every key
 * that they read: ours where they have a counterpart, their usual values for the rest. Values that
 * would stop their program are replaced by ones that mean the same: no subsampling becomes
 * num_classes, never becomes a frequency beyond any run, a warm-up of 0 steps becomes 1.
 * Freed with mcvd_text_free; NULL out of memory.
 */
MCVD_API char *mcvd_config_yaml(const mcvd_config *config);

#ifdef __cplusplus
}
#endif

#endif
