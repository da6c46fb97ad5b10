/* --guidance of the commands that sample. */
#ifndef MCVDI_CLI_GUIDANCE_ARGS_H
#define MCVDI_CLI_GUIDANCE_ARGS_H

#include <mcvd/config.h>
#include <mcvd/rollout.h>

#include "cli/parse.h"

/* The field of `args_type` is named guidance. */
#define MCVDI_ARG_GUIDANCE(args_type)                                                            \
    {                                                                                            \
        .name = "--guidance", .type = MCVDI_ARG_TEXT, .value = "W",                              \
        .help = "how strongly the given frames count, 0 to 100: 1 as trained, 0 not at all, "    \
                "above 1 more; or past=W,future=W; for models trained with masks; default: the " \
                "model's own, else 1",                                                           \
        .offset = offsetof(args_type, guidance)                                                  \
    }

/*
 * Write `text` into config->sampling: a number for every side that the task is given, or the sides
 * by name. MCVD_E_USAGE: not understood, or frames that the task is not given.
 *
 * @param text  NULL: leaves all as it is
 */
mcvd_status mcvdi_guidance_apply(mcvd_config *config, mcvd_task task, const char *text);

enum { MCVDI_GUIDANCE_TEXT = 96 };

/* ", guidance past=1.5 future=2" with the weights that the task reads; "" when they change nothing.
 */
void mcvdi_guidance_describe(const mcvd_sampling_config *sampling, mcvd_task task,
                             char text[MCVDI_GUIDANCE_TEXT]);

#endif
