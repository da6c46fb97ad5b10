/*
 * The HDF5 shards that the authors publish: *.hdf5 files with `len/<k>`, the frames of clip k, and
 * `<k>/<i>`, frame i as uint8 [H, W, 3], or [H, W] for KTH. BAIR and Cityscapes have a folder per
 * split; KTH's shard holds 599 clips by person, the first 479 being those of persons 1 to 20; that
 * of UCF-101 says `num_train`, and the clips behind these are for testing. Frames are compressed by
 * LZF, a filter that libhdf5 itself does not have.
 *
 * The only file that calls libhdf5, which is not safe from several threads: one lock for all.
 */
#include "data/clip_source.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/fileio.h"

enum { KTH_CLIPS = 599, KTH_TRAINING = 479 };

static bool is_shard(const char *name)
{
    const char *dot = strrchr(name, '.');

    return dot && (strcmp(dot, ".hdf5") == 0 || strcmp(dot, ".h5") == 0);
}

static bool has_shards(const char *folder)
{
    char **names = NULL;
    size_t count = 0;
    bool found = false;

    if (!mcvdi_path_is_folder(folder) || mcvdi_folder_names(&names, &count, folder) < 0)
        return false;
    for (size_t i = 0; i < count; i++)
        found = found || is_shard(names[i]);
    mcvdi_names_free(&names, count);
    return found;
}

static bool accepts(const char *path)
{
    static const char *const splits[] = { "train", "test" };
    bool found = has_shards(path);

    for (size_t i = 0; !found && i < 2; i++) {
        char *folder = mcvdi_sprintf("%s/%s", path, splits[i]);
        found = folder && has_shards(folder);
        mcvdi_free(folder);
    }
    return found;
}

#if MCVD_HAVE_HDF5

#include <hdf5.h>
#include <lzf.h>

enum { LZF_FILTER = 32000, MAX_CLIP_FRAMES = 1 << 20, MAX_SIDE = 8192, KEY_BYTES = 64 };

static const size_t max_chunk = (size_t)1 << 28;

static pthread_mutex_t library = PTHREAD_MUTEX_INITIALIZER;

typedef struct shard {
    hid_t file;
    char *name;
    size_t first; /* number of its first clip in the whole set */
    size_t count;
} shard;

typedef struct shard_clip {
    char name[KEY_BYTES];
    size_t num_frames; /* 0: not looked up yet */
} shard_clip;

typedef struct shards {
    shard *items;
    size_t count;
    size_t num_clips; /* of all shards */
    size_t first;     /* of the split in them */
    size_t split_clips;
    shard_clip *clips; /* [split_clips] */
    size_t height, width, channels;
} shards;

/* ---- The filter -------------------------------------------------------------------------- */

/* Decompression alone; the third parameter of the filter is the size of a plain chunk. */
static size_t lzf_filter(unsigned flags, size_t num_values, const unsigned values[], size_t bytes,
                         size_t *capacity, void **buffer)
{
    const size_t plain = num_values > 2 ? values[2] : 0;

    if (!(flags & H5Z_FLAG_REVERSE) || plain == 0 || plain > max_chunk || bytes > max_chunk)
        return 0;
    void *out = H5allocate_memory(plain, false);
    const unsigned n = out ? lzf_decompress(*buffer, (unsigned)bytes, out, (unsigned)plain) : 0;
    if (n == 0) {
        H5free_memory(out);
        return 0;
    }
    H5free_memory(*buffer);
    *buffer = out;
    *capacity = plain;
    return n;
}

static mcvd_status prepare_library(void)
{
    static const H5Z_class2_t filter = { .version = H5Z_CLASS_T_VERS,
                                         .id = LZF_FILTER,
                                         .encoder_present = 0,
                                         .decoder_present = 1,
                                         .name = "lzf",
                                         .filter = lzf_filter };

    H5Eset_auto2(H5E_DEFAULT, NULL, NULL); /* failures are told by us */
    if (H5Zregister(&filter) < 0)
        return mcvdi_fail(MCVD_E_UNSUPPORTED, "libhdf5 refuses the LZF filter");
    return MCVD_OK;
}

/* ---- Values ------------------------------------------------------------------------------ */

/* A whole number at a path; false where there is none. */
static bool read_number(hid_t file, const char *path, long long *value)
{
    const hid_t set = H5Dopen2(file, path, H5P_DEFAULT);
    bool read = false;

    if (set < 0)
        return false;
    const hid_t space = H5Dget_space(set);
    if (space >= 0 && H5Sget_simple_extent_npoints(space) == 1)
        read = H5Dread(set, H5T_NATIVE_LLONG, H5S_ALL, H5S_ALL, H5P_DEFAULT, value) >= 0;
    if (space >= 0)
        H5Sclose(space);
    H5Dclose(set);
    return read;
}

