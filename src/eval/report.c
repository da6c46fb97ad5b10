/* Storage of a report, its scores and curves, and its files. */
#include "eval/report.h"

#include <math.h>
#include <string.h>

#include "core/alloc.h"
#include "core/c_locale.h"
#include "core/checked.h"
#include "core/fileio.h"
#include "core/status.h"

#define STAT_NAME(id, name, meaning)    name,
#define STAT_MEANING(id, name, meaning) meaning,
static const char *const stat_names[MCVDI_NUM_STATS] = { MCVDI_STAT_LIST(STAT_NAME) };
static const char *const stat_meanings[MCVDI_NUM_STATS] = { MCVDI_STAT_LIST(STAT_MEANING) };

const char *mcvdi_stat_name(mcvdi_stat stat)
{
    return stat_names[stat];
}

const char *mcvdi_stat_meaning(mcvdi_stat stat)
{
    return stat_meanings[stat];
}

/* ---- create, free --------------------------------------------------------------------------- */

static mcvd_status add_row(mcvd_eval_report *report, const char *name, const char *title,
                           size_t trajectories)
{
    size_t count;

    if (!mcvdi_mul_size(&count, (size_t)report->protocol.clips, trajectories) ||
        !mcvdi_mul_size(&count, count, (size_t)report->protocol.frames))
        return mcvdi_fail(MCVD_E_CONFIG, "protocol '%s': too many frames to score",
                          report->protocol.name);
    mcvdi_eval_row *row = &report->rows[report->num_rows++];
    *row = (mcvdi_eval_row) { name, title, trajectories, mcvdi_calloc(count, sizeof *row->frames) };
    if (!row->frames)
        return mcvdi_fail(MCVD_E_NOMEM, "evaluation: scores of %zu frames", count);
    return MCVD_OK;
}

static mcvd_status add_rows(mcvd_eval_report *report)
{
    const size_t past = mcvdi_eval_known_past(&report->protocol);
    const size_t future = mcvdi_eval_known_future(&report->protocol);

    mcvd_status st = add_row(report, "model", "model", (size_t)report->protocol.trajectories);
    for (int b = 0; st >= 0 && b < MCVD_NUM_BASELINES; b++)
        if (!mcvd_baseline_missing((mcvd_baseline)b, past, future))
            st = add_row(report, mcvd_baseline_name((mcvd_baseline)b),
                         mcvd_baseline_title((mcvd_baseline)b, past, future), 1);
    return st;
}

static mcvd_status add_stats(mcvd_eval_report *report)
{
    const size_t count = MCVDI_NUM_STATS * (size_t)report->protocol.clips;

    report->real_stats = mcvdi_calloc(count, sizeof(double));
    report->model_stats = mcvdi_calloc(count, sizeof(double));
    if (!report->real_stats || !report->model_stats)
        return mcvdi_fail(MCVD_E_NOMEM, "evaluation: statistics of %zu clips", count);
    return MCVD_OK;
}

mcvd_status mcvdi_eval_report_create(mcvd_eval_report **out, const mcvd_eval_protocol *protocol)
{
    *out = NULL;
    mcvd_eval_report *report = mcvdi_calloc(1, sizeof *report);
    if (!report)
        return mcvdi_fail(MCVD_E_NOMEM, "evaluation: %zu bytes", sizeof *report);
    report->protocol = *protocol;
    report->scored = !mcvdi_eval_is_generation(protocol);
    report->metrics = MCVD_METRIC_PIXELS;
    if (!protocol->ssim)
        report->metrics &= ~MCVD_METRIC_BIT(MCVD_METRIC_SSIM);
    report->notes = cJSON_CreateObject();

    mcvd_status st = report->notes ? MCVD_OK : mcvdi_fail(MCVD_E_NOMEM, "evaluation: notes");
    if (st >= 0)
        st = report->scored ? add_rows(report) : add_stats(report);
    if (st < 0) {
        mcvd_eval_report_free(&report);
        return st;
    }
    *out = report;
    return MCVD_OK;
}

