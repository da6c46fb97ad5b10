/* A program of somebody else: a model made, its size asked, an error read. */
#include <stdio.h>
#include <string.h>

#include <mcvd/mcvd.h>

int main(void)
{
    mcvd_config config;
    mcvd_model *model = NULL;

    mcvd_config_default(&config);
    if (mcvd_config_set(&config, "data.no_such_key=1") != MCVD_E_CONFIG)
        return 1;
    printf("%s: %s\n", mcvd_version(), mcvd_last_error());
    if (mcvd_model_create(&model, &config, 1) != MCVD_OK) {
        fprintf(stderr, "%s\n", mcvd_last_error());
        return 1;
    }
    printf("%zu parameters\n", mcvd_model_num_params(model));
    mcvd_model_free(&model);
    return strcmp(mcvd_version(), MCVD_VERSION) != 0;
}