/* Axes of a data set of bytes; -1 where it is none. */
static int frame_axes(hid_t set, hsize_t dims[3])
{
    const hid_t type = H5Dget_type(set);
    const hid_t space = H5Dget_space(set);
    int axes = -1;

    if (type >= 0 && space >= 0 && H5Tget_class(type) == H5T_INTEGER && H5Tget_size(type) == 1) {
        axes = H5Sget_simple_extent_ndims(space);
        if (axes < 2 || axes > 3 || H5Sget_simple_extent_dims(space, dims, NULL) != axes)
            axes = -1;
    }
    if (type >= 0)
        H5Tclose(type);
    if (space >= 0)
        H5Sclose(space);
    return axes;
}

static mcvd_status measure_frame(shards *s, const shard *of)
{
    hsize_t dims[3] = { 0, 0, 1 };
    const hid_t set = H5Dopen2(of->file, "0/0", H5P_DEFAULT);
    const int axes = set >= 0 ? frame_axes(set, dims) : -1;

    if (set >= 0)
        H5Dclose(set);
    if (axes < 0 || dims[0] < 1 || dims[1] < 1 || dims[0] > MAX_SIDE || dims[1] > MAX_SIDE ||
        (axes == 3 && dims[2] != 3))
        return mcvdi_fail(MCVD_E_FORMAT, "%s: 0/0 is no frame of bytes", of->name);
    s->height = (size_t)dims[0];
    s->width = (size_t)dims[1];
    s->channels = axes == 3 ? 3 : 1;
    return MCVD_OK;
}

/* ---- Opening ----------------------------------------------------------------------------- */

static mcvd_status open_shard(shards *s, const char *folder, const char *name)
{
    shard *item = &s->items[s->count];
    H5G_info_t info;

    item->name = mcvdi_sprintf("%s/%s", folder, name);
    if (!item->name)
        return mcvdi_fail(MCVD_E_NOMEM, "%s: a name", folder);
    item->file = H5Fopen(item->name, H5F_ACC_RDONLY, H5P_DEFAULT);
    s->count++;
    if (item->file < 0)
        return mcvdi_fail(MCVD_E_FORMAT, "%s: not an HDF5 file, or damaged", item->name);
    if (H5Gget_info_by_name(item->file, "len", &info, H5P_DEFAULT) < 0 || info.nlinks < 1 ||
        info.nlinks > (hsize_t)1 << 24)
        return mcvdi_fail(MCVD_E_FORMAT, "%s: without the group `len` of the authors' shards",
                          item->name);
    item->first = s->num_clips;
    item->count = (size_t)info.nlinks;
    s->num_clips += item->count;
    return MCVD_OK;
}

static mcvd_status open_shards(shards *s, const char *folder)
{
    char **names = NULL;
    size_t count = 0;
    mcvd_status st = mcvdi_folder_names(&names, &count, folder);

    if (st < 0)
        return st;
    s->items = mcvdi_calloc(count ? count : 1, sizeof *s->items);
    if (!s->items)
        st = mcvdi_fail(MCVD_E_NOMEM, "%s: a list of %zu shards", folder, count);
    for (size_t i = 0; st >= 0 && i < count; i++)
        if (is_shard(names[i]))
            st = open_shard(s, folder, names[i]);
    mcvdi_names_free(&names, count);
    if (st >= 0 && s->count == 0)
        st = mcvdi_fail(MCVD_E_INPUT, "%s: no .hdf5 file", folder);
    return st < 0 ? st : measure_frame(s, &s->items[0]);
}

/* Clips [first, first + split_clips) belong to the split where one folder holds both. */
static mcvd_status choose_split(shards *s, bool in_folders, mcvd_split split)
{
    long long training = (long long)s->num_clips;
    const bool test = split == MCVD_SPLIT_TEST;

    s->split_clips = s->num_clips;
    if (in_folders)
        return MCVD_OK;
    if (!read_number(s->items[0].file, "num_train", &training)) {
        if (s->channels != 1 || s->num_clips != KTH_CLIPS)
            return mcvdi_fail(MCVD_E_FORMAT,
                              "%s: %zu clips without train and test folders, without num_train, "
                              "and not KTH's %d: which are for testing is not known",
                              s->items[0].name, s->num_clips, KTH_CLIPS);
        training = KTH_TRAINING;
    }
    if (training < 1 || (size_t)training >= s->num_clips)
        return mcvdi_fail(MCVD_E_FORMAT, "%s: num_train = %lld of %zu clips", s->items[0].name,
                          training, s->num_clips);
    s->first = test ? (size_t)training : 0;
    s->split_clips = test ? s->num_clips - (size_t)training : (size_t)training;
    return MCVD_OK;
}

