/*
 * Our PSNR and SSIM beside ffmpeg's psnr and ssim filters on the same lossless clips. The psnr
 * filter prints the mean square error of the whole clip as PSNR with six decimals, from integer
 * sums: 2e-6 dB remains between its rounding and our single-precision pixels v / 255. The ssim
 * filter has flat windows of 8 x 8 every 4 pixels where ours are Gaussian at every pixel, so its
 * numbers are near ours but not the same: over blur and noise of several strengths the largest
 * difference was 0.026 from 64 x 48 pixels on (below, our border of 5 pixels weighs more). Needs
 * the program ffmpeg.
 */
#include <mcvd/metrics.h>

#include "support/check.h"
#include "support/folder.h"

enum { SKIPPED = 77 };

#define SSIM_TOLERANCE 0.03

#define MAKE "ffmpeg -nostdin -v error -y -f lavfi -i testsrc2=size=%s:rate=10:duration=2 "
#define PACK " -c:v ffv1 -pix_fmt %s %s/%s"

static void run(const char *command)
{
    if (system(command) != 0)
        fail_msg("failed: %s", command);
}

/* truth.mkv, and test.mkv: blurred, noisy and brighter. */
static void make_clips(const char *folder, const char *size, const char *pixels)
{
    char command[2048];

    snprintf(command, sizeof command, MAKE PACK, size, pixels, folder, "truth.mkv");
    run(command);
    snprintf(command, sizeof command,
             MAKE "-vf format=%s,gblur=sigma=1.5,noise=alls=12:allf=t:all_seed=7" PACK, size,
             pixels, pixels, folder, "test.mkv");
    run(command);
}

/* The number after `key` in the line of the filter's summary that starts at `title`:
 * "... PSNR r:.. g:.. b:.. average:27.123456 min:.. max:..", "... SSIM Y:.. (..) All:0.9 (..)" */
static double ffmpeg_score(const char *folder, const char *filter, const char *title,
                           const char *key)
{
    char command[2048];
    char line[512];
    double score = NAN;

    snprintf(command, sizeof command,
             "ffmpeg -nostdin -hide_banner -i %s/test.mkv -i %s/truth.mkv"
             " -lavfi %s -f null - 2>&1",
             folder, folder, filter);
    FILE *stream = popen(command, "r");
    CHECK_TRUE(stream != NULL);
    while (fgets(line, sizeof line, stream)) {
        const char *value = strstr(line, key);
        if (strstr(line, title) && value)
            score = strtod(value + strlen(key), NULL);
    }
    CHECK_EQ(pclose(stream), 0);
    return score;
}

static mcvd_status keep(void *user, const mcvd_compare_result *result)
{
    *(mcvd_compare_result *)user = *result;
    return MCVD_OK;
}

static void check_against_ffmpeg(const char *size, const char *pixels, bool gray)
{
    mcvd_compare_config config = mcvd_compare_config_default();
    mcvd_compare_result result = { 0 };
    char folder[TEST_PATH_BYTES];
    char truth[TEST_PATH_BYTES];
    char test[TEST_PATH_BYTES];

    config.gray = gray;
    make_test_folder(folder);
    make_clips(folder, size, pixels);
    const double psnr = ffmpeg_score(folder, "psnr", "PSNR ", "average:");
    const double ssim = ffmpeg_score(folder, "ssim", "SSIM ", "All:");
    CHECK_OK(mcvd_compare(test_path(truth, folder, "truth.mkv"),
                          test_path(test, folder, "test.mkv"), &config, keep, &result));
    remove_test_folder(folder);
    CHECK_EQ(result.frames, 20);
    CHECK_TRUE(psnr > 15.0 && psnr < 40.0);
    CHECK_CLOSE(result.scores.value[MCVD_METRIC_PSNR], psnr, 2e-6);
    if (gray) { /* of colours the filter takes the mean, we the gray picture */
        CHECK_TRUE(ssim > 0.3 && ssim < 0.98);
        CHECK_CLOSE(result.scores.value[MCVD_METRIC_SSIM], ssim, SSIM_TOLERANCE);
    }
}

static void test_rgb(void **state)
{
    (void)state;
    check_against_ffmpeg("64x48", "gbrp", false);
}

static void test_gray(void **state)
{
    (void)state;
    check_against_ffmpeg("64x48", "gray", true);
    check_against_ffmpeg("128x96", "gray", true);
}

#define AS_GRAY "'[0:v]format=gray[a];[1:v]format=gray[b];[a][b]%s'"

/*
 * Luma of limited range is stretched to 0..255, by ffmpeg's gray format as by us; the psnr filter
 * on the video itself counts its 219 levels: 20 log10(255 / 219) dB more. Both to 0.05 dB: 0.012
 * were measured, from rounding after the stretch and from levels outside 16..235.
 */
static void test_luma_of_yuv(void **state)
{
    (void)state;
    const double stretch = 20.0 * log10(255.0 / 219.0);
    mcvd_compare_config config = mcvd_compare_config_default();
    mcvd_compare_result result = { 0 };
    char folder[TEST_PATH_BYTES];
    char truth[TEST_PATH_BYTES];
    char test[TEST_PATH_BYTES];
    char filter[128];

    config.gray = true;
    make_test_folder(folder);
    make_clips(folder, "96x64", "yuv420p");
    const double psnr_y = ffmpeg_score(folder, "psnr", "PSNR ", "y:");
    snprintf(filter, sizeof filter, AS_GRAY, "psnr");
    const double psnr = ffmpeg_score(folder, filter, "PSNR ", "average:");
    snprintf(filter, sizeof filter, AS_GRAY, "ssim");
    const double ssim = ffmpeg_score(folder, filter, "SSIM ", "All:");
    CHECK_OK(mcvd_compare(test_path(truth, folder, "truth.mkv"),
                          test_path(test, folder, "test.mkv"), &config, keep, &result));
    remove_test_folder(folder);
    CHECK_CLOSE(result.scores.value[MCVD_METRIC_PSNR], psnr_y - stretch, 0.05);
    CHECK_CLOSE(result.scores.value[MCVD_METRIC_PSNR], psnr, 0.05);
    CHECK_CLOSE(result.scores.value[MCVD_METRIC_SSIM], ssim, SSIM_TOLERANCE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rgb),
        cmocka_unit_test(test_gray),
        cmocka_unit_test(test_luma_of_yuv),
    };

    if (system("ffmpeg -version > /dev/null 2>&1") != 0)
        return SKIPPED;
    return cmocka_run_group_tests_name("metrics beside ffmpeg", tests, NULL, NULL);
}
