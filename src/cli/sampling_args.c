#include "cli/sampling_args.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/fail.h"

static bool is_set(const mcvdi_arg_list *sets, const char *key)
{
    for (int i = 0; i < sets->count; i++)
        if (strncmp(sets->values[i], key, strlen(key)) == 0)
            return true;
    return false;
}

mcvd_status mcvdi_sampling_apply(mcvd_config *config, const mcvd_config *model,
                                 const mcvdi_sampling_args *args, const mcvdi_arg_list *sets)
{
    mcvd_sampling_config *s = &config->sampling;

    if (args->steps > config->model.num_classes)
        return mcvdi_cli_fail(MCVD_E_USAGE,
                              "--steps %" PRId64 ": the model has %" PRId64 " timesteps",
                              args->steps, config->model.num_classes);
    if (args->sampler)
        snprintf(s->sampler, sizeof s->sampler, "%s", args->sampler);
    if (strcmp(mcvd_sampler_of_config(config), mcvd_sampler_of_config(model)) != 0) {
        if (!is_set(sets, "sampling.eta="))
            s->eta = -1.0;
        if (!is_set(sets, "sampling.spacing="))
            s->spacing[0] = '\0';
    }
    if (args->steps)
        s->subsample = args->steps;
    if (args->eta >= 0.0)
        s->eta = args->eta;
    if (args->spacing)
        snprintf(s->spacing, sizeof s->spacing, "%s", args->spacing);
    return MCVD_OK;
}
