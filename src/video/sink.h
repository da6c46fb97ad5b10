/* Where frames go: a movie file through FFmpeg, picture files, or y4m. */
#ifndef MCVDI_VIDEO_SINK_H
#define MCVDI_VIDEO_SINK_H

#include <mcvd/video.h>

#include "core/status.h"

typedef struct mcvdi_sink mcvdi_sink;

typedef struct mcvdi_sink_class {
    mcvd_status (*write)(mcvdi_sink *sink, const uint8_t *frame);
    /* Complete the output under its own name. Called once, after at least one frame. */
    mcvd_status (*finish)(mcvdi_sink *sink);
    /* Drop what was not finished. */
    void (*free)(mcvdi_sink *sink);
} mcvdi_sink_class;

/* The head of every sink. */
struct mcvdi_sink {
    const mcvdi_sink_class *class;
    char *path;
    mcvd_video_writer_config config;
    const char *codec;
    int64_t num_frames; /* written so far; kept by the writer */
};

/* Fills the head; false when out of memory. */
bool mcvdi_sink_init(mcvdi_sink *sink, const mcvdi_sink_class *class, const char *path,
                     const mcvd_video_writer_config *config);
void mcvdi_sink_free(mcvdi_sink **sink);

mcvd_status mcvdi_sink_movie_create(mcvdi_sink **out, const char *path,
                                    const mcvd_video_writer_config *config);
mcvd_status mcvdi_sink_pictures_create(mcvdi_sink **out, const char *path,
                                       const mcvd_video_writer_config *config);
mcvd_status mcvdi_sink_y4m_create(mcvdi_sink **out, const char *path,
                                  const mcvd_video_writer_config *config);

/* What the kinds of sinks recognise. */
bool mcvdi_sink_movie_knows(const char *path);
bool mcvdi_sink_pictures_knows(const char *path);
bool mcvdi_sink_y4m_knows(const char *path);

#endif
