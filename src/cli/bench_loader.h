/* How fast batches can be made without anybody training on them. */
#ifndef MCVDI_CLI_BENCH_LOADER_H
#define MCVDI_CLI_BENCH_LOADER_H

#include <stdbool.h>

#include <mcvd/config.h>
#include <mcvd/status.h>

typedef struct mcvdi_bench_loader {
    const mcvd_config *config; /* windows, batch size, workers */
    const char *data;          /* as --data of mcvd train; NULL: moving digits */
    size_t batches;            /* timed ones */
    bool json;
} mcvdi_bench_loader;

mcvd_status mcvdi_bench_loader_run(const mcvdi_bench_loader *bench);

#endif
