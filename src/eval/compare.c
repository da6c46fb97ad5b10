/* Videos against videos: pairs of files, frame by frame. */
#include <mcvd/metrics.h>
#include <mcvd/video.h>

#include <math.h>
#include <string.h>

#include "core/alloc.h"
#include "core/fileio.h"
#include "core/log.h"
#include "core/status.h"
#include "eval/clip_features.h"
#include "eval/pairing.h"
#include "eval/ssim.h"
#include "eval/video_features.h"

enum { MAX_SIZE = 16384 };

mcvd_compare_config mcvd_compare_config_default(void)
{
    return (mcvd_compare_config) { .metrics = MCVD_METRIC_PIXELS };
}

/* What all videos of one call share. */
typedef struct comparison {
    const mcvd_compare_config *config;
    mcvd_compare_fn fn;
    void *user;
    bool rates_differed; /* and it was said */
    bool loss_noted;
} comparison;

static mcvd_status open_reader(mcvd_video_reader **reader, const char *path,
                               const mcvd_compare_config *config)
{
    mcvd_video_reader_config reading = mcvd_video_reader_config_default();

    reading.channels = config->gray ? 1 : 3;
    reading.width = config->size;
    reading.height = config->size;
    return mcvd_video_reader_open(reader, path, &reading);
}

static bool is_lossless(const char *codec)
{
    static const char *const codecs[] = { "ffv1",     "ffvhuff", "huffyuv", "utvideo", "rawvideo",
                                          "png",      "apng",    "bmp",     "ppm",     "pgm",
                                          "magicyuv", "qtrle",   "v210",    "r210",    "lagarith" };

    for (size_t i = 0; i < sizeof codecs / sizeof *codecs; i++)
        if (strcmp(codec, codecs[i]) == 0)
            return true;
    return false;
}

/* A prediction's score should be the model's, not the encoder's. */
static void note_loss(comparison *c, const mcvd_video_reader *test, const char *path)
{
    const char *codec = mcvd_video_reader_info(test)->codec;

    if (c->loss_noted || is_lossless(codec))
        return;
    c->loss_noted = true;
    mcvdi_log(MCVD_LOG_INFO, "%s is compressed with loss (%s), which counts in its scores", path,
              codec);
}

static void describe(mcvd_compare_result *result, const mcvd_video_info *info, size_t frames)
{
    result->frames = frames;
    result->width = info->width;
    result->height = info->height;
    result->channels = info->channels;
}

/* Features of a video whose frames are too narrow for them. */
static mcvd_status check_shape(const mcvd_compare_config *config, const mcvd_video_reader *reader,
                               const char *path)
{
    const mcvd_video_info *info = mcvd_video_reader_info(reader);

    if (!config->features || config->leave_out ||
        mcvdi_video_features_fit((size_t)info->height, (size_t)info->width))
        return MCVD_OK;
    return mcvdi_fail(
        MCVD_E_SHAPE,
        "%s has %dx%d pixels: for %s the longer side may be at most %d times the other", path,
        info->width, info->height, mcvd_video_features_distance(config->features),
        MCVDI_VIDEO_MAX_ASPECT);
}

/* ---- one pair ------------------------------------------------------------------------------- */

typedef struct video_pair {
    const mcvd_compare_config *config;
    const char *paths[2]; /* reference, test */
    mcvd_video_reader *readers[2];
    mcvd_scorer *scorer;
    mcvd_scores sums; /* over the frames so far */
    size_t frames;
    size_t identical_frames;
    mcvdi_clip_features features[2];
} video_pair;

/* Frames are compared by their numbers: 25 a second beside 30 are not the same moments. */
static void check_rates(comparison *c, const video_pair *p)
{
    const mcvd_video_info *a = mcvd_video_reader_info(p->readers[0]);
    const mcvd_video_info *b = mcvd_video_reader_info(p->readers[1]);
    const double rates[2] = { (double)a->fps_num / (double)a->fps_den,
                              (double)b->fps_num / (double)b->fps_den };

    if (c->rates_differed || strcmp(a->format, "pictures") == 0 ||
        strcmp(b->format, "pictures") == 0 || !(fabs(rates[0] - rates[1]) > 0.01 * rates[0]))
        return;
    c->rates_differed = true;
    mcvdi_log(MCVD_LOG_WARNING,
              "%s has %.4g frames/s, %s %.4g: frames are compared by their numbers, whatever their "
              "times",
              p->paths[0], rates[0], p->paths[1], rates[1]);
}

