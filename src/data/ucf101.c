/*
 * UCF-101 (Soomro et al. 2012): UCF-101/<Class>/v_<Class>_g<GG>_c<CC>.avi beside the lists
 * ucfTrainTestlist/{trainlist,testlist}0N.txt, which say what is for training and for testing in
 * the official split N (data.ucf101_split), in their order. Frames of 320 x 240 become image_size
 * high and floor(image_size * 4 / 3) wide by Pillow's Lanczos; windows are crops, in the middle for
 * testing. The test set takes every 10th clip.
 */
#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "core/fileio.h"
#include "core/log.h"
#include "data/file_clips.h"
#include "data/native_frames.h"
#include "data/resample_pillow.h"

enum { MAX_LIST_BYTES = 16 << 20, TEST_STEP = 10, TEST_DECLARED = 256, CHANNELS = 3 };
enum { NUM_SPLITS = 3, NAME_BYTES = 32, MAX_NAMED = 8 };

typedef struct ucf101 {
    mcvdi_file_clips clips;
    size_t height, width; /* of frames before the crop */
    size_t num_absent;    /* listed, but not there */
} ucf101;

/* ---- Layout ------------------------------------------------------------------------------ */

/* path/<folder>/<rest>, else path/<rest>, where that exists; freed with mcvdi_free. */
static char *find_below(const char *path, const char *folder, const char *rest)
{
    char *found = mcvdi_sprintf("%s/%s/%s", path, folder, rest);

    if (found && mcvdi_path_exists(found))
        return found;
    mcvdi_free(found);
    found = mcvdi_sprintf("%s/%s", path, rest);
    if (found && mcvdi_path_exists(found))
        return found;
    mcvdi_free(found);
    return NULL;
}

static const char *list_name(char name[NAME_BYTES], mcvd_split split, int64_t number)
{
    snprintf(name, NAME_BYTES, "%slist%02d.txt", split == MCVD_SPLIT_TEST ? "test" : "train",
             (int)number);
    return name;
}

static bool accepts(const char *path)
{
    bool found = false;
    char name[NAME_BYTES];

    for (int i = 0; !found && i < 2 * NUM_SPLITS; i++) {
        const mcvd_split split = i % 2 ? MCVD_SPLIT_TEST : MCVD_SPLIT_TRAIN;
        char *list = find_below(path, "ucfTrainTestlist", list_name(name, split, i / 2 + 1));
        found = list;
        mcvdi_free(list);
    }
    return found;
}

static bool is_plain(const char *name)
{
    return name[0] != '/' && !strstr(name, "..");
}

/* A clip that is not there keeps its place, since every tenth is tested; it will have no frames. */
static char *absent(ucf101 *u, const char *path, const char *list, const char *line)
{
    if (++u->num_absent <= MAX_NAMED)
        mcvdi_log(MCVD_LOG_WARNING, "%s names %.80s, which is neither in %s/UCF-101 nor in %s",
                  list, line, path, path);
    return mcvdi_sprintf("%s/UCF-101/%s", path, line);
}

/* One line: "<Class>/<file>.avi" and, for training, a label. */
static mcvd_status add_line(ucf101 *u, const char *path, const char *list, char *line)
{
    line[strcspn(line, " \t\r")] = '\0';
    if (!*line)
        return MCVD_OK;
    for (char *c = line; *c; c++)
        *c = *c == '\\' ? '/' : *c;
    if (!is_plain(line))
        return mcvdi_fail(MCVD_E_FORMAT, "%s: '%.80s' leads out of the data set", list, line);
    char *video = find_below(path, "UCF-101", line);
    const bool there = video;
    if (!there)
        video = absent(u, path, list, line);
    const mcvd_status st =
        mcvdi_file_clips_add(&u->clips, video, video ? strlen(video) - strlen(line) : 0);
    if (st >= 0)
        u->clips.items[u->clips.count - 1].counted = !there;
    return st;
}

