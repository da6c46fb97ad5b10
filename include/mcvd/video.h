/*
 * Video in and out: any local video file or folder of pictures as packed 8-bit frames of the size
 * that a model wants, and frames as mp4, mkv, GIF, APNG, PNG files or y4m.
 *
 * Pixels are uint8, [H, W, C] packed (row stride W * C), C = 1 gray or 3 RGB, full range 0..255.
 *
 * What is opened. A path is a regular local file, a folder of pictures, or "-" (y4m on stdin).
 * URLs, playlists (hls, dash, concat, sdp) and formats that can name other files are refused; the
 * demuxer comes from an allow-list by content, never by file name, and reads only through the one
 * descriptor that we opened. A folder holds png, jpg, jpeg, bmp, ppm or pgm files in natural
 * order (frame2 before frame10); it plays at 25 frames/s.
 *
 * Colour. Frames equal those of `ffmpeg -i X -pix_fmt rgb24` (channels = 3) or `-pix_fmt gray`
 * (channels = 1): the tagged matrix (601, 709, 2020 ...) and range are used; an untagged matrix
 * means 601, an untagged range means limited for yuv, full for yuvj, RGB and gray formats; gray is
 * luma expanded to full range (for RGB sources: BT.601 luma). More than 8 bits
 * are reduced by the same scaler. No transfer function or gamut conversion takes place.
 *
 * Geometry. Rotation and mirroring of the display matrix are applied, then the centre crop, then
 * the resize. Pixels are taken as square. A stream that changes its size on the way is resized to
 * the size of `info` when the config asks for a size, and an error otherwise.
 *
 * Order and damage. Frames come in display order with the timestamps that ffprobe shows. A damaged
 * or cut off frame stops the reader with MCVD_E_DECODE unless config.conceal asks to go on.
 * mp4, mkv, avi, apng and y4m tell a file that was cut off; mpegts, GIF and y4m at a frame border
 * do not, and simply end. FFmpeg's own messages become debug lines of our log; its log callback is
 * a process-wide setting that the first reader or writer installs.
 */
#ifndef MCVD_VIDEO_H
#define MCVD_VIDEO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mcvd/export.h>
#include <mcvd/status.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum mcvd_resize {
    MCVD_RESIZE_AREA,   /* mean over the exact source area of a pixel, fractional borders too */
    MCVD_RESIZE_BICUBIC /* Keys cubic, a = -1/2, widened when shrinking (antialiased) */
} mcvd_resize;

typedef struct mcvd_video_reader_config {
    int width; /* of the frames; both 0: native */
    int height;
    int channels; /* 1 gray or 3 RGB */
    mcvd_resize resize;
    bool crop;           /* cut the centre to the target's aspect ratio; false stretches */
    bool conceal;        /* take what the decoder makes of damaged frames */
    int frame_step;      /* take frames 0, n, 2n ... */
    int threads;         /* decoder threads */
    uint64_t max_pixels; /* a source frame above this is refused */
    int max_streams;     /* a container with more streams is refused */
    size_t max_bytes;    /* mcvd_video_read_all refuses above this */
} mcvd_video_reader_config;

/** Native size, RGB, area, crop, no concealing, step 1, 1 thread, 64 Mpx, 32 streams, 4 GiB. */
MCVD_API mcvd_video_reader_config mcvd_video_reader_config_default(void);

enum { MCVD_VIDEO_TEXT = 64 };

typedef struct mcvd_video_info {
    int width; /* of the frames that the reader returns */
    int height;
    int channels;
    int native_width; /* as stored, before rotation, crop and resize */
    int native_height;
    int rotation;  /* clockwise degrees that are applied: 0, 90, 180, 270 */
    bool mirrored; /* flipped left-right before that rotation */
    int fps_num;   /* average rate of the source over frame_step; 25/1 for folders */
    int fps_den;
    int64_t num_frames;                 /* that the reader returns; 0 unknown */
    bool num_frames_exact;              /* false: the container's claim or an estimate */
    double duration_s;                  /* 0 unknown */
    char format[MCVD_VIDEO_TEXT];       /* demuxer, or "pictures" */
    char codec[MCVD_VIDEO_TEXT];        /* "h264" */
    char pixel_format[MCVD_VIDEO_TEXT]; /* "yuv420p10le" */
    char matrix[MCVD_VIDEO_TEXT];       /* "bt709", "unknown" */
    char range[MCVD_VIDEO_TEXT];        /* "tv" limited, "pc" full, "unknown" */
} mcvd_video_info;

