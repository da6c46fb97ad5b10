/*
 * Speed of the operators that belong to no library, at the shapes of real networks: time of
 * forward and backward, and the share of a plain copy's memory rate (or GFLOP/s for attention).
 * Not part of the tests; build target bench_ops, run by hand. Arguments: threads, repetitions.
 */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/threads.h"
#include "ops/kernels.h"
#include "ops/ops.h"

typedef struct bench {
    const char *name;
    mcvdi_dims x;
    mcvdi_value_id (*build)(mcvdi_graph *g, mcvdi_value_id x);
    double forward_traffic; /* in passes over x: every tensor read or written once */
    double backward_traffic;
} bench;

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static mcvdi_value_id build_norm(mcvdi_graph *g, mcvdi_value_id x)
{
    const mcvdi_dims d = mcvdi_graph_dims(g, x);
    const mcvdi_value_id m = mcvdi_graph_input(g, (mcvdi_dims) { d.n, 1, 1, 2 * d.c });
    const mcvdi_group_norm_spec spec = { NULL, m, 1e-5, true };
    return mcvdi_group_norm(g, x, &spec);
}

static mcvdi_value_id build_plain_norm(mcvdi_graph *g, mcvdi_value_id x)
{
    const mcvdi_group_norm_spec spec = { "norm", -1, 1e-6, false };
    return mcvdi_group_norm(g, x, &spec);
}

static mcvdi_value_id build_spade(mcvdi_graph *g, mcvdi_value_id x)
{
    const mcvdi_dims d = mcvdi_graph_dims(g, x);
    const mcvdi_spade_norm_spec spec = { mcvdi_graph_input(g, d), mcvdi_graph_input(g, d),
                                         mcvdi_graph_input(g, (mcvdi_dims) { d.n, 1, 1, 2 * d.c }),
                                         1e-6, true };
    return mcvdi_spade_norm(g, x, &spec);
}

static mcvdi_value_id build_one_head(mcvdi_graph *g, mcvdi_value_id x)
{
    const mcvdi_dims d = mcvdi_graph_dims(g, x);
    return mcvdi_attention(g, x, mcvdi_graph_input(g, d), mcvdi_graph_input(g, d), 1);
}

static mcvdi_value_id build_frame_mix(mcvdi_graph *g, mcvdi_value_id x)
{
    const mcvdi_frame_mix_spec spec = { "mix", 7, 5, 4 };
    return mcvdi_frame_mix(g, x, &spec);
}

static mcvdi_value_id build_to_channels(mcvdi_graph *g, mcvdi_value_id x)
{
    return mcvdi_rows_to_frames(g, x, 7);
}

static mcvdi_value_id build_attention(mcvdi_graph *g, mcvdi_value_id x)
{
    return mcvdi_attention(g, x, x, x, mcvdi_graph_dims(g, x).c / 64);
}

static mcvdi_value_id build_dropout(mcvdi_graph *g, mcvdi_value_id x)
{
    return mcvdi_dropout(g, x, 0.1);
}

static mcvdi_value_id build_residual(mcvdi_graph *g, mcvdi_value_id x)
{
    return mcvdi_residual(g, x, mcvdi_graph_input(g, mcvdi_graph_dims(g, x)));
}

static mcvdi_value_id build_concat(mcvdi_graph *g, mcvdi_value_id x)
{
    return mcvdi_concat(g, x, mcvdi_graph_input(g, mcvdi_graph_dims(g, x)));
}

static mcvdi_value_id build_nin(mcvdi_graph *g, mcvdi_value_id x)
{
    const mcvdi_linear_spec spec = { "nin", mcvdi_graph_dims(g, x).c, MCVDI_LINEAR_IN_OUT, 1.0 };
    return mcvdi_linear(g, x, &spec);
}

static const bench benches[] = {
    { "norm+silu 64x64x192 n16", { 16, 64, 64, 192 }, build_norm, 2, 3 },
    { "norm+silu 64x64x64 n16", { 16, 64, 64, 64 }, build_norm, 2, 3 },
    { "norm+silu 64x64x192 n1", { 1, 64, 64, 192 }, build_norm, 2, 3 },
    { "norm+silu 32x32x384 n16", { 16, 32, 32, 384 }, build_norm, 2, 3 },
    { "norm+silu 8x8x512 n16", { 16, 8, 8, 512 }, build_norm, 2, 3 },
    { "norm+silu 64x64x12 n16", { 16, 64, 64, 12 }, build_norm, 2, 3 },
    { "norm 32x32x256 n16", { 16, 32, 32, 256 }, build_plain_norm, 2, 3 },
    { "norm 1x7x24 n4096", { 4096, 1, 7, 24 }, build_plain_norm, 2, 3 },
    { "spade+silu 64x64x192 n1", { 1, 64, 64, 192 }, build_spade, 4, 7 },
    { "spade+silu 64x64x192 n8", { 8, 64, 64, 192 }, build_spade, 4, 7 },
    { "spade+silu 8x8x512 n8", { 8, 8, 8, 512 }, build_spade, 4, 7 },
    { "spade+silu 320x64x12 n4", { 4, 320, 64, 12 }, build_spade, 4, 7 },
    { "mix 7 to 5 64x64x24 n4", { 4, 448, 64, 24 }, build_frame_mix, 12.0 / 7, 24.0 / 7 },
    { "rows to frames 7x64x64x24", { 1, 448, 64, 24 }, build_to_channels, 2, 2 },
    { "fir down 64x64x192 n16", { 16, 64, 64, 192 }, mcvdi_fir_down, 1.25, 1.25 },
    { "fir up 32x32x192 n16", { 16, 32, 32, 192 }, mcvdi_fir_up, 5, 5 },
    { "dropout 64x64x192 n16", { 16, 64, 64, 192 }, build_dropout, 2, 2 },
    { "residual 64x64x192 n16", { 16, 64, 64, 192 }, build_residual, 3, 3 },
    { "concat 64x64x192 n16", { 16, 64, 64, 192 }, build_concat, 4, 4 },
    { "silu 1x1x4096 n16", { 16, 1, 1, 4096 }, mcvdi_silu, 2, 3 },
    { "nin 32x32x256 n16", { 16, 32, 32, 256 }, build_nin, 2, 3 },
    { "nin 1x7x24 n4096", { 4096, 1, 7, 24 }, build_nin, 2, 3 },
    { "attention 1x7x24 n4096", { 4096, 1, 7, 24 }, build_one_head, 0, 0 },
    { "attention 1x10x48 n4096", { 4096, 1, 10, 48 }, build_one_head, 0, 0 },
    { "attention 1x15x96 n1024", { 1024, 1, 15, 96 }, build_one_head, 0, 0 },
    { "attention 1x20x96 n1024", { 1024, 1, 20, 96 }, build_one_head, 0, 0 },
    { "attention 32x32x192 n4", { 4, 32, 32, 192 }, build_attention, 0, 0 },
    { "attention 16x16x256 n16", { 16, 16, 16, 256 }, build_attention, 0, 0 },
    { "attention 8x8x512 n16", { 16, 8, 8, 512 }, build_attention, 0, 0 },
};

