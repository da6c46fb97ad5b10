/*
 * Cityscapes sequences (Cordts et al. 2016): leftImg8bit_sequence/{train,val,test}/<city>/
 * <city>_<sequence>_<frame>_leftImg8bit.png, 30 frames in a row being one clip. Of each picture the
 * centre square is resized by Pillow's Lanczos. Testing takes the test folder, or val where
 * data.cityscapes_test says so.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/fileio.h"
#include "core/log.h"
#include "data/clip_source.h"
#include "data/native_frames.h"
#include "data/resample_pillow.h"

enum { CLIP_FRAMES = 30, CHANNELS = 3, TEST_DECLARED = 256, MAX_NAMED = 8 };

static const char top_folder[] = "leftImg8bit_sequence";
static const char suffix[] = "_leftImg8bit.png";

typedef struct city_clip {
    char *city_folder;
    char *name; /* "<city>/<city>_<sequence>_<first frame>" */
    char *stem; /* "<city>_<sequence>" */
    unsigned first_frame;
} city_clip;

typedef struct cityscapes {
    city_clip *items;
    size_t count, capacity;
    size_t num_broken;
    size_t image_size;
} cityscapes;

/* ---- Layout ------------------------------------------------------------------------------ */

static char *split_folder(const char *path, const char *split)
{
    char *folder = mcvdi_sprintf("%s/%s/%s", path, top_folder, split);

    if (folder && mcvdi_path_is_folder(folder))
        return folder;
    mcvdi_free(folder);
    return mcvdi_sprintf("%s/%s", path, split);
}

/* The parts of a picture's name. */
typedef struct picture {
    size_t stem; /* bytes of "<city>_<sequence>" */
    unsigned frame;
} picture;

static bool parse_name(const char *name, picture *p)
{
    const size_t n = strlen(name);
    const size_t end = sizeof suffix - 1;
    unsigned frame = 0;

    if (n <= end + 7 || strcmp(name + n - end, suffix) != 0 || name[n - end - 7] != '_')
        return false;
    for (size_t i = n - end - 6; i < n - end; i++) {
        if (name[i] < '0' || name[i] > '9')
            return false;
        frame = 10 * frame + (unsigned)(name[i] - '0');
    }
    *p = (picture) { n - end - 7, frame };
    return true;
}

static bool has_pictures(const char *folder)
{
    char **names = NULL;
    size_t count = 0;
    bool found = false;
    picture p;

    if (mcvdi_folder_names(&names, &count, folder) < 0)
        return false;
    for (size_t i = 0; !found && i < count; i++)
        found = parse_name(names[i], &p);
    mcvdi_names_free(&names, count);
    return found;
}

static bool has_cities(const char *folder)
{
    char **names = NULL;
    size_t count = 0;
    bool found = false;

    if (!mcvdi_path_is_folder(folder) || mcvdi_folder_names(&names, &count, folder) < 0)
        return false;
    for (size_t i = 0; !found && i < count; i++) {
        char *city = mcvdi_sprintf("%s/%s", folder, names[i]);
        found = city && mcvdi_path_is_folder(city) && has_pictures(city);
        mcvdi_free(city);
    }
    mcvdi_names_free(&names, count);
    return found;
}

static bool accepts(const char *path)
{
    static const char *const splits[] = { "train", "val", "test" };
    bool found = false;

    for (size_t i = 0; !found && i < 3; i++) {
        char *folder = split_folder(path, splits[i]);
        found = folder && has_cities(folder);
        mcvdi_free(folder);
    }
    return found;
}

/* ---- Clips: runs of frame numbers -------------------------------------------------------- */

static mcvd_status no_memory(void)
{
    return mcvdi_fail(MCVD_E_NOMEM, "Cityscapes: a list of clips");
}

static mcvd_status add_clip(cityscapes *c, const char *folder, const char *first, picture p)
{
    const char *city = strrchr(folder, '/') + 1;

    if (!mcvdi_grow(&c->items, c->count, &c->capacity, sizeof *c->items))
        return no_memory();
    city_clip *item = &c->items[c->count++];
    *item = (city_clip) { .city_folder = mcvdi_sprintf("%s", folder),
                          .name = mcvdi_sprintf("%s/%.*s_%06u", city, (int)p.stem, first, p.frame),
                          .stem = mcvdi_sprintf("%.*s", (int)p.stem, first),
                          .first_frame = p.frame };
    return item->city_folder && item->name && item->stem ? MCVD_OK : no_memory();
}

static void warn_broken(cityscapes *c, const char *folder, const char *first, size_t length)
{
    if (++c->num_broken <= MAX_NAMED)
        mcvdi_log(MCVD_LOG_WARNING, "%s/%s: left out: %zu frames in a row, a clip has %d", folder,
                  first, length, CLIP_FRAMES);
}

