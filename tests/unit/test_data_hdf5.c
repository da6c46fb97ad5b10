/* The authors' shards, made here by libhdf5 itself: a folder per split, KTH's persons, UCF-101's
 * num_train, frames compressed by LZF, damage. */
#include <hdf5.h>
#include <lzf.h>
#include <stdlib.h>

#include <mcvd/prepare.h>

#include "core/alloc.h"
#include "core/fileio.h"
#include "support/folder.h"

enum { LZF_FILTER = 32000 };

static char folder[TEST_PATH_BYTES];

/* ---- making shards ----------------------------------------------------------------------- */

/* What h5py's filter does: a chunk that does not shrink is left alone. */
static size_t compress(unsigned flags, size_t num_values, const unsigned values[], size_t bytes,
                       size_t *capacity, void **buffer)
{
    (void)num_values;
    if (flags & H5Z_FLAG_REVERSE) {
        void *plain = H5allocate_memory(values[2], false);
        const unsigned n = lzf_decompress(*buffer, (unsigned)bytes, plain, values[2]);
        H5free_memory(*buffer);
        *buffer = plain;
        *capacity = values[2];
        return n;
    }
    void *out = H5allocate_memory(bytes, false);
    const unsigned n = lzf_compress(*buffer, (unsigned)bytes, out, (unsigned)bytes - 1);
    if (n == 0) {
        H5free_memory(out);
        return 0;
    }
    H5free_memory(*buffer);
    *buffer = out;
    *capacity = bytes;
    return n;
}

static uint8_t pixel(size_t clip, size_t frame, size_t i)
{
    return (uint8_t)(11 * clip + 5 * frame + i / 7);
}

static void write_number(hid_t file, const char *path, int value)
{
    const hid_t space = H5Screate(H5S_SCALAR);
    const hid_t set =
        H5Dcreate2(file, path, H5T_NATIVE_INT, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);

    CHECK_TRUE(H5Dwrite(set, H5T_NATIVE_INT, H5S_ALL, H5S_ALL, H5P_DEFAULT, &value) >= 0);
    H5Dclose(set);
    H5Sclose(space);
}

typedef struct shard_spec {
    size_t clips, frames, height, width, channels;
    int num_train; /* 0: not said */
} shard_spec;

