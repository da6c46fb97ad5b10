/*
 * One pool (OpenMP) and one level of parallelism. Our loops run parallel outside and call
 * single-threaded BLAS inside (libgomp makes nested regions serial), or call BLAS from outside.
 */
#ifndef MCVDI_THREADS_H
#define MCVDI_THREADS_H

/* Threads of the next parallel regions that the calling thread starts; 0 restores the default (all
 * the process may use). */
void mcvdi_threads_set(int num_threads);
int mcvdi_threads_count(void);

#endif
