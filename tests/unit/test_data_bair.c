/* BAIR's TFRecords: the golden file, the public layout, damage. */
#include <stdlib.h>

#include <mcvd/data.h>

#include "core/alloc.h"
#include "core/fileio.h"
#include "core/json.h"
#include "data/clips.h"
#include "data/example.h"
#include "data/tfrecord.h"
#include "support/folder.h"

enum { SIDE = 64, FRAME = SIDE * SIDE * 3, CLIPS = 2, CLIP_FRAMES = 6, ACTIONS = 4 };

static const char golden[] = MCVD_TEST_GOLDEN "/pipeline/tfrecord/bair_tiny.tfrecord";
static char folder[TEST_PATH_BYTES];

/* The golden file's bytes, changed at will, as a split of the public layout. */
static void put_split(const char *split, const char *bytes, size_t n)
{
    char path[TEST_PATH_BYTES];

    char name[64];

    snprintf(name, sizeof name, "softmotion30_44k/%s", split);
    CHECK_OK(mcvdi_make_folders(test_path(path, folder, name)));
    snprintf(name, sizeof name, "softmotion30_44k/%s/traj_0_to_1.tfrecords", split);
    test_path(path, folder, name);
    CHECK_OK(mcvdi_file_write(path, bytes, n, true));
}

static char *read_golden(size_t *n)
{
    char *bytes = NULL;

    CHECK_OK(mcvdi_file_read(&bytes, n, golden, 1 << 22));
    return bytes;
}

static int set_up(void **state)
{
    size_t n = 0;

    (void)state;
    make_test_folder(folder);
    char *bytes = read_golden(&n);
    put_split("train", bytes, n);
    put_split("test", bytes, n);
    mcvdi_free(bytes);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    remove_test_folder(folder);
    return 0;
}

static uint8_t pixel(size_t clip, size_t frame, size_t y, size_t x, size_t c)
{
    return (uint8_t)(101 + 31 * clip + 7 * frame + 2 * y + 9 * x + 53 * c + x * y / 8);
}

static float action(size_t clip, size_t frame, size_t j)
{
    return 0.25f * (float)clip + 0.5f * (float)frame + (float)j;
}

static mcvd_dataset_config config_of(mcvd_split split, size_t num_frames)
{
    static mcvd_data_config data;

    mcvd_config config;
    mcvd_config_default(&config);
    data = config.data;
    data.channels = 3;
    data.random_flip = false;
    mcvd_dataset_config dc = mcvd_dataset_config_default(&data);
    dc.path = folder;
    dc.split = split;
    dc.num_frames = num_frames;
    return dc;
}

static void records_of_the_golden_file(void **state)
{
    char path[TEST_PATH_BYTES];
    mcvdi_tfrecords file;
    cJSON *facts = NULL;

    (void)state;
    snprintf(path, sizeof path, "%s/pipeline/tfrecord/tfrecord.json", MCVD_TEST_GOLDEN);
    CHECK_OK(mcvdi_json_read(&facts, path));
    CHECK_OK(mcvdi_tfrecord_scan(&file, golden));
    CHECK_EQ(file.count, CLIPS);
    CHECK_TRUE(file.damage == NULL);
    for (size_t i = 0; i < file.count; i++) {
        const cJSON *r = cJSON_GetArrayItem(cJSON_GetObjectItem(facts, "records"), (int)i);
        CHECK_EQ(file.records[i].offset,
                 (size_t)cJSON_GetObjectItem(r, "offset")->valuedouble + 12);
        CHECK_EQ(file.records[i].bytes, (size_t)cJSON_GetObjectItem(r, "length")->valuedouble);
        uint8_t *payload = mcvdi_malloc(file.records[i].bytes);
        CHECK_OK(mcvdi_tfrecord_read(&file, i, payload));
        mcvdi_free(payload);
    }
    CHECK_EQ(mcvdi_tfrecord_mask(0xE3069283u), 0xC78AB0E5u);
    mcvdi_tfrecord_release(&file);
    cJSON_Delete(facts);
}

/* Windows of the whole clip: every pixel of aux1 and every action by the golden formula. */
static void frames_and_actions(void **state)
{
    static uint8_t clip[CLIP_FRAMES * FRAME];
    float actions[CLIP_FRAMES * ACTIONS];
    mcvd_dataset_config dc = config_of(MCVD_SPLIT_TEST, CLIP_FRAMES);
    mcvd_dataset *ds = NULL;

    (void)state;
    CHECK_OK(mcvd_dataset_open(&ds, &dc));
    CHECK_TRUE(strcmp(mcvd_dataset_name(ds), "BAIR") == 0);
    CHECK_EQ(mcvd_dataset_num_test_clips(ds), CLIPS);
    CHECK_EQ(mcvd_dataset_action_dim(ds), ACTIONS);
    for (size_t n = 0; n < CLIPS; n++) {
        CHECK_OK(mcvd_dataset_window_actions(ds, n, clip, actions));
        for (size_t f = 0; f < CLIP_FRAMES; f++) {
            for (size_t i = 0; i < FRAME; i++)
                CHECK_EQ(clip[f * FRAME + i], pixel(n, f, i / (3 * SIDE), i / 3 % SIDE, i % 3));
            for (size_t j = 0; j < ACTIONS; j++)
                CHECK_TRUE(actions[f * ACTIONS + j] == action(n, f, j));
        }
    }
    mcvd_dataset_free(&ds);
}

