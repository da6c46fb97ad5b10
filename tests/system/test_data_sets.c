/* Miniatures of the public sets, as tests/support/make_datasets.sh makes them: found by their
 * layout, split as published, sized as published; damage is named and left out. */
#include <stdlib.h>

#include <mcvd/data.h>
#include <mcvd/video.h>

#include "core/alloc.h"
#include "data/clip_source.h"
#include "support/folder.h"

static char folder[TEST_PATH_BYTES];

static void make_sets(const char *sets)
{
    char command[2048];

    snprintf(command, sizeof command, "sh %s %s %s %s", MCVD_TEST_MAKE_DATASETS,
             MCVD_TEST_MAKE_BAIR, folder, sets);
    CHECK_EQ(system(command), 0);
}

static int set_up(void **state)
{
    (void)state;
    make_test_folder(folder);
    make_sets("bair kth ucf101 cityscapes");
    make_sets("damaged");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    remove_test_folder(folder);
    return 0;
}

typedef struct expectation {
    const char *set;
    const char *name;
    int64_t size, channels;
    size_t num_frames;
    size_t train_clips, test_clips;
    const char *rule;
} expectation;

static mcvd_status open_set(mcvd_dataset **ds, const expectation *e, mcvd_split split)
{
    char path[TEST_PATH_BYTES];
    mcvd_config config;

    mcvd_config_default(&config);
    config.data.image_size = e->size;
    config.data.channels = e->channels;
    snprintf(config.data.windows, sizeof config.data.windows, "%s", e->rule);
    mcvd_dataset_config dc = mcvd_dataset_config_default(&config.data);
    dc.path = test_path(path, folder, e->set);
    dc.split = split;
    dc.num_frames = e->num_frames;
    return mcvd_dataset_open(ds, &dc);
}

/* A window that is a picture, moves, and is the same when asked for again. */
static void check_window(mcvd_dataset *ds, const expectation *e, uint64_t index)
{
    const size_t bytes = mcvd_dataset_clip_bytes(ds);
    const size_t frame = (size_t)(e->size * e->size * e->channels);
    uint8_t *a = malloc(bytes);
    uint8_t *b = malloc(bytes);

    CHECK_TRUE(a && b);
    CHECK_EQ(bytes, e->num_frames * frame);
    CHECK_OK(mcvd_dataset_window(ds, index, a));
    CHECK_OK(mcvd_dataset_window(ds, index, b));
    CHECK_TRUE(memcmp(a, b, bytes) == 0);
    CHECK_TRUE(memcmp(a, a + (e->num_frames - 1) * frame, frame) != 0);
    free(a);
    free(b);
}

static void check_set(const expectation *e)
{
    char path[TEST_PATH_BYTES];
    mcvd_dataset *train = NULL;
    mcvd_dataset *test = NULL;

    CHECK_TRUE(strcmp(mcvd_dataset_kind_of(test_path(path, folder, e->set)), e->name) == 0);
    CHECK_OK(open_set(&train, e, MCVD_SPLIT_TRAIN));
    CHECK_OK(open_set(&test, e, MCVD_SPLIT_TEST));
    CHECK_TRUE(strcmp(mcvd_dataset_name(train), e->name) == 0);
    check_window(train, e, 3);
    check_window(test, e, 0);
    check_window(test, e, mcvd_dataset_num_test_clips(test) - 1);
    mcvd_dataset_free(&train);
    mcvd_dataset_free(&test);
}

