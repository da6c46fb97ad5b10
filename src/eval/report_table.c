/* The report for people: a table for a terminal, the same in Markdown, and all values as CSV. */
#include "eval/report.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "core/status.h"

enum { CELL = 64 };

static bool has(const mcvd_eval_report *report, int metric)
{
    return (report->metrics & MCVD_METRIC_BIT(metric)) != 0;
}

/* Columns from the most to the least asked for. */
static const mcvd_metric columns[MCVD_NUM_METRICS] = { MCVD_METRIC_PSNR, MCVD_METRIC_PSNR_FRAME,
                                                       MCVD_METRIC_SSIM, MCVD_METRIC_LPIPS,
                                                       MCVD_METRIC_MSE };

static void format_cell(char cell[CELL], const mcvd_summary *s, int digits)
{
    int used = isinf(s->mean) ? snprintf(cell, CELL, "inf")
                              : snprintf(cell, CELL, "%.*f", digits, s->mean);

    if (!isnan(s->conf95) && used < CELL)
        used += snprintf(cell + used, (size_t)(CELL - used), " +-%.*f", digits, s->conf95);
    if (s->infinite > 0 && s->count > 0 && used < CELL)
        snprintf(cell + used, (size_t)(CELL - used), " (%zu inf)", s->infinite);
}

/* What a table looks like; both kinds have the same cells. */
typedef struct table_style {
    const char *row_start;
    const char *separator;
    const char *row_end;
    const char *rule; /* under the header, one per column; NULL: none */
    int widths[3];    /* method, over, scores */
} table_style;

static const table_style plain_style = { "", "  ", "\n", NULL, { 27, 11, 17 } };
static const table_style markdown_style = { "| ", " | ", " |\n", "---", { 0, 0, 0 } };

static void end_row(const table_style *style, mcvdi_text *text)
{
    mcvdi_text_trim(text);
    mcvdi_text_add(text, "%s", style->row_end);
}

static void add_header(const mcvd_eval_report *report, const table_style *style, mcvdi_text *text)
{
    mcvdi_text_add(text, "%s%-*s%s%-*s", style->row_start, style->widths[0], "method",
                   style->separator, style->widths[1], "over");
    for (int i = 0; i < MCVD_NUM_METRICS; i++)
        if (has(report, (int)columns[i]))
            mcvdi_text_add(text, "%s%-*s", style->separator, style->widths[2],
                           mcvd_metric_name(columns[i]));
    end_row(style, text);
    if (!style->rule)
        return;
    mcvdi_text_add(text, "%s%s%s%s", style->row_start, style->rule, style->separator, style->rule);
    for (int i = 0; i < MCVD_NUM_METRICS; i++)
        if (has(report, (int)columns[i]))
            mcvdi_text_add(text, "%s%s:", style->separator, style->rule);
    end_row(style, text);
}

static mcvd_status add_line(const mcvd_eval_report *report, const mcvdi_eval_row *row,
                            mcvd_over_k over, const table_style *style, mcvdi_text *text)
{
    char label[CELL] = "-";

    if (row->trajectories > 1)
        snprintf(label, sizeof label, "%s of %zu", over == MCVD_BEST_OF_K ? "best" : "mean",
                 row->trajectories);
    mcvdi_text_add(text, "%s%-*s%s%-*s", style->row_start, style->widths[0], row->title,
                   style->separator, style->widths[1], label);
    for (int i = 0; i < MCVD_NUM_METRICS; i++) {
        char cell[CELL];
        mcvd_summary summary;

        if (!has(report, (int)columns[i]))
            continue;
        const mcvd_status st = mcvdi_eval_row_summary(report, row, columns[i], over, &summary);
        if (st < 0)
            return st;
        format_cell(cell, &summary, mcvd_metric_digits(columns[i]));
        mcvdi_text_add(text, "%s%-*s", style->separator, style->widths[2], cell);
    }
    end_row(style, text);
    return MCVD_OK;
}

static mcvd_status add_scores(const mcvd_eval_report *report, const table_style *style,
                              mcvdi_text *text)
{
    add_header(report, style, text);
    for (size_t i = 0; i < report->num_rows; i++) {
        const mcvdi_eval_row *row = &report->rows[i];
        mcvd_status st = add_line(report, row, MCVD_BEST_OF_K, style, text);
        if (st >= 0 && row->trajectories > 1)
            st = add_line(report, row, MCVD_MEAN_OF_K, style, text);
        if (st < 0)
            return st;
    }
    return MCVD_OK;
}