/* Which start a window has is told by its first action. */
static size_t start_of(mcvd_dataset *ds, uint64_t index, size_t *clip_number)
{
    static uint8_t clip[CLIP_FRAMES * FRAME];
    float actions[CLIP_FRAMES * ACTIONS];

    CHECK_OK(mcvd_dataset_window_actions(ds, index, clip, actions));
    for (*clip_number = 0; *clip_number < CLIPS; ++*clip_number)
        for (size_t s = 0; s < CLIP_FRAMES; s++)
            if (clip[0] == pixel(*clip_number, s, 0, 0, 0) &&
                actions[0] == action(*clip_number, s, 0))
                return s;
    fail_msg("a window of no clip");
    return 0;
}

static void count_starts(const char *rule, size_t seen[CLIPS][CLIP_FRAMES])
{
    mcvd_dataset_config dc = config_of(MCVD_SPLIT_TRAIN, 3);
    mcvd_dataset *ds = NULL;

    snprintf(dc.data.windows, sizeof dc.data.windows, "%s", rule);
    CHECK_OK(mcvd_dataset_open(&ds, &dc));
    memset(seen, 0, CLIPS * sizeof *seen);
    for (uint64_t i = 0; i < 400; i++) {
        size_t n = 0;
        const size_t s = start_of(ds, i, &n);
        seen[n][s]++;
    }
    mcvd_dataset_free(&ds);
}

/* 6 frames hold windows of 3 at 0 ... 3; the reference never starts at the last of them. */
static void starts_by_both_rules(void **state)
{
    size_t seen[CLIPS][CLIP_FRAMES];

    (void)state;
    count_starts("all", seen);
    for (size_t n = 0; n < CLIPS; n++)
        for (size_t s = 0; s < CLIP_FRAMES; s++)
            CHECK_TRUE(s <= 3 ? seen[n][s] > 20 : seen[n][s] == 0);
    count_starts("reference", seen);
    for (size_t n = 0; n < CLIPS; n++)
        for (size_t s = 0; s < CLIP_FRAMES; s++)
            CHECK_TRUE(s <= 2 ? seen[n][s] > 20 : seen[n][s] == 0);
}

static void published_index_maps(void **state)
{
    char path[TEST_PATH_BYTES];
    cJSON *maps = NULL;
    int sets = 0;

    (void)state;
    snprintf(path, sizeof path, "%s/pipeline/data/index_maps.json", MCVD_TEST_GOLDEN);
    CHECK_OK(mcvdi_json_read(&maps, path));
    for (const cJSON *set = maps->child; set; set = set->next) {
        const cJSON *map = cJSON_GetObjectItem(set, "map");
        if (!map)
            continue;
        const size_t total = (size_t)cJSON_GetObjectItem(set, "total")->valuedouble;
        const size_t clips = (size_t)cJSON_GetObjectItem(set, "max_index")->valuedouble;
        CHECK_EQ((size_t)cJSON_GetArraySize(map), total);
        /* UCF-101 counts on behind its training clips and takes every 10th. */
        const cJSON *before = cJSON_GetObjectItem(set, "num_train");
        const size_t first = before ? (size_t)before->valuedouble : 0;
        const size_t step = before ? 10 : 1;
        size_t i = 0;
        for (const cJSON *item = map->child; item; item = item->next)
            CHECK_EQ(first + step * mcvdi_clips_index(i++, total, clips),
                     (size_t)item->valuedouble);
        sets++;
    }
    CHECK_EQ(sets, 4);
    cJSON_Delete(maps);
}

