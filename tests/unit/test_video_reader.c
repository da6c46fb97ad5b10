#include <mcvd/video.h>

#include <fcntl.h>
#include <sys/stat.h>

#include "support/hashed.h"
#include "support/video_clips.h"

enum { FRAMES = 60 };

static const char *const seekable[] = { "s.mp4", "s.mkv", "s.gif", "s.apng", "s.y4m", "s/" };

static void check_frame(const mcvd_frame *frame, const mcvd_video_clip *clip, int64_t index)
{
    const size_t bytes = (size_t)clip->width * (size_t)clip->height * (size_t)clip->channels;

    CHECK_EQ(frame->index, index);
    if (memcmp(frame->data, clip->data + (size_t)index * bytes, bytes) != 0)
        fail_msg("frame %lld is another one", (long long)index);
    CHECK_CLOSE(frame->time_s, (double)index / 25.0, 0.0006);
}

/* Any order of seeks gives the same frames as reading from the start. */
static void seeking_is_exact(void **state)
{
    const mcvd_video_writer_config c = clip_config(32, 24, 1);

    (void)state;
    for (size_t i = 0; i < sizeof seekable / sizeof *seekable; i++) {
        const char *path = clip_path(seekable[i]);
        mcvd_video_reader *reader = NULL;
        mcvd_video_clip clip;
        mcvd_frame frame;

        write_clip(path, &c, FRAMES);
        CHECK_OK(mcvd_video_read_all(&clip, path, NULL));
        CHECK_EQ(clip.num_frames, FRAMES);
        CHECK_OK(mcvd_video_reader_open(&reader, path, NULL));
        for (uint32_t k = 0; k < 80; k++) {
            const int64_t index = hash24("seek", k) % FRAMES;
            CHECK_OK(mcvd_video_reader_seek(reader, index));
            for (int64_t f = index; f < index + 3 && f < FRAMES; f++) {
                CHECK_OK(mcvd_video_reader_next(reader, &frame));
                check_frame(&frame, &clip, f);
            }
        }
        CHECK_STATUS(mcvd_video_reader_seek(reader, FRAMES), MCVD_EOF);
        CHECK_STATUS(mcvd_video_reader_next(reader, &frame), MCVD_EOF);
        CHECK_TRUE(!frame.data);
        CHECK_EQ(mcvd_video_reader_info(reader)->num_frames, FRAMES);
        CHECK_TRUE(mcvd_video_reader_info(reader)->num_frames_exact);
        CHECK_STATUS(mcvd_video_reader_seek(reader, -1), MCVD_E_RANGE);
        CHECK_OK(mcvd_video_reader_seek(reader, 0));
        CHECK_OK(mcvd_video_reader_next(reader, &frame));
        check_frame(&frame, &clip, 0);
        mcvd_video_reader_free(&reader);
        mcvd_video_clip_free(&clip);
    }
}

static void counting(void **state)
{
    const mcvd_video_writer_config c = clip_config(16, 16, 1);
    size_t n = 0;

    (void)state;
    write_clip(clip_path("count.mp4"), &c, 43);
    CHECK_OK(mcvd_video_count_frames(clip_path("count.mp4"), &n));
    CHECK_EQ(n, 43);
    CHECK_STATUS(mcvd_video_count_frames(clip_path("none.mp4"), &n), MCVD_E_INPUT);
    CHECK_EQ(n, 0);
}

static void every_third_frame(void **state)
{
    const mcvd_video_writer_config c = clip_config(16, 16, 1);
    mcvd_video_reader_config rc = mcvd_video_reader_config_default();
    mcvd_video_reader *reader = NULL;
    mcvd_frame frame;

    (void)state;
    rc.channels = 1;
    rc.frame_step = 3;
    write_clip(clip_path("step.mkv"), &c, 11);
    CHECK_OK(mcvd_video_reader_open(&reader, clip_path("step.mkv"), &rc));
    CHECK_EQ(mcvd_video_reader_info(reader)->fps_num, 25);
    CHECK_EQ(mcvd_video_reader_info(reader)->fps_den, 3);
    for (int f = 0; f < 4; f++) {
        CHECK_OK(mcvd_video_reader_next(reader, &frame));
        CHECK_EQ(frame.index, f);
        CHECK_EQ(clip_difference(&frame, &c, 3 * f), 0);
        CHECK_CLOSE(frame.time_s, 3 * f / 25.0, 0.0006);
    }
    CHECK_STATUS(mcvd_video_reader_next(reader, &frame), MCVD_EOF);
    CHECK_EQ(mcvd_video_reader_info(reader)->num_frames, 4);
    CHECK_OK(mcvd_video_reader_seek(reader, 2));
    CHECK_OK(mcvd_video_reader_next(reader, &frame));
    CHECK_EQ(clip_difference(&frame, &c, 6), 0);
    mcvd_video_reader_free(&reader);
}