typedef struct mcvd_frame {
    const uint8_t *data; /* [height, width, channels], the reader's, valid until its next call */
    int width;
    int height;
    int channels;
    int64_t index; /* 0, 1, 2 ... after frame_step */
    double time_s; /* presentation time as ffprobe shows it; index / fps without timestamps */
} mcvd_frame;

typedef struct mcvd_video_reader mcvd_video_reader;

/**
 * Open a video and decode its first frame (so that `info` is about real frames).
 *
 * @param path    file, folder of pictures, or "-" for y4m on stdin
 * @param config  NULL for the defaults; copied
 * @return MCVD_OK
 *         MCVD_E_INPUT   missing, unreadable, a URL, no pictures in the folder, no video stream,
 *                        no frame
 *         MCVD_E_FORMAT  not a video, a refused format, over a cap
 *         MCVD_E_DECODE  the first frame cannot be decoded
 *         MCVD_E_RANGE   a config value; MCVD_E_NOMEM; MCVD_E_UNSUPPORTED no decoder for the codec
 *
 * One reader is used by one thread at a time; different readers are independent.
 */
MCVD_API mcvd_status mcvd_video_reader_open(mcvd_video_reader **out, const char *path,
                                            const mcvd_video_reader_config *config);

/** Owned by the reader, valid until it is freed. */
MCVD_API const mcvd_video_info *mcvd_video_reader_info(const mcvd_video_reader *reader);

/**
 * The next frame. MCVD_OK, MCVD_EOF after the last one (again on every further call),
 * MCVD_E_DECODE (damaged or cut off), MCVD_E_IO, MCVD_E_FORMAT (size changed), MCVD_E_NOMEM.
 * *frame is zeroed unless MCVD_OK.
 */
MCVD_API mcvd_status mcvd_video_reader_next(mcvd_video_reader *reader, mcvd_frame *frame);

/**
 * Make frame `index` the next one, exactly, also with variable frame rate: the target's own
 * timestamp is found from the frames or packets of the file, the decoder starts at a key frame
 * before it. Sources without usable timestamps are decoded again from the start.
 *
 * @return MCVD_OK
 *         MCVD_EOF            the video is shorter; the reader is then at its end
 *         MCVD_E_RANGE        index < 0
 *         MCVD_E_UNSUPPORTED  backwards on stdin
 *         and what _next returns
 */
MCVD_API mcvd_status mcvd_video_reader_seek(mcvd_video_reader *reader, int64_t index);

/** Takes NULL and a cleared pointer; clears the pointer. */
MCVD_API void mcvd_video_reader_free(mcvd_video_reader **reader);

/** Count the frames by decoding all of them. Statuses of open and next. */
MCVD_API mcvd_status mcvd_video_count_frames(const char *path, size_t *num_frames);

typedef struct mcvd_video_clip {
    uint8_t *data; /* [num_frames, height, width, channels] */
    size_t num_frames;
    int width;
    int height;
    int channels;
    int fps_num;
    int fps_den;
} mcvd_video_clip;

/**
 * All frames in memory. config NULL: defaults. MCVD_E_RANGE above config.max_bytes; statuses of
 * open and next. *clip is zeroed on failure.
 */
MCVD_API mcvd_status mcvd_video_read_all(mcvd_video_clip *clip, const char *path,
                                         const mcvd_video_reader_config *config);
MCVD_API void mcvd_video_clip_free(mcvd_video_clip *clip);

typedef struct mcvd_video_writer_config {
    int width;
    int height;
    int channels; /* 1 or 3 */
    int fps_num;
    int fps_den;
    int quality; /* 0..100 for lossy formats; 0 is the default, 70 */
    bool force;  /* replace an existing output */
} mcvd_video_writer_config;

/** 25 frames/s, RGB, quality 70, no force; width and height are to be set. */
MCVD_API mcvd_video_writer_config mcvd_video_writer_config_default(void);

typedef struct mcvd_video_writer mcvd_video_writer;

