/* One peak kernel per instruction set: peak_<set>.c, compiled with the flags of that set only. */
#ifndef MCVDI_PEAK_H
#define MCVDI_PEAK_H

#include <stddef.h>

/* Independent chains: latency times units is at most 10 on today's processors. */
enum { MCVDI_PEAK_CHAINS = 12 };

typedef struct mcvdi_peak_kernel {
    const char *name;
    size_t lanes; /* floats per register */
    /* `rounds` multiply-adds on each chain; returns their sum so that none is left out. */
    float (*run)(size_t rounds);
} mcvdi_peak_kernel;

extern const mcvdi_peak_kernel mcvdi_peak_avx2;
extern const mcvdi_peak_kernel mcvdi_peak_avx512;

#endif
