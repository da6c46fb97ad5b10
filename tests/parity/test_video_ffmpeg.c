/* Our reader against the ffmpeg and ffprobe programs: pixels, counts, times. Skipped (77) without
 * them. Every clip is made here, lossless, so that both sides decode the same samples. */
#include <stdlib.h>
#include <unistd.h>

#include <mcvd/video.h>

#include "support/check.h"

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
    };

    if (system("ffmpeg -version >/dev/null 2>&1 && ffprobe -version >/dev/null 2>&1") != 0)
        return SKIP;
    if (!mkdtemp(folder))
        return 1;
    return cmocka_run_group_tests(tests, NULL, remove_folder);
}