static void write_frame(hid_t file, const shard_spec *s, size_t clip, size_t frame)
{
    const hsize_t dims[3] = { s->height, s->width, 3 };
    const int axes = s->channels == 3 ? 3 : 2;
    const size_t bytes = s->height * s->width * s->channels;
    const unsigned values[3] = { 4, 0x0105, (unsigned)bytes };
    uint8_t *data = malloc(bytes);
    char path[64];

    CHECK_TRUE(data != NULL);
    for (size_t i = 0; i < bytes; i++)
        data[i] = pixel(clip, frame, i);
    snprintf(path, sizeof path, "%zu/%zu", clip, frame);
    const hid_t space = H5Screate_simple(axes, dims, NULL);
    const hid_t plist = H5Pcreate(H5P_DATASET_CREATE);
    CHECK_TRUE(H5Pset_chunk(plist, axes, dims) >= 0);
    CHECK_TRUE(H5Pset_filter(plist, LZF_FILTER, H5Z_FLAG_OPTIONAL, 3, values) >= 0);
    const hid_t set =
        H5Dcreate2(file, path, H5T_NATIVE_UINT8, space, H5P_DEFAULT, plist, H5P_DEFAULT);
    CHECK_TRUE(H5Dwrite(set, H5T_NATIVE_UINT8, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0);
    H5Dclose(set);
    H5Pclose(plist);
    H5Sclose(space);
    free(data);
}

static void write_shard(const char *name, const shard_spec *s)
{
    static const H5Z_class2_t filter = { H5Z_CLASS_T_VERS, LZF_FILTER, 1, 1, "lzf", NULL, NULL,
                                         compress };
    char path[TEST_PATH_BYTES];
    char key[64];

    CHECK_TRUE(H5Zregister(&filter) >= 0);
    const hid_t file =
        H5Fcreate(test_path(path, folder, name), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    CHECK_TRUE(file >= 0);
    H5Gclose(H5Gcreate2(file, "len", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    for (size_t clip = 0; clip < s->clips; clip++) {
        snprintf(key, sizeof key, "len/%zu", clip);
        write_number(file, key, (int)s->frames);
        snprintf(key, sizeof key, "%zu", clip);
        H5Gclose(H5Gcreate2(file, key, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
        for (size_t f = 0; f < s->frames; f++)
            write_frame(file, s, clip, f);
    }
    if (s->num_train)
        write_number(file, "num_train", s->num_train);
    H5Fclose(file);
}

static int set_up(void **state)
{
    static const char *const folders[] = { "bair/train", "bair/test", "kth", "ucf" };
    static const shard_spec bair = { 3, 6, 64, 64, 3, 0 };
    static const shard_spec kth = { 599, 2, 8, 8, 1, 0 };
    static const shard_spec ucf = { 25, 4, 24, 32, 3, 4 };
    char path[TEST_PATH_BYTES];

    (void)state;
    make_test_folder(folder);
    for (size_t i = 0; i < 4; i++)
        CHECK_OK(mcvdi_make_folders(test_path(path, folder, folders[i])));
    write_shard("bair/train/shard_0001.hdf5", &bair);
    write_shard("bair/train/shard_0002.hdf5", &bair);
    write_shard("bair/test/shard_0001.hdf5", &bair);
    write_shard("kth/shard_0001.hdf5", &kth);
    write_shard("ucf/shard_0001.hdf5", &ucf);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    remove_test_folder(folder);
    return 0;
}

/* ---- reading them ------------------------------------------------------------------------ */

static mcvd_dataset *open_set(const char *set, mcvd_split split, int64_t size, int64_t channels,
                              size_t frames)
{
    char path[TEST_PATH_BYTES];
    mcvd_dataset *ds = NULL;
    mcvd_config config;

    mcvd_config_default(&config);
    config.data.image_size = size;
    config.data.channels = channels;
    config.data.random_flip = false;
    mcvd_dataset_config dc = mcvd_dataset_config_default(&config.data);
    dc.path = test_path(path, folder, set);
    dc.split = split;
    dc.num_frames = frames;
    CHECK_OK(mcvd_dataset_open(&ds, &dc));
    return ds;
}

static void a_folder_per_split(void **state)
{
    static uint8_t clip[6 * 64 * 64 * 3];
    mcvd_dataset *train = open_set("bair", MCVD_SPLIT_TRAIN, 64, 3, 6);
    mcvd_dataset *test = open_set("bair", MCVD_SPLIT_TEST, 64, 3, 6);

    (void)state;
    CHECK_TRUE(strcmp(mcvd_dataset_name(train), "BAIR") == 0);
    CHECK_EQ(mcvd_dataset_num_windows(train), 6); /* of two shards */
    CHECK_EQ(mcvd_dataset_num_test_clips(test), 3);
    for (size_t n = 0; n < 3; n++) {
        CHECK_OK(mcvd_dataset_window(test, n, clip));
        for (size_t f = 0; f < 6; f++)
            for (size_t i = 0; i < 64 * 64 * 3; i++)
                CHECK_EQ(clip[f * 64 * 64 * 3 + i], pixel(n, f, i));
    }
    for (uint64_t i = 0; i < 20; i++)
        CHECK_OK(mcvd_dataset_window(train, i, clip));
    mcvd_dataset_free(&train);
    mcvd_dataset_free(&test);
}

/* 479 clips of persons 1 to 20, 120 of the others. */
static void persons_of_kth(void **state)
{
    uint8_t clip[2 * 8 * 8];
    mcvd_dataset *train = open_set("kth", MCVD_SPLIT_TRAIN, 8, 1, 2);
    mcvd_dataset *test = open_set("kth", MCVD_SPLIT_TEST, 8, 1, 2);

    (void)state;
    CHECK_TRUE(strcmp(mcvd_dataset_name(test), "KTH") == 0);
    CHECK_EQ(mcvd_dataset_num_windows(train), 479);
    CHECK_EQ(mcvd_dataset_num_test_clips(test), 120);
    CHECK_OK(mcvd_dataset_window(test, 0, clip));
    CHECK_EQ(clip[0], pixel(479, 0, 0));
    mcvd_dataset_free(&train);
    mcvd_dataset_free(&test);
}

/* 21 test clips behind 4 for training: the 1st and the 11th, cropped in the middle. */
static void tenth_clips_of_ucf101(void **state)
{
    static uint8_t clip[4 * 24 * 24 * 3];
    mcvd_dataset *train = open_set("ucf", MCVD_SPLIT_TRAIN, 24, 3, 4);
    mcvd_dataset *test = open_set("ucf", MCVD_SPLIT_TEST, 24, 3, 4);

    (void)state;
    CHECK_TRUE(strcmp(mcvd_dataset_name(test), "UCF101") == 0);
    CHECK_EQ(mcvd_dataset_num_windows(train), 4);
    CHECK_EQ(mcvd_dataset_num_test_clips(test), 2);
    CHECK_OK(mcvd_dataset_window(test, 1, clip));
    CHECK_EQ(clip[0], pixel(14, 0, 4 * 3));
    mcvd_dataset_free(&train);
    mcvd_dataset_free(&test);
}

/* Shards are cut as published; asking for something else is an error, not passed over. */
static void other_options_are_refused(void **state)
{
    static const struct {
        const char *set, *option;
        int64_t size, channels;
    } asked[] = { { "ucf", "data.ucf101_split=1", 24, 3 },
                  { "kth", "data.kth_clips=sequences", 16, 1 } };

    (void)state;
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
        char path[TEST_PATH_BYTES];
        mcvd_dataset *ds = NULL;
        mcvd_config config;
        mcvd_config_default(&config);
        config.data.image_size = asked[i].size;
        config.data.channels = asked[i].channels;
        CHECK_OK(mcvd_config_set(&config, asked[i].option));
        mcvd_dataset_config dc = mcvd_dataset_config_default(&config.data);
        dc.path = test_path(path, folder, asked[i].set);
        CHECK_STATUS(mcvd_dataset_open(&ds, &dc), MCVD_E_CONFIG);
        CHECK_MESSAGE("they hold");
    }
}

static void prepare_shards(char *store, const char *set)
{
    char source[TEST_PATH_BYTES];
    char name[64];
    mcvd_prepare_result result;

    snprintf(name, sizeof name, "%s.store", set);
    const mcvd_prepare_config config = { .dataset = "hdf5",
                                         .source = test_path(source, folder, set),
                                         .folder = test_path(store, folder, name) };
    CHECK_OK(mcvd_prepare(&config, &result));
}

/* Their store has the options of the set, and so refuses readers who ask for something else. */
static void stores_of_shards(void **state)
{
    char store[TEST_PATH_BYTES];
    char path[TEST_PATH_BYTES];
    mcvd_dataset *ds = NULL;
    mcvd_config config;
    char *text = NULL;
    size_t bytes = 0;

    (void)state;
    prepare_shards(store, "bair");
    CHECK_OK(mcvdi_file_read(&text, &bytes, test_path(path, store, "manifest.json"), 1 << 20));
    CHECK_TRUE(strstr(text, "\"dataset\":\t\"BAIR\"") != NULL);
    CHECK_TRUE(!strstr(text, "kth_clips") && !strstr(text, "ucf101_split"));
    mcvdi_free(text);

    prepare_shards(store, "kth");
    mcvd_config_default(&config);
    CHECK_OK(mcvd_prepare_settings(store, &config.data));
    CHECK_EQ(config.data.image_size, 8);
    mcvd_dataset_config dc = mcvd_dataset_config_default(&config.data);
    dc.path = store;
    dc.num_frames = 2;
    CHECK_OK(mcvd_dataset_open(&ds, &dc));
    mcvd_dataset_free(&ds);
    CHECK_OK(mcvd_config_set(&config, "data.kth_clips=sequences"));
    dc.data = config.data;
    CHECK_STATUS(mcvd_dataset_open(&ds, &dc), MCVD_E_CONFIG);
    CHECK_MESSAGE("prepared with data.kth_clips = \"files\"");
}

static void damaged_shards(void **state)
{
    static const shard_spec unknown = { 5, 2, 8, 8, 1, 0 };
    char path[TEST_PATH_BYTES];
    mcvd_dataset *ds = NULL;
    mcvd_config config;

    (void)state;
    mcvd_config_default(&config);
    config.data.image_size = 8;
    mcvd_dataset_config dc = mcvd_dataset_config_default(&config.data);
    dc.num_frames = 2;
    CHECK_OK(mcvdi_make_folders(test_path(path, folder, "odd")));
    write_shard("odd/shard_0001.hdf5", &unknown);
    dc.path = path;
    CHECK_STATUS(mcvd_dataset_open(&ds, &dc), MCVD_E_FORMAT);
    CHECK_MESSAGE("which are for testing is not known");
    char shard[TEST_PATH_BYTES];
    CHECK_OK(mcvdi_file_write(test_path(shard, folder, "odd/shard_0001.hdf5"), "no HDF5", 7, true));
    CHECK_STATUS(mcvd_dataset_open(&ds, &dc), MCVD_E_FORMAT);
    CHECK_MESSAGE("shard_0001.hdf5");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_folder_per_split),    cmocka_unit_test(persons_of_kth),
        cmocka_unit_test(tenth_clips_of_ucf101), cmocka_unit_test(other_options_are_refused),
        cmocka_unit_test(stores_of_shards),      cmocka_unit_test(damaged_shards),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
