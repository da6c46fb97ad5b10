#include "cli/settings.h"

#include "cli/fail.h"

mcvd_status mcvdi_settings_apply(mcvd_config *config, const mcvdi_arg_list *sets, const char *task)
{
    for (int i = 0; sets && i < sets->count; i++) {
        const mcvd_status st = mcvd_config_set(config, sets->values[i]);
        if (st < 0)
            return mcvdi_cli_fail(st, "--set %s: %s", sets->values[i], mcvd_last_error());
    }
    const mcvd_status st = mcvd_config_apply_task(config, task);
    return st < 0 && task ? mcvdi_cli_fail(st, "--task: %s", mcvd_last_error()) : st;
}

mcvd_status mcvdi_settings_load(mcvd_config *config, const char *file, const mcvdi_arg_list *sets,
                                const char *task)
{
    mcvd_config_default(config);
    const mcvd_status st = file ? mcvd_config_read(config, file) : MCVD_OK;

    return st < 0 ? st : mcvdi_settings_apply(config, sets, task);
}

mcvd_status mcvdi_model_load(mcvd_model **model, const char *path, const char *config_file)
{
    mcvd_config config;

    *model = NULL;
    if (!config_file)
        return mcvd_model_load(model, path, NULL);
    const mcvd_status st = mcvdi_settings_load(&config, config_file, NULL, NULL);
    return st < 0 ? st : mcvd_model_load(model, path, &config);
}
