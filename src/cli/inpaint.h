/*
 * Masks of rollout --inpaint: black pixels of the frames to be made are taken from the input, white
 * ones are made. A picture serves for every frame; in a video of masks frame n belongs to frame n
 * of the input. Masks have the shape of the input's frames and are cut to the centre as these are,
 * or they are square: what the model sees. The nearest pixel counts; gray from 128 on is white.
 */
#ifndef MCVDI_CLI_INPAINT_H
#define MCVDI_CLI_INPAINT_H

#include <mcvd/config.h>
#include <mcvd/data.h>
#include <mcvd/rollout.h>
#include <mcvd/video.h>

typedef struct mcvdi_inpaint {
    const char *path;
    mcvd_video_reader *reader;
    int width, height; /* of the masks */
    bool still;        /* one picture */
    int64_t next;      /* the reader's next frame */
    size_t size;       /* side of the model's frames */
    size_t num_frames; /* of a block */
    size_t frame;      /* bytes of a frame */
    uint8_t *mask;     /* [size, size] 1 = to be made; of the frame looked at last */
    uint8_t *truth;    /* [num_frames, size, size, C] of the block */
    float *truth_f;
    uint8_t *unknown;   /* [num_frames, size, size] */
    uint64_t num_white; /* pixels to be made, and others, over all frames */
    uint64_t num_black;
} mcvdi_inpaint;

/*
 * @param input  of the video that the truth comes from
 * @return MCVD_OK, MCVD_E_INPUT (missing, another shape than the video, a picture that is black
 *         everywhere), MCVD_E_USAGE (stdin), what the reader says
 */
mcvd_status mcvdi_inpaint_open(mcvdi_inpaint *inpaint, const char *path, const mcvd_config *config,
                               const mcvd_video_info *input);
void mcvdi_inpaint_close(mcvdi_inpaint *inpaint);

/* A new block, of which nothing is known. */
void mcvdi_inpaint_begin(mcvdi_inpaint *inpaint);
/* Frame f of the block is frame `index` of the input, and really looks so. MCVD_E_INPUT: the video
 * of masks is shorter. */
mcvd_status mcvdi_inpaint_frame(mcvdi_inpaint *inpaint, size_t f, int64_t index,
                                const uint8_t *truth);
/* The block's known pixels. */
mcvd_rollout_region mcvdi_inpaint_region(mcvdi_inpaint *inpaint);

#endif
