#include "cli/metrics_card.h"

#include <stdio.h>

#include <mcvd/version.h>

#include "cli/fail.h"

enum { TEXT_BYTES = 512 };

#define BIT MCVD_METRIC_BIT

typedef struct card {
    metrics_card_fn fn;
    void *user;
} card;

static void put(const card *c, const char *key, const char *text)
{
    c->fn(c->user, key, text, false);
}

static void put_number(const card *c, const char *key, size_t number)
{
    char text[32];

    snprintf(text, sizeof text, "%zu", number);
    c->fn(c->user, key, text, true);
}

/* Too few videos for the covariance; "" when there are enough. */
static void small_sample(const metrics_networks *n, const metrics_counts *c, char text[TEXT_BYTES])
{
    const size_t dim = n->features ? mcvd_video_features_dim(n->features) : 0;
    const size_t videos = c->videos[0] < c->videos[1] ? c->videos[0] : c->videos[1];
    const size_t frames = c->frames[0] < c->frames[1] ? c->frames[0] : c->frames[1];

    *text = '\0';
    if ((n->sets & METRICS_VIDEO_SETS) && videos < dim)
        snprintf(text, TEXT_BYTES,
                 "%zu videos are fewer than the %zu features of %s: comparable only with scores of "
                 "as many videos",
                 videos, dim, mcvdi_metrics_extractor(n));
    else if ((n->sets & BIT(MCVD_SET_METRIC_FID_ALEXNET)) && frames < MCVD_LPIPS_FEATURES)
        snprintf(text, TEXT_BYTES, "%zu frames are fewer than the %d features of fid-alexnet",
                 frames, MCVD_LPIPS_FEATURES);
}

static void put_pixels(const card *c, const mcvd_compare_config *config)
{
    char size[TEXT_BYTES] = "native size";
    char first[TEXT_BYTES] = "";
    char text[3 * TEXT_BYTES];

    if (config->size)
        snprintf(size, sizeof size, "centre %d x %d, area filter", config->size, config->size);
    if (config->frames)
        snprintf(first, sizeof first, ", the first %zu frames", config->frames);
    snprintf(text, sizeof text, "8-bit %s, %s%s", config->gray ? "luma" : "RGB", size, first);
    put(c, "pixels", text);
    put(c, "conditioning", "every frame of the files counts");
}

static void put_frame_metrics(const card *c, const mcvd_compare_config *config, size_t videos)
{
    if (config->metrics & BIT(MCVD_METRIC_PSNR))
        put(c, "psnr_rule", "10 log10(1 / mse), mse the mean over the frames of a video");
    if (config->metrics & BIT(MCVD_METRIC_SSIM))
        put(c, "ssim_rule",
            config->binarise ? "gray, rounded to 0 or 1, Gaussian 11 x 11, sigma 1.5"
                             : "gray 8-bit, Gaussian 11 x 11, sigma 1.5");
    if (config->metrics && videos > 1)
        put(c, "interval", "mean over videos, 95 % half-width 1.959964 s / sqrt(n)");
}

static void put_networks(const card *c, const metrics_networks *n)
{
    if (n->lpips) {
        put(c, "alexnet_sha256", mcvd_lpips_sha256(n->lpips));
        put(c, "alexnet_resize", "8-bit, Pillow bilinear to 128 x 128");
    }
    if (n->features && (n->sets & METRICS_VIDEO_SETS)) {
        put(c, "extractor", mcvdi_metrics_extractor(n));
        put(c, "extractor_sha256", mcvd_video_features_sha256(n->features));
        put_number(c, "features", mcvd_video_features_dim(n->features));
        put(c, "resize", "shorter side to 224, bilinear, centre 224 x 224");
    }
    if (n->sets & (BIT(MCVD_SET_METRIC_PRECISION) | BIT(MCVD_SET_METRIC_RECALL)))
        put_number(c, "neighbours", MCVD_PRECISION_RECALL_K);
}

void mcvdi_metrics_card(const metrics_networks *n, const mcvd_compare_config *config,
                        const metrics_counts *counts, metrics_card_fn fn, void *user)
{
    const card c = { fn, user };
    char code[64];
    char warning[TEXT_BYTES];

    snprintf(code, sizeof code, "mcvd %s", mcvd_version());
    put(&c, "code", code);
    put(&c, "source", "decoded from the given files, nothing encoded again");
    put_number(&c, "videos", counts->videos[1]);
    if (config->unpaired)
        put_number(&c, "reference_videos", counts->videos[0]);
    put_number(&c, "frames", counts->frames[1]);
    put_number(&c, "least_frames", counts->least_frames);
    put_number(&c, "most_frames", counts->most_frames);
    put_pixels(&c, config);
    put_frame_metrics(&c, config, counts->videos[1]);
    put_networks(&c, n);
    small_sample(n, counts, warning);
    if (*warning)
        put(&c, "warning", warning);
}

void mcvdi_metrics_warn(const metrics_networks *n, const metrics_counts *counts)
{
    char warning[TEXT_BYTES];

    small_sample(n, counts, warning);
    if (*warning)
        mcvdi_cli_warn("%s", warning);
}
