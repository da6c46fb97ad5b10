/* How fast the networks behind FVD and LPIPS judge. */
#ifndef MCVDI_CLI_BENCH_FEATURES_H
#define MCVDI_CLI_BENCH_FEATURES_H

#include <stdbool.h>
#include <stddef.h>

#include <mcvd/status.h>

typedef struct mcvdi_bench_features {
    const char *folder; /* of --features; NULL: the usual place */
    size_t frames;      /* of a video */
    size_t runs;
    size_t warmup;
    bool json;
} mcvdi_bench_features;

/* I3D where its file is, else the stand-in; LPIPS where AlexNet is. */
mcvd_status mcvdi_bench_features_run(const mcvdi_bench_features *bench);

#endif
