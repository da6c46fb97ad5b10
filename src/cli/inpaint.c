#include "cli/inpaint.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/fail.h"

enum { WHITE = 128 };

/* --- the picture --- */

/* The centred square of a mask, by its nearest pixels. */
static void fit_mask(mcvdi_inpaint *ip, const uint8_t *pixels)
{
    const size_t width = (size_t)ip->width;
    const size_t height = (size_t)ip->height;
    const size_t side = width < height ? width : height;
    const size_t left = (width - side) / 2;
    const size_t top = (height - side) / 2;

    for (size_t y = 0; y < ip->size; y++) {
        const uint8_t *row = pixels + (top + (2 * y + 1) * side / (2 * ip->size)) * width + left;
        for (size_t x = 0; x < ip->size; x++)
            ip->mask[y * ip->size + x] = row[(2 * x + 1) * side / (2 * ip->size)] >= WHITE;
    }
}

static size_t count_white(const mcvdi_inpaint *ip)
{
    size_t count = 0;

    for (size_t i = 0; i < ip->size * ip->size; i++)
        count += ip->mask[i];
    return count;
}

/* --- open --- */

static mcvd_status allocate(mcvdi_inpaint *ip)
{
    const size_t pixels = ip->size * ip->size;

    ip->mask = calloc(pixels, 1);
    ip->truth = calloc(ip->num_frames, ip->frame);
    ip->truth_f = calloc(ip->num_frames * ip->frame, sizeof *ip->truth_f);
    ip->unknown = calloc(ip->num_frames, pixels);
    if (ip->mask && ip->truth && ip->truth_f && ip->unknown)
        return MCVD_OK;
    return mcvdi_cli_fail(MCVD_E_NOMEM, "rollout: out of memory for masks");
}

/* Square, or as the video within a pixel. */
static mcvd_status check_shape(const mcvdi_inpaint *ip, const mcvd_video_info *input)
{
    const bool turned = input->rotation % 180 != 0;
    const int64_t width = turned ? input->native_height : input->native_width;
    const int64_t height = turned ? input->native_width : input->native_height;
    const int64_t off = ip->width * height - ip->height * width;
    const int64_t pixel = width > height ? width : height;

    if (ip->width == ip->height || (off <= pixel && off >= -pixel))
        return MCVD_OK;
    return mcvdi_cli_fail(MCVD_E_INPUT,
                          "--inpaint %s: %dx%d pixels, expected the shape of the input (%" PRId64
                          "x%" PRId64 ") or a square, the part of it that the model sees",
                          ip->path, ip->width, ip->height, width, height);
}

/* Whether there is a second frame; ip->mask is the first one. */
static mcvd_status look_at_masks(mcvdi_inpaint *ip)
{
    mcvd_frame frame;
    mcvd_status st = mcvd_video_reader_next(ip->reader, &frame);

    if (st != MCVD_OK)
        return st;
    fit_mask(ip, frame.data);
    st = mcvd_video_reader_next(ip->reader, &frame);
    ip->still = st == MCVD_EOF;
    ip->next = 2;
    if (ip->still && count_white(ip) == 0)
        return mcvdi_cli_fail(MCVD_E_INPUT,
                              "--inpaint %s: black everywhere, so there is nothing to be made "
                              "(white is made, black is kept)",
                              ip->path);
    return st < 0 ? st : MCVD_OK;
}

mcvd_status mcvdi_inpaint_open(mcvdi_inpaint *ip, const char *path, const mcvd_config *config,
                               const mcvd_video_info *input)
{
    const mcvd_data_config *d = &config->data;
    mcvd_video_reader_config rc = mcvd_video_reader_config_default();

    memset(ip, 0, sizeof *ip);
    ip->path = path;
    ip->size = (size_t)d->image_size;
    ip->num_frames = (size_t)d->num_frames;
    ip->frame = ip->size * ip->size * (size_t)d->channels;
    if (strcmp(path, "-") == 0)
        return mcvdi_cli_fail(MCVD_E_USAGE, "--inpaint -: expected a file, found stdin");
    rc.channels = 1;
    rc.frame_step = (int)d->frame_step;
    mcvd_status st = mcvd_video_reader_open(&ip->reader, path, &rc);
    if (st < 0)
        return mcvdi_cli_fail(st, "--inpaint %s", mcvd_last_error());
    ip->width = mcvd_video_reader_info(ip->reader)->width;
    ip->height = mcvd_video_reader_info(ip->reader)->height;
    st = check_shape(ip, input);
    if (st >= 0)
        st = allocate(ip);
    return st < 0 ? st : look_at_masks(ip);
}

void mcvdi_inpaint_close(mcvdi_inpaint *ip)
{
    mcvd_video_reader_free(&ip->reader);
    free(ip->mask);
    free(ip->truth);
    free(ip->truth_f);
    free(ip->unknown);
    memset(ip, 0, sizeof *ip);
}

/* --- a block --- */

static mcvd_status load_mask(mcvdi_inpaint *ip, int64_t index)
{
    mcvd_status st = MCVD_OK;
    mcvd_frame frame;

    if (ip->still)
        return MCVD_OK;
    if (index != ip->next)
        st = mcvd_video_reader_seek(ip->reader, index);
    if (st == MCVD_OK)
        st = mcvd_video_reader_next(ip->reader, &frame);
    if (st == MCVD_EOF)
        return mcvdi_cli_fail(MCVD_E_INPUT,
                              "--inpaint %s: too short: frame %" PRId64 " of the input has no mask "
                              "(a picture would serve for all frames)",
                              ip->path, index);
    if (st < 0)
        return st;
    fit_mask(ip, frame.data);
    ip->next = index + 1;
    return MCVD_OK;
}

void mcvdi_inpaint_begin(mcvdi_inpaint *ip)
{
    memset(ip->truth, 0, ip->num_frames * ip->frame);
    memset(ip->unknown, 1, ip->num_frames * ip->size * ip->size);
}

mcvd_status mcvdi_inpaint_frame(mcvdi_inpaint *ip, size_t f, int64_t index, const uint8_t *truth)
{
    const size_t pixels = ip->size * ip->size;
    const mcvd_status st = load_mask(ip, index);

    if (st < 0)
        return st;
    const size_t white = count_white(ip);
    memcpy(ip->unknown + f * pixels, ip->mask, pixels);
    memcpy(ip->truth + f * ip->frame, truth, ip->frame);
    ip->num_white += white;
    ip->num_black += pixels - white;
    return MCVD_OK;
}

mcvd_rollout_region mcvdi_inpaint_region(mcvdi_inpaint *ip)
{
    mcvd_pixels_to_float(ip->truth_f, ip->truth, ip->num_frames * ip->frame);
    return (mcvd_rollout_region) { ip->truth_f, ip->unknown };
}
