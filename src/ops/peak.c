#include <mcvd/bench.h>

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "core/threads.h"
#include "ops/peak.h"

enum { PLAIN_LANES = 4 };

/* For processors without a kernel of their own: what the compiler makes of plain C. */
static float run_plain(size_t rounds)
{
    float chain[MCVDI_PEAK_CHAINS * PLAIN_LANES];
    float sum = 0.0f;

    for (int i = 0; i < MCVDI_PEAK_CHAINS * PLAIN_LANES; i++)
        chain[i] = 0.1f * (float)i;
    for (size_t r = 0; r < rounds; r++)
        for (int i = 0; i < MCVDI_PEAK_CHAINS * PLAIN_LANES; i++)
            chain[i] = chain[i] * 0.999f + 0.001f;
    for (int i = 0; i < MCVDI_PEAK_CHAINS * PLAIN_LANES; i++)
        sum += chain[i];
    return sum;
}

static const mcvdi_peak_kernel plain = { "plain", PLAIN_LANES, run_plain };

static const mcvdi_peak_kernel *best_kernel(void)
{
#if MCVD_HAVE_X86
    if (__builtin_cpu_supports("avx512f"))
        return &mcvdi_peak_avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return &mcvdi_peak_avx2;
#endif
    return &plain;
}

static double now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Wall time of `rounds` on every thread. */
static double run_all(const mcvdi_peak_kernel *kernel, size_t rounds)
{
    static _Atomic float sink; /* keeps the compiler from dropping the work */
    const int threads = mcvdi_threads_count();
    const double start = now_s();

#pragma omp parallel for schedule(static, 1) num_threads(threads)
    for (int i = 0; i < threads; i++)
        atomic_store(&sink, kernel->run(rounds));
    return now_s() - start;
}

/* Rounds per second of one thread, found once. */
static double rounds_rate(const mcvdi_peak_kernel *kernel)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static double rate;

    pthread_mutex_lock(&lock);
    for (size_t rounds = 1 << 16; rate == 0.0; rounds *= 2) {
        const double seconds = run_all(kernel, rounds);
        if (seconds > 0.02)
            rate = (double)rounds / seconds;
    }
    const double found = rate;
    pthread_mutex_unlock(&lock);
    return found;
}

double mcvd_peak_gflops(double seconds)
{
    const mcvdi_peak_kernel *kernel = best_kernel();
    const double wanted = rounds_rate(kernel) * seconds;
    const size_t rounds = wanted > 1.0 ? (size_t)wanted : 1;
    const double flops = 2.0 * MCVDI_PEAK_CHAINS * (double)kernel->lanes * (double)rounds *
                         (double)mcvdi_threads_count();

    return 1e-9 * flops / run_all(kernel, rounds);
}

const char *mcvd_peak_kernel(void)
{
    return best_kernel()->name;
}
