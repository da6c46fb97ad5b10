#include "cli/metrics_output.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/fail.h"
#include "cli/json_text.h"
#include "cli/printable.h"

/* From the most to the least asked for. */
static const mcvd_metric columns[MCVD_NUM_METRICS] = { MCVD_METRIC_PSNR, MCVD_METRIC_PSNR_FRAME,
                                                       MCVD_METRIC_SSIM, MCVD_METRIC_LPIPS,
                                                       MCVD_METRIC_MSE };

static bool has(const metrics_output *o, mcvd_metric metric)
{
    return (o->config.metrics & MCVD_METRIC_BIT(metric)) != 0;
}

static bool has_column(const metrics_output *o, mcvd_metric metric)
{
    return (o->columns & MCVD_METRIC_BIT(metric)) != 0;
}

static bool has_set(const metrics_output *o, int metric)
{
    return (o->networks.sets & MCVD_METRIC_BIT(metric)) != 0;
}

/* ---- JSON ------------------------------------------------------------------------------------ */

/* ,"<name><suffix>": and the number; null where it is not finite. */
static void json_number(FILE *stream, const char *name, const char *suffix, double value)
{
    fprintf(stream, ",\"%s%s\":", name, suffix);
    if (isfinite(value))
        fprintf(stream, "%.17g", value);
    else
        fputs("null", stream);
}

static void json_text(FILE *stream, const char *before, const char *text)
{
    fputs(before, stream);
    mcvdi_json_string(stream, text);
}

/* Without the closing brace: the card follows where this is the only pair. */
static void json_pair(const metrics_output *o, const mcvd_compare_result *r)
{
    json_text(o->stream, "{\"name\":", r->name);
    json_text(o->stream, ",\"reference\":", r->reference);
    json_text(o->stream, ",\"test\":", r->test);
    fprintf(o->stream, ",\"frames\":%zu,\"identical_frames\":%zu", r->frames, r->identical_frames);
    fprintf(o->stream, ",\"width\":%d,\"height\":%d,\"channels\":%d", r->width, r->height,
            r->channels);
    for (int i = 0; i < MCVD_NUM_METRICS; i++)
        if (has(o, columns[i]) && !isnan(r->scores.value[columns[i]]))
            json_number(o->stream, mcvd_metric_name(columns[i]), "", r->scores.value[columns[i]]);
}

static void json_summary(const metrics_output *o, const mcvd_summary *s)
{
    fprintf(o->stream, "{\"summary\":true,\"videos\":%zu", o->counts.videos[1]);
    for (int i = 0; i < MCVD_NUM_METRICS; i++) {
        const char *name = mcvd_metric_name(columns[i]);
        const mcvd_summary *of = &s[columns[i]];
        if (!has(o, columns[i]))
            continue;
        json_number(o->stream, name, "", of->mean);
        json_number(o->stream, name, "_std", of->std);
        json_number(o->stream, name, "_conf95", of->conf95);
        if (of->infinite > 0)
            fprintf(o->stream, ",\"%s_infinite\":%zu", name, of->infinite);
    }
}

typedef struct card_line {
    FILE *stream;
    const char *before;
} card_line;

static void json_card_entry(void *user, const char *key, const char *text, bool is_number)
{
    card_line *line = user;

    fprintf(line->stream, "%s\"%s\":", line->before, key);
    if (is_number)
        fputs(text, line->stream);
    else
        mcvdi_json_string(line->stream, text);
    line->before = ",";
}

/* Distances between the sets, card, what is missing; closes the object. */
static void json_end(const metrics_output *o)
{
    card_line line = { o->stream, "" };

    for (int m = 0; m < MCVD_NUM_SET_METRICS; m++)
        if (has_set(o, m))
            json_number(o->stream, mcvd_set_metric_name((mcvd_set_metric)m), "", o->sets[m]);
    fputs(",\"card\":{", o->stream);
    mcvdi_metrics_card(&o->networks, &o->config, &o->counts, json_card_entry, &line);
    fputc('}', o->stream);
    for (size_t i = 0; i < o->networks.num_missing; i++) {
        fprintf(o->stream, "%s\"%s\":", i ? "," : ",\"missing\":{", o->networks.missing[i].name);
        mcvdi_json_string(o->stream, o->networks.missing[i].why);
    }
    fputs(o->networks.num_missing ? "}}\n" : "}\n", o->stream);
}

/* ---- table ----------------------------------------------------------------------------------- */

static void table_number(FILE *stream, int digits, double value)
{
    if (!isfinite(value))
        fprintf(stream, "  %15s", isinf(value) ? "inf" : "-");
    else
        fprintf(stream, "  %15.*f", digits, value);
}

static void table_header(const metrics_output *o)
{
    fprintf(o->stream, "%-24s  %7s", "video", "frames");
    for (int i = 0; i < MCVD_NUM_METRICS; i++)
        if (has_column(o, columns[i]))
            fprintf(o->stream, "  %15s", mcvd_metric_name(columns[i]));
    fputc('\n', o->stream);
}

static void table_pair(const metrics_output *o, const mcvd_compare_result *r)
{
    if (o->pairs == 0)
        table_header(o);
    mcvdi_put_printable(o->stream, r->name, 24);
    fprintf(o->stream, "  %7zu", r->frames);
    for (int i = 0; i < MCVD_NUM_METRICS; i++)
        if (has_column(o, columns[i]))
            table_number(o->stream, mcvd_metric_digits(columns[i]), r->scores.value[columns[i]]);
    fputc('\n', o->stream);
}