static void sets_are_found_and_read(void **state)
{
    static const expectation sets[] = {
        { "bair", "BAIR", 64, 3, 16, 5, 3, "reference" },
        { "bair", "BAIR", 32, 3, 30, 5, 3, "all" },
        { "kth", "KTH", 64, 1, 40, 4, 4, "reference" },
        { "ucf101", "UCF101", 64, 3, 20, 2, 2, "reference" },
        { "ucf101", "UCF101", 32, 3, 20, 2, 2, "all" },
        { "cityscapes", "Cityscapes", 64, 3, 30, 2, 2, "reference" },
        { "cityscapes", "Cityscapes", 128, 3, 7, 2, 2, "all" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++)
        check_set(&sets[i]);
}

/* ---- sources clip by clip ---------------------------------------------------------------- */

typedef struct source {
    const mcvdi_clip_source_kind *kind;
    void *state;
    mcvdi_clip_source_facts facts;
} source;

static mcvd_status open_source(source *s, const mcvdi_clip_source_kind *kind, const char *set,
                               mcvd_split split, size_t size)
{
    char path[TEST_PATH_BYTES];
    const mcvdi_clip_source_config config = { test_path(path, folder, set), split, size,
                                              kind == &mcvdi_clip_source_kth ? 1 : 3 };

    *s = (source) { .kind = kind };
    return kind->open(&s->state, &s->facts, &config);
}

static void close_source(source *s)
{
    s->kind->free(&s->state);
    mcvdi_free(s->facts.describe);
}

static mcvdi_clip_info info_of(const source *s, size_t clip)
{
    mcvdi_clip_info info;

    CHECK_OK(s->kind->info(s->state, clip, &info));
    return info;
}

/* By person, then by path. */
static void kth_order(void **state)
{
    static const char *const wanted[] = { "raw/boxing/person21_boxing_d1_uncomp.avi",
                                          "raw/walking/person21_walking_d1_uncomp.avi",
                                          "raw/boxing/person22_boxing_d1_uncomp.avi",
                                          "raw/walking/person22_walking_d1_uncomp.avi" };
    source s;

    (void)state;
    CHECK_OK(open_source(&s, &mcvdi_clip_source_kth, "kth", MCVD_SPLIT_TEST, 64));
    CHECK_EQ(s.facts.num_clips, 4);
    for (size_t i = 0; i < 4; i++) {
        CHECK_TRUE(strcmp(info_of(&s, i).name, wanted[i]) == 0);
        CHECK_EQ(info_of(&s, i).num_frames, 55);
    }
    close_source(&s);
}

static void ucf101_frames_and_crop(void **state)
{
    static uint8_t frames[2 * 64 * 85 * 3];
    source s;

    (void)state;
    CHECK_OK(open_source(&s, &mcvdi_clip_source_ucf101, "ucf101", MCVD_SPLIT_TEST, 64));
    CHECK_EQ(s.facts.num_clips, 11);
    CHECK_EQ(s.facts.test_step, 10);
    CHECK_EQ(s.facts.width, 85);
    CHECK_EQ(s.facts.height, 64);
    CHECK_EQ(s.facts.test_left, 10);
    CHECK_OK(s.kind->read(s.state, 0, 3, 2, frames, NULL));
    CHECK_TRUE(memcmp(frames, frames + sizeof frames / 2, sizeof frames / 2) != 0);
    CHECK_STATUS(s.kind->read(s.state, 0, 23, 2, frames, NULL), MCVD_E_DECODE);
    close_source(&s);
}

/* The centre square: what a resize of the cropped picture gives, and not of the whole. */
static void cityscapes_clips(void **state)
{
    static uint8_t frame[128 * 128 * 3];
    char path[TEST_PATH_BYTES];
    mcvd_video_clip whole;
    source s;

    (void)state;
    CHECK_OK(open_source(&s, &mcvdi_clip_source_cityscapes, "cityscapes", MCVD_SPLIT_TEST, 128));
    CHECK_EQ(s.facts.num_clips, 2);
    CHECK_TRUE(strcmp(info_of(&s, 1).name, "aachen/aachen_000001_000000") == 0);
    CHECK_OK(s.kind->read(s.state, 1, 4, 1, frame, NULL));
    test_path(path, folder,
              "cityscapes/leftImg8bit_sequence/test/aachen/aachen_000001_000004_leftImg8bit.png");
    CHECK_OK(mcvd_video_read_all(&whole, path, NULL));
    CHECK_EQ(whole.width, 256);
    for (size_t y = 0; y < 128; y++) /* 128 rows need no resize */
        CHECK_TRUE(memcmp(frame + y * 128 * 3, whole.data + (y * 256 + 64) * 3, 128 * 3) == 0);
    mcvd_video_clip_free(&whole);
    close_source(&s);
}

static void damage_is_left_out(void **state)
{
    static uint8_t frames[30 * 64 * 64 * 3];
    expectation e = { "bair-damaged", "BAIR", 64, 3, 30, 0, 0, "all" };
    mcvd_dataset *ds = NULL;
    source s;

    (void)state;
    CHECK_OK(open_set(&ds, &e, MCVD_SPLIT_TRAIN));
    for (uint64_t i = 0; i < 10; i++)
        CHECK_OK(mcvd_dataset_window(ds, i, frames));
    mcvd_dataset_free(&ds);

    CHECK_OK(
        open_source(&s, &mcvdi_clip_source_cityscapes, "cityscapes-damaged", MCVD_SPLIT_TRAIN, 64));
    CHECK_EQ(s.facts.num_clips, 1); /* a picture of the other is missing */
    close_source(&s);
    CHECK_OK(
        open_source(&s, &mcvdi_clip_source_cityscapes, "cityscapes-damaged", MCVD_SPLIT_TEST, 64));
    CHECK_OK(s.kind->read(s.state, 0, 0, 30, frames, NULL));
    CHECK_TRUE(s.kind->read(s.state, 1, 0, 30, frames, NULL) < 0); /* a PNG that is none */
    CHECK_MESSAGE("aachen_000001_000007_leftImg8bit.png");
    close_source(&s);

    CHECK_OK(open_source(&s, &mcvdi_clip_source_kth, "kth-damaged", MCVD_SPLIT_TRAIN, 64));
    CHECK_EQ(s.facts.num_clips, 6);
    CHECK_EQ(info_of(&s, 1).num_frames, 4);
    CHECK_EQ(info_of(&s, 4).num_frames, 0); /* no video */
    close_source(&s);

    CHECK_STATUS(open_source(&s, &mcvdi_clip_source_ucf101, "ucf101-damaged", MCVD_SPLIT_TEST, 64),
                 MCVD_E_INPUT);
    CHECK_MESSAGE("testlist03.txt");
    CHECK_STATUS(open_source(&s, &mcvdi_clip_source_ucf101, "ucf101-damaged", MCVD_SPLIT_TRAIN, 64),
                 MCVD_E_FORMAT);
    CHECK_MESSAGE("leads out of the data set");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sets_are_found_and_read), cmocka_unit_test(kth_order),
        cmocka_unit_test(ucf101_frames_and_crop),  cmocka_unit_test(cityscapes_clips),
        cmocka_unit_test(damage_is_left_out),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
