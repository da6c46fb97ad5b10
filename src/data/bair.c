/*
 * BAIR robot pushing (Ebert et al. 2017): softmotion30_44k/{train,test}, files *.tfrecords, each
 * record an Example of one clip. Frame i of the view image_aux1 is i/image_aux1/encoded, raw RGB
 * bytes of 64 x 64 pixels, and the robot's action there i/action, 4 floats. Other sizes than 64 are
 * made by Pillow's Lanczos.
 */
#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "core/fileio.h"
#include "core/log.h"
#include "data/clip_source.h"
#include "data/example.h"
#include "data/resample_pillow.h"
#include "data/tfrecord.h"

enum { SIDE = 64, CHANNELS = 3, FRAME_BYTES = SIDE * SIDE * CHANNELS, ACTIONS = 4 };
enum { KEY_BYTES = 64, MAX_FRAMES = 100000 };

static const char top_folder[] = "softmotion30_44k";

typedef struct record_file {
    mcvdi_tfrecords records;
    size_t first_clip; /* number of its first record */
    size_t num_frames; /* of its clips, told by the first whole one */
} record_file;

typedef struct bair {
    char *folder; /* of the split */
    record_file *files;
    size_t num_files;
    char **names; /* of the clips, "traj_0_to_255.tfrecords, record 17" */
    size_t num_clips;
    mcvdi_pillow *resize; /* NULL at 64 pixels */
    size_t image_size;
} bair;

/* ---- Layout ------------------------------------------------------------------------------ */

static bool ends_with(const char *text, const char *end)
{
    const size_t n = strlen(text);
    const size_t m = strlen(end);

    return n >= m && strcmp(text + n - m, end) == 0;
}

static bool is_record_file(const char *name)
{
    return ends_with(name, ".tfrecords") || ends_with(name, ".tfrecord");
}

static bool has_records(const char *folder)
{
    char **names = NULL;
    size_t count = 0;
    bool found = false;

    if (!mcvdi_path_is_folder(folder) || mcvdi_folder_names(&names, &count, folder) < 0)
        return false;
    for (size_t i = 0; i < count; i++)
        found = found || is_record_file(names[i]);
    mcvdi_names_free(&names, count);
    return found;
}

/* path/softmotion30_44k/split, else path/split; freed with mcvdi_free. */
static char *split_folder(const char *path, const char *split)
{
    char *folder = mcvdi_sprintf("%s/%s/%s", path, top_folder, split);

    if (folder && mcvdi_path_is_folder(folder))
        return folder;
    mcvdi_free(folder);
    return mcvdi_sprintf("%s/%s", path, split);
}

static bool accepts(const char *path)
{
    static const char *const splits[] = { "train", "test" };
    bool found = false;

    for (size_t i = 0; i < 2; i++) {
        char *folder = split_folder(path, splits[i]);
        found = found || (folder && has_records(folder));
        mcvdi_free(folder);
    }
    return found;
}

/* ---- Opening ----------------------------------------------------------------------------- */

static void frame_key(char key[KEY_BYTES], size_t frame, const char *what)
{
    snprintf(key, KEY_BYTES, "%zu/%s", frame, what);
}

static mcvd_status read_example(const mcvdi_tfrecords *records, size_t i, uint8_t **payload,
                                mcvdi_example *example)
{
    const size_t bytes = records->records[i].bytes;

    *payload = mcvdi_malloc(bytes ? bytes : 1);
    if (!*payload)
        return mcvdi_fail(MCVD_E_NOMEM, "%s: a record of %zu bytes", records->path, bytes);
    mcvd_status st = mcvdi_tfrecord_read(records, i, *payload);
    if (st >= 0)
        st = mcvdi_example_parse(example, *payload, bytes);
    return st;
}

static mcvd_status count_frames(const mcvdi_tfrecords *records, size_t i, size_t *num_frames)
{
    mcvdi_example example = { 0 };
    mcvdi_wire_span image;
    uint8_t *payload = NULL;
    char key[KEY_BYTES];

    *num_frames = 0;
    const mcvd_status st = read_example(records, i, &payload, &example);
    while (st >= 0 && *num_frames < MAX_FRAMES) {
        frame_key(key, *num_frames, "image_aux1/encoded");
        if (mcvdi_example_bytes(&example, key, &image) < 0)
            break;
        ++*num_frames;
    }
    mcvdi_example_release(&example);
    mcvdi_free(payload);
    return st;
}