static void add_cells(const table_style *style, const char *name, const char *const cells[2],
                      mcvdi_text *text)
{
    mcvdi_text_add(text, "%s%-*s%s%-*s%s%-*s", style->row_start, style->widths[0], name,
                   style->separator, style->widths[2], cells[0], style->separator, style->widths[2],
                   cells[1]);
    end_row(style, text);
}

static mcvd_status add_statistics(const mcvd_eval_report *report, const table_style *style,
                                  mcvdi_text *text)
{
    add_cells(style, "statistic", (const char *const[2]) { "generated", "real" }, text);
    if (style->rule)
        add_cells(style, style->rule, (const char *const[2]) { "---:", "---:" }, text);
    for (int s = 0; s < MCVDI_NUM_STATS; s++) {
        char generated[CELL];
        char truth[CELL];
        mcvd_summary model;
        mcvd_summary real;

        const mcvd_status st = mcvdi_eval_stat_summaries(report, (mcvdi_stat)s, &model, &real);
        if (st < 0)
            return st;
        format_cell(generated, &model, 5);
        format_cell(truth, &real, 5);
        add_cells(style, mcvdi_stat_name((mcvdi_stat)s),
                  (const char *const[2]) { generated, truth }, text);
    }
    return MCVD_OK;
}

/* "smmnist: predict, 5 past -> 10 frames, 256 clips, 10 trajectories each, seed 0" */
static void add_title(const mcvd_eval_report *report, mcvdi_text *text)
{
    const mcvd_eval_protocol *p = &report->protocol;

    mcvdi_text_add(text, "%s: %s, %zu past + %zu future -> %d frames of %dx%dx%d, %zu clips",
                   p->name, p->task, mcvdi_eval_known_past(p), mcvdi_eval_known_future(p),
                   (int)p->frames, (int)p->image_size, (int)p->image_size, (int)p->channels,
                   report->clips);
    if (report->clips < (size_t)p->clips)
        mcvdi_text_add(text, " (of %d asked for)", (int)p->clips);
    mcvdi_text_add(text, ", %d %s per clip, seed %lld\n", (int)p->trajectories,
                   p->trajectories == 1 ? "trajectory" : "trajectories", (long long)p->seed);
}

static void add_notes(const mcvd_eval_report *report, const char *line_end, mcvdi_text *text)
{
    const cJSON *note;

    cJSON_ArrayForEach(note, report->notes)
        mcvdi_text_add(text, "%s: %s%s", note->string, note->valuestring, line_end);
}

static void add_missing(const mcvd_eval_report *report, const char *line_end, mcvdi_text *text)
{
    const size_t past = mcvdi_eval_known_past(&report->protocol);
    const size_t future = mcvdi_eval_known_future(&report->protocol);

    for (int b = 0; b < MCVD_NUM_BASELINES; b++) {
        const char *why = mcvd_baseline_missing((mcvd_baseline)b, past, future);
        if (why)
            mcvdi_text_add(text, "not available: %s (%s)%s",
                           mcvd_baseline_title((mcvd_baseline)b, past, future), why, line_end);
    }
}

static void add_definitions(const mcvd_eval_report *report, const char *line_end, mcvdi_text *text)
{
    mcvdi_text_add(text, "mean over clips +- half-width of its 95 %% interval%s", line_end);
    if (!report->scored)
        return;
    mcvdi_text_add(text,
                   "psnr: dB, from the mean square error of a whole trajectory;"
                   " psnr_frame_mean: mean of the frames' own PSNR%s",
                   line_end);
    if (has(report, MCVD_METRIC_SSIM))
        mcvdi_text_add(text, "ssim: gray 8-bit frames%s, Gaussian window 11x11%s",
                       report->protocol.binarise ? " of pixels rounded to 0 or 1" : "", line_end);
    mcvdi_text_add(text, "best: each metric takes its own best trajectory of a clip%s", line_end);
}

/* ---- the distance between videos, published rows, the card ------------------------------------
 */

