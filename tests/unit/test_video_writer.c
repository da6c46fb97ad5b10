#include <mcvd/video.h>

#include <sys/resource.h>
#include <sys/stat.h>
#include <signal.h>

#include "support/hashed.h"
#include "support/video_clips.h"

enum { FRAMES = 7 };

typedef struct round_trip {
    const char *name;
    int width;
    int height;
    int channels;
    int tolerance; /* levels; 0 is lossless */
} round_trip;

/* Lossy rows: the measured worst difference of these clips and one third more. */
static const round_trip round_trips[] = {
    { "rgb.mkv", 33, 21, 3, 0 },   { "gray.mkv", 33, 21, 1, 0 },    { "rgb.apng", 33, 21, 3, 0 },
    { "gray.apng", 33, 21, 1, 0 }, { "rgb%05d.png", 33, 21, 3, 0 }, { "gray%d.png", 33, 21, 1, 0 },
    { "rgb/", 33, 21, 3, 0 },      { "gray/", 33, 21, 1, 0 },       { "gray.y4m", 33, 21, 1, 0 },
    { "rgb.y4m", 33, 21, 3, 3 },   { "gray.gif", 33, 21, 1, 0 },    { "few.gif", 8, 8, 3, 0 },
    { "many.gif", 64, 48, 3, 54 }, { "gray.mp4", 64, 48, 1, 10 },   { "gray.mov", 64, 48, 1, 10 },
    { "rgb.mp4", 64, 48, 3, 34 },
};

static void each_kind_reads_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof round_trips / sizeof *round_trips; i++) {
        const round_trip *t = &round_trips[i];
        const mcvd_video_writer_config c = clip_config(t->width, t->height, t->channels);
        mcvd_video_reader_config rc = mcvd_video_reader_config_default();
        mcvd_video_reader *reader = NULL;
        mcvd_frame frame;
        int worst = 0;
        const char *path = clip_path(t->name);

        write_clip(path, &c, FRAMES);
        rc.channels = t->channels;
        if (strchr(t->name, '%')) /* a pattern is read as a folder */
            continue;
        CHECK_OK(mcvd_video_reader_open(&reader, path, &rc));
        CHECK_EQ(mcvd_video_reader_info(reader)->width, t->width);
        CHECK_EQ(mcvd_video_reader_info(reader)->height, t->height);
        CHECK_EQ(mcvd_video_reader_info(reader)->fps_num, 25);
        CHECK_EQ(mcvd_video_reader_info(reader)->fps_den, 1);
        for (int f = 0; f < FRAMES; f++) {
            CHECK_OK(mcvd_video_reader_next(reader, &frame));
            CHECK_EQ(frame.index, f);
            CHECK_CLOSE(frame.time_s, f / 25.0, 0.0006); /* mkv counts milliseconds */
            const int diff = clip_difference(&frame, &c, f);
            worst = diff > worst ? diff : worst;
        }
        CHECK_STATUS(mcvd_video_reader_next(reader, &frame), MCVD_EOF);
        mcvd_video_reader_free(&reader);
        if (worst > t->tolerance)
            fail_msg("%s: differs by %d levels, allowed %d", t->name, worst, t->tolerance);
    }
}

static bool exists(const char *path)
{
    return access(path, F_OK) == 0;
}

/* Entries of the test's folder whose names begin like unfinished output. */
static int unfinished(void)
{
    char command[256];
    int count = -1;

    (void)snprintf(command, sizeof command, "ls -A '%s' | grep -c '^\\.' || true", clip_folder);
    FILE *pipe = popen(command, "r");
    CHECK_TRUE(pipe);
    CHECK_EQ(fscanf(pipe, "%d", &count), 1);
    CHECK_EQ(pclose(pipe), 0);
    return count;
}

static void a_pattern_numbers_from_one(void **state)
{
    const mcvd_video_writer_config c = clip_config(8, 6, 3);
    mcvd_video_clip clip;

    (void)state;
    CHECK_EQ(mkdir(clip_path("numbered"), 0777), 0);
    write_clip(clip_path("numbered/x%03d.png"), &c, 12);
    CHECK_TRUE(exists(clip_path("numbered/x001.png")));
    CHECK_TRUE(exists(clip_path("numbered/x012.png")));
    CHECK_TRUE(!exists(clip_path("numbered/x000.png")));
    CHECK_OK(mcvd_video_read_all(&clip, clip_path("numbered"), NULL));
    CHECK_EQ(clip.num_frames, 12);
    const mcvd_frame last = { clip.data + 11 * 8 * 6 * 3, 8, 6, 3, 11, 0.0 };
    CHECK_EQ(clip_difference(&last, &c, 11), 0);
    mcvd_video_clip_free(&clip);
}

