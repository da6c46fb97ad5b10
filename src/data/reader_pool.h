/* Open videos kept for the next window, for data sets that do not fit into memory. */
#ifndef MCVDI_READER_POOL_H
#define MCVDI_READER_POOL_H

#include <stddef.h>
#include <stdint.h>

#include <mcvd/video.h>

#include "core/status.h"

typedef struct mcvdi_reader_pool mcvdi_reader_pool;

/* At most `capacity` readers stay open between calls. */
mcvd_status mcvdi_reader_pool_create(mcvdi_reader_pool **out, size_t capacity,
                                     const mcvd_video_reader_config *config);
/* No read is running any more. */
void mcvdi_reader_pool_free(mcvdi_reader_pool **pool);

/*
 * Frames first .. first + count - 1 of a video into out, each [height, width, channels] of the
 * config. Safe from several threads. MCVD_E_INPUT when the video has become shorter; statuses of
 * open, seek and next.
 */
mcvd_status mcvdi_reader_pool_read(mcvdi_reader_pool *pool, const char *path, size_t first,
                                   size_t count, uint8_t *out);

#endif
