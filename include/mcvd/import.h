/*
 * Weights that others wrote. The authors' own checkpoints: a pickled list [model state, optimiser
 * state, epoch, step, averaged weights], or a bare dictionary of weights, in PyTorch's zip
 * container or the stream that it wrote before version 1.6. Published networks that judge pictures:
 * the same, TorchScript archives, safetensors. Nothing in such a file is ever executed: the pickle
 * is read by an allow-list that knows numbers, texts, containers and tensors, and names what it
 * refuses.
 */
#ifndef MCVD_IMPORT_H
#define MCVD_IMPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mcvd/config.h>
#include <mcvd/export.h>
#include <mcvd/features.h>
#include <mcvd/status.h>
#include <mcvd/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mcvd_torch_checkpoint mcvd_torch_checkpoint;

typedef enum mcvd_torch_part {
    MCVD_TORCH_MODEL, /* the state of the model: parameters and schedule buffers */
    MCVD_TORCH_EMA    /* the averaged parameters */
} mcvd_torch_part;

/**
 * Whether the first bytes are those of a PyTorch file: a zip archive, or the stream that PyTorch
 * wrote before version 1.6. False when the file cannot be read.
 */
MCVD_API bool mcvd_torch_is_checkpoint(const char *path);

/**
 * Open a checkpoint and check it: the archive (plain names, nothing twice, nothing compressed or
 * encrypted), the pickle, every tensor against its storage and every storage against the archive.
 * The numbers themselves stay in the file.
 *
 * @return MCVD_OK
 *         MCVD_E_MODEL  missing, damaged, or something that is not on the
 *                       allow-list; the message names it
 *         MCVD_E_NOMEM
 */
MCVD_API mcvd_status mcvd_torch_checkpoint_open(mcvd_torch_checkpoint **out, const char *path);

/**
 * The same for any file of weights: numbers of other types (read as float32; whole numbers are left
 * out), dictionaries in dictionaries, and TorchScript archives, whose objects become names with
 * dots; their code is not touched. All tensors are the part MCVD_TORCH_MODEL.
 */
MCVD_API mcvd_status mcvd_torch_weights_open(mcvd_torch_checkpoint **out, const char *path);
MCVD_API void mcvd_torch_checkpoint_close(mcvd_torch_checkpoint **checkpoint);

typedef enum mcvd_torch_form {
    MCVD_TORCH_LIST,       /* the authors' list */
    MCVD_TORCH_DICTIONARY, /* of weights */
    MCVD_TORCH_SCRIPT      /* a TorchScript module */
} mcvd_torch_form;

MCVD_API mcvd_torch_form mcvd_torch_checkpoint_form(const mcvd_torch_checkpoint *checkpoint);
/** Whether the file is the stream of before version 1.6, not a zip archive. */
MCVD_API bool mcvd_torch_checkpoint_is_stream(const mcvd_torch_checkpoint *checkpoint);

/** Whether there are averaged weights; not when their place in the list is missing or None. */
MCVD_API bool mcvd_torch_checkpoint_has_ema(const mcvd_torch_checkpoint *checkpoint);
/** Optimiser steps and epochs done; -1 when the file does not say (a bare dictionary). */
MCVD_API int64_t mcvd_torch_checkpoint_step(const mcvd_torch_checkpoint *checkpoint);
MCVD_API int64_t mcvd_torch_checkpoint_epoch(const mcvd_torch_checkpoint *checkpoint);

/** Tensors of one part, in the order of the file; 0 when the file has no such part. */
MCVD_API size_t mcvd_torch_checkpoint_count(const mcvd_torch_checkpoint *checkpoint,
                                            mcvd_torch_part part);
/** Name (without "module.") and shape of tensor i, all F32; data is NULL. MCVD_E_RANGE */
MCVD_API mcvd_status mcvd_torch_checkpoint_tensor(const mcvd_torch_checkpoint *checkpoint,
                                                  mcvd_torch_part part, size_t i, const char **name,
                                                  mcvd_tensor *shape);
/** Whether the name is one of the schedule's buffers (betas, alphas, ...), not a parameter. */
MCVD_API bool mcvd_torch_is_buffer(const char *name);

typedef enum mcvd_import_weights {
    MCVD_IMPORT_AUTO, /* the averaged weights where there are some */
    MCVD_IMPORT_EMA,
    MCVD_IMPORT_RAW
} mcvd_import_weights;

