/* Videos, folders of pictures and videos, MNIST files. */
#include "cli/info.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <mcvd/data.h>
#include <mcvd/prepare.h>
#include <mcvd/video.h>

#include "cli/fail.h"

enum { IDX_SHAPE = 128 };

static void put_video(mcvdi_info_answer *to, const mcvd_video_info *v)
{
    mcvdi_info_text(to, "format", v->format);
    mcvdi_info_text(to, "codec", v->codec);
    mcvdi_info_count(to, "width", v->width);
    mcvdi_info_count(to, "height", v->height);
    mcvdi_info_count(to, "rotation", v->rotation);
    mcvdi_info_yes_no(to, "mirrored", v->mirrored);
    mcvdi_info_printf(to, "fps", "%d/%d", v->fps_num, v->fps_den);
    mcvdi_info_count(to, "frames", v->num_frames > 0 ? (double)v->num_frames : NAN);
    mcvdi_info_yes_no(to, "frames_exact", v->num_frames_exact);
    mcvdi_info_number(to, "duration_s", v->duration_s > 0.0 ? v->duration_s : NAN);
    mcvdi_info_text(to, "pixel_format", v->pixel_format);
    mcvdi_info_text(to, "matrix", v->matrix);
    mcvdi_info_text(to, "range", v->range);
}

mcvd_status mcvdi_info_video(mcvdi_info_answer *to)
{
    mcvd_video_reader *reader = NULL;
    mcvd_status st = mcvd_video_reader_open(&reader, to->args->path, NULL);

    if (st < 0)
        return st;
    mcvdi_info_text(to, "kind", "video");
    mcvdi_info_text(to, "file", to->args->path);
    put_video(to, mcvd_video_reader_info(reader));
    st = mcvdi_info_finish(to, NULL);
    mcvd_video_reader_free(&reader);
    return st;
}

/* A store says what to ask for. */
static mcvd_status open_store(mcvd_dataset **dataset, const char *path)
{
    mcvd_config config;

    mcvd_config_default(&config);
    mcvd_status st = mcvd_prepare_settings(path, &config.data);
    for (int split = MCVD_SPLIT_TRAIN; split <= MCVD_SPLIT_TEST; split++) {
        mcvd_dataset_config dc = mcvd_dataset_config_default(&config.data);
        dc.path = path;
        dc.split = (mcvd_split)split;
        dc.num_frames = 1;
        if (split == MCVD_SPLIT_TRAIN ? st >= 0 : st == MCVD_E_INPUT) /* no training split */
            st = mcvd_dataset_open(dataset, &dc);
    }
    return st;
}

/* Sets have frames of their own, gray or RGB: the first shape that fits opens them. */
static mcvd_status open_dataset(mcvd_dataset **dataset, const char *path)
{
    static const int64_t shapes[][2] = { { 64, 1 }, { 64, 3 }, { 128, 3 }, { 32, 3 }, { 32, 1 } };
    mcvd_status st = MCVD_E_CONFIG;

    for (size_t i = 0; st == MCVD_E_CONFIG && i < sizeof shapes / sizeof *shapes; i++) {
        mcvd_config config;
        mcvd_config_default(&config);
        config.data.image_size = shapes[i][0];
        config.data.channels = shapes[i][1];
        mcvd_dataset_config dc = mcvd_dataset_config_default(&config.data);
        dc.path = path;
        dc.num_frames = 1;
        st = mcvd_dataset_open(dataset, &dc);
    }
    return st;
}

mcvd_status mcvdi_info_dataset(mcvdi_info_answer *to)
{
    const char *path = to->args->path;
    const char *kind = mcvd_dataset_kind_of(path);
    mcvd_dataset *dataset = NULL;
    mcvd_status st = kind && strcmp(kind, "STORE") == 0 ? open_store(&dataset, path)
                                                        : open_dataset(&dataset, path);

    if (st < 0)
        return st;
    mcvdi_info_text(to, "kind", "data set");
    mcvdi_info_text(to, "folder", path);
    mcvdi_info_text(to, "dataset", mcvd_dataset_name(dataset));
    mcvdi_info_text(to, "content", mcvd_dataset_describe(dataset));
    st = mcvdi_info_finish(to, NULL);
    mcvd_dataset_free(&dataset);
    return st;
}

/* An MNIST file: 0, 0, type, number of axes, then the axes as big-endian words, then bytes. */
mcvd_status mcvdi_info_idx(mcvdi_info_answer *to, const unsigned char *head, double file_bytes)
{
    const int axes = head[3];
    double bytes = 1.0;
    char shape[IDX_SHAPE];
    size_t length = 0;

    for (int d = 0; d < axes; d++) {
        const unsigned char *w = head + 4 + 4 * d;
        const uint32_t size =
            (uint32_t)w[0] << 24 | (uint32_t)w[1] << 16 | (uint32_t)w[2] << 8 | w[3];
        bytes *= size;
        length += (size_t)snprintf(shape + length, sizeof shape - length, "%s%" PRIu32,
                                   d ? ", " : "[", size);
    }
    snprintf(shape + length, sizeof shape - length, "]");
    if (file_bytes != bytes + 4.0 + 4.0 * axes)
        return mcvdi_cli_fail(MCVD_E_FORMAT, "%s: IDX file of %s bytes is %.0f long, expected %.0f",
                              to->args->path, shape, file_bytes, bytes + 4.0 + 4.0 * axes);
    mcvdi_info_text(to, "kind", "IDX");
    mcvdi_info_text(to, "file", to->args->path);
    mcvdi_info_printf(to, "shape", "%s", shape);
    return mcvdi_info_finish(to, NULL);
}
