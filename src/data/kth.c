/*
 * KTH actions (Schuldt et al. 2004): files person<PP>_<action>_d<S>_uncomp.avi, 160 x 120, in one
 * folder per action or all in one. Persons 1 to 20 are for training, 21 to 25 for testing; clips
 * are ordered by person, then by path. A clip is a whole file, or with data.kth_clips = sequences a
 * stretch of one that 00sequences.txt lists. Frames become gray and are resized as OpenCV does it,
 * without regard to their aspect ratio.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/fileio.h"
#include "core/log.h"
#include "data/file_clips.h"
#include "data/kth_sequences.h"
#include "data/native_frames.h"
#include "data/resample_opencv.h"

enum { LAST_TRAINING_PERSON = 20, NUM_PERSONS = 25, MAX_DEPTH = 2 };

static const char list_name[] = "00sequences.txt";

typedef struct kth {
    mcvdi_file_clips clips;
    size_t image_size;
    bool listed; /* clips are those of `sequences` */
    mcvdi_kth_sequences sequences;
} kth;

/* The person of a file's name; 0: none of KTH's. */
static int person_of(const char *name)
{
    const size_t n = strlen(name);

    if (strncmp(name, "person", 6) != 0 || !isdigit((unsigned char)name[6]) ||
        !isdigit((unsigned char)name[7]) || name[8] != '_' || n < 12 ||
        strcmp(name + n - 4, ".avi") != 0)
        return 0;
    return 10 * (name[6] - '0') + name[7] - '0';
}

/* ---- Layout ------------------------------------------------------------------------------ */

/* Called for every clip below a folder, in the order of paths. */
typedef mcvd_status (*visit_fn)(void *user, const char *folder, const char *name);

static mcvd_status visit(const char *folder, int depth, visit_fn fn, void *user)
{
    char **names = NULL;
    size_t count = 0;
    mcvd_status st = mcvdi_folder_names(&names, &count, folder);

    for (size_t i = 0; st == MCVD_OK && i < count; i++) {
        if (person_of(names[i])) {
            st = fn(user, folder, names[i]);
            continue;
        }
        char *path = mcvdi_sprintf("%s/%s", folder, names[i]);
        if (!path)
            st = mcvdi_fail(MCVD_E_NOMEM, "%s: a path", folder);
        else if (depth > 0 && mcvdi_path_is_folder(path))
            st = visit(path, depth - 1, fn, user);
        mcvdi_free(path);
    }
    mcvdi_names_free(&names, count);
    return st;
}

/* MCVD_EOF ends the visit at the first one. */
static mcvd_status found_one(void *user, const char *folder, const char *name)
{
    (void)user;
    (void)folder;
    (void)name;
    return MCVD_EOF;
}

static bool accepts(const char *path)
{
    return mcvdi_path_is_folder(path) && visit(path, MAX_DEPTH, found_one, NULL) == MCVD_EOF;
}

typedef struct collection {
    kth *k;
    int person; /* the one to be collected */
    size_t skip;
} collection;

/* Every stretch of a film is a clip. */
static mcvd_status add_listed(const collection *c, const char *folder, const char *name)
{
    const mcvdi_kth_sequences *list = &c->k->sequences;
    mcvdi_kth_film *film = mcvdi_kth_sequences_find(list, name);
    mcvd_status st = MCVD_OK;

    if (!film) {
        mcvdi_log(MCVD_LOG_WARNING, "%s/%s: left out: %s does not list it", folder, name,
                  list_name);
        return MCVD_OK;
    }
    film->found = true;
    for (size_t i = 0; st >= 0 && i < film->num_stretches; i++) {
        const mcvdi_kth_stretch *s = &list->stretches[film->first_stretch + i];
        st = mcvdi_file_clips_add_stretch(&c->k->clips, mcvdi_sprintf("%s/%s", folder, name),
                                          c->skip, s->first, s->count);
    }
    return st;
}

static mcvd_status collect(void *user, const char *folder, const char *name)
{
    const collection *c = user;

    if (person_of(name) != c->person)
        return MCVD_OK;
    if (c->k->listed)
        return add_listed(c, folder, name);
    return mcvdi_file_clips_add(&c->k->clips, mcvdi_sprintf("%s/%s", folder, name), c->skip);
}

/* The list lies in the folder of the films, above it, or in the public folder raw. */
static mcvd_status read_list(kth *k, const char *path)
{
    static const char *const places[] = { "", "raw/", "../" };

    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        char *list = mcvdi_sprintf("%s/%s%s", path, places[i], list_name);
        if (!list)
            return mcvdi_fail(MCVD_E_NOMEM, "KTH: a path");
        const bool there = mcvdi_path_exists(list);
        const mcvd_status st = there ? mcvdi_kth_sequences_read(&k->sequences, list) : MCVD_OK;
        mcvdi_free(list);
        if (there)
            return st;
    }
    return mcvdi_fail(MCVD_E_CONFIG, "%s: data.kth_clips = sequences needs the list %s there", path,
                      list_name);
}