static void add_distance(const mcvd_eval_report *report, const char *line_end, mcvdi_text *text)
{
    const mcvd_eval_distance *d = &report->distance;

    if (!d->name || d->missing)
        return;
    mcvdi_text_add(text, "%s: %.4f, all %zu predicted videos", d->name, d->all,
                   d->clips * (size_t)report->protocol.trajectories);
    if (report->protocol.trajectories > 1)
        mcvdi_text_add(text, "; per trajectory %.4f +- %.4f (deviation %.4f)", d->traj_mean,
                       d->traj_conf95, d->traj_std);
    if (!isnan(d->precision))
        mcvdi_text_add(text, "; precision %.4f, recall %.4f", d->precision, d->recall);
    mcvdi_text_add(text, "%s", line_end);
}

/* ---- beside published rows ------------------------------------------------------------------ */

enum { PUBLISHED_FIGURES = 4 };

typedef struct published_line {
    const char *method;
    int trained;
    const char *figures[PUBLISHED_FIGURES]; /* fvd, psnr, ssim, lpips; NULL: none */
    const char *origin;
} published_line;

static void add_published_line(const published_line *line, const table_style *style,
                               mcvdi_text *text)
{
    const bool padded = style->widths[0] > 0;
    char trained[16] = "-";

    if (line->trained)
        snprintf(trained, sizeof trained, "%d", line->trained);
    mcvdi_text_add(text, "%s%-*s%s%-*s", style->row_start, padded ? 29 : 0, line->method,
                   style->separator, padded ? 10 : 0, trained);
    for (int i = 0; i < PUBLISHED_FIGURES; i++)
        mcvdi_text_add(text, "%s%-*s", style->separator, padded ? 13 : 0,
                       line->figures[i] ? line->figures[i] : "-");
    mcvdi_text_add(text, "%s%s", style->separator, line->origin);
    end_row(style, text);
}

static void add_published_header(const table_style *style, mcvdi_text *text)
{
    static const char *const heads[] = { "fvd", "psnr", "ssim", "lpips" };
    const bool padded = style->widths[0] > 0;

    mcvdi_text_add(text, "%s%-*s%s%-*s", style->row_start, padded ? 29 : 0, "beside published rows",
                   style->separator, padded ? 10 : 0, "trained on");
    for (int i = 0; i < PUBLISHED_FIGURES; i++)
        mcvdi_text_add(text, "%s%-*s", style->separator, padded ? 13 : 0, heads[i]);
    mcvdi_text_add(text, "%sorigin", style->separator);
    end_row(style, text);
    if (!style->rule)
        return;
    for (int i = 0; i < PUBLISHED_FIGURES + 3; i++)
        mcvdi_text_add(text, "%s%s%s", i ? style->separator : style->row_start, style->rule,
                       i && i < PUBLISHED_FIGURES + 2 ? ":" : "");
    end_row(style, text);
}

/* The figures that published rows have: FVD as the mean over trajectories, best of K for frames. */
static mcvd_status add_own_line(const mcvd_eval_report *report, const table_style *style,
                                mcvdi_text *text)
{
    static const mcvd_metric metrics[] = { MCVD_METRIC_PSNR, MCVD_METRIC_SSIM, MCVD_METRIC_LPIPS };
    const mcvd_eval_distance *d = &report->distance;
    char cells[PUBLISHED_FIGURES][CELL];
    published_line line = { "this run", report->trained, { NULL }, "measured here" };

    if (d->name && !d->missing && strcmp(d->name, "fvd") == 0) {
        snprintf(cells[0], CELL, "%.2f", d->traj_mean);
        line.figures[0] = cells[0];
    }
    for (int i = 0; report->scored && i < PUBLISHED_FIGURES - 1; i++) {
        mcvd_summary s;
        if (!has(report, (int)metrics[i]))
            continue;
        const mcvd_status st =
            mcvdi_eval_row_summary(report, &report->rows[0], metrics[i], MCVD_BEST_OF_K, &s);
        if (st < 0)
            return st;
        snprintf(cells[i + 1], CELL, "%.*f", mcvd_metric_digits(metrics[i]), s.mean);
        line.figures[i + 1] = cells[i + 1];
    }
    add_published_line(&line, style, text);
    return MCVD_OK;
}

