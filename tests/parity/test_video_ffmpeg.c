/* Our reader against the ffmpeg and ffprobe programs: pixels, counts, times. Skipped (77) without
 * them. Every clip is made here, lossless, so that both sides decode the same samples. */
#include <stdlib.h>
#include <unistd.h>

#include <mcvd/video.h>

#include "support/check.h"
#include "support/hashed.h"

enum { SKIP = 77, COMMAND = 2048 };

static char folder[] = "/tmp/mcvd-video-XXXXXX";

static void run(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void run(const char *format, ...)
{
    char command[COMMAND];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(command, sizeof command, format, args);
    va_end(args);
    if (system(command) != 0)
        fail_msg("command failed: %s", command);
}

static FILE *run_pipe(const char *format, ...) __attribute__((format(printf, 1, 2)));

static FILE *run_pipe(const char *format, ...)
{
    char command[COMMAND];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(command, sizeof command, format, args);
    va_end(args);
    FILE *pipe = popen(command, "r");
    if (!pipe)
        fail_msg("cannot run: %s", command);
    return pipe;
}

/* Largest difference between our frames and ffmpeg's, over the whole file; counts must agree. */
static int worst_difference(const char *path, int channels)
{
    mcvd_video_reader_config config = mcvd_video_reader_config_default();
    mcvd_video_reader *reader = NULL;
    mcvd_frame frame;
    int worst = 0;
    int num_frames = 0;

    config.channels = channels;
    CHECK_OK(mcvd_video_reader_open(&reader, path, &config));
    const mcvd_video_info *info = mcvd_video_reader_info(reader);
    const size_t bytes = (size_t)info->width * (size_t)info->height * (size_t)channels;
    uint8_t *expected = malloc(bytes);
    CHECK_TRUE(expected);
    FILE *pipe = run_pipe("ffmpeg -v error -i '%s' -fps_mode passthrough -pix_fmt %s -f rawvideo -",
                          path, channels == 1 ? "gray" : "rgb24");
    while (fread(expected, 1, bytes, pipe) == bytes) {
        CHECK_OK(mcvd_video_reader_next(reader, &frame));
        for (size_t i = 0; i < bytes; i++) {
            const int diff = abs((int)frame.data[i] - (int)expected[i]);
            if (diff > worst)
                worst = diff;
        }
        num_frames++;
    }
    CHECK_EQ(pclose(pipe), 0);
    CHECK_STATUS(mcvd_video_reader_next(reader, &frame), MCVD_EOF);
    CHECK_TRUE(num_frames > 0);
    mcvd_video_reader_free(&reader);
    free(expected);
    return worst;
}

static const char *const matrices[] = { "bt709", "smpte170m" };
static const char *const ranges[] = { "tv", "pc" };
static const char *const formats[] = { "yuv420p",     "yuv422p",     "yuv444p",
                                       "yuv420p10le", "yuv422p10le", "yuv444p10le" };

static void make_tagged(char *path, size_t capacity, const char *codec, const char *const tags[3])
{
    (void)snprintf(path, capacity, "%s/%s-%s-%s-%s.mkv", folder, tags[0], tags[1], tags[2],
                   strchr(codec, 'x') ? "x264" : "ffv1");
    run("ffmpeg -v error -y -f lavfi -i testsrc2=size=162x92:rate=10 -frames:v 3"
        " -vf scale=out_color_matrix=%s:out_range=%s,format=%s -colorspace %s -color_range %s"
        " -c:v %s '%s'",
        strcmp(tags[0], "bt709") ? "bt601" : "bt709", tags[1], tags[2], tags[0], tags[1], codec,
        path);
}

static void each_matrix_range_and_format(void **state)
{
    char path[512];

    (void)state;
    for (size_t m = 0; m < 2; m++) {
        for (size_t r = 0; r < 2; r++) {
            for (size_t f = 0; f < 6; f++) {
                const char *tags[3] = { matrices[m], ranges[r], formats[f] };
                const char *codec = f % 2 ? "ffv1" : "libx264 -qp 0";
                make_tagged(path, sizeof path, codec, tags);
                for (int channels = 1; channels <= 3; channels += 2) {
                    const int worst = worst_difference(path, channels);
                    if (getenv("MCVD_TEST_VERBOSE"))
                        print_message("%s channels %d: %d\n", path, channels, worst);
                    if (worst > 1)
                        fail_msg("%s, %d channels: differs by %d levels", path, channels, worst);
                }
            }
        }
    }
}

/* ffmpeg arguments between the source and the file name, and the file name. */
typedef struct recipe {
    const char *arguments;
    const char *name;
} recipe;

static const char *make(const recipe *r, const char *size, int num_frames)
{
    static char path[512];

    (void)snprintf(path, sizeof path, "%s/%s", folder, r->name);
    run("ffmpeg -v error -y -f lavfi -i testsrc2=size=%s:rate=10 -frames:v %d %s '%s'", size,
        num_frames, r->arguments, path);
    return path;
}

/* Without tags, other matrices, other kinds of pixels, odd sizes. */
static void other_pixels(void **state)
{
    static const recipe recipes[] = {
        { "-pix_fmt yuv420p -c:v ffv1", "untagged420.mkv" },
        { "-pix_fmt yuv420p10le -c:v ffv1", "untagged420p10.mkv" },
        { "-pix_fmt yuv444p -c:v ffv1", "untagged444.mkv" },
        { "-pix_fmt yuv411p -c:v ffv1", "untagged411.mkv" },
        { "-pix_fmt yuvj420p -c:v mjpeg -q:v 2", "yuvj420.avi" },
        { "-pix_fmt yuvj422p -c:v mjpeg -q:v 2", "yuvj422.mkv" },
        { "-pix_fmt bgr0 -c:v ffv1", "bgr0.mkv" },
        { "-pix_fmt gbrp10le -c:v ffv1", "gbrp10.mkv" },
        { "-pix_fmt gray -c:v ffv1", "gray.mkv" },
        { "-pix_fmt gray10le -c:v ffv1", "gray10.mkv" },
        { "-pix_fmt yuva420p -c:v ffv1", "alpha.mkv" },
        { "-pix_fmt yuv420p12le -colorspace bt2020nc -color_range tv -c:v ffv1", "bt2020.mkv" },
        { "-pix_fmt yuv420p -c:v mpeg4 -q:v 3", "mpeg4.avi" },
        { "-pix_fmt yuv420p -c:v mpeg2video -q:v 3", "mpeg2.mpg" },
        { "-pix_fmt rgb24 -c:v png -f image2 -update 1", "one.png" },
        { "-pix_fmt yuvj420p -f image2 -update 1", "one.jpg" },
        { "-pix_fmt pal8 -c:v png -f image2 -update 1", "pal8.png" },
        { "-pix_fmt rgb48be -c:v png -f image2 -update 1", "rgb48.png" },
        { "-pix_fmt bgr24 -f image2 -update 1", "one.bmp" },
        { "-loop 0", "anim.gif" },
        { "-f apng", "anim.apng" },
        { "-pix_fmt yuv422p", "y422.y4m" },
        { "-pix_fmt yuv420p", "y420.y4m" },
    };
    static const char *const shapes[] = { "162x92", "161x91", "33x17" };

    (void)state;
    for (size_t i = 0; i < sizeof recipes / sizeof *recipes; i++) {
        for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++) {
            const char *path = make(&recipes[i], shapes[k], strstr(recipes[i].name, "one") ? 1 : 2);
            for (int channels = 1; channels <= 3; channels += 2) {
                const int worst = worst_difference(path, channels);
                if (getenv("MCVD_TEST_VERBOSE"))
                    print_message("%s %s channels %d: %d\n", path, shapes[k], channels, worst);
                if (worst > 1)
                    fail_msg("%s %s, %d channels: differs by %d levels", path, shapes[k], channels,
                             worst);
            }
        }
    }
}

