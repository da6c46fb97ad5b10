/* Miniatures of the public sets, as tests/support/make_datasets.sh makes them: found by their
 * layout, split as published, sized as published; damage is named and left out. */
#include <math.h>
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

/* With "data.key=value", or NULL. */
static mcvd_status open_source_with(source *s, const mcvdi_clip_source_kind *kind, const char *set,
                                    mcvd_split split, size_t size, const char *option)
{
    char path[TEST_PATH_BYTES];
    mcvd_config config;

    mcvd_config_default(&config);
    if (option)
        CHECK_OK(mcvd_config_set(&config, option));
    const mcvdi_clip_source_config sc = { .path = test_path(path, folder, set),
                                          .split = split,
                                          .image_size = size,
                                          .channels = kind == &mcvdi_clip_source_kth ? 1 : 3,
                                          .data = &config.data };
    *s = (source) { .kind = kind };
    return kind->open(&s->state, &s->facts, &sc);
}

static mcvd_status open_source(source *s, const mcvdi_clip_source_kind *kind, const char *set,
                               mcvd_split split, size_t size)
{
    return open_source_with(s, kind, set, split, size, NULL);
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

/* The stretches that the list names are the frames of the whole files at these places. */
static void kth_sequences(void **state)
{
    static uint8_t whole[55 * 64 * 64];
    static uint8_t part[30 * 64 * 64];
    static const char sequences[] = "data.kth_clips=sequences";
    source files;
    source s;

    (void)state;
    CHECK_OK(open_source(&files, &mcvdi_clip_source_kth, "kth", MCVD_SPLIT_TEST, 64));
    CHECK_OK(open_source_with(&s, &mcvdi_clip_source_kth, "kth", MCVD_SPLIT_TEST, 64, sequences));
    CHECK_EQ(s.facts.num_clips, 6);
    CHECK_TRUE(
        strcmp(info_of(&s, 0).name, "raw/boxing/person21_boxing_d1_uncomp.avi, frames 1-30") == 0);
    CHECK_EQ(info_of(&s, 0).num_frames, 30);
    CHECK_EQ(info_of(&s, 1).num_frames, 25); /* 31-60 of a file of 55 */
    CHECK_EQ(info_of(&s, 2).num_frames, 31);
    CHECK_EQ(info_of(&s, 3).num_frames, 0); /* 60-70 */
    CHECK_OK(files.kind->read(files.state, 1, 0, 55, whole, NULL));
    CHECK_OK(s.kind->read(s.state, 2, 3, 28, part, NULL));
    CHECK_TRUE(memcmp(part, whole + 12 * 64 * 64, 28 * 64 * 64) == 0);
    close_source(&s);
    CHECK_OK(open_source_with(&s, &mcvdi_clip_source_kth, "kth", MCVD_SPLIT_TRAIN, 64, sequences));
    CHECK_EQ(s.facts.num_clips, 3); /* person 3 has no film, the walks no line */
    close_source(&s);
    close_source(&files);
    CHECK_OK(open_source_with(&s, &mcvdi_clip_source_kth, "kth/raw/boxing", MCVD_SPLIT_TEST, 64,
                              sequences)); /* the list lies above */
    close_source(&s);
    CHECK_STATUS(
        open_source_with(&s, &mcvdi_clip_source_kth, "ucf101", MCVD_SPLIT_TEST, 64, sequences),
        MCVD_E_CONFIG);
    CHECK_MESSAGE("00sequences.txt");
}

static void ucf101_splits(void **state)
{
    static uint8_t frames[64 * 85 * 3];
    source s;

    (void)state;
    CHECK_OK(open_source_with(&s, &mcvdi_clip_source_ucf101, "ucf101", MCVD_SPLIT_TRAIN, 64,
                              "data.ucf101_split=2"));
    CHECK_EQ(s.facts.num_clips, 2);
    CHECK_TRUE(strcmp(info_of(&s, 0).name, "Archery/v_Archery_g03_c01.avi") == 0);
    CHECK_EQ(info_of(&s, 1).num_frames, 24);
    close_source(&s);
    CHECK_OK(open_source_with(&s, &mcvdi_clip_source_ucf101, "ucf101", MCVD_SPLIT_TEST, 64,
                              "data.ucf101_split=2"));
    CHECK_EQ(s.facts.num_clips, 3);
    CHECK_EQ(info_of(&s, 1).num_frames, 0); /* keeps its place */
    CHECK_STATUS(s.kind->read(s.state, 1, 0, 1, frames, NULL), MCVD_E_INPUT);
    CHECK_MESSAGE("v_Archery_g09_c01.avi");
    CHECK_TRUE(strcmp(info_of(&s, 2).name, "Archery/v_Archery_g02_c01.avi") == 0);
    close_source(&s);
    CHECK_STATUS(open_source_with(&s, &mcvdi_clip_source_ucf101, "ucf101", MCVD_SPLIT_TEST, 64,
                                  "data.ucf101_split=1"),
                 MCVD_E_INPUT);
    CHECK_MESSAGE("testlist01.txt");
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

static void cityscapes_validation(void **state)
{
    static uint8_t frames[30 * 64 * 64 * 3];
    source s;

    (void)state;
    CHECK_OK(open_source_with(&s, &mcvdi_clip_source_cityscapes, "cityscapes", MCVD_SPLIT_TEST, 64,
                              "data.cityscapes_test=val"));
    CHECK_EQ(s.facts.num_clips, 1);
    CHECK_TRUE(strcmp(info_of(&s, 0).name, "ulm/aachen_000000_000000") == 0);
    CHECK_OK(s.kind->read(s.state, 0, 0, 30, frames, NULL));
    close_source(&s);
    CHECK_OK(open_source_with(&s, &mcvdi_clip_source_cityscapes, "cityscapes-damaged",
                              MCVD_SPLIT_TEST, 64, "data.cityscapes_test=val"));
    CHECK_STATUS(s.kind->read(s.state, 0, 0, 30, frames, NULL), MCVD_E_FORMAT);
    CHECK_MESSAGE("aachen_000000_000003_leftImg8bit.png: not a PNG"); /* but a JPEG */
    CHECK_STATUS(s.kind->read(s.state, 0, 4, 26, frames, NULL), MCVD_E_DECODE);
    CHECK_MESSAGE("aachen_000000_000005_leftImg8bit.png: a picture of 200x100");
    close_source(&s);
}

/* ---- what is done to windows ------------------------------------------------------------- */

/* Windows of 40 frames in clips of 55, the first 15 left out: one place is left. */
static void start_at_leaves_out_the_first(void **state)
{
    static uint8_t whole[55 * 64 * 64];
    static uint8_t window[40 * 64 * 64];
    static const size_t frame = 64 * 64;
    char path[TEST_PATH_BYTES];
    mcvd_dataset *ds = NULL;
    mcvd_config config;
    source s;

    (void)state;
    mcvd_config_default(&config);
    config.data.channels = 1;
    config.data.start_at = 15;
    mcvd_dataset_config dc = mcvd_dataset_config_default(&config.data);
    dc.path = test_path(path, folder, "kth");
    dc.split = MCVD_SPLIT_TEST;
    dc.num_frames = 40;
    CHECK_OK(open_source(&s, &mcvdi_clip_source_kth, "kth", MCVD_SPLIT_TEST, 64));
    CHECK_OK(mcvd_dataset_open(&ds, &dc));
    CHECK_EQ(mcvd_dataset_num_windows(ds), 4);
    for (size_t clip = 0; clip < 4; clip++) {
        CHECK_OK(s.kind->read(s.state, clip, 0, 55, whole, NULL));
        CHECK_OK(mcvd_dataset_window(ds, clip, window));
        CHECK_TRUE(memcmp(window, whole + 15 * frame, sizeof window) == 0);
    }
    mcvd_dataset_free(&ds);
    close_source(&s);
    dc.num_frames = 41;
    CHECK_STATUS(mcvd_dataset_open(&ds, &dc), MCVD_E_INPUT);
    CHECK_MESSAGE("a window needs 56 frames");
    dc.data.frame_step = 2; /* of videos only */
    dc.num_frames = 5;
    CHECK_STATUS(mcvd_dataset_open(&ds, &dc), MCVD_E_CONFIG);
    CHECK_MESSAGE("data.frame_step = 2");
    dc.data.frame_step = 1;
    dc.path = test_path(path, folder, "kth/raw/boxing/person21_boxing_d1_uncomp.avi"); /* a video */
    CHECK_STATUS(mcvd_dataset_open(&ds, &dc), MCVD_E_CONFIG);
    CHECK_MESSAGE("data.start_at = 15");
}

/* The hue of a pixel in turns, in double; colours that have a clear one. */
static bool hue_of(const uint8_t *p, double *hue)
{
    const int most = p[0] > p[1] ? (p[0] > p[2] ? p[0] : p[2]) : (p[1] > p[2] ? p[1] : p[2]);
    const int least = p[0] < p[1] ? (p[0] < p[2] ? p[0] : p[2]) : (p[1] < p[2] ? p[1] : p[2]);
    const double spread = most - least;

    if (spread < 128.0)
        return false;
    *hue = most == p[0]   ? (p[1] - p[2]) / spread
           : most == p[1] ? 2.0 + (p[2] - p[0]) / spread
                          : 4.0 + (p[0] - p[1]) / spread;
    *hue /= 6.0;
    return true;
}

/* By how much the second clip's hues are turned against the first's: one shift for all pixels. */
static double shift_between(const uint8_t *plain, const uint8_t *shifted, size_t pixels)
{
    double shift = 0.0;
    double a;
    double b;
    size_t found = 0;

    for (size_t i = 0; i < pixels; i++) {
        const uint8_t *p = plain + 3 * i;
        if (p[0] == p[1] && p[1] == p[2])
            CHECK_TRUE(memcmp(p, shifted + 3 * i, 3) == 0);
        if (!hue_of(p, &a) || !hue_of(shifted + 3 * i, &b))
            continue;
        const double d = remainder(b - a, 1.0);
        /* Half a level of three channels in a spread of 128 moves a hue by 1 / (6 * 128). */
        if (found++)
            CHECK_CLOSE(d, shift, 2.0 / (6.0 * 128.0));
        else
            shift = d;
    }
    CHECK_TRUE(found > 100);
    return shift;
}

static mcvd_dataset *open_jittered(double jitter, mcvd_split split)
{
    char path[TEST_PATH_BYTES];
    mcvd_dataset *ds = NULL;
    mcvd_config config;

    mcvd_config_default(&config);
    config.data.channels = 3;
    config.data.color_jitter = jitter;
    mcvd_dataset_config dc = mcvd_dataset_config_default(&config.data);
    dc.path = test_path(path, folder, "cityscapes");
    dc.split = split;
    dc.seed = 7;
    dc.num_frames = 5;
    CHECK_OK(mcvd_dataset_open(&ds, &dc));
    return ds;
}

static void one_shift_of_hues_per_clip(void **state)
{
    enum { CLIPS = 24, PIXELS = 5 * 64 * 64 };
    static uint8_t plain[PIXELS * 3];
    static uint8_t shifted[PIXELS * 3];
    mcvd_dataset *without = open_jittered(0.0, MCVD_SPLIT_TRAIN);
    mcvd_dataset *with = open_jittered(0.2, MCVD_SPLIT_TRAIN);
    mcvd_dataset *test = open_jittered(0.2, MCVD_SPLIT_TEST);
    mcvd_dataset *plain_test = open_jittered(0.0, MCVD_SPLIT_TEST);
    double least = 1.0;
    double most = -1.0;

    (void)state;
    for (uint64_t i = 0; i < CLIPS; i++) {
        CHECK_OK(mcvd_dataset_window(without, i, plain));
        CHECK_OK(mcvd_dataset_window(with, i, shifted));
        const double shift = shift_between(plain, shifted, PIXELS);
        CHECK_TRUE(fabs(shift) <= 0.2 + 1.0 / 768.0);
        least = fmin(least, shift);
        most = fmax(most, shift);
        CHECK_OK(mcvd_dataset_window(with, i, plain));
        CHECK_TRUE(memcmp(plain, shifted, sizeof plain) == 0);
    }
    CHECK_TRUE(least < -0.1 && most > 0.1);
    CHECK_OK(mcvd_dataset_window(plain_test, 1, plain));
    CHECK_OK(mcvd_dataset_window(test, 1, shifted));
    CHECK_TRUE(memcmp(plain, shifted, sizeof plain) == 0);
    mcvd_dataset_free(&without);
    mcvd_dataset_free(&with);
    mcvd_dataset_free(&test);
    mcvd_dataset_free(&plain_test);
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
    CHECK_EQ(s.facts.num_clips, 8);
    CHECK_EQ(info_of(&s, 1).num_frames, 4);
    CHECK_EQ(info_of(&s, 4).num_frames, 0); /* no video */
    CHECK_EQ(info_of(&s, 6).num_frames, 0);
    const mcvd_status unknown = s.kind->read(s.state, 6, 0, 1, frames, NULL);
    CHECK_STATUS(unknown, MCVD_E_UNSUPPORTED); /* its codec */
    CHECK_TRUE(mcvdi_clip_is_damaged(unknown));
    CHECK_EQ(info_of(&s, 7).num_frames, 4);
    CHECK_STATUS(s.kind->read(s.state, 7, 0, 4, frames, NULL), MCVD_E_DECODE); /* too wide */
    CHECK_MESSAGE("person02_walking_d5_uncomp.avi: resize: a side of 70000 pixels");
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
        cmocka_unit_test(sets_are_found_and_read),
        cmocka_unit_test(kth_order),
        cmocka_unit_test(ucf101_frames_and_crop),
        cmocka_unit_test(cityscapes_clips),
        cmocka_unit_test(damage_is_left_out),
        cmocka_unit_test(kth_sequences),
        cmocka_unit_test(ucf101_splits),
        cmocka_unit_test(cityscapes_validation),
        cmocka_unit_test(start_at_leaves_out_the_first),
        cmocka_unit_test(one_shift_of_hues_per_clip),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