static const shard *shard_of(const shards *s, size_t clip)
{
    const shard *found = &s->items[0];

    for (size_t i = 0; i < s->count; i++)
        if (s->items[i].first <= clip)
            found = &s->items[i];
    return found;
}

static mcvd_status name_clips(shards *s)
{
    s->clips = mcvdi_calloc(s->split_clips, sizeof *s->clips);
    if (!s->clips)
        return mcvdi_fail(MCVD_E_NOMEM, "a list of %zu clips", s->split_clips);
    for (size_t i = 0; i < s->split_clips; i++) {
        const shard *of = shard_of(s, s->first + i);
        const char *slash = strrchr(of->name, '/');
        snprintf(s->clips[i].name, KEY_BYTES, "%.36s, clip %zu", slash ? slash + 1 : of->name,
                 s->first + i - of->first);
    }
    return MCVD_OK;
}

static void close_shards(shards *s)
{
    for (size_t i = 0; i < s->count; i++) {
        if (s->items[i].file >= 0)
            H5Fclose(s->items[i].file);
        mcvdi_free(s->items[i].name);
    }
    mcvdi_free(s->items);
    mcvdi_free(s->clips);
    mcvdi_free(s);
}

static void release(void **state)
{
    pthread_mutex_lock(&library);
    close_shards(*state);
    pthread_mutex_unlock(&library);
    *state = NULL;
}

static mcvd_status open_all(shards *s, const mcvdi_clip_source_config *config)
{
    const char *split = config->split == MCVD_SPLIT_TEST ? "test" : "train";
    const bool in_folders = !has_shards(config->path);
    char *folder = in_folders ? mcvdi_sprintf("%s/%s", config->path, split)
                              : mcvdi_sprintf("%s", config->path);
    mcvd_status st = folder ? prepare_library() : mcvdi_fail(MCVD_E_NOMEM, "shards: a path");

    if (st >= 0 && !mcvdi_path_is_folder(folder))
        st = mcvdi_fail(MCVD_E_INPUT, "%s: no such folder", folder);
    if (st >= 0)
        st = open_shards(s, folder);
    mcvdi_free(folder);
    if (st >= 0)
        st = choose_split(s, in_folders, config->split);
    return st < 0 ? st : name_clips(s);
}

/* Which set it is follows from its frames. */
static const char *set_of(const shards *s)
{
    if (s->channels == 1)
        return "KTH";
    if (s->width > s->height)
        return "UCF101";
    return s->height == 64 ? "BAIR" : "Cityscapes";
}

static mcvd_status fill_facts(const shards *s, mcvdi_clip_source_facts *f, const char *path)
{
    const char *set = set_of(s);
    const bool ucf = strcmp(set, "UCF101") == 0;

    *f = (mcvdi_clip_source_facts) {
        .num_clips = s->split_clips,
        .height = s->height,
        .width = s->width,
        .channels = s->channels,
        .test_left = ucf ? (s->height * 4 / 3 - s->height) / 2 : 0,
        .test_step = ucf ? 10 : 1,
        .test_declared = strcmp(set, "BAIR") == 0 ? 0 : 256,
        .may_flip = true,
        .set = set,
        .describe = mcvdi_sprintf("%s in HDF5 shards of %s: %zu clips", set, path, s->split_clips),
    };
    return f->describe ? MCVD_OK : mcvdi_fail(MCVD_E_NOMEM, "shards: a description");
}

/* The shards were cut in the published way, and nothing else can be had from them. */
static mcvd_status check_options(const char *set, const mcvd_data_config *data)
{
    const char *other = NULL;

    if (strcmp(set, "UCF101") == 0 && data->ucf101_split != 3)
        other = "data.ucf101_split: they hold split 3";
    if (strcmp(set, "KTH") == 0 && strcmp(data->kth_clips, "sequences") == 0)
        other = "data.kth_clips: they hold whole files";
    if (strcmp(set, "Cityscapes") == 0 && strcmp(data->cityscapes_test, "val") == 0)
        other = "data.cityscapes_test: they hold test";
    return other ? mcvdi_fail(MCVD_E_CONFIG, "HDF5 shards of %s and %s", set, other) : MCVD_OK;
}