static const recipe timed[] = {
    { "-pix_fmt yuv420p -c:v libx264 -bf 3 -g 12", "t.mp4" },
    { "-pix_fmt yuv420p -c:v libx264 -bf 3 -g 12 -x264-params open-gop=1", "open.mkv" },
    { "-pix_fmt yuv420p -c:v libx264 -bf 3 -g 12", "t.ts" },
    { "-pix_fmt yuv420p -c:v libx264 -bf 2 -g 12", "raw.h264" },
    { "-pix_fmt yuv420p -c:v mpeg4 -bf 2 -g 12", "t.avi" },
    { "-pix_fmt yuv420p -c:v mpeg2video -bf 2 -g 12 -r 25", "t.mpg" },
    { "-pix_fmt yuv420p -c:v libvpx-vp9 -deadline realtime -cpu-used 8 -g 12", "t.webm" },
    { "-pix_fmt yuv420p -c:v ffv1", "t.mkv" },
    { "-vf setpts='N*(1+mod(N\\,3))/10/TB' -fps_mode vfr -pix_fmt yuv420p -c:v libx264 -bf 2 "
      "-g 12",
      "vfr.mkv" },
    { "-vf select='not(mod(n\\,7))+not(mod(n\\,5))' -fps_mode vfr -pix_fmt yuv420p -c:v libx264 "
      "-bf 2 -g 6",
      "vfr.mp4" },
    { "-ss 0.55 -pix_fmt yuv420p -c:v libx264 -bf 2 -g 12 -output_ts_offset 3.2", "offset.mp4" },
    { "-loop 0", "t.gif" },
    { "-pix_fmt yuv420p", "t.y4m" },
};

