/* Predictions that need no model: what every score stands beside. */
#include <mcvd/metrics.h>

#include <string.h>

#include "core/status.h"

#define BASELINE_NAME(id, name) name,
static const char *const baseline_names[MCVD_NUM_BASELINES] = { MCVD_BASELINE_LIST(BASELINE_NAME) };

const char *mcvd_baseline_name(mcvd_baseline baseline)
{
    return baseline_names[baseline];
}

const char *mcvd_baseline_title(mcvd_baseline baseline, size_t num_past, size_t num_future)
{
    const bool both = num_past > 0 && num_future > 0;

    switch (baseline) {
    case MCVD_BASELINE_COPY:
        return both             ? "copy the nearest frame"
               : num_future > 0 ? "copy the first future frame"
                                : "copy the last frame";
    case MCVD_BASELINE_MEAN:
        return both             ? "mean of past and future"
               : num_future > 0 ? "mean of the future"
                                : "mean of the past";
    case MCVD_BASELINE_BLACK:
        return "black frame";
    case MCVD_BASELINE_LINEAR:
        return both ? "linear blend" : "linear extrapolation";
    default:
        return "";
    }
}

const char *mcvd_baseline_missing(mcvd_baseline baseline, size_t num_past, size_t num_future)
{
    const size_t known = num_past + num_future;

    if (baseline == MCVD_BASELINE_BLACK)
        return NULL;
    if (known == 0)
        return "no frame is known";
    if (baseline == MCVD_BASELINE_LINEAR && known < 2)
        return "two known frames are needed";
    return NULL;
}

static const float *last_past(const mcvd_known_frames *k)
{
    return k->past + (k->num_past - 1) * k->frame_numel;
}

/* Frame j of n unknown ones: j + 1 steps after the past, n - j before the future. */
static void copy_nearest(const mcvd_known_frames *k, size_t j, size_t n, float *out)
{
    const bool from_past = k->num_future == 0 || (k->num_past > 0 && j + 1 <= n - j);

    memcpy(out, from_past ? last_past(k) : k->future, k->frame_numel * sizeof *out);
}

static void mean_of_known(const mcvd_known_frames *k, float *out)
{
    const double known = (double)(k->num_past + k->num_future);

    for (size_t i = 0; i < k->frame_numel; i++) {
        double sum = 0.0;
        for (size_t f = 0; f < k->num_past; f++)
            sum += (double)k->past[f * k->frame_numel + i];
        for (size_t f = 0; f < k->num_future; f++)
            sum += (double)k->future[f * k->frame_numel + i];
        out[i] = (float)(sum / known);
    }
}

/* out = from + t (to - from), clipped to the range of pixels. */
static void along_line(const float *from, const float *to, double t, size_t numel, float *out)
{
    for (size_t i = 0; i < numel; i++) {
        const double v = (double)from[i] + t * ((double)to[i] - (double)from[i]);
        out[i] = (float)(v < -1.0 ? -1.0 : v > 1.0 ? 1.0 : v);
    }
}

static void linear(const mcvd_known_frames *k, size_t j, size_t n, float *out)
{
    const size_t numel = k->frame_numel;

    if (k->num_past > 0 && k->num_future > 0)
        along_line(last_past(k), k->future, (double)(j + 1) / (double)(n + 1), numel, out);
    else if (k->num_past > 0)
        along_line(last_past(k) - numel, last_past(k), (double)(j + 2), numel, out);
    else
        along_line(k->future + numel, k->future, (double)(n - j + 1), numel, out);
}

static void black(size_t numel, float *out)
{
    for (size_t i = 0; i < numel; i++)
        out[i] = -1.0f;
}

mcvd_status mcvd_baseline_predict(mcvd_baseline baseline, const mcvd_known_frames *known,
                                  size_t num_frames, float *out)
{
    const char *missing = mcvd_baseline_missing(baseline, known->num_past, known->num_future);

    if (missing)
        return mcvdi_fail(MCVD_E_UNSUPPORTED, "baseline '%s': %s", mcvd_baseline_name(baseline),
                          missing);
    for (size_t j = 0; j < num_frames; j++) {
        float *frame = out + j * known->frame_numel;

        switch (baseline) {
        case MCVD_BASELINE_COPY:
            copy_nearest(known, j, num_frames, frame);
            break;
        case MCVD_BASELINE_MEAN:
            mean_of_known(known, frame);
            break;
        case MCVD_BASELINE_LINEAR:
            linear(known, j, num_frames, frame);
            break;
        default:
            black(known->frame_numel, frame);
            break;
        }
    }
    return MCVD_OK;
}
