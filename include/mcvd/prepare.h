/*
 * Prepared data sets: the frames of a public set, decoded and resized once, in files that are
 * mapped into memory while training. A set that is half prepared goes on where it was stopped, bit
 * for bit.
 */
#ifndef MCVD_PREPARE_H
#define MCVD_PREPARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mcvd/data.h>
#include <mcvd/export.h>
#include <mcvd/status.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mcvd_prepare_config {
    const char *dataset; /* a name of mcvd_prepare_list, in any case */
    const char *source;  /* the set's public files */
    const char *folder;  /* where the store goes */
    size_t image_size;   /* 0: the set's published size */
    size_t channels;     /* 0: the set's own, 3 for videos */
    /* Of these the options of the set are taken, see mcvd_prepare_has_option; the manifest keeps
     * them. NULL: mcvd_prepare_data_default. */
    const mcvd_data_config *data;
    bool force;  /* drop what is in the folder and begin anew */
    int threads; /* clips decoded at once; 0: as many as there are processors */
    /* Called after each clip with clips done and in all of the split; anything but 0 stops with
     * MCVD_E_INTERRUPTED. May be NULL. */
    int (*progress)(void *user, mcvd_split split, size_t done, size_t total);
    void *user;
} mcvd_prepare_config;

typedef struct mcvd_prepare_result {
    size_t clips[2];   /* by mcvd_split */
    size_t skipped[2]; /* damaged ones; each was said as a warning and is in the index */
    uint64_t frames[2];
    uint64_t bytes; /* of all frames */
    size_t found;   /* clips that an earlier run had stored */
} mcvd_prepare_result;

/** Calls fn once per set: its name as `mcvd prepare` takes it, and one line of help. */
MCVD_API void mcvd_prepare_list(mcvd_dataset_list_fn fn, void *user);

/** The defaults of data.*, but a fifth of every video held out for testing. */
MCVD_API mcvd_data_config mcvd_prepare_data_default(void);

/** Whether data.<key> decides the clips of a set: "ucf101_split" those of "ucf101". False for every
 * key of "bair" and of "hdf5", whose shards were cut when they were made. */
MCVD_API bool mcvd_prepare_has_option(const char *dataset, const char *key);

/**
 * Make a store of a data set's training and test clips. A split that the source does not have is
 * left out with a warning; at least one must be there.
 * @return MCVD_OK
 *         MCVD_E_USAGE   no such set
 *         MCVD_E_INPUT   the source is not that set, or nothing of it can be read
 *         MCVD_E_EXISTS  the folder holds a finished store, one of other settings, one begun from
 *                        another source or files of somebody else, and force is false. A source is
 *                        another one by the names and lengths of its clips alone: pixels that
 *                        changed in place are not noticed
 *         MCVD_E_CONFIG  a value of data; data.kth_clips = sequences without the list
 *         MCVD_E_FORMAT  a list of the set is damaged, or its splits have frames of unlike shapes
 *         MCVD_E_UNSUPPORTED  shards, and this build cannot read HDF5
 *         MCVD_E_STATE   another process is writing there
 *         MCVD_E_IO (disk full: the same call goes on later), MCVD_E_INTERRUPTED, MCVD_E_NOMEM
 */
MCVD_API mcvd_status mcvd_prepare(const mcvd_prepare_config *config, mcvd_prepare_result *result);

/**
 * What data.* must say to read a store: dataset, image_size, channels, and the options that it was
 * prepared with. The rest of *data stays.
 * @return MCVD_OK, MCVD_E_FORMAT (a manifest that is none, or has an option that is none of its
 *         set), MCVD_E_CONFIG (a value that the option does not take), MCVD_E_INPUT, MCVD_E_NOMEM;
 *         *data is unchanged then
 */
MCVD_API mcvd_status mcvd_prepare_settings(const char *folder, mcvd_data_config *data);

/**
 * Read every clip of a store and compare checksums.
 * @return MCVD_OK, MCVD_E_FORMAT (which clip), MCVD_E_INPUT, MCVD_E_NOMEM
 */
MCVD_API mcvd_status mcvd_prepare_check(const char *folder, mcvd_prepare_result *result);

#ifdef __cplusplus
}
#endif

#endif