/* Our row and those of others, each with its origin, so that nobody takes theirs for ours. */
static mcvd_status add_published(const mcvd_eval_report *report, const table_style *style,
                                 mcvdi_text *text)
{
    if (!report->num_published)
        return MCVD_OK;
    add_published_header(style, text);
    const mcvd_status st = add_own_line(report, style, text);
    for (size_t i = 0; i < report->num_published; i++) {
        const mcvd_eval_published *p = &report->published[i];
        const published_line line = { p->method,
                                      p->trained,
                                      { p->fvd, p->psnr, p->ssim, p->lpips },
                                      "published, not measured here" };
        add_published_line(&line, style, text);
    }
    mcvdi_text_add(text, "\nsource of the published rows: %s\n\n", report->published[0].source);
    return st;
}

typedef struct card_target {
    mcvdi_text *text;
    const char *line_end;
} card_target;

static void add_card_line(void *user, const char *name, const char *line)
{
    const card_target *t = user;

    mcvdi_text_add(t->text, "card, %s: %s%s", name, line, t->line_end);
}

static void add_card(const mcvd_eval_report *report, const char *line_end, mcvdi_text *text)
{
    card_target target = { text, line_end };

    mcvdi_eval_card(report, add_card_line, &target);
}

/* ---- the curve over the horizon -------------------------------------------------------------- */

enum { CURVE_WIDTH = 12, MAX_CURVES = 2 * MCVDI_EVAL_MAX_ROWS };

/* One column: a method, its best or mean trajectory, and its values by frame. */
typedef struct curve_column {
    char label[CELL];
    double *values; /* [frames] */
} curve_column;

static mcvd_status fill_column(const mcvd_eval_report *report, const mcvdi_eval_row *row,
                               mcvd_over_k over, curve_column *column)
{
    if (row->trajectories > 1)
        snprintf(column->label, CELL, "%s %s", row->name, over == MCVD_BEST_OF_K ? "best" : "mean");
    else
        snprintf(column->label, CELL, "%s", row->name);
    column->values = mcvdi_malloc((size_t)report->protocol.frames * sizeof *column->values);
    if (!column->values)
        return mcvdi_fail(MCVD_E_NOMEM, "report: a curve");
    return mcvdi_eval_row_curve(report, row, MCVD_METRIC_PSNR, over, column->values);
}

static void add_curve_lines(const mcvd_eval_report *report, const curve_column *columns_of,
                            size_t count, const table_style *style, mcvdi_text *text)
{
    const int width = style->widths[2] ? CURVE_WIDTH : 0;

    mcvdi_text_add(text, "%s%-*s", style->row_start, width, "psnr of frame");
    for (size_t i = 0; i < count; i++)
        mcvdi_text_add(text, "%s%*s", style->separator, width, columns_of[i].label);
    end_row(style, text);
    if (style->rule) {
        mcvdi_text_add(text, "%s%s", style->row_start, style->rule);
        for (size_t i = 0; i < count; i++)
            mcvdi_text_add(text, "%s%s:", style->separator, style->rule);
        end_row(style, text);
    }
    for (size_t f = 0; f < (size_t)report->protocol.frames; f++) {
        mcvdi_text_add(text, "%s%-*zu", style->row_start, width ? CURVE_WIDTH + 1 : 0, f + 1);
        for (size_t i = 0; i < count; i++)
            mcvdi_text_add(text, "%s%*.*f", style->separator, width,
                           mcvd_metric_digits(MCVD_METRIC_PSNR), columns_of[i].values[f]);
        end_row(style, text);
    }
}

/* PSNR of every predicted frame, mean over clips. */
static mcvd_status add_curves(const mcvd_eval_report *report, const table_style *style,
                              mcvdi_text *text)
{
    curve_column found[MAX_CURVES];
    size_t count = 0;
    mcvd_status st = MCVD_OK;

    memset(found, 0, sizeof found);
    for (size_t i = 0; st >= 0 && i < report->num_rows; i++)
        for (int over = 0; st >= 0 && over < MCVD_NUM_OVER_K; over++)
            if (over == MCVD_BEST_OF_K || report->rows[i].trajectories > 1)
                st = fill_column(report, &report->rows[i], (mcvd_over_k)over, &found[count++]);
    if (st >= 0)
        add_curve_lines(report, found, count, style, text);
    for (size_t i = 0; i < count; i++)
        mcvdi_free(found[i].values);
    return st;
}