/* The metrics that frames of this size have; mse they always have. */
static unsigned metrics_of(const mcvd_compare_config *config, const mcvd_video_info *info)
{
    const bool small = info->width < MCVDI_SSIM_WINDOW || info->height < MCVDI_SSIM_WINDOW;
    const unsigned metrics = config->leave_out && small
                                 ? config->metrics & ~MCVD_METRIC_BIT(MCVD_METRIC_SSIM)
                                 : config->metrics;

    return config->metrics && !metrics ? MCVD_METRIC_BIT(MCVD_METRIC_MSE) : metrics;
}

static mcvd_status create_scorer(video_pair *p)
{
    const mcvd_video_info *a = mcvd_video_reader_info(p->readers[0]);
    const mcvd_video_info *b = mcvd_video_reader_info(p->readers[1]);

    if (a->width != b->width || a->height != b->height)
        return mcvdi_fail(
            MCVD_E_INPUT,
            "%s has %dx%d pixels, %s has %dx%d; --size N compares N x N crops of both", p->paths[0],
            a->width, a->height, p->paths[1], b->width, b->height);
    const mcvd_scorer_config config = {
        .height = (size_t)a->height,
        .width = (size_t)a->width,
        .channels = (size_t)a->channels,
        .metrics = metrics_of(p->config, a),
        .binarise = p->config->binarise,
        .lpips = p->config->lpips,
    };
    const mcvd_status st = mcvd_scorer_create(&p->scorer, &config);
    return st < 0 ? mcvdi_fail_context(st, "%s", p->paths[0]) : st;
}

/* One video ended, at least the other did not: fine only when the wanted frames are there. */
static mcvd_status check_end(const video_pair *p, const mcvd_status ends[2])
{
    const int shorter = ends[0] == MCVD_EOF ? 0 : 1;

    if (p->frames == 0)
        return mcvdi_fail(MCVD_E_INPUT, "%s: no frame", p->paths[shorter]);
    if (p->config->frames > 0)
        return mcvdi_fail(MCVD_E_INPUT, "%s has %zu frames, --frames asks for %zu",
                          p->paths[shorter], p->frames, p->config->frames);
    if (ends[0] != ends[1])
        return mcvdi_fail(MCVD_E_INPUT,
                          "%s has %zu frames, %s has more; --frames %zu compares the first ones",
                          p->paths[shorter], p->frames, p->paths[1 - shorter], p->frames);
    return MCVD_OK;
}

static mcvd_status add_frame(video_pair *p, const mcvd_frame frames[2])
{
    mcvd_scores s;

    mcvd_status st = mcvd_scorer_frame_u8(p->scorer, frames[0].data, frames[1].data, &s);
    if (st < 0)
        return mcvdi_fail_context(st, "%s, frame %zu", p->paths[1], p->frames);
    for (int m = 0; m < MCVD_NUM_METRICS; m++)
        p->sums.value[m] += s.value[m];
    p->frames++;
    p->identical_frames += s.value[MCVD_METRIC_MSE] == 0.0;
    st = mcvdi_clip_features_add(&p->features[0], &frames[0]);
    return st < 0 ? st : mcvdi_clip_features_add(&p->features[1], &frames[1]);
}

static mcvd_status score_frames(video_pair *p)
{
    while (p->config->frames == 0 || p->frames < p->config->frames) {
        mcvd_frame frames[2];
        mcvd_status next[2];

        for (int i = 0; i < 2; i++) {
            next[i] = mcvd_video_reader_next(p->readers[i], &frames[i]);
            if (next[i] < 0)
                return next[i];
        }
        if (next[0] == MCVD_EOF || next[1] == MCVD_EOF)
            return check_end(p, next);
        const mcvd_status st = add_frame(p, frames);
        if (st < 0)
            return st;
    }
    return MCVD_OK;
}