/**
 * Begin an output; its kind follows from the path:
 *
 *   .mp4 .mov .m4v   H.264 (libx264, else another H.264 encoder, else MPEG-4 part 2 of this FFmpeg
 *                    build), 4:2:0, tagged limited range and BT.601 below 720 lines, else BT.709;
 *                    odd sizes are padded to even by repeating the last column or row; index first
 *   .mkv             FFV1, lossless: the reader returns the same bytes
 *   .gif             one palette of up to 256 colours per frame, times in 1/100 s; gray is exact
 *   .apng            lossless animation
 *   .y4m             gray as Cmono full range (exact), RGB as C444 limited range BT.601 (reads back
 *                    within 3 levels)
 *   -                y4m on stdout
 *   name%05d.png     one PNG per frame, numbered from 1
 *   folder/          frame-00001.png ... in that folder
 *
 * Nothing appears under the path before finish (a folder or pattern: before every picture is
 * written). With force an existing folder keeps its other files, but older frame-*.png go.
 *
 * @return MCVD_OK
 *         MCVD_E_EXISTS       the path exists and force is false
 *         MCVD_E_USAGE        unknown extension
 *         MCVD_E_RANGE        sizes, rate or quality
 *         MCVD_E_UNSUPPORTED  this FFmpeg build has no encoder for it
 *         MCVD_E_IO           the folder cannot be written to; MCVD_E_NOMEM
 */
MCVD_API mcvd_status mcvd_video_writer_open(mcvd_video_writer **out, const char *path,
                                            const mcvd_video_writer_config *config);

/** Append one frame [height, width, channels]. MCVD_OK, MCVD_E_IO (disk full), MCVD_E_STATE (after
 * a failure), MCVD_E_NOMEM. */
MCVD_API mcvd_status mcvd_video_writer_write(mcvd_video_writer *writer, const uint8_t *frame);

/**
 * Complete the output and give it its name. At least one frame is needed (MCVD_E_STATE).
 * MCVD_OK, MCVD_E_IO, MCVD_E_EXISTS (it appeared meanwhile). Then only free may follow.
 */
MCVD_API mcvd_status mcvd_video_writer_finish(mcvd_video_writer *writer);

/** Discards an output that was not finished. Takes NULL; clears the pointer. */
MCVD_API void mcvd_video_writer_free(mcvd_video_writer **writer);

/** The codec that the writer uses, for messages: "libx264", "ffv1", "png". */
MCVD_API const char *mcvd_video_writer_codec(const mcvd_video_writer *writer);

typedef struct mcvd_image {
    const uint8_t *data; /* [height, width, channels] */
    int width;
    int height;
    int channels;
} mcvd_image;

/** Write one PNG, whole or not at all. MCVD_OK, MCVD_E_EXISTS, MCVD_E_IO, MCVD_E_RANGE,
 * MCVD_E_UNSUPPORTED, MCVD_E_NOMEM. */
MCVD_API mcvd_status mcvd_image_write_png(const char *path, const mcvd_image *image, bool force);

typedef struct mcvd_grid_config {
    int rows;
    int cols;
    int tile_width;
    int tile_height;
    int channels;
    int gap;            /* pixels between tiles, after zoom; none around the outside */
    int zoom;           /* every pixel becomes zoom x zoom */
    uint8_t background; /* level of gaps and of missing tiles */
} mcvd_grid_config;

/** One row of one tile, RGB, gap 2, zoom 1, background 128; tile sizes are to be set. */
MCVD_API mcvd_grid_config mcvd_grid_config_default(void);

/** Size of the composed picture. MCVD_OK or MCVD_E_RANGE. */
MCVD_API mcvd_status mcvd_grid_size(const mcvd_grid_config *config, int *width, int *height);

/**
 * Lay tiles side by side.
 *
 * @param dst    [height, width, channels] of mcvd_grid_size, overwritten
 * @param tiles  [rows * cols], row by row, each [tile_height, tile_width, channels]; NULL: empty
 * @return MCVD_OK or MCVD_E_RANGE. Allocates nothing.
 */
MCVD_API mcvd_status mcvd_grid_compose(uint8_t *dst, const mcvd_grid_config *config,
                                       const uint8_t *const *tiles);

/**
 * Resize one picture with the reader's own filters, no crop.
 * @return MCVD_OK, MCVD_E_RANGE (a size, channels differ), MCVD_E_NOMEM
 */
MCVD_API mcvd_status mcvd_image_resize(uint8_t *dst, int width, int height, const mcvd_image *src,
                                       mcvd_resize method);

/** The FFmpeg libraries in use: "libavformat 59.27.100, libavcodec 59.37.100, libswscale 6.7.100".
 */
MCVD_API const char *mcvd_video_libraries(void);

#ifdef __cplusplus
}
#endif

#endif