static mcvd_status add_body(const mcvd_eval_report *report, const table_style *style,
                            mcvdi_text *text)
{
    mcvdi_text_add(text, "\n");
    if (report->scored) {
        mcvd_status st = add_scores(report, style, text);
        mcvdi_text_add(text, "\n");
        if (st >= 0)
            st = add_curves(report, style, text);
        if (st < 0)
            return st;
    } else {
        const mcvd_status st = add_statistics(report, style, text);
        if (st < 0)
            return st;
    }
    mcvdi_text_add(text, "\n");
    return MCVD_OK;
}

mcvd_status mcvdi_eval_write_table(const mcvd_eval_report *report, mcvdi_text *text)
{
    add_title(report, text);
    add_notes(report, "\n", text);
    mcvd_status st = add_body(report, &plain_style, text);
    if (st < 0)
        return st;
    add_distance(report, "\n\n", text);
    st = add_published(report, &plain_style, text);
    if (report->scored)
        add_missing(report, "\n", text);
    add_definitions(report, "\n", text);
    add_card(report, "\n", text);
    return st;
}

mcvd_status mcvdi_eval_write_markdown(const mcvd_eval_report *report, mcvdi_text *text)
{
    mcvdi_text_add(text, "## %s\n\n", report->protocol.name);
    add_title(report, text);
    mcvdi_text_add(text, "\n");
    add_notes(report, "  \n", text);
    mcvd_status st = add_body(report, &markdown_style, text);
    if (st < 0)
        return st;
    add_distance(report, "\n\n", text);
    st = add_published(report, &markdown_style, text);
    if (report->scored)
        add_missing(report, "  \n", text);
    add_definitions(report, "  \n", text);
    add_card(report, "  \n", text);
    return st;
}

/* ---- CSV ------------------------------------------------------------------------------------ */

static void add_value(mcvdi_text *text, double value)
{
    if (isnan(value))
        mcvdi_text_add(text, ",");
    else
        mcvdi_text_add(text, ",%.17g", value);
}

static void add_csv_scores(const mcvd_eval_report *report, mcvdi_text *text)
{
    const size_t frames = (size_t)report->protocol.frames;

    mcvdi_text_add(text, "method,clip,trajectory");
    for (int m = 0; m < MCVD_NUM_METRICS; m++)
        mcvdi_text_add(text, ",%s", mcvd_metric_name((mcvd_metric)m));
    mcvdi_text_add(text, "\n");
    for (size_t i = 0; i < report->num_rows; i++) {
        const mcvdi_eval_row *row = &report->rows[i];
        for (size_t t = 0; t < report->clips * row->trajectories; t++) {
            const mcvd_scores s = mcvd_scores_of_frames(row->frames + t * frames, frames);
            mcvdi_text_add(text, "%s,%zu,%zu", row->name, t / row->trajectories,
                           t % row->trajectories);
            for (int m = 0; m < MCVD_NUM_METRICS; m++)
                add_value(text, s.value[m]);
            mcvdi_text_add(text, "\n");
        }
    }
}

static void add_csv_statistics(const mcvd_eval_report *report, mcvdi_text *text)
{
    const double *const stats[2] = { report->model_stats, report->real_stats };

    mcvdi_text_add(text, "kind,clip");
    for (int s = 0; s < MCVDI_NUM_STATS; s++)
        mcvdi_text_add(text, ",%s", mcvdi_stat_name((mcvdi_stat)s));
    mcvdi_text_add(text, "\n");
    for (int kind = 0; kind < 2; kind++)
        for (size_t c = 0; c < report->clips; c++) {
            mcvdi_text_add(text, "%s,%zu", kind == 0 ? "generated" : "real", c);
            for (size_t s = 0; s < MCVDI_NUM_STATS; s++)
                add_value(text, stats[kind][c * MCVDI_NUM_STATS + s]);
            mcvdi_text_add(text, "\n");
        }
}

mcvd_status mcvdi_eval_write_csv(const mcvd_eval_report *report, mcvdi_text *text)
{
    if (report->scored)
        add_csv_scores(report, text);
    else
        add_csv_statistics(report, text);
    return MCVD_OK;
}
