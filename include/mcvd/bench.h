/* What a speed is measured against: the processor's rate of single-precision multiply-adds. */
#ifndef MCVD_BENCH_H
#define MCVD_BENCH_H

#include <mcvd/export.h>
#include <mcvd/memory.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Run independent fused multiply-adds from registers on all threads (mcvd_set_threads) for about
 * `seconds` and count: two operations each, in 1e9 per second of wall time. The first call also
 * finds out how many rounds that takes.
 */
MCVD_API double mcvd_peak_gflops(double seconds);

/** The instruction set that mcvd_peak_gflops runs on: "avx512", "avx2+fma" or "plain". */
MCVD_API const char *mcvd_peak_kernel(void);

#ifdef __cplusplus
}
#endif

#endif
