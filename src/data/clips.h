/* Windows of the clips of any source: which clip, which start, which columns. */
#ifndef MCVDI_CLIPS_H
#define MCVDI_CLIPS_H

#include "data/clip_source.h"
#include "data/dataset.h"

typedef struct mcvdi_clips mcvdi_clips;

/* As mcvdi_dataset_kind's functions. */
mcvd_status mcvdi_clips_open(mcvdi_clips **out, mcvdi_dataset_facts *facts,
                             const mcvd_dataset_config *config,
                             const mcvdi_clip_source_kind *source);
void mcvdi_clips_free(mcvdi_clips **clips);
mcvd_status mcvdi_clips_window(mcvdi_clips *clips, uint64_t index, size_t num_test_clips,
                               uint8_t *clip, float *actions);

/* The published rule: item i of a set that claims M items and has m clips is clip
 * round(i / (M - 1) * (m - 1)), half to even, in double. */
size_t mcvdi_clips_index(size_t item, size_t declared, size_t num_clips);

#endif