void mcvd_eval_report_free(mcvd_eval_report **report)
{
    mcvd_eval_report *r = *report;

    if (!r)
        return;
    for (size_t i = 0; i < r->num_rows; i++)
        mcvdi_free(r->rows[i].frames);
    mcvdi_free(r->real_features);
    mcvdi_free(r->fake_features);
    mcvdi_free(r->features_sha256);
    mcvdi_free(r->lpips_sha256);
    mcvdi_free(r->distance_missing);
    mcvdi_free(r->real_stats);
    mcvdi_free(r->model_stats);
    cJSON_Delete(r->notes);
    mcvdi_free(r);
    *report = NULL;
}

void mcvd_eval_report_compare(mcvd_eval_report *report, const mcvd_eval_published *rows,
                              size_t count, int trained)
{
    report->published = rows;
    report->trained = trained;
    report->num_published = count;
}

size_t mcvdi_eval_report_shares(mcvd_eval_report *report, size_t clip,
                                mcvdi_eval_share shares[MCVDI_EVAL_SHARES])
{
    const size_t frames = (size_t)report->protocol.frames;
    const size_t fakes = (size_t)report->protocol.trajectories * report->feature_dim;
    size_t n = 0;

    for (size_t i = 0; i < report->num_rows; i++) {
        const mcvdi_eval_row *row = &report->rows[i];
        const size_t scores = row->trajectories * frames;
        shares[n++] =
            (mcvdi_eval_share) { row->frames[clip * scores].value, scores * MCVD_NUM_METRICS };
    }
    if (report->real_stats) {
        const size_t first = clip * MCVDI_NUM_STATS;
        shares[n++] = (mcvdi_eval_share) { report->real_stats + first, MCVDI_NUM_STATS };
        shares[n++] = (mcvdi_eval_share) { report->model_stats + first, MCVDI_NUM_STATS };
    }
    if (report->real_features) {
        shares[n++] = (mcvdi_eval_share) { report->real_features + clip * report->feature_dim,
                                           report->feature_dim };
        shares[n++] = (mcvdi_eval_share) { report->fake_features + clip * fakes, fakes };
    }
    return n;
}

size_t mcvd_eval_report_clips(const mcvd_eval_report *report)
{
    return report->clips;
}

mcvd_status mcvd_eval_report_note(mcvd_eval_report *report, const char *key, const char *value)
{
    cJSON *text = cJSON_CreateString(value);

    if (!text)
        return mcvdi_fail(MCVD_E_NOMEM, "report: note '%s'", key);
    cJSON_DeleteItemFromObjectCaseSensitive(report->notes, key);
    if (!cJSON_AddItemToObject(report->notes, key, text)) {
        cJSON_Delete(text);
        return mcvdi_fail(MCVD_E_NOMEM, "report: note '%s'", key);
    }
    return MCVD_OK;
}

/* ---- scores --------------------------------------------------------------------------------- */

static const mcvd_scores *frames_of(const mcvd_eval_report *report, const mcvdi_eval_row *row,
                                    size_t clip, size_t trajectory)
{
    return row->frames + (clip * row->trajectories + trajectory) * (size_t)report->protocol.frames;
}

/* values[clips, K] of one metric. */
static void trajectory_values(const mcvd_eval_report *report, const mcvdi_eval_row *row,
                              mcvd_metric metric, double *values)
{
    for (size_t c = 0; c < report->clips; c++)
        for (size_t k = 0; k < row->trajectories; k++) {
            const mcvd_scores t = mcvd_scores_of_frames(frames_of(report, row, c, k),
                                                        (size_t)report->protocol.frames);
            values[c * row->trajectories + k] = t.value[metric];
        }
}

static mcvd_status allocate_doubles(double **out, size_t n)
{
    *out = mcvdi_malloc(n * sizeof **out);
    return *out ? MCVD_OK : mcvdi_fail(MCVD_E_NOMEM, "report: %zu values", n);
}

