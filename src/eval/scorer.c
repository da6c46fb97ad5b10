/* Scores of one frame, and of a trajectory from its frames. */
#include <mcvd/metrics.h>

#include <math.h>

#include "core/alloc.h"
#include "core/checked.h"
#include "core/status.h"
#include "eval/ssim.h"

struct mcvd_scorer {
    mcvd_scorer_config config;
    size_t pixels;
    uint8_t *gray_truth; /* [H, W] */
    uint8_t *gray_prediction;
    double *ssim_scratch;
    float *converted;   /* [2, H, W, C], for 8-bit frames */
    uint8_t *truncated; /* [2, H, W, C], for LPIPS */
};

static bool wants(const mcvd_scorer_config *config, mcvd_metric metric)
{
    return (config->metrics & MCVD_METRIC_BIT(metric)) != 0;
}

static mcvd_status check_config(const mcvd_scorer_config *c)
{
    size_t numel;

    if (c->channels != 1 && c->channels != 3)
        return mcvdi_fail(MCVD_E_SHAPE, "metrics: frames of %zu channels, expected 1 or 3",
                          c->channels);
    if (c->height == 0 || c->width == 0 || !mcvdi_mul_size(&numel, c->height, c->width) ||
        !mcvdi_mul_size(&numel, numel, 64))
        return mcvdi_fail(MCVD_E_SHAPE, "metrics: frames of %zux%zu", c->width, c->height);
    if (c->metrics == 0 || (c->metrics & ~MCVD_METRIC_ALL) != 0)
        return mcvdi_fail(MCVD_E_RANGE, "metrics: set 0x%x, expected bits of 0x%x", c->metrics,
                          MCVD_METRIC_ALL);
    if (wants(c, MCVD_METRIC_LPIPS) && !c->lpips)
        return mcvdi_fail(MCVD_E_RANGE, "metrics: LPIPS without its network");
    if (wants(c, MCVD_METRIC_SSIM) &&
        (c->height < MCVDI_SSIM_WINDOW || c->width < MCVDI_SSIM_WINDOW))
        return mcvdi_fail(MCVD_E_SHAPE, "SSIM of a %zux%zu frame: its window needs at least %dx%d",
                          c->width, c->height, MCVDI_SSIM_WINDOW, MCVDI_SSIM_WINDOW);
    return MCVD_OK;
}

static bool allocate(mcvd_scorer *s)
{
    s->converted = mcvdi_malloc(2 * s->pixels * s->config.channels * sizeof(float));
    if (!s->converted)
        return false;
    if (wants(&s->config, MCVD_METRIC_LPIPS)) {
        s->truncated = mcvdi_malloc(2 * s->pixels * s->config.channels);
        if (!s->truncated)
            return false;
    }
    if (!wants(&s->config, MCVD_METRIC_SSIM))
        return true;
    s->gray_truth = mcvdi_malloc(s->pixels);
    s->gray_prediction = mcvdi_malloc(s->pixels);
    s->ssim_scratch =
        mcvdi_malloc(mcvdi_ssim_scratch(s->config.height, s->config.width) * sizeof(double));
    return s->gray_truth && s->gray_prediction && s->ssim_scratch;
}

mcvd_status mcvd_scorer_create(mcvd_scorer **out, const mcvd_scorer_config *config)
{
    *out = NULL;
    const mcvd_status st = check_config(config);
    if (st < 0)
        return st;

    mcvd_scorer *s = mcvdi_calloc(1, sizeof *s);
    if (!s)
        return mcvdi_fail(MCVD_E_NOMEM, "metrics: %zu bytes", sizeof *s);
    s->config = *config;
    s->pixels = config->height * config->width;
    if (!allocate(s)) {
        mcvd_scorer_free(&s);
        return mcvdi_fail(MCVD_E_NOMEM, "metrics: scratch for frames of %zux%zu", config->width,
                          config->height);
    }
    *out = s;
    return MCVD_OK;
}

void mcvd_scorer_free(mcvd_scorer **scorer)
{
    mcvd_scorer *s = *scorer;

    if (!s)
        return;
    mcvdi_free(s->gray_truth);
    mcvdi_free(s->gray_prediction);
    mcvdi_free(s->ssim_scratch);
    mcvdi_free(s->converted);
    mcvdi_free(s->truncated);
    mcvdi_free(s);
    *scorer = NULL;
}