static mcvd_status fill_result(video_pair *p, mcvd_compare_result *result)
{
    mcvd_scores mean = p->sums;
    mcvd_status st = MCVD_OK;

    for (int m = 0; m < MCVD_NUM_METRICS; m++)
        mean.value[m] /= (double)p->frames;
    result->scores = mcvd_scores_of_frames(&mean, 1);
    result->reference = p->paths[0];
    result->test = p->paths[1];
    result->identical_frames = p->identical_frames;
    describe(result, mcvd_video_reader_info(p->readers[0]), p->frames);
    for (int i = 0; st >= 0 && i < 2; i++)
        st = mcvdi_clip_features_finish(&p->features[i], i, result);
    return st < 0 ? mcvdi_fail_context(st, "%s", p->paths[0]) : st;
}

static mcvd_status compare_pair(comparison *c, const char *name, const char *const paths[2])
{
    video_pair p = { .config = c->config,
                     .paths = { paths[0], paths[1] },
                     .features = { { .config = c->config }, { .config = c->config } } };
    mcvd_compare_result result = { .name = name };

    mcvd_status st = open_reader(&p.readers[0], paths[0], c->config);
    if (st >= 0)
        st = open_reader(&p.readers[1], paths[1], c->config);
    if (st >= 0) {
        check_rates(c, &p);
        note_loss(c, p.readers[1], paths[1]);
        st = create_scorer(&p);
    }
    if (st >= 0)
        st = check_shape(c->config, p.readers[0], paths[0]);
    if (st >= 0)
        st = score_frames(&p);
    if (st >= 0)
        st = fill_result(&p, &result);
    if (st >= 0)
        st = c->fn(c->user, &result);
    for (int i = 0; i < 2; i++) {
        mcvdi_clip_features_free(&p.features[i]);
        mcvd_video_reader_free(&p.readers[i]);
    }
    mcvd_scorer_free(&p.scorer);
    return st;
}

/* ---- one video of a set ---------------------------------------------------------------------- */

static mcvd_status read_frames(const comparison *c, mcvd_video_reader *reader, const char *path,
                               mcvdi_clip_features *features)
{
    while (c->config->frames == 0 || features->frames < c->config->frames) {
        mcvd_frame frame;
        mcvd_status st = mcvd_video_reader_next(reader, &frame);
        if (st == MCVD_EOF && features->frames >= (c->config->frames ? c->config->frames : 1))
            return MCVD_OK;
        if (st == MCVD_EOF)
            return mcvdi_fail(MCVD_E_INPUT, "%s has %zu frames, at least %zu are needed", path,
                              features->frames, c->config->frames ? c->config->frames : 1);
        if (st >= 0)
            st = mcvdi_clip_features_add(features, &frame);
        if (st < 0)
            return st;
    }
    return MCVD_OK;
}

static mcvd_status take_video(comparison *c, int side, const char *name, const char *path)
{
    mcvdi_clip_features features = { .config = c->config };
    mcvd_compare_result result = { .name = name,
                                   .reference = side == 0 ? path : NULL,
                                   .test = side == 0 ? NULL : path };
    mcvd_video_reader *reader = NULL;

    for (int m = 0; m < MCVD_NUM_METRICS; m++)
        result.scores.value[m] = NAN;
    mcvd_status st = open_reader(&reader, path, c->config);
    if (st >= 0 && side == 1)
        note_loss(c, reader, path);
    if (st >= 0)
        st = check_shape(c->config, reader, path);
    if (st >= 0)
        st = read_frames(c, reader, path, &features);
    if (st >= 0) {
        describe(&result, mcvd_video_reader_info(reader), features.frames);
        st = mcvdi_clip_features_finish(&features, side, &result);
    }
    if (st >= 0)
        st = c->fn(c->user, &result);
    mcvdi_clip_features_free(&features);
    mcvd_video_reader_free(&reader);
    return st;
}