static void a_batch_brings_actions(void **state)
{
    mcvd_dataset_config dc = config_of(MCVD_SPLIT_TRAIN, 0);
    mcvd_dataset *ds = NULL;
    mcvd_loader *loader = NULL;
    mcvd_batch batch;

    (void)state;
    dc.data.num_frames_cond = 2;
    dc.data.num_frames = 3;
    CHECK_OK(mcvd_dataset_open(&ds, &dc));
    mcvd_loader_config lc = mcvd_loader_config_default(ds);
    lc.batch_size = 3;
    lc.actions = true;
    CHECK_OK(mcvd_loader_create(&loader, ds, &lc));
    CHECK_OK(mcvd_loader_next(loader, &batch));
    for (size_t b = 0; b < 3; b++) {
        size_t n = 0;
        const size_t s = start_of(ds, b, &n);
        for (size_t f = 0; f < 5; f++)
            for (size_t j = 0; j < ACTIONS; j++)
                CHECK_TRUE(batch.actions[(b * 5 + f) * ACTIONS + j] == action(n, s + f, j));
    }
    mcvd_loader_free(&loader);
    mcvd_dataset_free(&ds);
}

/* A flipped byte in the second record: training goes on without it, a test clip says its name. */
static void a_damaged_record_is_named(void **state)
{
    static uint8_t clip[CLIP_FRAMES * FRAME];
    mcvd_dataset_config dc = config_of(MCVD_SPLIT_TEST, CLIP_FRAMES);
    mcvd_dataset *ds = NULL;
    size_t n = 0;
    size_t number = 0;
    char *bytes = read_golden(&n);

    (void)state;
    bytes[n - 1000] ^= 4;
    put_split("train", bytes, n);
    put_split("test", bytes, n);
    CHECK_OK(mcvd_dataset_open(&ds, &dc));
    CHECK_OK(mcvd_dataset_window(ds, 0, clip));
    CHECK_STATUS(mcvd_dataset_window(ds, 1, clip), MCVD_E_FORMAT);
    CHECK_MESSAGE("traj_0_to_1.tfrecords, record 1");
    mcvd_dataset_free(&ds);
    dc.split = MCVD_SPLIT_TRAIN;
    CHECK_OK(mcvd_dataset_open(&ds, &dc));
    for (uint64_t i = 0; i < 20; i++) {
        start_of(ds, i, &number);
        CHECK_EQ(number, 0);
    }
    mcvd_dataset_free(&ds);

    bytes[n - 1000] ^= 4;
    put_split("test", bytes, n - 5); /* cut off */
    dc.split = MCVD_SPLIT_TEST;
    CHECK_OK(mcvd_dataset_open(&ds, &dc));
    CHECK_EQ(mcvd_dataset_num_test_clips(ds), 1);
    mcvd_dataset_free(&ds);
    put_split("test", bytes, 11);
    CHECK_STATUS(mcvd_dataset_open(&ds, &dc), MCVD_E_INPUT);
    put_split("test", bytes, n);
    put_split("train", bytes, n);
    mcvdi_free(bytes);
}

static void refusals(void **state)
{
    mcvd_dataset_config dc = config_of(MCVD_SPLIT_TEST, CLIP_FRAMES + 1);
    char path[TEST_PATH_BYTES];
    mcvd_dataset *ds = NULL;

    (void)state;
    CHECK_STATUS(mcvd_dataset_open(&ds, &dc), MCVD_E_INPUT);
    CHECK_MESSAGE("a window needs 7 frames, the longest of 2 test clips has 6");
    dc = config_of(MCVD_SPLIT_TEST, 2);
    dc.data.channels = 1;
    CHECK_STATUS(mcvd_dataset_open(&ds, &dc), MCVD_E_CONFIG);
    remove_test_folder(test_path(path, folder, "softmotion30_44k/test"));
    dc.data.channels = 3;
    CHECK_STATUS(mcvd_dataset_open(&ds, &dc), MCVD_E_INPUT);
    CHECK_MESSAGE("softmotion30_44k/test");
}

/* Every cut of a message is refused or read without a fault. */
static void cut_examples(void **state)
{
    static const char message[] = "\x0a\x14\x0a\x08\x0a\x01"
                                  "a\x12\x03\x0a\x01\x78"
                                  "\x0a\x08\x0a\x01"
                                  "b\x12\x03\x12\x01\x00";
    mcvdi_example example = { 0 };
    mcvdi_wire_span value;
    float floats[2];

    (void)state;
    for (size_t n = 0; n < sizeof message; n++) {
        uint8_t *copy = mcvdi_malloc(n ? n : 1);
        memcpy(copy, message, n);
        if (mcvdi_example_parse(&example, copy, n) >= 0) {
            (void)mcvdi_example_bytes(&example, "a", &value);
            (void)mcvdi_example_floats(&example, "b", floats, 2);
        }
        mcvdi_free(copy);
    }
    mcvdi_example_release(&example);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_of_the_golden_file),
        cmocka_unit_test(frames_and_actions),
        cmocka_unit_test(starts_by_both_rules),
        cmocka_unit_test(published_index_maps),
        cmocka_unit_test(a_batch_brings_actions),
        cmocka_unit_test(a_damaged_record_is_named),
        cmocka_unit_test(refusals),
        cmocka_unit_test(cut_examples),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
