/* What of an unfinished split can be kept. */
#ifndef MCVDI_PREPARE_RESUME_H
#define MCVDI_PREPARE_RESUME_H

#include "data/store.h"

/* An unfinished split, and the source that it is made of. */
typedef struct mcvdi_prepare_found {
    const char *folder; /* for messages */
    mcvdi_store_index *index;
    int frames, actions; /* files open for reading; actions < 0: none */
    const mcvdi_clip_source_kind *kind;
    void *state;
    const mcvdi_clip_source_facts *facts;
} mcvdi_prepare_found;

/* Cuts the index before the first clip whose frames or actions are missing or have another checksum
 * (a power cut may leave that), with a warning. MCVD_E_EXISTS: the source has other clips now.
 * MCVD_E_IO, MCVD_E_NOMEM. */
mcvd_status mcvdi_prepare_keep(const mcvdi_prepare_found *found);

#endif