/* 40x20 to 10x10: columns 10..29 in the middle, two by two; without crop all 40, four by two. */
static void crop_takes_the_centre(void **state)
{
    const mcvd_video_writer_config c = clip_config(40, 20, 1);
    mcvd_video_reader_config rc = mcvd_video_reader_config_default();

    (void)state;
    write_clip(clip_path("crop.mkv"), &c, 1);
    rc.channels = 1;
    rc.width = 10;
    rc.height = 10;
    for (int crop = 0; crop < 2; crop++) {
        const int first = crop ? 10 : 0;
        const int columns = crop ? 2 : 4;
        mcvd_video_clip clip;
        rc.crop = crop;
        CHECK_OK(mcvd_video_read_all(&clip, clip_path("crop.mkv"), &rc));
        for (int i = 0; i < 100; i++) {
            int sum = 0;
            for (int k = 0; k < 2 * columns; k++)
                sum += clip_pixel(0, i / 10 * 2 + k / columns,
                                  first + i % 10 * columns + k % columns, 0);
            CHECK_EQ(clip.data[i], (sum + columns) / (2 * columns));
        }
        mcvd_video_clip_free(&clip);
    }
}

static void folders_sort_as_people_count(void **state)
{
    static const char *const names[] = { "f1.png",  "f2.png",    "f9.png",
                                         "f10.png", "f0011.png", "f100.PNG" };
    const mcvd_video_writer_config c = clip_config(6, 5, 3);
    mcvd_video_reader *reader = NULL;
    mcvd_frame frame;
    uint8_t data[6 * 5 * 3];
    char path[512];

    (void)state;
    CHECK_EQ(mkdir(clip_path("natural"), 0777), 0);
    for (int f = 5; f >= 0; f--) {
        const mcvd_image image = { data, 6, 5, 3 };
        fill_clip_frame(data, &c, f);
        (void)snprintf(path, sizeof path, "%s/%s", clip_path("natural"), names[f]);
        CHECK_OK(mcvd_image_write_png(path, &image, false));
    }
    write_bytes(clip_path("natural/notes.txt"), "no picture", 10);
    CHECK_OK(mcvd_video_reader_open(&reader, clip_path("natural"), NULL));
    CHECK_EQ(mcvd_video_reader_info(reader)->num_frames, 6);
    CHECK_TRUE(mcvd_video_reader_info(reader)->num_frames_exact);
    assert_string_equal(mcvd_video_reader_info(reader)->format, "pictures");
    for (int f = 0; f < 6; f++) {
        CHECK_OK(mcvd_video_reader_next(reader, &frame));
        CHECK_EQ(clip_difference(&frame, &c, f), 0);
        CHECK_CLOSE(frame.time_s, f / 25.0, 1e-12);
    }
    CHECK_STATUS(mcvd_video_reader_next(reader, &frame), MCVD_EOF);
    mcvd_video_reader_free(&reader);
}

/* Pictures of different sizes: an error at native size, fine with a target size. */
static void sizes_may_change_when_resized(void **state)
{
    const mcvd_image small = { (const uint8_t[12]) { 0 }, 2, 2, 3 };
    const mcvd_image large = { (const uint8_t[48]) { 0 }, 4, 4, 3 };
    mcvd_video_reader_config rc = mcvd_video_reader_config_default();
    mcvd_video_reader *reader = NULL;
    mcvd_video_clip clip;
    mcvd_frame frame;

    (void)state;
    CHECK_EQ(mkdir(clip_path("mixed"), 0777), 0);
    CHECK_OK(mcvd_image_write_png(clip_path("mixed/1.png"), &small, false));
    CHECK_OK(mcvd_image_write_png(clip_path("mixed/2.png"), &large, false));
    CHECK_OK(mcvd_video_reader_open(&reader, clip_path("mixed"), NULL));
    CHECK_OK(mcvd_video_reader_next(reader, &frame));
    CHECK_STATUS(mcvd_video_reader_next(reader, &frame), MCVD_E_FORMAT);
    CHECK_MESSAGE("mixed");
    CHECK_STATUS(mcvd_video_reader_next(reader, &frame), MCVD_E_FORMAT);
    mcvd_video_reader_free(&reader);
    rc.width = 3;
    rc.height = 3;
    CHECK_OK(mcvd_video_read_all(&clip, clip_path("mixed"), &rc));
    CHECK_EQ(clip.num_frames, 2);
    mcvd_video_clip_free(&clip);
}

