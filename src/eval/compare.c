/* Videos against videos: pairs of files, frame by frame. */
#include <mcvd/metrics.h>
#include <mcvd/video.h>

#include <math.h>
#include <string.h>
#include <strings.h>

#include "core/alloc.h"
#include "core/fileio.h"
#include "core/status.h"
#include "eval/pair_features.h"

enum { MAX_SIZE = 16384 };

mcvd_compare_config mcvd_compare_config_default(void)
{
    return (mcvd_compare_config) { .metrics = MCVD_METRIC_PIXELS };
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
    mcvdi_pair_features features;
} video_pair;

static mcvd_status open_readers(video_pair *p)
{
    mcvd_video_reader_config config = mcvd_video_reader_config_default();

    config.channels = p->config->gray ? 1 : 3;
    config.width = p->config->size;
    config.height = p->config->size;
    for (int i = 0; i < 2; i++) {
        const mcvd_status st = mcvd_video_reader_open(&p->readers[i], p->paths[i], &config);
        if (st < 0)
            return st;
    }
    return MCVD_OK;
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
        .metrics = p->config->metrics,
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

    const mcvd_status st = mcvd_scorer_frame_u8(p->scorer, frames[0].data, frames[1].data, &s);
    if (st < 0)
        return mcvdi_fail_context(st, "%s, frame %zu", p->paths[1], p->frames);
    for (int m = 0; m < MCVD_NUM_METRICS; m++)
        p->sums.value[m] += s.value[m];
    p->frames++;
    p->identical_frames += s.value[MCVD_METRIC_MSE] == 0.0;
    return mcvdi_pair_features_add(&p->features, frames);
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

static void fill_result(const video_pair *p, mcvd_compare_result *result)
{
    const mcvd_video_info *info = mcvd_video_reader_info(p->readers[0]);
    mcvd_scores mean = p->sums;

    for (int m = 0; m < MCVD_NUM_METRICS; m++)
        mean.value[m] /= (double)p->frames;
    result->scores = mcvd_scores_of_frames(&mean, 1);
    result->reference = p->paths[0];
    result->test = p->paths[1];
    result->frames = p->frames;
    result->identical_frames = p->identical_frames;
    result->width = info->width;
    result->height = info->height;
    result->channels = info->channels;
}

static mcvd_status compare_pair(const char *name, const char *const paths[2],
                                const mcvd_compare_config *config, mcvd_compare_fn fn, void *user)
{
    video_pair p = { .config = config,
                     .paths = { paths[0], paths[1] },
                     .features = { .config = config } };
    mcvd_compare_result result = { .name = name };

    mcvd_status st = open_readers(&p);
    if (st >= 0)
        st = create_scorer(&p);
    if (st >= 0)
        st = score_frames(&p);
    if (st >= 0) {
        fill_result(&p, &result);
        st = mcvdi_pair_features_finish(&p.features, &result);
        if (st < 0)
            st = mcvdi_fail_context(st, "%s", paths[0]);
    }
    if (st >= 0)
        st = fn(user, &result);
    mcvdi_pair_features_free(&p.features);
    mcvd_scorer_free(&p.scorer);
    mcvd_video_reader_free(&p.readers[0]);
    mcvd_video_reader_free(&p.readers[1]);
    return st;
}

/* ---- folders -------------------------------------------------------------------------------- */

/* Length of a file's name without its extension. */
static size_t stem_length(const char *name)
{
    const char *dot = strrchr(name, '.');

    return dot && dot != name ? (size_t)(dot - name) : strlen(name);
}

static bool has_extension(const char *name, const char *const *extensions)
{
    const char *dot = strrchr(name, '.');

    for (; dot && *extensions; extensions++)
        if (strcasecmp(dot + 1, *extensions) == 0)
            return true;
    return false;
}

static bool is_picture(const char *name)
{
    static const char *const extensions[] = { "png", "jpg", "jpeg", "bmp", "ppm", "pgm", NULL };

    return has_extension(name, extensions);
}

/* Other files beside the videos, such as logs and tables, are not compared. */
static bool is_video_name(const char *name)
{
    static const char *const extensions[] = { "mp4",  "m4v",  "mov", "mkv", "webm", "avi",
                                              "gif",  "apng", "y4m", "mpg", "mpeg", "ts",
                                              "m2ts", "flv",  "wmv", "ogv", "3gp",  NULL };

    return has_extension(name, extensions);
}

typedef struct folder_list {
    const char *path;
    char **names; /* all of them; videos first after keep_videos */
    size_t num_names;
    size_t num_videos;
} folder_list;

static mcvd_status list_folder(folder_list *list, const char *path)
{
    list->path = path;
    list->names = NULL;
    list->num_videos = 0;
    return mcvdi_folder_names(&list->names, &list->num_names, path);
}

/* Pictures and no video: the frames of one video. */
static bool is_one_video(const folder_list *list)
{
    bool pictures = false;

    for (size_t i = 0; i < list->num_names; i++) {
        if (is_video_name(list->names[i]))
            return false;
        pictures = pictures || is_picture(list->names[i]);
    }
    return pictures;
}

/* Videos and folders to the front, in their order. */
static mcvd_status keep_videos(folder_list *list)
{
    for (size_t i = 0; i < list->num_names; i++) {
        char *name = list->names[i];
        char *path = mcvdi_sprintf("%s/%s", list->path, name);
        if (!path)
            return mcvdi_fail(MCVD_E_NOMEM, "%s: its videos", list->path);
        const bool keep = is_video_name(name) || mcvdi_path_is_folder(path);
        mcvdi_free(path);
        if (!keep)
            continue;
        list->names[i] = list->names[list->num_videos];
        list->names[list->num_videos++] = name;
    }
    if (list->num_videos == 0)
        return mcvdi_fail(MCVD_E_INPUT, "%s: neither pictures nor videos in this folder",
                          list->path);
    return MCVD_OK;
}

/* The one video of `in` with the same stem as name. */
static mcvd_status find_counterpart(const folder_list *in, const char *folder, const char *name,
                                    const char **found)
{
    const size_t length = stem_length(name);

    *found = NULL;
    for (size_t i = 0; i < in->num_videos; i++) {
        const char *other = in->names[i];
        if (stem_length(other) != length || strncmp(other, name, length) != 0)
            continue;
        if (*found)
            return mcvdi_fail(MCVD_E_INPUT, "%s: both '%s' and '%s' fit to %s/%s", in->path, *found,
                              other, folder, name);
        *found = other;
    }
    if (!*found)
        return mcvdi_fail(MCVD_E_INPUT, "%s/%s has no counterpart in %s", folder, name, in->path);
    return MCVD_OK;
}

/* Both ways, before the first video is decoded. */
static mcvd_status check_counterparts(const folder_list lists[2])
{
    const char *found;

    for (int side = 0; side < 2; side++)
        for (size_t i = 0; i < lists[side].num_videos; i++) {
            const mcvd_status st =
                find_counterpart(&lists[1 - side], lists[side].path, lists[side].names[i], &found);
            if (st < 0)
                return st;
        }
    return MCVD_OK;
}

static mcvd_status compare_named(const folder_list lists[2], const char *name,
                                 const mcvd_compare_config *config, mcvd_compare_fn fn, void *user)
{
    const char *found;
    mcvd_status st = find_counterpart(&lists[1], lists[0].path, name, &found);

    if (st < 0)
        return st;
    char *stem = mcvdi_sprintf("%.*s", (int)stem_length(name), name);
    char *reference = mcvdi_sprintf("%s/%s", lists[0].path, name);
    char *test = mcvdi_sprintf("%s/%s", lists[1].path, found);
    if (stem && reference && test)
        st = compare_pair(stem, (const char *const[2]) { reference, test }, config, fn, user);
    else
        st = mcvdi_fail(MCVD_E_NOMEM, "%s: a path", lists[0].path);
    mcvdi_free(stem);
    mcvdi_free(reference);
    mcvdi_free(test);
    return st;
}

/* The videos of both folders, each with its counterpart. */
static mcvd_status match_lists(folder_list lists[2])
{
    mcvd_status st = keep_videos(&lists[0]);

    if (st >= 0)
        st = keep_videos(&lists[1]);
    return st < 0 ? st : check_counterparts(lists);
}

static mcvd_status compare_lists(folder_list lists[2], const mcvd_compare_config *config,
                                 mcvd_compare_fn fn, void *user)
{
    mcvd_status st = match_lists(lists);

    for (size_t i = 0; st >= 0 && i < lists[0].num_videos; i++)
        st = compare_named(lists, lists[0].names[i], config, fn, user);
    return st;
}

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash && slash[1] ? slash + 1 : path;
}