mcvd_status mcvdi_eval_row_summary(const mcvd_eval_report *report, const mcvdi_eval_row *row,
                                   mcvd_metric metric, mcvd_over_k over, mcvd_summary *summary)
{
    const size_t clips = report->clips;
    double *values;

    /* per clip and trajectory, then per clip */
    const mcvd_status st = allocate_doubles(&values, clips * (row->trajectories + 1));
    if (st < 0)
        return st;
    double *per_clip = values + clips * row->trajectories;
    trajectory_values(report, row, metric, values);
    mcvd_reduce_k(per_clip, values, clips, row->trajectories, metric, over);
    *summary = mcvd_summarize(per_clip, clips);
    mcvdi_free(values);
    return MCVD_OK;
}

mcvd_status mcvdi_eval_stat_summaries(const mcvd_eval_report *report, mcvdi_stat stat,
                                      mcvd_summary *model, mcvd_summary *real)
{
    double *values;
    const mcvd_status st = allocate_doubles(&values, 2 * report->clips);

    if (st < 0)
        return st;
    for (size_t c = 0; c < report->clips; c++) {
        values[c] = report->model_stats[c * MCVDI_NUM_STATS + (size_t)stat];
        values[report->clips + c] = report->real_stats[c * MCVDI_NUM_STATS + (size_t)stat];
    }
    *model = mcvd_summarize(values, report->clips);
    *real = mcvd_summarize(values + report->clips, report->clips);
    mcvdi_free(values);
    return MCVD_OK;
}

/* The metric of frame f of a clip: of its best trajectory, or the mean over all. */
static double frame_value(const mcvd_eval_report *report, const mcvdi_eval_row *row,
                          mcvd_metric metric, size_t at[2], const double *best_of)
{
    const size_t clip = at[0];
    const size_t frame = at[1];
    double sum = 0.0;

    if (best_of) {
        const double *v = best_of + clip * row->trajectories;
        const size_t k =
            mcvd_best_index(v, row->trajectories, mcvd_metric_higher_is_better(metric));
        return frames_of(report, row, clip, k)[frame].value[metric];
    }
    for (size_t k = 0; k < row->trajectories; k++)
        sum += frames_of(report, row, clip, k)[frame].value[metric];
    return sum / (double)row->trajectories;
}

mcvd_status mcvdi_eval_row_curve(const mcvd_eval_report *report, const mcvdi_eval_row *row,
                                 mcvd_metric metric, mcvd_over_k over, double *curve)
{
    const size_t clips = report->clips;
    double *values;

    const mcvd_status st = allocate_doubles(&values, clips * (row->trajectories + 1));
    if (st < 0)
        return st;
    double *per_clip = values + clips * row->trajectories;
    trajectory_values(report, row, metric, values);
    for (size_t f = 0; f < (size_t)report->protocol.frames; f++) {
        for (size_t c = 0; c < clips; c++)
            per_clip[c] = frame_value(report, row, metric, (size_t[2]) { c, f },
                                      over == MCVD_BEST_OF_K ? values : NULL);
        curve[f] = mcvd_summarize(per_clip, clips).mean;
    }
    mcvdi_free(values);
    return MCVD_OK;
}

static mcvd_status find_row(const mcvd_eval_report *report, const char *name, mcvd_metric metric,
                            const mcvdi_eval_row **row)
{
    for (size_t i = 0; i < report->num_rows; i++) {
        if (strcmp(report->rows[i].name, name) != 0)
            continue;
        if (!(report->metrics & MCVD_METRIC_BIT(metric)))
            return mcvdi_fail(MCVD_E_UNSUPPORTED, "the report has no %s", mcvd_metric_name(metric));
        *row = &report->rows[i];
        return MCVD_OK;
    }
    return mcvdi_fail(MCVD_E_UNSUPPORTED, "the report has no scores of '%s'", name);
}