static bool goes_on(const char *before, picture p, const char *name, picture q)
{
    return p.stem == q.stem && strncmp(before, name, p.stem) == 0 && q.frame == p.frame + 1;
}

/* Names are sorted; what is not a picture of a sequence is passed over. */
static mcvd_status add_runs(cityscapes *c, const char *folder, char **names, size_t count)
{
    mcvd_status st = MCVD_OK;
    picture p = { 0, 0 };
    picture q;

    for (size_t i = 0; st >= 0 && i < count;) {
        if (!parse_name(names[i], &p)) {
            i++;
            continue;
        }
        const size_t first = i;
        const picture start = p;
        for (i++; i < count && i - first < CLIP_FRAMES && parse_name(names[i], &q) &&
                  goes_on(names[i - 1], p, names[i], q);
             i++)
            p = q;
        if (i - first == CLIP_FRAMES)
            st = add_clip(c, folder, names[first], start);
        else
            warn_broken(c, folder, names[first], i - first);
    }
    return st;
}

static mcvd_status add_city(cityscapes *c, const char *folder)
{
    char **names = NULL;
    size_t count = 0;
    mcvd_status st = mcvdi_folder_names(&names, &count, folder);

    if (st >= 0)
        st = add_runs(c, folder, names, count);
    mcvdi_names_free(&names, count);
    return st;
}

static mcvd_status add_cities(cityscapes *c, const char *folder)
{
    char **names = NULL;
    size_t count = 0;

    if (!mcvdi_path_is_folder(folder))
        return mcvdi_fail(MCVD_E_INPUT, "%s: no such folder: Cityscapes has %s/train, val and test",
                          folder, top_folder);
    mcvd_status st = mcvdi_folder_names(&names, &count, folder);
    for (size_t i = 0; st >= 0 && i < count; i++) {
        char *city = mcvdi_sprintf("%s/%s", folder, names[i]);
        if (!city)
            st = no_memory();
        else if (mcvdi_path_is_folder(city))
            st = add_city(c, city);
        mcvdi_free(city);
    }
    mcvdi_names_free(&names, count);
    if (st >= 0 && c->num_broken > MAX_NAMED)
        mcvdi_log(MCVD_LOG_WARNING, "%s: %zu incomplete clips left out", folder, c->num_broken);
    if (st >= 0 && c->count == 0)
        st = mcvdi_fail(MCVD_E_INPUT, "%s: no clip of %d pictures <city>_<sequence>_<frame>%s",
                        folder, CLIP_FRAMES, suffix);
    return st;
}

/* ---- The source -------------------------------------------------------------------------- */

static void release(void **state)
{
    cityscapes *c = *state;

    for (size_t i = 0; i < c->count; i++) {
        mcvdi_free(c->items[i].city_folder);
        mcvdi_free(c->items[i].name);
        mcvdi_free(c->items[i].stem);
    }
    mcvdi_free(c->items);
    mcvdi_free(c);
    *state = NULL;
}

static mcvd_status open_split(cityscapes *c, const mcvdi_clip_source_config *config)
{
    const char *tested = strcmp(config->data->cityscapes_test, "val") == 0 ? "val" : "test";
    char *folder = split_folder(config->path, config->split == MCVD_SPLIT_TEST ? tested : "train");

    if (!folder)
        return no_memory();
    const mcvd_status st = add_cities(c, folder);
    mcvdi_free(folder);
    return st;
}

static mcvd_status open_cityscapes(void **state, mcvdi_clip_source_facts *facts,
                                   const mcvdi_clip_source_config *config)
{
    if (config->channels != CHANNELS)
        return mcvdi_fail(MCVD_E_CONFIG, "data.channels = %zu: Cityscapes is RGB, 3",
                          config->channels);
    cityscapes *c = mcvdi_calloc(1, sizeof *c);
    *state = c;
    if (!c)
        return no_memory();
    c->image_size = config->image_size;
    mcvd_status st = open_split(c, config);
    *facts = (mcvdi_clip_source_facts) { .num_clips = c->count,
                                         .height = c->image_size,
                                         .width = c->image_size,
                                         .channels = CHANNELS,
                                         .test_step = 1,
                                         .test_declared = TEST_DECLARED,
                                         .may_flip = true };
    if (st >= 0) {
        facts->describe = mcvdi_sprintf("Cityscapes: %zu clips of %s", c->count, config->path);
        st = facts->describe ? MCVD_OK : no_memory();
    }
    if (st < 0)
        release(state);
    return st;
}