/* 4:2:0 needs even sides: one more column and row, the others as written. */
static void odd_mp4_is_padded(void **state)
{
    const mcvd_video_writer_config c = clip_config(33, 21, 1);
    mcvd_video_reader_config rc = mcvd_video_reader_config_default();
    mcvd_video_reader *reader = NULL;
    mcvd_frame frame;

    (void)state;
    rc.channels = 1;
    write_clip(clip_path("odd.mp4"), &c, 3);
    CHECK_OK(mcvd_video_reader_open(&reader, clip_path("odd.mp4"), &rc));
    CHECK_EQ(mcvd_video_reader_info(reader)->width, 34);
    CHECK_EQ(mcvd_video_reader_info(reader)->height, 22);
    CHECK_OK(mcvd_video_reader_next(reader, &frame));
    CHECK_TRUE(clip_difference(&frame, &c, 0) <= 10);
    mcvd_video_reader_free(&reader);
}

static void tags_say_what_was_done(void **state)
{
    mcvd_video_writer_config c = clip_config(64, 48, 3);
    mcvd_video_reader *reader = NULL;

    (void)state;
    write_clip(clip_path("sd.mp4"), &c, 1);
    CHECK_OK(mcvd_video_reader_open(&reader, clip_path("sd.mp4"), NULL));
    assert_string_equal(mcvd_video_reader_info(reader)->matrix, "smpte170m");
    assert_string_equal(mcvd_video_reader_info(reader)->range, "tv");
    assert_string_equal(mcvd_video_reader_info(reader)->pixel_format, "yuv420p");
    mcvd_video_reader_free(&reader);
    c.width = 32;
    c.height = 720;
    write_clip(clip_path("hd.mp4"), &c, 1);
    CHECK_OK(mcvd_video_reader_open(&reader, clip_path("hd.mp4"), NULL));
    assert_string_equal(mcvd_video_reader_info(reader)->matrix, "bt709");
    mcvd_video_reader_free(&reader);
}

static const char *const every_kind[] = { "kind.mp4", "kind.mkv",     "kind.gif", "kind.apng",
                                          "kind.y4m", "kind%02d.png", "kind/" };

static void existing_output_needs_force(void **state)
{
    mcvd_video_writer_config c = clip_config(16, 16, 3);
    mcvd_video_writer *writer = NULL;

    (void)state;
    for (size_t i = 0; i < sizeof every_kind / sizeof *every_kind; i++) {
        const char *path = clip_path(every_kind[i]);
        c.force = false;
        write_clip(path, &c, 3);
        CHECK_STATUS(mcvd_video_writer_open(&writer, path, &c), MCVD_E_EXISTS);
        CHECK_TRUE(!writer);
        CHECK_MESSAGE("kind");
        c.force = true;
        write_clip(path, &c, 2);
    }
    CHECK_TRUE(exists(clip_path("kind/frame-00002.png")));
    CHECK_TRUE(!exists(clip_path("kind/frame-00003.png"))); /* the tail of the longer one */
    CHECK_EQ(unfinished(), 0);
}

static void nothing_unfinished_stays(void **state)
{
    static const char *const names[] = { "gone.mp4", "gone.mkv",     "gone.gif", "gone.apng",
                                         "gone.y4m", "gone%02d.png", "gone/" };
    const mcvd_video_writer_config c = clip_config(16, 16, 3);
    mcvd_video_writer *writer = NULL;
    uint8_t data[16 * 16 * 3];

    (void)state;
    fill_clip_frame(data, &c, 0);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *path = clip_path(names[i]);
        CHECK_OK(mcvd_video_writer_open(&writer, path, &c));
        CHECK_OK(mcvd_video_writer_write(writer, data));
        CHECK_TRUE(!exists(path));
        mcvd_video_writer_free(&writer);
        CHECK_TRUE(!exists(path));
        CHECK_OK(mcvd_video_writer_open(&writer, path, &c));
        CHECK_STATUS(mcvd_video_writer_finish(writer), MCVD_E_STATE);
        mcvd_video_writer_free(&writer);
        CHECK_TRUE(!exists(path));
    }
    CHECK_TRUE(!exists(clip_path("gone01.png")));
    CHECK_EQ(unfinished(), 0);
}

static void wrong_calls_are_refused(void **state)
{
    mcvd_video_writer_config c = clip_config(16, 16, 3);
    mcvd_video_writer *writer = NULL;
    uint8_t data[16 * 16 * 3] = { 0 };

    (void)state;
    CHECK_STATUS(mcvd_video_writer_open(&writer, clip_path("x.txt"), &c), MCVD_E_USAGE);
    CHECK_MESSAGE("x.txt");
    CHECK_STATUS(mcvd_video_writer_open(&writer, clip_path("x.png"), &c), MCVD_E_USAGE);
    CHECK_STATUS(mcvd_video_writer_open(&writer, clip_path("x%s.png"), &c), MCVD_E_USAGE);
    CHECK_STATUS(mcvd_video_writer_open(&writer, clip_path("no/such/x.mp4"), &c), MCVD_E_IO);
    CHECK_STATUS(mcvd_video_writer_open(&writer, clip_path("no/such/"), &c), MCVD_E_IO);
    c.channels = 2;
    CHECK_STATUS(mcvd_video_writer_open(&writer, clip_path("x.mkv"), &c), MCVD_E_RANGE);
    c = clip_config(0, 16, 3);
    CHECK_STATUS(mcvd_video_writer_open(&writer, clip_path("x.mkv"), &c), MCVD_E_RANGE);
    c = clip_config(16, 16, 3);
    c.fps_den = 0;
    CHECK_STATUS(mcvd_video_writer_open(&writer, clip_path("x.mkv"), &c), MCVD_E_RANGE);
    c = clip_config(16, 16, 3);
    CHECK_OK(mcvd_video_writer_open(&writer, clip_path("once.mkv"), &c));
    CHECK_OK(mcvd_video_writer_write(writer, data));
    CHECK_OK(mcvd_video_writer_finish(writer));
    CHECK_STATUS(mcvd_video_writer_write(writer, data), MCVD_E_STATE);
    CHECK_STATUS(mcvd_video_writer_finish(writer), MCVD_E_STATE);
    mcvd_video_writer_free(&writer);
    mcvd_video_writer_free(&writer);
}