/* All clips of a file are as long as its first whole one. */
static mcvd_status measure_file(record_file *f)
{
    mcvd_status st = MCVD_OK;

    for (size_t i = 0; i < f->records.count && f->num_frames == 0; i++) {
        st = count_frames(&f->records, i, &f->num_frames);
        if (st == MCVD_E_NOMEM || st == MCVD_E_IO)
            return st;
        if (st < 0)
            mcvdi_log(MCVD_LOG_WARNING, "left out: %s", mcvd_last_error());
    }
    return MCVD_OK;
}

static mcvd_status add_file(bair *b, const char *name)
{
    record_file *f = &b->files[b->num_files];
    char *path = mcvdi_sprintf("%s/%s", b->folder, name);

    if (!path)
        return mcvdi_fail(MCVD_E_NOMEM, "%s: out of memory", b->folder);
    mcvd_status st = mcvdi_tfrecord_scan(&f->records, path);
    mcvdi_free(path);
    if (st < 0)
        return st;
    b->num_files++;
    f->first_clip = b->num_clips;
    b->num_clips += f->records.count;
    if (f->records.damage)
        mcvdi_log(MCVD_LOG_WARNING, "%s: damaged: %s; its first %zu records are used",
                  f->records.path, f->records.damage, f->records.count);
    return measure_file(f);
}

static mcvd_status add_files(bair *b)
{
    char **names = NULL;
    size_t count = 0;
    mcvd_status st = mcvdi_folder_names(&names, &count, b->folder);

    if (st < 0)
        return st;
    b->files = mcvdi_calloc(count ? count : 1, sizeof *b->files);
    if (!b->files)
        st = mcvdi_fail(MCVD_E_NOMEM, "%s: a list of %zu files", b->folder, count);
    for (size_t i = 0; st >= 0 && i < count; i++)
        if (is_record_file(names[i]))
            st = add_file(b, names[i]);
    mcvdi_names_free(&names, count);
    if (st >= 0 && b->num_clips == 0)
        st = mcvdi_fail(MCVD_E_INPUT, "%s: no record in %zu .tfrecords files", b->folder,
                        b->num_files);
    return st;
}

static const record_file *file_of(const bair *b, size_t clip)
{
    size_t low = 0;
    size_t high = b->num_files; /* the answer is in [low, high) */

    while (high - low > 1) {
        const size_t middle = low + (high - low) / 2;
        if (b->files[middle].first_clip <= clip)
            low = middle;
        else
            high = middle;
    }
    return &b->files[low];
}

static mcvd_status name_clips(bair *b)
{
    b->names = mcvdi_calloc(b->num_clips, sizeof *b->names);
    if (!b->names)
        return mcvdi_fail(MCVD_E_NOMEM, "%s: names of %zu clips", b->folder, b->num_clips);
    for (size_t i = 0; i < b->num_clips; i++) {
        const record_file *f = file_of(b, i);
        const char *slash = strrchr(f->records.path, '/');
        b->names[i] =
            mcvdi_sprintf("%s, record %zu", slash ? slash + 1 : f->records.path, i - f->first_clip);
        if (!b->names[i])
            return mcvdi_fail(MCVD_E_NOMEM, "%s: names of %zu clips", b->folder, b->num_clips);
    }
    return MCVD_OK;
}

static mcvd_status plan_resize(bair *b, const mcvdi_clip_source_config *config)
{
    const mcvdi_pillow_shape shape = { SIDE, SIDE, config->image_size, config->image_size,
                                       CHANNELS };

    b->image_size = config->image_size;
    if (config->channels != CHANNELS)
        return mcvdi_fail(MCVD_E_CONFIG, "data.channels = %zu: BAIR is RGB, 3", config->channels);
    return b->image_size == SIDE ? MCVD_OK
                                 : mcvdi_pillow_create(&b->resize, MCVDI_PILLOW_LANCZOS, &shape);
}

static void release(void **state)
{
    bair *b = *state;

    for (size_t i = 0; i < b->num_files; i++)
        mcvdi_tfrecord_release(&b->files[i].records);
    for (size_t i = 0; b->names && i < b->num_clips; i++)
        mcvdi_free(b->names[i]);
    mcvdi_free(b->names);
    mcvdi_free(b->files);
    mcvdi_free(b->folder);
    mcvdi_pillow_free(&b->resize);
    mcvdi_free(b);
    *state = NULL;
}

static mcvd_status open_parts(bair *b, const mcvdi_clip_source_config *config)
{
    const char *split = config->split == MCVD_SPLIT_TEST ? "test" : "train";
    mcvd_status st = plan_resize(b, config);

    if (st < 0)
        return st;
    b->folder = split_folder(config->path, split);
    if (!b->folder)
        return mcvdi_fail(MCVD_E_NOMEM, "%s: out of memory", config->path);
    if (!mcvdi_path_is_folder(b->folder))
        return mcvdi_fail(MCVD_E_INPUT, "%s: no such folder: BAIR has %s/train and %s/test",
                          b->folder, top_folder, top_folder);
    st = add_files(b);
    return st < 0 ? st : name_clips(b);
}

