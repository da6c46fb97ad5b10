/* Where decoded frames come from: a demuxed file or a list of pictures. */
#ifndef MCVDI_VIDEO_SOURCE_H
#define MCVDI_VIDEO_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include <libavutil/frame.h>

#include <mcvd/video.h>

#include "core/status.h"
#include "video/convert.h"
#include "video/input.h"
#include "video/timeline.h"

typedef struct mcvdi_source mcvdi_source;

typedef struct mcvdi_source_class {
    /* The next frame in display order; frame->pts is its time in time_base or AV_NOPTS_VALUE.
     * MCVD_OK, MCVD_EOF, MCVD_E_DECODE, MCVD_E_IO, MCVD_E_NOMEM. */
    mcvd_status (*next)(mcvdi_source *source, AVFrame *frame);
    /* Start again at the first frame. MCVD_E_UNSUPPORTED on stdin. */
    mcvd_status (*rewind)(mcvdi_source *source);
    /* Go to a key frame that the container believes to lie at or before pts; the caller checks
     * what comes. MCVD_E_UNSUPPORTED when the container cannot. */
    mcvd_status (*seek)(mcvdi_source *source, int64_t pts);
    /* Fill an empty timeline with the times of all frames without decoding; *trusted = false when
     * that is not certain. NULL: never. */
    mcvd_status (*scan)(mcvdi_source *source, mcvdi_timeline *timeline, bool *trusted);
    void (*free)(mcvdi_source *source);
} mcvdi_source_class;

/* The head of every source. */
struct mcvdi_source {
    const mcvdi_source_class *class;
    char *path;
    mcvd_video_reader_config config;
    AVRational time_base;
    AVRational fps;
    int64_t num_frames; /* 0 unknown */
    bool num_frames_exact;
    double duration_s;
    mcvdi_orientation orientation;
    bool intra; /* every frame stands alone and seeking is exact */
    const char *format;
    const char *codec;
};

/* A file or stdin through a demuxer and a decoder. */
mcvd_status mcvdi_source_stream_create(mcvdi_source **out, const char *path,
                                       const mcvd_video_reader_config *config);

/* Pictures: those of a folder in natural order, or one file. */
mcvd_status mcvdi_source_pictures_create(mcvdi_source **out, const char *path, bool is_folder,
                                         const mcvd_video_reader_config *config);

void mcvdi_source_free(mcvdi_source **source);

bool mcvdi_frame_is_key(const AVFrame *frame);
bool mcvdi_frame_is_damaged(const AVFrame *frame);

/* Decoder settings that every source shares: caps, threads, strictness. */
struct AVCodecContext;
void mcvdi_decoder_setup(struct AVCodecContext *decoder, const mcvd_video_reader_config *config);

#endif
