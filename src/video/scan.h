/* The frame times of a file from its packets alone, without decoding. */
#ifndef MCVDI_VIDEO_SCAN_H
#define MCVDI_VIDEO_SCAN_H

#include "core/status.h"
#include "video/source.h"
#include "video/timeline.h"

/* Read every packet of stream `stream` and put the sorted times into an empty timeline. Only for
 * containers and codecs where one packet is one shown frame (mp4, mkv; no packet to be discarded,
 * none without a time, no time twice): *trusted tells. Statuses of opening a file, MCVD_E_NOMEM. */
mcvd_status mcvdi_scan_times(mcvdi_timeline *timeline, bool *trusted, const mcvdi_source *source,
                             int stream);

#endif
