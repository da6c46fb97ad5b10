/* What the parts of `mcvd eval` share: its arguments, the state of a run, its stages in order. */
#ifndef MCVDI_CLI_EVAL_RUN_H
#define MCVDI_CLI_EVAL_RUN_H

#include <mcvd/digest.h>

#include "cli/eval_job.h"
#include "cli/parse.h"
#include "cli/sampling_args.h"

enum { EVAL_PATH_BYTES = 4096, EVAL_LINE_BYTES = 512 };

typedef struct eval_args {
    const char *benchmark;
    const char *model;
    const char *config_file;
    const char *data;
    const char *task;
    const char *out;
    const char *features;
    const char *shard;
    const char *guidance;
    int64_t clips;
    int64_t trajectories;
    int64_t frames;
    mcvdi_sampling_args sampling;
    int64_t seed;
    int64_t threads;
    bool json;
    bool force;
    mcvdi_arg_list sets;
} eval_args;

typedef struct eval_run {
    eval_args a;
    mcvd_model *model;
    mcvd_config config; /* the model's, with --set */
    mcvd_eval_protocol protocol;
    int64_t set_channels; /* of the benchmark's frames; 0: those of the model */
    bool moving_digits;
    bool own_videos; /* benchmark videos */
    bool replace;    /* files of a report in --out: an older one, or a half one of this run */
    eval_job job;
    mcvd_eval_options options;
    char model_sha256[MCVD_SHA256_HEX];
    char data_sha256[MCVD_SHA256_HEX]; /* of the first, the middle and the last clip */
    char *fingerprint;
    char work[EVAL_PATH_BYTES];
    mcvd_eval_report *report;
    char model_path[EVAL_PATH_BYTES];
} eval_run;

/* Before the work, not after it: --out can be written, --shard is one. MCVD_E_EXISTS, MCVD_E_IO,
 * MCVD_E_USAGE. */
mcvd_status eval_run_check_arguments(eval_run *r);

/* The benchmark, the model, and the protocol of both. */
mcvd_status eval_run_set_protocol(eval_run *r);

/* Feature networks and records, once the protocol, the data and the job's chunk are set. */
mcvd_status eval_run_set_options(eval_run *r);

/* What speaks against the scores, on stderr before the work. */
void eval_run_warn(const eval_run *r);

/* Into the report: model, sampler, data, warnings, and published rows where they compare. */
mcvd_status eval_run_annotate(eval_run *r);

#endif