static void table_half_width(const metrics_output *o, mcvd_metric metric, const mcvd_summary *s)
{
    char text[64] = "-";

    if (has(o, metric) && isfinite(s->conf95))
        snprintf(text, sizeof text, "+-%.*f", mcvd_metric_digits(metric), s->conf95);
    fprintf(o->stream, "  %15s", text);
}

/* The mean line and the half-width line. */
static void table_summary(const metrics_output *o, const mcvd_summary *s)
{
    fprintf(o->stream, "%-24s  %7zu", "mean of videos", o->pairs);
    for (int i = 0; i < MCVD_NUM_METRICS; i++)
        if (has_column(o, columns[i]))
            table_number(o->stream, mcvd_metric_digits(columns[i]),
                         has(o, columns[i]) ? s[columns[i]].mean : NAN);
    fprintf(o->stream, "\n%-24s  %7s", "95 % half-width", "");
    for (int i = 0; i < MCVD_NUM_METRICS; i++)
        if (has_column(o, columns[i]))
            table_half_width(o, columns[i], &s[columns[i]]);
    fputc('\n', o->stream);
    if (s[MCVD_METRIC_PSNR].infinite > 0)
        fprintf(o->stream, "identical videos, left out of the mean psnr: %zu\n",
                s[MCVD_METRIC_PSNR].infinite);
}

static void table_card_entry(void *user, const char *key, const char *text, bool is_number)
{
    const card_line *line = user;

    (void)is_number;
    fprintf(line->stream, "card, %s: %s\n", key, text);
}

static void table_end(const metrics_output *o)
{
    card_line line = { o->stream, "" };

    for (int m = 0; m < MCVD_NUM_SET_METRICS; m++)
        if (has_set(o, m)) {
            fprintf(o->stream, "%-24s  %7zu", mcvd_set_metric_name((mcvd_set_metric)m),
                    o->counts.videos[1]);
            table_number(o->stream, mcvd_set_metric_digits((mcvd_set_metric)m), o->sets[m]);
            fputc('\n', o->stream);
        }
    fputc('\n', o->stream);
    mcvdi_metrics_card(&o->networks, &o->config, &o->counts, table_card_entry, &line);
}

/* ---- both ------------------------------------------------------------------------------------ */

static void count(metrics_counts *c, const mcvd_compare_result *r)
{
    const char *const paths[2] = { r->reference, r->test };

    if (c->videos[0] + c->videos[1] == 0 || r->frames < c->least_frames)
        c->least_frames = r->frames;
    if (r->frames > c->most_frames)
        c->most_frames = r->frames;
    for (int side = 0; side < 2; side++)
        if (paths[side]) {
            c->videos[side]++;
            c->frames[side] += r->frames;
        }
}

static mcvd_status keep_values(metrics_output *o, const double *values)
{
    if (o->pairs == o->capacity) {
        const size_t capacity = o->capacity ? 2 * o->capacity : 16;
        double *grown = realloc(o->values, capacity * MCVD_NUM_METRICS * sizeof *grown);
        if (!grown)
            return mcvdi_cli_fail(MCVD_E_NOMEM, "metrics: out of memory");
        o->values = grown;
        o->capacity = capacity;
    }
    memcpy(o->values + o->pairs * MCVD_NUM_METRICS, values, MCVD_NUM_METRICS * sizeof *values);
    return MCVD_OK;
}

mcvd_status mcvdi_metrics_output_add(metrics_output *o, const mcvd_compare_result *result)
{
    count(&o->counts, result);
    if (!result->reference || !result->test)
        return MCVD_OK;
    const mcvd_status st = keep_values(o, result->scores.value);
    if (st < 0)
        return st;
    if (o->pairs == 0)
        o->columns = o->config.metrics;
    if (has(o, MCVD_METRIC_SSIM) && isnan(result->scores.value[MCVD_METRIC_SSIM]))
        o->without_ssim++;
    if (o->json)
        json_pair(o, result);
    else if (o->columns)
        table_pair(o, result);
    if (o->json && o->several)
        fputs("}\n", o->stream);
    o->pairs++;
    return MCVD_OK;
}

static mcvd_status summarize(const metrics_output *o, mcvd_summary s[MCVD_NUM_METRICS])
{
    double *column = malloc((o->pairs + 1) * sizeof *column);

    if (!column)
        return mcvdi_cli_fail(MCVD_E_NOMEM, "metrics: out of memory");
    for (size_t m = 0; m < MCVD_NUM_METRICS; m++) {
        for (size_t i = 0; i < o->pairs; i++)
            column[i] = o->values[i * MCVD_NUM_METRICS + m];
        s[m] = mcvd_summarize(column, o->pairs);
    }
    free(column);
    return MCVD_OK;
}

/* A mean over some of the videos would compare with nothing. */
static void leave_out_ssim(metrics_output *o)
{
    char why[METRICS_WHY];

    if (o->without_ssim == 0)
        return;
    snprintf(why, sizeof why, "ssim: frames smaller than its window of 11x11 in %zu of %zu videos",
             o->without_ssim, o->pairs);
    mcvdi_metrics_leave_out(&o->networks, mcvd_metric_name(MCVD_METRIC_SSIM), why);
    o->config.metrics &= ~MCVD_METRIC_BIT(MCVD_METRIC_SSIM);
}

mcvd_status mcvdi_metrics_output_finish(metrics_output *o)
{
    mcvd_summary s[MCVD_NUM_METRICS];

    leave_out_ssim(o);
    const mcvd_status st = summarize(o, s);

    if (st < 0)
        return st;
    if (o->json && o->several)
        json_summary(o, s);
    if (!o->json && o->columns && o->pairs > 1)
        table_summary(o, s);
    if (o->json)
        json_end(o);
    else
        table_end(o);
    mcvdi_metrics_warn(&o->networks, &o->counts);
    return MCVD_OK;
}
