#include "video/frame_fit.h"

#include <string.h>

void mcvdi_frame_fit_init(mcvdi_frame_fit *fit, const mcvd_video_reader_config *config,
                          const mcvdi_pixels *first)
{
    memset(fit, 0, sizeof *fit);
    fit->fixed = config->width > 0;
    fit->width = fit->fixed ? (size_t)config->width : first->width;
    fit->height = fit->fixed ? (size_t)config->height : first->height;
    fit->crop = config->crop;
    fit->method = config->resize;
}

void mcvdi_frame_fit_free(mcvdi_frame_fit *fit)
{
    mcvdi_resizer_free(&fit->resizer);
}

/* a * b / c, rounded, within 1 .. limit. */
static size_t scaled(size_t a, size_t b, size_t c, size_t limit)
{
    const size_t v = (a * b + c / 2) / c;

    return v < 1 ? 1 : v > limit ? limit : v;
}

/* The largest centred part with the target's aspect ratio. */
static mcvdi_pixels centre(const mcvdi_frame_fit *fit, const mcvdi_pixels *src)
{
    mcvdi_pixels part = *src;

    if (src->width * fit->height >= src->height * fit->width)
        part.width = scaled(src->height, fit->width, fit->height, src->width);
    else
        part.height = scaled(src->width, fit->height, fit->width, src->height);
    part.data += (src->height - part.height) / 2 * src->stride;
    part.data += (src->width - part.width) / 2 * src->channels;
    return part;
}

static void pack(uint8_t *dst, const mcvdi_pixels *src)
{
    const size_t row = src->width * src->channels;

    for (size_t y = 0; y < src->height; y++)
        memcpy(dst + y * row, src->data + y * src->stride, row);
}

mcvd_status mcvdi_frame_fit_run(mcvdi_frame_fit *fit, uint8_t *dst, const mcvdi_pixels *src)
{
    if (!fit->fixed && (src->width != fit->width || src->height != fit->height))
        return mcvdi_fail(MCVD_E_FORMAT,
                          "the frame size changes from %zux%zu to %zux%zu (ask for a fixed size)",
                          fit->width, fit->height, src->width, src->height);
    const mcvdi_pixels part = fit->fixed && fit->crop ? centre(fit, src) : *src;
    if (part.width == fit->width && part.height == fit->height) {
        pack(dst, &part);
        return MCVD_OK;
    }
    if (part.width != fit->src_width || part.height != fit->src_height) {
        const size_t hwc[3] = { part.height, part.width, part.channels };
        const size_t hw[2] = { fit->height, fit->width };
        fit->src_width = 0;
        mcvdi_resizer_free(&fit->resizer);
        const mcvd_status st = mcvdi_resizer_create(&fit->resizer, fit->method, hwc, hw);
        if (st < 0)
            return st;
        fit->src_width = part.width;
        fit->src_height = part.height;
    }
    mcvdi_resizer_run(fit->resizer, dst, &part);
    return MCVD_OK;
}