static mcvd_status open_bair(void **state, mcvdi_clip_source_facts *facts,
                             const mcvdi_clip_source_config *config)
{
    bair *b = mcvdi_calloc(1, sizeof *b);

    *state = b;
    if (!b)
        return mcvdi_fail(MCVD_E_NOMEM, "BAIR: %zu bytes", sizeof *b);
    const mcvd_status st = open_parts(b, config);
    if (st < 0) {
        release(state);
        return st;
    }
    *facts = (mcvdi_clip_source_facts) {
        .num_clips = b->num_clips,
        .height = b->image_size,
        .width = b->image_size,
        .channels = CHANNELS,
        .test_step = 1,
        .action_dim = ACTIONS,
        .may_flip = true,
        .describe = mcvdi_sprintf("BAIR: %zu clips in %zu files of %s", b->num_clips, b->num_files,
                                  b->folder),
    };
    if (facts->describe)
        return MCVD_OK;
    release(state);
    return mcvdi_fail(MCVD_E_NOMEM, "BAIR: a description");
}

/* ---- Reading ----------------------------------------------------------------------------- */

static mcvd_status info(void *state, size_t clip, mcvdi_clip_info *info)
{
    const bair *b = state;

    *info = (mcvdi_clip_info) { b->names[clip], file_of(b, clip)->num_frames };
    return MCVD_OK;
}

static mcvd_status take_frame(const mcvdi_example *example, size_t frame, mcvdi_wire_span *image)
{
    char key[KEY_BYTES];

    frame_key(key, frame, "image_aux1/encoded");
    const mcvd_status st = mcvdi_example_bytes(example, key, image);
    if (st < 0)
        return st;
    if (image->bytes != FRAME_BYTES)
        return mcvdi_fail(MCVD_E_FORMAT, "%s has %zu bytes, expected %d of 64x64 RGB", key,
                          image->bytes, FRAME_BYTES);
    return MCVD_OK;
}

/* A stretch of one clip. */
typedef struct stretch {
    size_t first, count;
    uint8_t *frames;
    float *actions; /* or NULL */
    uint8_t *scratch;
} stretch;

static mcvd_status take_stretch(const bair *b, const mcvdi_example *example, const stretch *s)
{
    const size_t frame_bytes = b->image_size * b->image_size * CHANNELS;
    char key[KEY_BYTES];
    mcvd_status st = MCVD_OK;

    for (size_t i = 0; st >= 0 && i < s->count; i++) {
        uint8_t *to = s->frames + i * frame_bytes;
        mcvdi_wire_span image;
        st = take_frame(example, s->first + i, &image);
        if (st >= 0 && b->resize)
            mcvdi_pillow_resize(b->resize, to, image.data, s->scratch);
        else if (st >= 0)
            memcpy(to, image.data, FRAME_BYTES);
        frame_key(key, s->first + i, "action");
        if (st >= 0 && s->actions)
            st = mcvdi_example_floats(example, key, s->actions + i * ACTIONS, ACTIONS);
    }
    return st;
}

static mcvd_status read_clip(void *state, size_t clip, size_t first, size_t count, uint8_t *frames,
                             float *actions)
{
    const bair *b = state;
    const record_file *f = file_of(b, clip);
    stretch s = { .first = first, .count = count, .frames = frames, .actions = actions };
    mcvdi_example example = { 0 };
    uint8_t *payload = NULL;

    if (b->resize) {
        s.scratch = mcvdi_malloc(mcvdi_pillow_scratch_bytes(b->resize));
        if (!s.scratch)
            return mcvdi_fail(MCVD_E_NOMEM, "BAIR: scratch of a resize");
    }
    mcvd_status st = read_example(&f->records, clip - f->first_clip, &payload, &example);
    if (st >= 0)
        st = take_stretch(b, &example, &s);
    mcvdi_example_release(&example);
    mcvdi_free(payload);
    mcvdi_free(s.scratch);
    return st;
}

const mcvdi_clip_source_kind mcvdi_clip_source_bair = {
    .name = "BAIR",
    .help = "robot pushing, the public softmotion30_44k/{train,test}/*.tfrecords",
    .accepts = accepts,
    .open = open_bair,
    .free = release,
    .info = info,
    .read = read_clip,
};
