/* The clock of measurements, and the figure that stands for several of them. */
#ifndef MCVDI_CLI_TIMING_H
#define MCVDI_CLI_TIMING_H

#include <stddef.h>

/* Seconds since some fixed moment; never goes back. */
double mcvdi_now_s(void);

/* The middle value, the mean of the two middle ones of an even number. Sorts the n >= 1 values. */
double mcvdi_median(double *values, size_t n);

#endif
