/* The list 00sequences.txt of KTH: which stretches of each film show its action. */
#ifndef MCVDI_KTH_SEQUENCES_H
#define MCVDI_KTH_SEQUENCES_H

#include <stdbool.h>
#include <stddef.h>

#include "core/status.h"

enum { MCVDI_KTH_NAME_BYTES = 40 };

typedef struct mcvdi_kth_stretch {
    size_t first, count; /* frames, the first being 0 */
} mcvdi_kth_stretch;

/* One line of the list; none of its stretches where the film is said to be missing. */
typedef struct mcvdi_kth_film {
    char name[MCVDI_KTH_NAME_BYTES]; /* "person01_boxing_d1" */
    size_t first_stretch, num_stretches;
    bool found; /* for the caller */
} mcvdi_kth_film;

typedef struct mcvdi_kth_sequences {
    mcvdi_kth_film *films;
    size_t num_films, films_capacity;
    mcvdi_kth_stretch *stretches;
    size_t num_stretches, stretches_capacity;
} mcvdi_kth_sequences;

/* Lines "person01_boxing_d1  frames  1-95, 96-185" (frames counted from 1, both ends included) or
 * "person13_handclapping_d3  *missing*"; other text is passed over.
 * MCVD_E_INPUT, MCVD_E_FORMAT (which line), MCVD_E_NOMEM; *out is empty then. */
mcvd_status mcvdi_kth_sequences_read(mcvdi_kth_sequences *out, const char *path);
void mcvdi_kth_sequences_release(mcvdi_kth_sequences *list);

/* The line of a file person01_boxing_d1_uncomp.avi; NULL: not listed. */
mcvdi_kth_film *mcvdi_kth_sequences_find(const mcvdi_kth_sequences *list, const char *file);

#endif
