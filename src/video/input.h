/* Guarded opening: local regular files or stdin only, formats from an allow-list. */
#ifndef MCVDI_VIDEO_INPUT_H
#define MCVDI_VIDEO_INPUT_H

#include <stdbool.h>

#include <libavformat/avformat.h>

#include <mcvd/video.h>

#include "core/status.h"

typedef enum mcvdi_input_kind {
    MCVDI_INPUT_STDIN,
    MCVDI_INPUT_FOLDER,
    MCVDI_INPUT_PICTURE, /* one png, jpg, bmp, ppm, pgm file */
    MCVDI_INPUT_STREAM   /* everything else; the demuxer decides */
} mcvdi_input_kind;

/* What a path is. MCVD_E_INPUT: missing, unreadable, a URL, neither file nor folder; empty. */
mcvd_status mcvdi_input_inspect(mcvdi_input_kind *kind, const char *path);

typedef struct mcvdi_input mcvdi_input;

/* Open the descriptor, find the format by content, check it against the allow-list, read the
 * header. Nothing else can be opened through the format context. */
mcvd_status mcvdi_input_open(mcvdi_input **out, const char *path,
                             const mcvd_video_reader_config *config);
void mcvdi_input_free(mcvdi_input **input);

AVFormatContext *mcvdi_input_format(const mcvdi_input *input);
bool mcvdi_input_seekable(const mcvdi_input *input);
/* The file is as long as its container says (true when it does not say, and for stdin). */
bool mcvdi_input_complete(const mcvdi_input *input);

#endif