/* Best time of a plain parallel copy, bytes read plus written per second. */
static double copy_rate(float *to, const float *from, size_t n)
{
    double best = 1e9;

    for (int r = 0; r < 5; r++) {
        const double start = now();
#pragma omp parallel for schedule(static)
        for (size_t i = 0; i < n; i += 16384)
            memcpy(to + i, from + i, 16384 * sizeof *to);
        const double seconds = now() - start;
        best = seconds < best ? seconds : best;
    }
    return 2.0 * (double)n * sizeof(float) / best;
}

static double best_time(mcvdi_graph *g, mcvd_status (*pass)(mcvdi_graph *), int repetitions)
{
    double best = 1e9;

    for (int r = 0; r < repetitions; r++) {
        const double start = now();
        if (pass(g) < 0)
            exit(1);
        const double seconds = now() - start;
        best = seconds < best ? seconds : best;
    }
    return best;
}

static void report(const bench *b, mcvdi_graph *g, double rate, int repetitions)
{
    const double bytes = (double)mcvdi_dims_numel(b->x) * sizeof(float);
    const double macs = mcvdi_graph_macs(g);
    const double forward = best_time(g, mcvdi_graph_forward, repetitions);
    const double backward = best_time(g, mcvdi_graph_backward, repetitions);

    printf("%-26s forward %8.3f ms  backward %8.3f ms", b->name, 1e3 * forward, 1e3 * backward);
    if (b->forward_traffic > 0.0)
        printf("  of copy rate %5.2f %5.2f", bytes * b->forward_traffic / forward / rate,
               bytes * b->backward_traffic / backward / rate);
    if (macs > 0.0) /* attention backward: 5 products against 2; linear: 2 against 1 */
        printf("  GFLOP/s %6.1f %6.1f", 2e-9 * macs / forward,
               2e-9 * macs * (b->forward_traffic > 0.0 ? 2.0 : 2.5) / backward);
    printf("\n");
}

static void run(const bench *b, double rate, int repetitions)
{
    const mcvdi_graph_options options = { .mode = MCVDI_TRAIN, .input_gradient = true };
    mcvdi_graph *g;

    if (mcvdi_graph_create(&g, &options) < 0)
        exit(1);
    const mcvdi_value_id x = mcvdi_graph_input(g, b->x);
    const mcvdi_value_id y = b->build(g, x);
    mcvdi_graph_mark_output(g, y);
    if (mcvdi_graph_compile(g) < 0) {
        fprintf(stderr, "%s\n", mcvd_last_error());
        exit(1);
    }
    mcvdi_graph_run(g)->training = true;
    for (size_t i = 0; i < mcvdi_dims_numel(b->x); i++)
        mcvdi_graph_data(g, x)[i] = (float)((i * 2654435761u >> 8 & 0xFFFF) * 4e-5 - 1.3);
    for (size_t i = 0; i < mcvdi_graph_param_floats(g); i++)
        mcvdi_graph_values(g)[i] = 0.05f;
    for (size_t i = 0; i < mcvdi_dims_numel(mcvdi_graph_dims(g, y)); i++)
        mcvdi_graph_grad(g, y)[i] = (float)((i * 40503u >> 4 & 0xFFFF) * 4e-5 - 1.3);
    report(b, g, rate, repetitions);
    mcvdi_graph_free(&g);
}

int main(int argc, char **argv)
{
    const size_t n = (size_t)16 << 20;
    float *a = aligned_alloc(64, n * sizeof *a);
    float *b = aligned_alloc(64, n * sizeof *b);

    if (!a || !b)
        return 1;
    mcvdi_threads_set(argc > 1 ? atoi(argv[1]) : 0);
    memset(a, 0, n * sizeof *a);
    memset(b, 0, n * sizeof *b);
    const double rate = copy_rate(a, b, n);
    printf("%s kernels, %d threads, copy of 64 MiB: %.1f GB/s read + written\n",
           mcvdi_kernels_get()->name, mcvdi_threads_count(), rate * 1e-9);
    for (size_t i = 0; i < sizeof benches / sizeof benches[0]; i++)
        run(&benches[i], rate, argc > 2 ? atoi(argv[2]) : 10);
    free(a);
    free(b);
    return 0;
}