static mcvd_status take_videos(comparison *c, int side, const mcvdi_video_list *list)
{
    mcvd_status st = MCVD_OK;

    for (size_t i = 0; st >= 0 && i < list->num_videos; i++) {
        const mcvdi_listed_video *v = &list->videos[i];
        char *stem = mcvdi_sprintf("%.*s", (int)v->stem, v->name);
        char *path = mcvdi_listed_path(list, i);
        st = stem && path ? take_video(c, side, stem, path)
                          : mcvdi_fail(MCVD_E_NOMEM, "%s: a path", list->path);
        mcvdi_free(stem);
        mcvdi_free(path);
    }
    return st;
}

/* ---- folders -------------------------------------------------------------------------------- */

static mcvd_status compare_listed(comparison *c, const mcvdi_video_list lists[2], size_t video,
                                  size_t partner)
{
    const mcvdi_listed_video *v = &lists[0].videos[video];
    char *stem = mcvdi_sprintf("%.*s", (int)v->stem, v->name);
    char *reference = mcvdi_listed_path(&lists[0], video);
    char *test = mcvdi_listed_path(&lists[1], partner);
    const mcvd_status st = stem && reference && test
                               ? compare_pair(c, stem, (const char *const[2]) { reference, test })
                               : mcvdi_fail(MCVD_E_NOMEM, "%s: a path", lists[0].path);

    mcvdi_free(stem);
    mcvdi_free(reference);
    mcvdi_free(test);
    return st;
}

static mcvd_status compare_lists(comparison *c, const mcvdi_video_list lists[2])
{
    size_t *partner = mcvdi_calloc(lists[0].num_videos, sizeof *partner);

    if (!partner)
        return mcvdi_fail(MCVD_E_NOMEM, "%s: its videos", lists[0].path);
    mcvd_status st = mcvdi_video_lists_match(lists, partner);
    for (size_t i = 0; st >= 0 && i < lists[0].num_videos; i++)
        st = compare_listed(c, lists, i, partner[i]);
    mcvdi_free(partner);
    return st;
}

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash && slash[1] ? slash + 1 : path;
}

static mcvd_status need_folders(const char *const paths[2])
{
    return mcvdi_fail(MCVD_E_INPUT, "%s and %s: two folders of videos are needed", paths[0],
                      paths[1]);
}

static mcvd_status compare_files(comparison *c, const char *const paths[2])
{
    const char *file = last_part(paths[0]);
    const char *dot = mcvdi_path_is_folder(paths[0]) ? NULL : strrchr(file, '.');
    const size_t stem = dot && dot != file ? (size_t)(dot - file) : strlen(file);
    char *name = mcvdi_sprintf("%.*s", (int)stem, file);

    if (!name)
        return mcvdi_fail(MCVD_E_NOMEM, "%s: its name", paths[0]);
    const mcvd_status st = compare_pair(c, name, paths);
    mcvdi_free(name);
    return st;
}

/* A file or a folder of pictures beside a folder of videos. */
static mcvd_status check_kinds(const mcvdi_video_list *a, const char *other)
{
    return a->is_one_video ? MCVD_OK
                           : mcvdi_fail(MCVD_E_INPUT, "%s is a folder of videos, %s is one video",
                                        a->path, other);
}

/* Two folders of which at least one is one video. */
static mcvd_status check_one(const char *const paths[2], const mcvdi_video_list lists[2],
                             bool unpaired)
{
    mcvd_status st = check_kinds(&lists[0], paths[1]);

    if (st >= 0)
        st = check_kinds(&lists[1], paths[0]);
    return st >= 0 && unpaired ? need_folders(paths) : st;
}

