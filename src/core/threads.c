#include "core/threads.h"

#include <omp.h>
#include <stdatomic.h>

#include <mcvd/threads.h>

static atomic_int default_threads; /* what OpenMP would have used; 0 = not asked yet */

void mcvdi_threads_set(int num_threads)
{
    int unknown = 0;

    atomic_compare_exchange_strong(&default_threads, &unknown, omp_get_max_threads());
    omp_set_num_threads(num_threads > 0 ? num_threads : atomic_load(&default_threads));
}

int mcvdi_threads_count(void)
{
    return omp_get_max_threads();
}

void mcvd_set_threads(int num_threads)
{
    mcvdi_threads_set(num_threads);
}

int mcvd_num_threads(void)
{
    return mcvdi_threads_count();
}
