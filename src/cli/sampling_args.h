/* --sampler, --steps, --eta and --spacing of the commands that sample. */
#ifndef MCVDI_CLI_SAMPLING_ARGS_H
#define MCVDI_CLI_SAMPLING_ARGS_H

#include <mcvd/config.h>
#include <mcvd/sampler.h>

#include "cli/parse.h"

typedef struct mcvdi_sampling_args {
    const char *sampler; /* NULL: the model's own */
    const char *spacing;
    int64_t steps; /* 0: the model's own */
    double eta;    /* < 0: the model's own */
} mcvdi_sampling_args;

/* Rows for them; `field` is the mcvdi_sampling_args of args_type. */
#define MCVDI_ARGS_SAMPLING(args_type, field)                                                     \
    { .name = "--sampler",                                                                        \
      .type = MCVDI_ARG_CHOICE,                                                                   \
      .value = "NAME",                                                                            \
      .choice_name = mcvd_sampler_name,                                                           \
      .choice_help = mcvd_sampler_help,                                                           \
      .help = "default: the model's own, with its eta and spacing; another one starts with its "  \
              "own:",                                                                             \
      .offset = offsetof(args_type, field.sampler) },                                             \
        { .name = "--steps",                                                                      \
          .type = MCVDI_ARG_INT,                                                                  \
          .value = "N",                                                                           \
          .min = 1,                                                                               \
          .max = 100000,                                                                          \
          .help = "denoising steps per block, at most the model's timesteps T; default: the "     \
                  "model's own; with uniform spacing every (T/N)-th timestep, T/N rounded down, " \
                  "so it may take more than N: the result says how many",                         \
          .offset = offsetof(args_type, field.steps) },                                           \
        { .name = "--spacing",                                                                    \
          .type = MCVDI_ARG_CHOICE,                                                               \
          .value = "WORD",                                                                        \
          .choices = MCVD_SPACING_NAMES,                                                          \
          .help = "where the steps lie; default: logsnr for euler, heun, dpm++2m, dpm++2m-sde "   \
                  "and unipc, else uniform",                                                      \
          .offset = offsetof(args_type, field.spacing) },                                         \
    {                                                                                             \
        .name = "--eta", .type = MCVDI_ARG_REAL, .value = "X", .min = 0, .max = 1,                \
        .help = "ddim: 0 deterministic, 1 as much noise as ddpm; euler-maruyama: 0 the "          \
                "probability flow, 1 the reverse SDE; default: 0 and 1",                          \
        .offset = offsetof(args_type, field.eta)                                                  \
    }

/*
 * Write what was given into config->sampling. config is the model's configuration with `sets`. An
 * eta and a spacing belong to the sampler that they were stored with: where flags or sets name
 * another one than `model` has and do not give these, they return to the new one's own.
 * MCVD_E_USAGE: more steps than timesteps.
 */
mcvd_status mcvdi_sampling_apply(mcvd_config *config, const mcvd_config *model,
                                 const mcvdi_sampling_args *args, const mcvdi_arg_list *sets);

#endif
