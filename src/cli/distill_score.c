#include "cli/distill_score.h"

#include <math.h>
#include <stdlib.h>

#include <mcvd/metrics.h>

#include "cli/fail.h"
#include "cli/json_text.h"

enum { SMALLEST_SSIM = 11 };

typedef struct judge {
    const mcvd_batch *batch;
    mcvd_scorer *scorer;
    bool has_ssim;
    float *truth; /* a frame in [0, 1] */
    float *made;
    mcvd_scores *frames; /* of a window */
} judge;

/* Frame f of a window of stacked frames, [H, W, F*C] in [-1, 1] -> [H, W, C] in [0, 1]. */
static void take_frame(const mcvd_batch *b, const float *window, size_t f, float *frame)
{
    const size_t pixels = b->image_size * b->image_size;

    for (size_t p = 0; p < pixels; p++)
        for (size_t c = 0; c < b->channels; c++)
            frame[p * b->channels + c] =
                0.5f * (window[(p * b->num_frames + f) * b->channels + c] + 1.0f);
}

/* Values outside [0, 1] are cut by the scorer, of both. */
static mcvd_status score_window(judge *j, const float *truth, const float *made,
                                mcvd_scores *scores)
{
    const mcvd_batch *b = j->batch;
    mcvd_status st = MCVD_OK;

    for (size_t f = 0; st >= 0 && f < b->num_frames; f++) {
        take_frame(b, truth, f, j->truth);
        take_frame(b, made, f, j->made);
        st = mcvd_scorer_frame(j->scorer, j->truth, j->made, &j->frames[f]);
    }
    if (st >= 0)
        *scores = mcvd_scores_of_frames(j->frames, b->num_frames);
    return st;
}

static mcvd_status score_all(judge *j, const float *truth, const float *made,
                             mcvd_distill_scores *mean)
{
    const mcvd_batch *b = j->batch;
    const size_t numel = b->image_size * b->image_size * b->channels * b->num_frames;
    const double n = (double)b->batch_size;
    mcvd_status st = MCVD_OK;

    *mean = (mcvd_distill_scores) { 0.0, j->has_ssim ? 0.0 : (double)NAN };
    for (size_t i = 0; st >= 0 && i < b->batch_size; i++) {
        mcvd_scores scores;
        st = score_window(j, truth + i * numel, made + i * numel, &scores);
        if (st < 0)
            break;
        mean->psnr += scores.value[MCVD_METRIC_PSNR] / n;
        mean->ssim += scores.value[MCVD_METRIC_SSIM] / n;
    }
    return st;
}

static mcvd_status open_judge(judge *j, const mcvd_batch *b)
{
    const size_t frame = b->image_size * b->image_size * b->channels;
    mcvd_scorer_config config = { .height = b->image_size,
                                  .width = b->image_size,
                                  .channels = b->channels,
                                  .metrics = MCVD_METRIC_BIT(MCVD_METRIC_PSNR) };

    *j = (judge) { .batch = b, .has_ssim = b->image_size >= SMALLEST_SSIM };
    if (j->has_ssim)
        config.metrics |= MCVD_METRIC_BIT(MCVD_METRIC_SSIM);
    j->truth = calloc(frame, sizeof *j->truth);
    j->made = calloc(frame, sizeof *j->made);
    j->frames = calloc(b->num_frames, sizeof *j->frames);
    if (!j->truth || !j->made || !j->frames)
        return mcvdi_cli_fail(MCVD_E_NOMEM, "scores: out of memory");
    return mcvd_scorer_create(&j->scorer, &config);
}

mcvd_status mcvdi_distill_score(const mcvd_distill_samples *samples, mcvd_distill_quality *quality)
{
    const float *truth = samples->batch->x0;
    mcvd_distill_scores to_teacher = { 0.0, 0.0 };
    mcvd_distill_scores to_original = { 0.0, 0.0 };
    judge j;
    mcvd_status st = open_judge(&j, samples->batch);

    if (st >= 0)
        st = score_all(&j, truth, samples->student, &quality->student);
    if (st >= 0)
        st = score_all(&j, truth, samples->teacher, &quality->teacher);
    if (st >= 0)
        st = score_all(&j, truth, samples->original, &quality->original);
    if (st >= 0)
        st = score_all(&j, samples->teacher, samples->student, &to_teacher);
    if (st >= 0)
        st = score_all(&j, samples->original, samples->student, &to_original);
    quality->psnr_to_teacher = to_teacher.psnr;
    quality->psnr_to_original = to_original.psnr;
    mcvd_scorer_free(&j.scorer);
    free(j.truth);
    free(j.made);
    free(j.frames);
    return st;
}

/* --- shown --- */

void mcvdi_distill_table(FILE *file, const mcvd_distill_report *report)
{
    const mcvd_distill_quality *first = &report->stages[0].quality;

    if (!report->done)
        return;
    fputs("             against the truth   against the same noise of\n"
          "model  steps   PSNR    SSIM      its teacher  the original\n",
          file);
    fprintf(file, "given  %5d  %6.3f  %.4f\n", report->from, first->original.psnr,
            first->original.ssim);
    for (int i = 0; i < report->done; i++) {
        const mcvd_distill_stage *s = &report->stages[i];
        fprintf(file, "%3d    %5d  %6.3f  %.4f      %8.3f     %8.3f\n", s->round, s->steps,
                s->quality.student.psnr, s->quality.student.ssim, s->quality.psnr_to_teacher,
                s->quality.psnr_to_original);
    }
}

static void print_number(FILE *file, const char *name, double value)
{
    if (isfinite(value))
        fprintf(file, ",\"%s\":%.5g", name, value);
    else
        fprintf(file, ",\"%s\":null", name);
}

void mcvdi_distill_json(FILE *file, const mcvd_distill_report *report)
{
    fputc('[', file);
    for (int i = 0; i < report->done; i++) {
        const mcvd_distill_stage *s = &report->stages[i];
        fprintf(file, "%s{\"steps\":%d,\"teacher_steps\":%d,\"file\":", i ? "," : "", s->steps,
                s->teacher_steps);
        mcvdi_json_string(file, s->file);
        print_number(file, "psnr", s->quality.student.psnr);
        print_number(file, "ssim", s->quality.student.ssim);
        print_number(file, "teacher_psnr", s->quality.teacher.psnr);
        print_number(file, "teacher_ssim", s->quality.teacher.ssim);
        print_number(file, "psnr_to_teacher", s->quality.psnr_to_teacher);
        print_number(file, "psnr_to_original", s->quality.psnr_to_original);
        fputc('}', file);
    }
    fputc(']', file);
}