static mcvd_status open_hdf5(void **state, mcvdi_clip_source_facts *facts,
                             const mcvdi_clip_source_config *config)
{
    shards *s = mcvdi_calloc(1, sizeof *s);

    *state = NULL;
    if (!s)
        return mcvdi_fail(MCVD_E_NOMEM, "shards: %zu bytes", sizeof *s);
    pthread_mutex_lock(&library);
    mcvd_status st = open_all(s, config);
    if (st >= 0)
        st = check_options(set_of(s), config->data);
    if (st >= 0)
        st = fill_facts(s, facts, config->path);
    if (st < 0)
        close_shards(s);
    else
        *state = s;
    pthread_mutex_unlock(&library);
    return st;
}

/* ---- Reading ----------------------------------------------------------------------------- */

static mcvd_status info(void *state, size_t clip, mcvdi_clip_info *info)
{
    shards *s = state;
    shard_clip *c = &s->clips[clip];
    const shard *of = shard_of(s, s->first + clip);
    char key[KEY_BYTES];
    long long frames = 0;

    pthread_mutex_lock(&library);
    if (c->num_frames == 0) {
        snprintf(key, sizeof key, "len/%zu", s->first + clip - of->first);
        if (read_number(of->file, key, &frames) && frames > 0 && frames <= MAX_CLIP_FRAMES)
            c->num_frames = (size_t)frames;
    }
    *info = (mcvdi_clip_info) { c->name, c->num_frames };
    pthread_mutex_unlock(&library);
    return MCVD_OK;
}

static mcvd_status read_frame(const shards *s, const shard *of, size_t clip, size_t frame,
                              uint8_t *out)
{
    char key[KEY_BYTES];
    hsize_t dims[3] = { 0, 0, 1 };

    snprintf(key, sizeof key, "%zu/%zu", clip, frame);
    const hid_t set = H5Dopen2(of->file, key, H5P_DEFAULT);
    if (set < 0)
        return mcvdi_fail(MCVD_E_FORMAT, "%s: frame %s is missing", of->name, key);
    const int axes = frame_axes(set, dims);
    const bool fits = axes == (s->channels == 3 ? 3 : 2) && dims[0] == s->height &&
                      dims[1] == s->width && (axes == 2 || dims[2] == 3);
    const bool read =
        fits && H5Dread(set, H5T_NATIVE_UINT8, H5S_ALL, H5S_ALL, H5P_DEFAULT, out) >= 0;
    H5Dclose(set);
    if (!fits)
        return mcvdi_fail(MCVD_E_FORMAT, "%s: frame %s has another shape than the first", of->name,
                          key);
    return read ? MCVD_OK : mcvdi_fail(MCVD_E_FORMAT, "%s: frame %s is damaged", of->name, key);
}

static mcvd_status read_clip(void *state, size_t clip, size_t first, size_t count, uint8_t *frames,
                             float *actions)
{
    const shards *s = state;
    const shard *of = shard_of(s, s->first + clip);
    const size_t bytes = s->height * s->width * s->channels;
    mcvd_status st = MCVD_OK;

    (void)actions;
    pthread_mutex_lock(&library);
    for (size_t f = 0; st >= 0 && f < count; f++)
        st = read_frame(s, of, s->first + clip - of->first, first + f, frames + f * bytes);
    pthread_mutex_unlock(&library);
    return st;
}

#else

static mcvd_status open_hdf5(void **state, mcvdi_clip_source_facts *facts,
                             const mcvdi_clip_source_config *config)
{
    (void)facts;
    *state = NULL;
    return mcvdi_fail(MCVD_E_UNSUPPORTED,
                      "%s: HDF5 shards, which this build cannot read; configure it with "
                      "-DMCVD_HDF5=ON (libhdf5 and liblzf)",
                      config->path);
}

static void release(void **state)
{
    *state = NULL;
}

static mcvd_status info(void *state, size_t clip, mcvdi_clip_info *info)
{
    (void)state;
    (void)clip;
    *info = (mcvdi_clip_info) { "", 0 };
    return mcvdi_fail(MCVD_E_UNSUPPORTED, "built without HDF5");
}

static mcvd_status read_clip(void *state, size_t clip, size_t first, size_t count, uint8_t *frames,
                             float *actions)
{
    (void)state;
    (void)clip;
    (void)first;
    (void)count;
    (void)frames;
    (void)actions;
    return mcvdi_fail(MCVD_E_UNSUPPORTED, "built without HDF5");
}

#endif

const mcvdi_clip_source_kind mcvdi_clip_source_hdf5 = {
    .name = "HDF5",
    .help = "the authors' shards, *.hdf5, or train/ and test/ of them",
    .accepts = accepts,
    .open = open_hdf5,
    .free = release,
    .info = info,
    .read = read_clip,
};