/* Counts and times are those of ffprobe's frames. */
static void check_times(const char *path)
{
    mcvd_video_reader *reader = NULL;
    mcvd_frame frame;
    char line[128];
    size_t num_frames = 0;
    size_t counted = 0;

    CHECK_OK(mcvd_video_reader_open(&reader, path, NULL));
    FILE *pipe = run_pipe("ffprobe -v error -select_streams v:0 -show_entries "
                          "frame=best_effort_timestamp_time -of csv=p=0 '%s'",
                          path);
    while (fgets(line, sizeof line, pipe)) {
        if (line[0] == '\n') /* side data */
            continue;
        CHECK_OK(mcvd_video_reader_next(reader, &frame));
        CHECK_EQ(frame.index, num_frames);
        if (strncmp(line, "N/A", 3) != 0 && /* printed with six digits */
            !(fabs(frame.time_s - strtod(line, NULL)) <= 1e-6))
            fail_msg("%s, frame %zu: time %.6f, ffprobe says %s", path, num_frames, frame.time_s,
                     line);
        num_frames++;
    }
    CHECK_EQ(pclose(pipe), 0);
    CHECK_TRUE(num_frames >= 10);
    CHECK_STATUS(mcvd_video_reader_next(reader, &frame), MCVD_EOF);
    mcvd_video_reader_free(&reader);
    CHECK_OK(mcvd_video_count_frames(path, &counted));
    CHECK_EQ(counted, num_frames);
}

/* A seek in any order gives the frame that reading gives, on a fresh reader (times from packets or
 * from decoding) and on one that has seen all frames. */
static void check_seeks(const char *path)
{
    mcvd_video_reader *reader = NULL;
    mcvd_video_clip clip;
    mcvd_frame frame;

    CHECK_OK(mcvd_video_read_all(&clip, path, NULL));
    const size_t bytes = (size_t)clip.width * (size_t)clip.height * 3;
    for (int warm = 0; warm < 2; warm++) {
        CHECK_OK(mcvd_video_reader_open(&reader, path, NULL));
        if (warm)
            CHECK_STATUS(mcvd_video_reader_seek(reader, INT64_MAX), MCVD_EOF);
        for (uint32_t k = 0; k < 30; k++) {
            const int64_t index = (int64_t)(hash24("seek", k) % clip.num_frames);
            CHECK_OK(mcvd_video_reader_seek(reader, index));
            CHECK_OK(mcvd_video_reader_next(reader, &frame));
            CHECK_EQ(frame.index, index);
            if (memcmp(frame.data, clip.data + (size_t)index * bytes, bytes) != 0)
                fail_msg("%s: seek %u gives another frame than number %lld", path, k,
                         (long long)index);
        }
        mcvd_video_reader_free(&reader);
    }
    mcvd_video_clip_free(&clip);
}