/* A file size limit stands in for a full disk: write fails with EFBIG instead of ENOSPC. */
static void a_full_disk_is_reported(void **state)
{
    static const char *const names[] = { "full.mp4", "full.mkv",     "full.gif", "full.apng",
                                         "full.y4m", "full%02d.png", "full/" };
    const mcvd_video_writer_config c = clip_config(256, 256, 3);
    struct rlimit old;
    uint8_t *data = malloc(256 * 256 * 3);

    (void)state;
    CHECK_TRUE(data);
    for (uint32_t i = 0; i < 256 * 256 * 3; i++)
        data[i] = hashed_byte("noise", i); /* does not compress */
    CHECK_TRUE(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    CHECK_EQ(getrlimit(RLIMIT_FSIZE, &old), 0);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *path = clip_path(names[i]);
        const struct rlimit limit = { 20000, old.rlim_max };
        mcvd_video_writer *writer = NULL;
        CHECK_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
        mcvd_status st = mcvd_video_writer_open(&writer, path, &c);
        for (int f = 0; st >= 0 && f < 10; f++)
            st = mcvd_video_writer_write(writer, data);
        if (st >= 0)
            st = mcvd_video_writer_finish(writer);
        CHECK_EQ(setrlimit(RLIMIT_FSIZE, &old), 0);
        if (st != MCVD_E_IO)
            fail_msg("%s: %s (%s)", path, mcvd_status_name(st), mcvd_last_error());
        mcvd_video_writer_free(&writer);
        CHECK_TRUE(!exists(path));
    }
    CHECK_EQ(unfinished(), 0);
    free(data);
}

static void same_frames_same_bytes(void **state)
{
    static const char *const suffixes[] = { "mp4", "mkv", "gif", "apng", "y4m" };
    const mcvd_video_writer_config c = clip_config(64, 48, 3);
    char command[1400];
    char name[32];

    (void)state;
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        (void)snprintf(name, sizeof name, "same-1.%s", suffixes[i]);
        const char *first = clip_path(name);
        write_clip(first, &c, 5);
        (void)snprintf(name, sizeof name, "same-2.%s", suffixes[i]);
        const char *second = clip_path(name);
        write_clip(second, &c, 5);
        (void)snprintf(command, sizeof command, "cmp '%s' '%s'", first, second);
        CHECK_EQ(system(command), 0);
    }
}

static void one_png(void **state)
{
    uint8_t data[5 * 3 * 3];
    const mcvd_video_writer_config c = clip_config(5, 3, 3);
    const mcvd_image image = { data, 5, 3, 3 };
    mcvd_video_clip clip;

    (void)state;
    fill_clip_frame(data, &c, 4);
    CHECK_OK(mcvd_image_write_png(clip_path("one.png"), &image, false));
    CHECK_STATUS(mcvd_image_write_png(clip_path("one.png"), &image, false), MCVD_E_EXISTS);
    CHECK_OK(mcvd_image_write_png(clip_path("one.png"), &image, true));
    CHECK_OK(mcvd_video_read_all(&clip, clip_path("one.png"), NULL));
    CHECK_EQ(clip.num_frames, 1);
    assert_memory_equal(clip.data, data, sizeof data);
    mcvd_video_clip_free(&clip);
    const mcvd_image empty = { data, 0, 3, 3 };
    CHECK_STATUS(mcvd_image_write_png(clip_path("no.png"), &empty, false), MCVD_E_RANGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_reads_back),        cmocka_unit_test(a_pattern_numbers_from_one),
        cmocka_unit_test(odd_mp4_is_padded),           cmocka_unit_test(tags_say_what_was_done),
        cmocka_unit_test(existing_output_needs_force), cmocka_unit_test(nothing_unfinished_stays),
        cmocka_unit_test(wrong_calls_are_refused),     cmocka_unit_test(a_full_disk_is_reported),
        cmocka_unit_test(same_frames_same_bytes),      cmocka_unit_test(one_png),
    };

    return cmocka_run_group_tests(tests, make_clip_folder, remove_clip_folder);
}