static mcvd_status compare_files(const char *const paths[2], const mcvd_compare_config *config,
                                 mcvd_compare_fn fn, void *user)
{
    const char *file = last_part(paths[0]);
    char *name = mcvdi_sprintf("%.*s", (int)stem_length(file), file);

    if (!name)
        return mcvdi_fail(MCVD_E_NOMEM, "%s: its name", paths[0]);
    const mcvd_status st = compare_pair(name, paths, config, fn, user);
    mcvdi_free(name);
    return st;
}

static mcvd_status compare_folders(const char *const paths[2], const mcvd_compare_config *config,
                                   mcvd_compare_fn fn, void *user)
{
    folder_list lists[2] = { { 0 } };

    mcvd_status st = list_folder(&lists[0], paths[0]);
    if (st >= 0)
        st = list_folder(&lists[1], paths[1]);
    if (st >= 0)
        st = is_one_video(&lists[0]) || is_one_video(&lists[1])
                 ? compare_files(paths, config, fn, user)
                 : compare_lists(lists, config, fn, user);
    mcvdi_names_free(&lists[0].names, lists[0].num_names);
    mcvdi_names_free(&lists[1].names, lists[1].num_names);
    return st;
}

static bool are_folders(const char *reference, const char *test)
{
    return mcvdi_path_is_folder(reference) && mcvdi_path_is_folder(test);
}

mcvd_status mcvd_compare_count(size_t *pairs, const char *reference, const char *test)
{
    folder_list lists[2] = { { 0 } };

    *pairs = 1;
    if (!are_folders(reference, test))
        return MCVD_OK;
    mcvd_status st = list_folder(&lists[0], reference);
    if (st >= 0)
        st = list_folder(&lists[1], test);
    if (st >= 0 && !is_one_video(&lists[0]) && !is_one_video(&lists[1])) {
        st = match_lists(lists);
        *pairs = lists[0].num_videos;
    }
    mcvdi_names_free(&lists[0].names, lists[0].num_names);
    mcvdi_names_free(&lists[1].names, lists[1].num_names);
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

    const mcvd_status st = check_config(config);

    if (st < 0)
        return st;
    if (are_folders(reference, test))
        return compare_folders(paths, config, fn, user);
    return compare_files(paths, config, fn, user);
}