static mcvd_status compare_folders(comparison *c, const char *const paths[2])
{
    mcvdi_video_list lists[2] = { { 0 } };

    mcvd_status st = mcvdi_video_list_open(&lists[0], paths[0]);
    if (st >= 0)
        st = mcvdi_video_list_open(&lists[1], paths[1]);
    if (st >= 0 && (lists[0].is_one_video || lists[1].is_one_video)) {
        st = check_one(paths, lists, c->config->unpaired);
        if (st >= 0)
            st = compare_files(c, paths);
    } else if (st >= 0) {
        mcvdi_video_list_warn(&lists[0]);
        mcvdi_video_list_warn(&lists[1]);
        if (!c->config->unpaired)
            st = compare_lists(c, lists);
        for (int side = 0; c->config->unpaired && st >= 0 && side < 2; side++)
            st = take_videos(c, side, &lists[side]);
    }
    mcvdi_video_list_free(&lists[0]);
    mcvdi_video_list_free(&lists[1]);
    return st;
}

static bool are_folders(const char *reference, const char *test)
{
    return mcvdi_path_is_folder(reference) && mcvdi_path_is_folder(test);
}

/* Beside a file, a folder of videos is refused as such; others are for the reader to judge. */
static mcvd_status check_folder(const char *path, const char *other)
{
    mcvdi_video_list list = { 0 };
    mcvd_status st = MCVD_OK;

    if (mcvdi_path_is_folder(path) && mcvdi_video_list_open(&list, path) >= 0)
        st = check_kinds(&list, other);
    mcvdi_video_list_free(&list);
    return st;
}

/* Paths that are not two folders. */
static mcvd_status check_files(const char *const paths[2], bool unpaired)
{
    if (strcmp(paths[0], "-") == 0 && strcmp(paths[1], "-") == 0)
        return mcvdi_fail(MCVD_E_INPUT, "both videos are '-': only one can come from stdin");
    if (unpaired)
        return need_folders(paths);
    const mcvd_status st = check_folder(paths[0], paths[1]);
    return st < 0 ? st : check_folder(paths[1], paths[0]);
}

/* Checks the pairs of two lists as well. */
static mcvd_status count_lists(size_t counts[2], const char *const paths[2],
                               const mcvdi_video_list lists[2], bool unpaired)
{
    mcvd_status st = MCVD_OK;

    if (lists[0].is_one_video || lists[1].is_one_video)
        return check_one(paths, lists, unpaired);
    if (!unpaired) {
        size_t *partner = mcvdi_calloc(lists[0].num_videos, sizeof *partner);
        st = partner ? mcvdi_video_lists_match(lists, partner)
                     : mcvdi_fail(MCVD_E_NOMEM, "%s: its videos", lists[0].path);
        mcvdi_free(partner);
    }
    counts[0] = lists[0].num_videos;
    counts[1] = lists[1].num_videos;
    return st;
}

mcvd_status mcvd_compare_count(size_t counts[2], const char *reference, const char *test,
                               bool unpaired)
{
    const char *const paths[2] = { reference, test };
    mcvdi_video_list lists[2] = { { 0 } };

    counts[0] = counts[1] = 1;
    if (!are_folders(reference, test))
        return check_files(paths, unpaired);
    mcvd_status st = mcvdi_video_list_open(&lists[0], reference);
    if (st >= 0)
        st = mcvdi_video_list_open(&lists[1], test);
    if (st >= 0)
        st = count_lists(counts, paths, lists, unpaired);
    mcvdi_video_list_free(&lists[0]);
    mcvdi_video_list_free(&lists[1]);
    return st;
}

static mcvd_status check_config(const mcvd_compare_config *config)
{
    if (config->size < 0 || config->size > MAX_SIZE)
        return mcvdi_fail(MCVD_E_RANGE, "--size %d is outside 0..%d", config->size, MAX_SIZE);
    if (config->frame_features && !config->lpips)
        return mcvdi_fail(MCVD_E_RANGE, "metrics: features of frames without their network");
    return MCVD_OK;
}

mcvd_status mcvd_compare(const char *reference, const char *test, const mcvd_compare_config *config,
                         mcvd_compare_fn fn, void *user)
{
    const char *const paths[2] = { reference, test };
    comparison c = { .config = config, .fn = fn, .user = user };

    mcvd_status st = check_config(config);
    if (st < 0)
        return st;
    if (are_folders(reference, test))
        return compare_folders(&c, paths);
    st = check_files(paths, config->unpaired);
    return st < 0 ? st : compare_files(&c, paths);
}