static mcvd_status info(void *state, size_t clip, mcvdi_clip_info *info)
{
    const cityscapes *c = state;

    *info = (mcvdi_clip_info) { c->items[clip].name, CLIP_FRAMES };
    return MCVD_OK;
}

typedef struct target {
    size_t size;
    uint8_t *frame;    /* where the next one goes */
    int width, height; /* of the pictures before; 0: none */
} target;

/* The centre square of a picture, packed. */
static void cut_square(uint8_t *square, const mcvd_frame *f, size_t side)
{
    const size_t left = ((size_t)f->width - side) / 2;
    const size_t top = ((size_t)f->height - side) / 2;

    for (size_t y = 0; y < side; y++)
        memcpy(square + y * side * CHANNELS,
               f->data + ((top + y) * (size_t)f->width + left) * CHANNELS, side * CHANNELS);
}

static mcvd_status same_size(target *t, const mcvd_frame *f)
{
    if (t->width && (f->width != t->width || f->height != t->height))
        return mcvdi_fail(MCVD_E_DECODE, "a picture of %dx%d among those of %dx%d", f->width,
                          f->height, t->width, t->height);
    t->width = f->width;
    t->height = f->height;
    return MCVD_OK;
}

static mcvd_status convert(void *user, size_t i, const mcvd_frame *frame)
{
    target *t = user;
    const size_t side = (size_t)(frame->width < frame->height ? frame->width : frame->height);
    const mcvdi_pillow_shape shape = { side, side, t->size, t->size, CHANNELS };
    mcvdi_pillow *plan = NULL;
    mcvd_status st = mcvdi_pillow_create(&plan, MCVDI_PILLOW_LANCZOS, &shape);

    (void)i;
    if (st >= 0)
        st = same_size(t, frame);
    if (st < 0) {
        mcvdi_pillow_free(&plan);
        return st;
    }
    uint8_t *square = mcvdi_malloc(side * side * CHANNELS);
    uint8_t *scratch = mcvdi_malloc(mcvdi_pillow_scratch_bytes(plan));
    if (square && scratch) {
        cut_square(square, frame, side);
        mcvdi_pillow_resize(plan, t->frame, square, scratch);
    } else {
        st = mcvdi_fail(MCVD_E_NOMEM, "a picture of %zu x %zu", side, side);
    }
    mcvdi_free(square);
    mcvdi_free(scratch);
    mcvdi_pillow_free(&plan);
    return st;
}

/* The reader goes by content, and a JPEG of that name would pass. */
static mcvd_status check_png(const char *path)
{
    static const uint8_t signature[] = { 0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n' };
    uint8_t head[sizeof signature] = { 0 };
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe does not wait */

    if (fd < 0)
        return mcvdi_fail(MCVD_E_INPUT, "%s: %s", path, strerror(errno));
    const bool is_png = read(fd, head, sizeof head) == (ssize_t)sizeof head &&
                        memcmp(head, signature, sizeof head) == 0;
    close(fd);
    return is_png ? MCVD_OK : mcvdi_fail(MCVD_E_FORMAT, "%s: not a PNG", path);
}

static mcvd_status read_picture(target *t, const char *path)
{
    mcvd_status st = check_png(path);

    if (st < 0)
        return st;
    st = mcvdi_native_frames(path, 0, 1, convert, t);
    return st < 0 && !strstr(mcvd_last_error(), path) ? mcvdi_fail_context(st, "%s", path) : st;
}

static mcvd_status read_clip(void *state, size_t clip, size_t first, size_t count, uint8_t *frames,
                             float *actions)
{
    const cityscapes *c = state;
    const city_clip *item = &c->items[clip];
    const size_t bytes = c->image_size * c->image_size * CHANNELS;
    mcvd_status st = MCVD_OK;

    target t = { .size = c->image_size };

    (void)actions;
    for (size_t f = 0; st >= 0 && f < count; f++) {
        t.frame = frames + f * bytes;
        char *path = mcvdi_sprintf("%s/%s_%06zu%s", item->city_folder, item->stem,
                                   item->first_frame + first + f, suffix);
        if (!path)
            return no_memory();
        st = read_picture(&t, path);
        mcvdi_free(path);
    }
    return st;
}

static const char *const options[] = { "cityscapes_test", NULL };

const mcvdi_clip_source_kind mcvdi_clip_source_cityscapes = {
    .name = "Cityscapes",
    .help = "leftImg8bit_sequence/{train,val,test}/<city>/*_leftImg8bit.png",
    .options = options,
    .accepts = accepts,
    .open = open_cityscapes,
    .free = release,
    .info = info,
    .read = read_clip,
};
