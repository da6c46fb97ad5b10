/* Any bytes as a configuration file, and as an assignment on the command line. What is accepted
 * must survive its own dump. */
#include <stdbool.h>

#include <mcvd/config.h>

#include "support/replay.h"

static void require(bool condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "violated: %s\n", what);
    abort();
}

static void check_accepted(const mcvd_config *config)
{
    mcvd_config back;
    char *text = mcvd_config_dump(config);

    (void)mcvd_config_check(config); /* any answer, but no crash */
    require(text != NULL, "a configuration can be dumped");
    mcvd_config_default(&back);
    require(mcvd_config_parse(&back, text, "dump") == MCVD_OK, "a dump is a configuration");
    require(memcmp(&back, config, sizeof back) == 0, "a dump reads back as the same");
    mcvd_text_free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mcvd_config config;
    char *text = malloc(size + 1);

    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    mcvd_config_default(&config);
    if (mcvd_config_parse(&config, text, "fuzz") == MCVD_OK)
        check_accepted(&config);
    mcvd_config_default(&config);
    if (mcvd_config_set(&config, text) == MCVD_OK)
        check_accepted(&config);
    mcvd_config_default(&config);
    config.data.num_frames_future = 5;
    if (mcvd_config_apply_task(&config, text) == MCVD_OK)
        check_accepted(&config);
    free(text);
    return 0;
}

#ifndef MCVD_LIBFUZZER
int main(void)
{
    return replay_folder(MCVD_TEST_CORPUS "/config");
}
#endif