static void ppm_and_pgm_are_read(void **state)
{
    static const char ppm[] = "P6\n2 1\n255\n\x01\x02\x03\xfd\xfe\xff";
    static const char pgm[] = "P5\n2 1\n255\n\x07\xf9";
    mcvd_video_clip clip;

    (void)state;
    write_bytes(clip_path("a.ppm"), ppm, sizeof ppm - 1);
    CHECK_OK(mcvd_video_read_all(&clip, clip_path("a.ppm"), NULL));
    assert_memory_equal(clip.data, ppm + 11, 6);
    mcvd_video_clip_free(&clip);
    write_bytes(clip_path("a.pgm"), pgm, sizeof pgm - 1);
    mcvd_video_reader_config rc = mcvd_video_reader_config_default();
    rc.channels = 1;
    CHECK_OK(mcvd_video_read_all(&clip, clip_path("a.pgm"), &rc));
    assert_memory_equal(clip.data, pgm + 11, 2);
    mcvd_video_clip_free(&clip);
}

static void reading_all_has_a_cap(void **state)
{
    const mcvd_video_writer_config c = clip_config(16, 16, 1);
    mcvd_video_reader_config rc = mcvd_video_reader_config_default();
    mcvd_video_clip clip;

    (void)state;
    write_clip(clip_path("cap.mkv"), &c, 4);
    rc.max_bytes = 16 * 16 * 3 * 4;
    CHECK_OK(mcvd_video_read_all(&clip, clip_path("cap.mkv"), &rc));
    mcvd_video_clip_free(&clip);
    rc.max_bytes--;
    CHECK_STATUS(mcvd_video_read_all(&clip, clip_path("cap.mkv"), &rc), MCVD_E_RANGE);
    CHECK_TRUE(!clip.data);
    rc.max_pixels = 16 * 16 - 1;
    CHECK_STATUS(mcvd_video_read_all(&clip, clip_path("cap.mkv"), &rc), MCVD_E_FORMAT);
    CHECK_MESSAGE("16x16");
}

static void wrong_configs_are_refused(void **state)
{
    mcvd_video_reader_config rc = mcvd_video_reader_config_default();
    mcvd_video_reader *reader = NULL;

    (void)state;
    rc.channels = 2;
    CHECK_STATUS(mcvd_video_reader_open(&reader, "x.mp4", &rc), MCVD_E_RANGE);
    rc = mcvd_video_reader_config_default();
    rc.width = 64;
    CHECK_STATUS(mcvd_video_reader_open(&reader, "x.mp4", &rc), MCVD_E_RANGE);
    rc = mcvd_video_reader_config_default();
    rc.frame_step = 0;
    CHECK_STATUS(mcvd_video_reader_open(&reader, "x.mp4", &rc), MCVD_E_RANGE);
    rc = mcvd_video_reader_config_default();
    rc.threads = 0;
    CHECK_STATUS(mcvd_video_reader_open(&reader, "x.mp4", &rc), MCVD_E_RANGE);
    CHECK_TRUE(!reader);
    mcvd_video_reader_free(&reader);
}

static void use_as_stdin(const char *path)
{
    const int fd = open(path, O_RDONLY);

    CHECK_TRUE(fd >= 0);
    CHECK_TRUE(dup2(fd, STDIN_FILENO) == STDIN_FILENO);
    CHECK_EQ(close(fd), 0);
}

static void y4m_on_stdin(void **state)
{
    const mcvd_video_writer_config c = clip_config(16, 12, 1);
    mcvd_video_reader_config rc = mcvd_video_reader_config_default();
    mcvd_video_reader *reader = NULL;
    mcvd_frame frame;

    (void)state;
    rc.channels = 1;
    write_clip(clip_path("in.y4m"), &c, 5);
    use_as_stdin(clip_path("in.y4m"));
    CHECK_OK(mcvd_video_reader_open(&reader, "-", &rc));
    CHECK_OK(mcvd_video_reader_seek(reader, 3));
    CHECK_OK(mcvd_video_reader_next(reader, &frame));
    CHECK_EQ(clip_difference(&frame, &c, 3), 0);
    CHECK_STATUS(mcvd_video_reader_seek(reader, 0), MCVD_E_UNSUPPORTED);
    mcvd_video_reader_free(&reader);
    write_clip(clip_path("in.mkv"), &c, 5);
    use_as_stdin(clip_path("in.mkv"));
    CHECK_STATUS(mcvd_video_reader_open(&reader, "-", &rc), MCVD_E_FORMAT);
    CHECK_MESSAGE("y4m");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seeking_is_exact),
        cmocka_unit_test(counting),
        cmocka_unit_test(every_third_frame),
        cmocka_unit_test(crop_takes_the_centre),
        cmocka_unit_test(folders_sort_as_people_count),
        cmocka_unit_test(sizes_may_change_when_resized),
        cmocka_unit_test(ppm_and_pgm_are_read),
        cmocka_unit_test(reading_all_has_a_cap),
        cmocka_unit_test(y4m_on_stdin),
        cmocka_unit_test(wrong_configs_are_refused),
    };

    return cmocka_run_group_tests(tests, make_clip_folder, remove_clip_folder);
}