/* Behind a byte order mark. */
static size_t start_of(const char *text)
{
    return strncmp(text, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
}

static mcvd_status read_list(ucf101 *u, const char *path, const char *list)
{
    char *text = NULL;
    size_t bytes = 0;
    mcvd_status st = mcvdi_file_read(&text, &bytes, list, MAX_LIST_BYTES);

    for (char *line = st < 0 ? NULL : text + start_of(text); st >= 0 && line && *line;) {
        char *end = line + strcspn(line, "\n");
        char *next = *end ? end + 1 : end;
        *end = '\0';
        st = add_line(u, path, list, line);
        line = next;
    }
    mcvdi_free(text);
    if (st >= 0 && u->clips.count == 0)
        st = mcvdi_fail(MCVD_E_INPUT, "%s: an empty list", list);
    if (st >= 0 && u->num_absent == u->clips.count)
        st = mcvdi_fail(MCVD_E_INPUT, "%s: none of its %zu clips is in %s/UCF-101 or in %s", list,
                        u->num_absent, path, path);
    if (st >= 0 && u->num_absent > MAX_NAMED)
        mcvdi_log(MCVD_LOG_WARNING, "%s: %zu of its %zu clips are not there", list, u->num_absent,
                  u->clips.count);
    return st;
}

/* ---- The source -------------------------------------------------------------------------- */

static void release(void **state)
{
    ucf101 *u = *state;

    mcvdi_file_clips_release(&u->clips);
    mcvdi_free(u);
    *state = NULL;
}

static mcvd_status open_list(ucf101 *u, const mcvdi_clip_source_config *config)
{
    const int64_t number = config->data->ucf101_split;
    char name[NAME_BYTES];

    if (number < 1 || number > NUM_SPLITS)
        return mcvdi_fail(MCVD_E_CONFIG, "data.ucf101_split = %lld, expected 1..%d",
                          (long long)number, (int)NUM_SPLITS);
    list_name(name, config->split, number);
    char *list = find_below(config->path, "ucfTrainTestlist", name);
    if (!list)
        return mcvdi_fail(MCVD_E_INPUT, "%s: no ucfTrainTestlist/%s", config->path, name);
    const mcvd_status st = read_list(u, config->path, list);
    mcvdi_free(list);
    return st;
}

static mcvd_status open_ucf101(void **state, mcvdi_clip_source_facts *facts,
                               const mcvdi_clip_source_config *config)
{
    if (config->channels != CHANNELS)
        return mcvdi_fail(MCVD_E_CONFIG, "data.channels = %zu: UCF-101 is RGB, 3",
                          config->channels);
    ucf101 *u = mcvdi_calloc(1, sizeof *u);
    *state = u;
    if (!u)
        return mcvdi_fail(MCVD_E_NOMEM, "UCF-101: %zu bytes", sizeof *u);
    u->height = config->image_size;
    u->width = config->image_size * 4 / 3;
    mcvd_status st = mcvdi_file_clips_init(&u->clips);
    if (st >= 0)
        st = open_list(u, config);
    *facts = (mcvdi_clip_source_facts) { .num_clips = u->clips.count,
                                         .height = u->height,
                                         .width = u->width,
                                         .channels = CHANNELS,
                                         .test_left = (u->width - u->height) / 2,
                                         .test_step = TEST_STEP,
                                         .test_declared = TEST_DECLARED,
                                         .may_flip = true };
    if (st >= 0) {
        facts->describe = mcvdi_sprintf("UCF-101: %zu clips of split %d of %s", u->clips.count,
                                        (int)config->data->ucf101_split, config->path);
        st = facts->describe ? MCVD_OK : mcvdi_fail(MCVD_E_NOMEM, "UCF-101: a description");
    }
    if (st < 0)
        release(state);
    return st;
}

static mcvd_status info(void *state, size_t clip, mcvdi_clip_info *info)
{
    ucf101 *u = state;

    return mcvdi_file_clips_info(&u->clips, clip, info);
}

typedef struct target {
    const ucf101 *u;
    uint8_t *frames;
    mcvdi_pillow *plan; /* made for the first frame; all have its size */
    uint8_t *scratch;
    int height, width;
} target;

static mcvd_status make_plan(target *t, const mcvd_frame *frame)
{
    const mcvdi_pillow_shape shape = { (size_t)frame->height, (size_t)frame->width, t->u->height,
                                       t->u->width, CHANNELS };
    const mcvd_status st = mcvdi_pillow_create(&t->plan, MCVDI_PILLOW_LANCZOS, &shape);

    if (st < 0)
        return st;
    t->height = frame->height;
    t->width = frame->width;
    t->scratch = mcvdi_malloc(mcvdi_pillow_scratch_bytes(t->plan));
    return t->scratch ? MCVD_OK : mcvdi_fail(MCVD_E_NOMEM, "UCF-101: scratch of a resize");
}

static mcvd_status convert(void *user, size_t i, const mcvd_frame *frame)
{
    target *t = user;
    const mcvd_status st = t->plan ? MCVD_OK : make_plan(t, frame);

    if (st < 0)
        return st;
    if (frame->height != t->height || frame->width != t->width)
        return mcvdi_fail(MCVD_E_DECODE, "frames of %dx%d and %dx%d in one video", t->width,
                          t->height, frame->width, frame->height);
    mcvdi_pillow_resize(t->plan, t->frames + i * t->u->height * t->u->width * CHANNELS, frame->data,
                        t->scratch);
    return MCVD_OK;
}

static mcvd_status read_clip(void *state, size_t clip, size_t first, size_t count, uint8_t *frames,
                             float *actions)
{
    const ucf101 *u = state;
    target t = { .u = u, .frames = frames };

    (void)actions;
    const mcvd_status st =
        mcvdi_native_frames(u->clips.items[clip].path, first, count, convert, &t);
    mcvdi_pillow_free(&t.plan);
    mcvdi_free(t.scratch);
    return st;
}

static const char *const options[] = { "ucf101_split", NULL };

const mcvdi_clip_source_kind mcvdi_clip_source_ucf101 = {
    .name = "UCF101",
    .help = "UCF-101/<Class>/*.avi with ucfTrainTestlist/{train,test}list0N.txt",
    .options = options,
    .accepts = accepts,
    .open = open_ucf101,
    .free = release,
    .info = info,
    .read = read_clip,
};