/* What the list promises and the folder does not have. */
static void warn_absent(const kth *k, int first_person, int last_person)
{
    for (size_t i = 0; i < k->sequences.num_films; i++) {
        const mcvdi_kth_film *f = &k->sequences.films[i];
        const int person = 10 * (f->name[6] - '0') + f->name[7] - '0';
        if (!f->found && f->num_stretches && person >= first_person && person <= last_person)
            mcvdi_log(MCVD_LOG_WARNING, "%s lists %s, whose film is not there", list_name, f->name);
    }
}

static mcvd_status collect_split(kth *k, const mcvdi_clip_source_config *config)
{
    const bool test = config->split == MCVD_SPLIT_TEST;
    const int first = test ? LAST_TRAINING_PERSON + 1 : 1;
    const int last = test ? NUM_PERSONS : LAST_TRAINING_PERSON;
    collection c = { k, first, strlen(config->path) + 1 };
    mcvd_status st = MCVD_OK;

    k->listed = strcmp(config->data->kth_clips, "sequences") == 0;
    if (k->listed)
        st = read_list(k, config->path);
    for (; st >= 0 && c.person <= last; c.person++)
        st = visit(config->path, MAX_DEPTH, collect, &c);
    if (st >= 0 && k->clips.count == 0)
        st = mcvdi_fail(MCVD_E_INPUT,
                        "%s: no clip of persons %d to %d (person%02d_..._d1_uncomp.avi)",
                        config->path, first, last, last);
    if (st >= 0)
        warn_absent(k, first, last);
    return st;
}

/* ---- The source -------------------------------------------------------------------------- */

static void release(void **state)
{
    kth *k = *state;

    mcvdi_file_clips_release(&k->clips);
    mcvdi_kth_sequences_release(&k->sequences);
    mcvdi_free(k);
    *state = NULL;
}

static mcvd_status open_kth(void **state, mcvdi_clip_source_facts *facts,
                            const mcvdi_clip_source_config *config)
{
    if (config->channels != 1)
        return mcvdi_fail(MCVD_E_CONFIG, "data.channels = %zu: KTH is gray, 1", config->channels);
    kth *k = mcvdi_calloc(1, sizeof *k);
    *state = k;
    if (!k)
        return mcvdi_fail(MCVD_E_NOMEM, "KTH: %zu bytes", sizeof *k);
    k->image_size = config->image_size;
    mcvd_status st = mcvdi_file_clips_init(&k->clips);
    if (st >= 0)
        st = collect_split(k, config);
    *facts = (mcvdi_clip_source_facts) { .num_clips = k->clips.count,
                                         .height = k->image_size,
                                         .width = k->image_size,
                                         .channels = 1,
                                         .test_step = 1,
                                         .test_declared = 256,
                                         .may_flip = true };
    if (st >= 0) {
        facts->describe = mcvdi_sprintf("KTH: %zu %s of %s", k->clips.count,
                                        k->listed ? "sequences" : "clips", config->path);
        st = facts->describe ? MCVD_OK : mcvdi_fail(MCVD_E_NOMEM, "KTH: a description");
    }
    if (st < 0)
        release(state);
    return st;
}

static mcvd_status info(void *state, size_t clip, mcvdi_clip_info *info)
{
    kth *k = state;

    return mcvdi_file_clips_info(&k->clips, clip, info);
}

typedef struct target {
    size_t size;
    uint8_t *frames;
} target;

static mcvd_status convert(void *user, size_t i, const mcvd_frame *frame)
{
    const target *t = user;
    const mcvdi_opencv_shape shape = { (size_t)frame->height, (size_t)frame->width, t->size,
                                       t->size };
    const size_t pixels = shape.in_height * shape.in_width;
    uint8_t *gray = mcvdi_malloc(pixels);

    if (!gray)
        return mcvdi_fail(MCVD_E_NOMEM, "a frame of %zu pixels", pixels);
    mcvdi_opencv_gray(gray, frame->data, pixels);
    const mcvd_status st = mcvdi_opencv_bilinear(t->frames + i * t->size * t->size, gray, &shape);
    mcvdi_free(gray);
    return st;
}

static mcvd_status read_clip(void *state, size_t clip, size_t first, size_t count, uint8_t *frames,
                             float *actions)
{
    const kth *k = state;
    const mcvdi_file_clip *c = &k->clips.items[clip];
    target t = { k->image_size, frames };

    (void)actions;
    return mcvdi_native_frames(c->path, c->first + first, count, convert, &t);
}

static const char *const options[] = { "kth_clips", NULL };

const mcvdi_clip_source_kind mcvdi_clip_source_kth = {
    .name = "KTH",
    .help = "actions, folders of person<PP>_<action>_d<S>_uncomp.avi",
    .options = options,
    .accepts = accepts,
    .open = open_kth,
    .free = release,
    .info = info,
    .read = read_clip,
};
