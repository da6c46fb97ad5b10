/* Any bytes as YAML: a status and a message, or a tree within the caps that JSON could hold too;
 * and the same bytes as a configuration file, which must survive its own dump. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <mcvd/config.h>

#include "core/json.h"
#include "core/yaml.h"
#include "fuzz/fuzz.h"

static void require(int condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "broken promise: %s (%s)\n", what, mcvd_last_error());
    abort();
}

static int is_refusal(mcvd_status st)
{
    return (st == MCVD_E_FORMAT || st == MCVD_E_CONFIG) && mcvd_last_error()[0] != '\0';
}

/* Values below a node and itself. */
static int count(const cJSON *node, int depth)
{
    int n = 1;

    require(depth <= 16, "at most 16 levels");
    for (const cJSON *item = node->child; item; item = item->next)
        n += count(item, depth + 1);
    return n;
}

static void check_tree(const uint8_t *data, size_t size)
{
    cJSON *tree = (cJSON *)1;
    cJSON *back = NULL;
    const mcvd_status st = mcvdi_yaml_parse(&tree, (const char *)data, size, "fuzz");

    if (st < 0) {
        require(!tree && is_refusal(st), "a refusal leaves no tree");
        return;
    }
    require(count(tree, 0) <= 10000, "at most 10000 values");
    char *text = cJSON_PrintUnformatted(tree);
    require(text != NULL, "a tree can be printed");
    require(mcvdi_json_parse(&back, text, strlen(text), "printed") == MCVD_OK, "a tree is JSON");
    cJSON_free(text);
    cJSON_Delete(back);
    cJSON_Delete(tree);
}

static void check_file(const uint8_t *data, size_t size)
{
    mcvd_config config;
    mcvd_config back;
    char path[64];
    const int fd = (int)syscall(SYS_memfd_create, "fuzz", 0u);

    require(fd >= 0 && write(fd, data, size) == (ssize_t)size, "a file in memory");
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    mcvd_config_default(&config);
    const mcvd_status st = mcvd_config_read(&config, path);
    close(fd);
    if (st < 0) {
        require(is_refusal(st), "a configuration is refused with a message");
        return;
    }
    char *text = mcvd_config_dump(&config);
    mcvd_config_default(&back);
    require(text && mcvd_config_parse(&back, text, "dump") == MCVD_OK, "a dump is a configuration");
    require(memcmp(&back, &config, sizeof back) == 0, "a dump reads back as the same");
    mcvd_text_free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_tree(data, size);
    check_file(data, size);
    return 0;
}