static void containers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof timed / sizeof *timed; i++) {
        const char *path = make(&timed[i], "48x32", 150);
        check_times(path);
        check_seeks(path);
    }
}

/* Cut without coding: the edit list hides the frames between the key frame and the cut. */
static void edit_lists(void **state)
{
    const recipe base = { "-pix_fmt yuv420p -c:v libx264 -bf 3 -g 40", "base.mp4" };
    char path[512];

    (void)state;
    (void)make(&base, "48x32", 150);
    (void)snprintf(path, sizeof path, "%s/edited.mp4", folder);
    run("ffmpeg -v error -y -ss 2.35 -i '%s/base.mp4' -c copy '%s'", folder, path);
    check_times(path);
    check_seeks(path);
    CHECK_TRUE(worst_difference(path, 3) <= 1);
}

/* A recorder that drops frames leaves empty chunks in an AVI: its header counts them, ffprobe and
 * we do not, and nothing was cut off. */
static void dropped_frames(void **state)
{
    const recipe gaps = { "-vf 'select=not(eq(mod(n\\,10)\\,3))' -fps_mode vfr -c:v mpeg4 -q:v 2",
                          "gaps.avi" };
    const char *path = make(&gaps, "48x32", 36);

    (void)state;
    run("ffprobe -v error -show_entries stream=nb_frames -of csv=p=0 '%s' | grep -qx 40", path);
    check_times(path);
    check_seeks(path);
}

/* The index of an AVI that ends early takes no frames away, nor is its header believed alone. */
static void short_index(void **state)
{
    enum { ENTRY = 16, LEFT = 10 };
    const recipe whole = { "-c:v mpeg4 -q:v 2", "index.avi" };
    const char *path = make(&whole, "48x32", 40);
    mcvd_video_reader *reader = NULL;
    uint8_t bytes[1 << 16];

    (void)state;
    FILE *file = fopen(path, "r+b");
    CHECK_TRUE(file);
    const size_t n = fread(bytes, 1, sizeof bytes, file);
    size_t at = n;
    while (at > 4 && memcmp(bytes + --at, "idx1", 4) != 0)
        continue;
    CHECK_EQ(bytes[at + 4] + 256 * bytes[at + 5], 40 * ENTRY);
    memset(bytes + at + 8 + (size_t)LEFT * ENTRY, 0, (40 - LEFT) * ENTRY);
    memcpy(bytes + at + 8 + (size_t)LEFT * ENTRY, "JUNK", 4); /* a chunk behind a short index */
    bytes[at + 8 + LEFT * ENTRY + 4] = (uint8_t)((40 - LEFT) * ENTRY - 8);
    bytes[at + 8 + LEFT * ENTRY + 5] = ((40 - LEFT) * ENTRY - 8) >> 8;
    bytes[at + 4] = LEFT * ENTRY;
    bytes[at + 5] = 0;
    rewind(file);
    CHECK_EQ(fwrite(bytes, 1, n, file), n);
    CHECK_EQ(fclose(file), 0);
    CHECK_OK(mcvd_video_reader_open(&reader, path, NULL));
    CHECK_EQ(mcvd_video_reader_info(reader)->num_frames, 0);
    mcvd_video_reader_free(&reader);
    check_times(path);
}