typedef struct mcvd_import_options {
    mcvd_import_weights weights;
    bool half;      /* write F16 */
    bool overwrite; /* replace an existing output */
    /* Called for each line that explains why a checkpoint does not fit; may be NULL. */
    void (*note)(void *user, const char *line);
    /* Called now and then with parameters done and in all; false stops the import. May be NULL. */
    bool (*progress)(void *user, size_t done, size_t total);
    void *user;
} mcvd_import_options;

typedef struct mcvd_import_result {
    bool ema;            /* which weights were taken */
    int64_t step, epoch; /* -1: unknown */
    size_t num_tensors;
    size_t num_params;
} mcvd_import_result;

/**
 * The configuration to read a published config.yml onto: our defaults, but where the authors'
 * program has no key and behaves otherwise, as it behaves: model.ema_warmup false,
 * sampling.denoise_label count, so that published weights sample as published.
 */
MCVD_API void mcvd_import_config_default(mcvd_config *config);

/**
 * Make a model file of a checkpoint. Every parameter of the configuration's network must be there
 * with its shape, nothing else may be, and the schedule buffers, where the file has them, must be
 * those of the configuration. One tensor at a time is in memory; nothing half-written is left.
 *
 * @param config  of the network; the model file keeps it
 * @param result  may be NULL
 * @return MCVD_OK
 *         MCVD_E_MODEL        what mcvd_torch_checkpoint_open refuses; a checkpoint that does not
 *                             fit (each difference goes to options->note); no averaged weights
 *                             where they are wanted; a value that is not finite, or too large
 *         MCVD_E_CONFIG       the configuration names no network
 *         MCVD_E_EXISTS, MCVD_E_IO, MCVD_E_NOMEM
 *         MCVD_E_INTERRUPTED  progress said so
 */
MCVD_API mcvd_status mcvd_import(const char *checkpoint, const mcvd_config *config,
                                 const char *output, const mcvd_import_options *options,
                                 mcvd_import_result *result);

/* ---- networks that judge pictures --------------------------------------------------------------
 */

typedef struct mcvd_extractor_import_options {
    const char *heads; /* AlexNet: the file of LPIPS' learned heads; NULL: without */
    double bn_eps;     /* I3D: of its batch norms; 0: as the file says, else 1e-5 */
    bool overwrite;    /* replace an existing output */
} mcvd_extractor_import_options;

typedef struct mcvd_extractor_import_result {
    const char *container;  /* "zip archive", "TorchScript archive", "stream", "safetensors" */
    const char *matched_by; /* "names", "names of kinetics-i3d", "order and shapes" */
    char source_sha256[65];
    double bn_eps;      /* 0 for AlexNet */
    bool bn_eps_read;   /* from the code of a TorchScript archive, or the metadata of safetensors */
    bool heads;         /* AlexNet: they are in the output */
    size_t num_tensors; /* written */
    size_t num_params;
    size_t num_left_out; /* tensors of the file that the network has no place for */
} mcvd_extractor_import_result;

/**
 * Make the model file of an extractor of public weights: a PyTorch file, old or new, a TorchScript
 * archive or safetensors. Nothing of it is executed. Tensors are found by their names, under any
 * prefix; those of a TorchScript module, when the names are unknown, by order and shape, which must
 * then fit from the first to the last. Every shape is compared and every value is finite.
 *
 * @param kind    MCVD_EXTRACTOR_I3D or MCVD_EXTRACTOR_ALEXNET
 * @param output  its folder is made when it is missing
 * @param options may be NULL
 * @param result  may be NULL
 * @return MCVD_OK
 *         MCVD_E_MODEL   not such a file, a tensor missing or of another shape, a value not finite
 *         MCVD_E_RANGE   another kind, heads for I3D, bn_eps not in (0, 1]
 *         MCVD_E_EXISTS, MCVD_E_IO, MCVD_E_NOMEM
 */
MCVD_API mcvd_status mcvd_import_extractor(mcvd_extractor_kind kind, const char *source,
                                           const char *output,
                                           const mcvd_extractor_import_options *options,
                                           mcvd_extractor_import_result *result);

#ifdef __cplusplus
}
#endif

#endif