mcvd_status mcvd_eval_report_score(const mcvd_eval_report *report, const char *row,
                                   mcvd_metric metric, mcvd_over_k over, mcvd_summary *summary)
{
    const mcvdi_eval_row *found;
    const mcvd_status st = find_row(report, row, metric, &found);

    return st < 0 ? st : mcvdi_eval_row_summary(report, found, metric, over, summary);
}

mcvd_status mcvd_eval_report_curve(const mcvd_eval_report *report, const char *row,
                                   mcvd_metric metric, mcvd_over_k over, double *curve)
{
    const mcvdi_eval_row *found;
    const mcvd_status st = find_row(report, row, metric, &found);

    return st < 0 ? st : mcvdi_eval_row_curve(report, found, metric, over, curve);
}

/* ---- texts and files ------------------------------------------------------------------------ */

typedef mcvd_status (*writer_fn)(const mcvd_eval_report *report, mcvdi_text *text);

static const writer_fn writers[] = {
    [MCVD_REPORT_TABLE] = mcvdi_eval_write_table,
    [MCVD_REPORT_MARKDOWN] = mcvdi_eval_write_markdown,
    [MCVD_REPORT_JSON] = mcvdi_eval_write_json,
    [MCVD_REPORT_CSV] = mcvdi_eval_write_csv,
};

mcvd_status mcvd_eval_report_text(const mcvd_eval_report *report, mcvd_report_format format,
                                  char **text)
{
    mcvdi_text built = { NULL, 0, 0, false };

    *text = NULL;
    const mcvdi_c_locale entered = mcvdi_c_locale_enter();
    mcvd_status st = writers[format](report, &built);
    mcvdi_c_locale_leave(entered);
    if (st >= 0 && built.failed)
        st = mcvdi_fail(MCVD_E_NOMEM, "report: its text");
    if (st < 0) {
        mcvdi_text_clear(&built);
        return st;
    }
    *text = built.data;
    return MCVD_OK;
}

mcvd_status mcvd_text_save(const char *path, const char *text, bool overwrite)
{
    return mcvdi_file_write(path, text, strlen(text), overwrite);
}

typedef struct report_file {
    const char *name;
    mcvd_report_format format;
} report_file;

/* scores.json comes last: where it is, the others are whole. */
static const report_file report_files[] = {
    { "per_clip.csv", MCVD_REPORT_CSV },
    { "table.md", MCVD_REPORT_MARKDOWN },
    { "scores.json", MCVD_REPORT_JSON },
};

enum { NUM_FILES = sizeof report_files / sizeof *report_files };

static mcvd_status save_file(const mcvd_eval_report *report, const char *folder,
                             const report_file *file, bool overwrite)
{
    char *path = mcvdi_sprintf("%s/%s", folder, file->name);
    char *text = NULL;

    if (!path)
        return mcvdi_fail(MCVD_E_NOMEM, "report: the path of %s", file->name);
    mcvd_status st = mcvd_eval_report_text(report, file->format, &text);
    if (st >= 0)
        st = mcvd_text_save(path, text, overwrite);
    mcvd_text_free(text);
    mcvdi_free(path);
    return st;
}

static mcvd_status refuse_existing(const char *folder)
{
    for (size_t i = NUM_FILES; i-- > 0;) {
        char *path = mcvdi_sprintf("%s/%s", folder, report_files[i].name);
        if (!path)
            return mcvdi_fail(MCVD_E_NOMEM, "report: the path of %s", report_files[i].name);
        const bool exists = mcvdi_path_exists(path);
        mcvdi_free(path);
        if (exists)
            return mcvdi_fail(MCVD_E_EXISTS, "%s/%s exists already", folder, report_files[i].name);
    }
    return MCVD_OK;
}

mcvd_status mcvd_eval_report_save(const mcvd_eval_report *report, const char *folder,
                                  bool overwrite)
{
    mcvd_status st = overwrite ? MCVD_OK : refuse_existing(folder);

    if (st >= 0)
        st = mcvdi_make_folders(folder);
    for (size_t i = 0; st >= 0 && i < NUM_FILES; i++)
        st = save_file(report, folder, &report_files[i], overwrite);
    return st;
}