/* ffmpeg turns before it converts; at 4:2:0 and even sizes that commutes. */
static void rotation(void **state)
{
    static const int degrees[] = { 90, 180, 270 };
    const recipe plain = { "-pix_fmt yuv420p -c:v libx264 -qp 0", "plain.mp4" };
    char path[512];

    (void)state;
    (void)make(&plain, "96x64", 2);
    for (size_t i = 0; i < 3; i++) {
        mcvd_video_reader *reader = NULL;
        (void)snprintf(path, sizeof path, "%s/turned-%d.mp4", folder, degrees[i]);
        run("ffmpeg -v error -y -i '%s/plain.mp4' -c copy -metadata:s:v:0 rotate=%d '%s'", folder,
            degrees[i], path);
        CHECK_OK(mcvd_video_reader_open(&reader, path, NULL));
        const mcvd_video_info *info = mcvd_video_reader_info(reader);
        CHECK_EQ(info->width, degrees[i] == 180 ? 96 : 64);
        CHECK_EQ(info->native_width, 96);
        CHECK_EQ(info->rotation, 360 - degrees[i]); /* this program's tag turns the other way */
        mcvd_video_reader_free(&reader);
        CHECK_TRUE(worst_difference(path, 3) <= 1);
        CHECK_TRUE(worst_difference(path, 1) <= 1);
    }
}

/* What we write is what other programs see: size, count, colours within coding loss. */
static void written_files_are_understood(void **state)
{
    static const char *const names[] = { "w.mp4", "w.mov", "w.mkv", "w.gif", "w.apng", "w.y4m" };
    char line[128];

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        mcvd_video_writer_config c = mcvd_video_writer_config_default();
        mcvd_video_writer *writer = NULL;
        static uint8_t data[64 * 48 * 3];
        char path[512];
        int width = 0;
        int height = 0;
        int count = 0;

        c.width = 64;
        c.height = 48;
        (void)snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        CHECK_OK(mcvd_video_writer_open(&writer, path, &c));
        for (int f = 0; f < 9; f++) {
            for (size_t k = 0; k < sizeof data; k += 3) {
                data[k] = 200;
                data[k + 1] = (uint8_t)(20 * f);
                data[k + 2] = 60;
            }
            CHECK_OK(mcvd_video_writer_write(writer, data));
        }
        CHECK_OK(mcvd_video_writer_finish(writer));
        mcvd_video_writer_free(&writer);
        FILE *pipe = run_pipe("ffprobe -v error -count_frames -select_streams v:0 -show_entries "
                              "stream=width,height,nb_read_frames -of csv=p=0 '%s'",
                              path);
        CHECK_TRUE(fgets(line, sizeof line, pipe));
        CHECK_EQ(pclose(pipe), 0);
        CHECK_EQ(sscanf(line, "%d,%d,%d", &width, &height, &count), 3);
        CHECK_EQ(width, 64);
        CHECK_EQ(height, 48);
        CHECK_EQ(count, 9);
        pipe = run_pipe("ffmpeg -v error -i '%s' -pix_fmt rgb24 -f rawvideo -", path);
        for (int f = 0; f < 9; f++) {
            CHECK_EQ(fread(data, 1, sizeof data, pipe), sizeof data);
            CHECK_CLOSE(data[0], 200, 4);
            CHECK_CLOSE(data[1], 20 * f, 4);
            CHECK_CLOSE(data[2], 60, 4);
        }
        CHECK_EQ(pclose(pipe), 0);
    }
}

static int remove_folder(void **state)
{
    (void)state;
    run("rm -rf '%s'", folder);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_matrix_range_and_format),
        cmocka_unit_test(other_pixels),
        cmocka_unit_test(containers),
        cmocka_unit_test(edit_lists),
        cmocka_unit_test(dropped_frames),
        cmocka_unit_test(short_index),
        cmocka_unit_test(rotation),
        cmocka_unit_test(written_files_are_understood),
    };

    if (system("ffmpeg -version >/dev/null 2>&1 && ffprobe -version >/dev/null 2>&1") != 0)
        return SKIP;
    if (!mkdtemp(folder))
        return 1;
    return cmocka_run_group_tests(tests, NULL, remove_folder);
}