/* A NaN stays a NaN. */
static double clamp01(float x)
{
    return x < 0.0f ? 0.0 : x > 1.0f ? 1.0 : (double)x;
}

static double frame_mse(const float *truth, const float *prediction, size_t n)
{
    double sum = 0.0;

    for (size_t i = 0; i < n; i++) {
        const double d = clamp01(truth[i]) - clamp01(prediction[i]);
        sum += d * d;
    }
    return sum / (double)n;
}

static bool all_finite(const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(x[i]))
            return false;
    return true;
}

/* floor(255 x) in single precision, as the gray picture of SSIM. */
static void truncate_pixels(uint8_t *out, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (uint8_t)(255.0f * (float)clamp01(x[i]));
}

static mcvd_status frame_lpips(mcvd_scorer *s, const float *truth, const float *prediction,
                               double *lpips)
{
    const mcvd_scorer_config *c = &s->config;
    const size_t numel = s->pixels * c->channels;

    truncate_pixels(s->truncated, truth, numel);
    truncate_pixels(s->truncated + numel, prediction, numel);
    return mcvd_lpips_u8(c->lpips, s->truncated, s->truncated + numel,
                         &(const mcvd_picture_shape) { c->height, c->width, c->channels }, lpips,
                         NULL);
}

static double frame_ssim(mcvd_scorer *s, const float *truth, const float *prediction)
{
    const mcvd_scorer_config *c = &s->config;

    mcvd_gray_u8(s->gray_truth, truth, s->pixels, c->channels, c->binarise);
    mcvd_gray_u8(s->gray_prediction, prediction, s->pixels, c->channels, c->binarise);
    return mcvdi_ssim(s->gray_truth, s->gray_prediction, c->height, c->width, s->ssim_scratch);
}

mcvd_status mcvd_scorer_frame(mcvd_scorer *s, const float *truth, const float *prediction,
                              mcvd_scores *scores)
{
    const mcvd_scorer_config *c = &s->config;
    const size_t numel = s->pixels * c->channels;
    double *value = scores->value;

    for (int m = 0; m < MCVD_NUM_METRICS; m++)
        value[m] = NAN;
    if (!all_finite(truth, numel) || !all_finite(prediction, numel))
        return mcvdi_fail(MCVD_E_NONFINITE, "metrics: a NaN or infinity among the pixels of %s",
                          all_finite(truth, numel) ? "the prediction" : "the truth");
    value[MCVD_METRIC_MSE] = frame_mse(truth, prediction, numel);
    if (wants(c, MCVD_METRIC_PSNR))
        value[MCVD_METRIC_PSNR] = mcvd_psnr_of_mse(value[MCVD_METRIC_MSE]);
    if (wants(c, MCVD_METRIC_PSNR_FRAME))
        value[MCVD_METRIC_PSNR_FRAME] = mcvd_psnr_of_mse(value[MCVD_METRIC_MSE]);
    if (wants(c, MCVD_METRIC_SSIM))
        value[MCVD_METRIC_SSIM] = frame_ssim(s, truth, prediction);
    if (wants(c, MCVD_METRIC_LPIPS))
        return frame_lpips(s, truth, prediction, &value[MCVD_METRIC_LPIPS]);
    return MCVD_OK;
}

mcvd_status mcvd_scorer_frame_u8(mcvd_scorer *s, const uint8_t *truth, const uint8_t *prediction,
                                 mcvd_scores *scores)
{
    const size_t numel = s->pixels * s->config.channels;
    float *a = s->converted;
    float *b = s->converted + numel;

    for (size_t i = 0; i < numel; i++) {
        a[i] = (float)truth[i] / 255.0f;
        b[i] = (float)prediction[i] / 255.0f;
    }
    return mcvd_scorer_frame(s, a, b, scores);
}

mcvd_scores mcvd_scores_of_frames(const mcvd_scores *frames, size_t num_frames)
{
    mcvd_scores t;

    for (int m = 0; m < MCVD_NUM_METRICS; m++) {
        double sum = 0.0;
        for (size_t f = 0; f < num_frames; f++)
            sum += frames[f].value[m];
        t.value[m] = sum / (double)num_frames;
    }
    if (!isnan(t.value[MCVD_METRIC_PSNR]))
        t.value[MCVD_METRIC_PSNR] = mcvd_psnr_of_mse(t.value[MCVD_METRIC_MSE]);
    return t;
}
