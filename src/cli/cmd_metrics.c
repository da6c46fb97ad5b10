#include "cli/cmd.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mcvd/metrics.h>

#include "cli/fail.h"
#include "cli/metrics_networks.h"
#include "cli/parse.h"
#include "cli/signals.h"

typedef struct metrics_args {
    const char *reference;
    const char *test;
    const char *metrics;
    const char *features;
    const char *size;
    int64_t frames;
    const char *out;
    bool gray;
    bool binarise;
    bool json;
    bool force;
} metrics_args;

#define FIELD(field) .offset = offsetof(metrics_args, field)

static const mcvdi_arg args[] = {
    { .name = "REFERENCE",
      .type = MCVDI_ARG_TEXT,
      .required = true,
      .help = "the true video, or a folder of videos or pictures",
      FIELD(reference) },
    { .name = "TEST",
      .type = MCVDI_ARG_TEXT,
      .required = true,
      .help = "the video to judge, or a folder of the same names",
      FIELD(test) },
    { .name = "--metrics",
      .short_name = "-m",
      .type = MCVDI_ARG_TEXT,
      .value = "LIST",
      .help = "of psnr, ssim, mse, lpips, fvd, fvd-proxy, fid-alexnet, precision, recall; without "
              "it everything that can be computed",
      FIELD(metrics) },
    { .name = "--features",
      .type = MCVDI_ARG_TEXT,
      .value = "DIR",
      .help = "folder of i3d.safetensors and alexnet.safetensors ($MCVD_FEATURES)",
      FIELD(features) },
    { .name = "--size",
      .type = MCVDI_ARG_TEXT,
      .value = "native|N",
      .fallback = "native",
      .help = "compare centre crops of N x N pixels",
      FIELD(size) },
    { .name = "--frames",
      .short_name = "-n",
      .type = MCVDI_ARG_INT,
      .value = "N",
      .min = 1,
      .max = 1e9,
      .help = "compare the first N frames; without it both must have as many",
      FIELD(frames) },
    { .name = "--gray",
      .type = MCVDI_ARG_FLAG,
      .help = "compare luma instead of RGB",
      FIELD(gray) },
    { .name = "--binarise",
      .type = MCVDI_ARG_FLAG,
      .help = "SSIM of pixels rounded to 0 or 1, as published for moving digits",
      FIELD(binarise) },
    { .name = "--json",
      .type = MCVDI_ARG_FLAG,
      .help = "one JSON object per line: each pair, then the summary of several",
      FIELD(json) },
    { .name = "--out",
      .short_name = "-o",
      .type = MCVDI_ARG_TEXT,
      .value = "FILE",
      .help = "write there instead of stdout",
      FIELD(out) },
    { .name = "--force", .type = MCVDI_ARG_FLAG, .help = "replace an existing FILE", FIELD(force) },
};

static const mcvdi_arg_table table = {
    "metrics",
    "Scores of a video against the true one, or of two folders of videos matched by name.\n"
    "psnr comes from the mean square error over all frames, psnr_frame_mean is the mean of the\n"
    "frames' own PSNR; identical frames have an infinite PSNR (null in JSON). Peak 1, 8-bit RGB.\n"
    "lpips needs AlexNet and fvd I3D: mcvd import makes their files. fvd, fid-alexnet (which is "
    "not\n"
    "FID), precision and recall compare the two folders as sets; fvd-proxy is a stand-in without\n"
    "weights to fetch, and never FVD.",
    args,
    sizeof args / sizeof args[0],
    "  mcvd metrics truth.mp4 predicted.mp4\n"
    "  mcvd metrics truth/ predicted/ --json --size 64",
};

/* From the most to the least asked for. */
static const mcvd_metric columns[MCVD_NUM_METRICS] = { MCVD_METRIC_PSNR, MCVD_METRIC_PSNR_FRAME,
                                                       MCVD_METRIC_SSIM, MCVD_METRIC_LPIPS,
                                                       MCVD_METRIC_MSE };

typedef struct output {
    FILE *stream;
    unsigned metrics;
    bool json;
    size_t videos;
    size_t capacity;
    double *values; /* [videos, MCVD_NUM_METRICS] */
    metrics_networks networks;
    mcvd_set_collector *collector;
    metrics_counts counts;
    double sets[MCVD_NUM_SET_METRICS];
} output;

static bool has(const output *o, mcvd_metric metric)
{
    return (o->metrics & MCVD_METRIC_BIT(metric)) != 0;
}

/* ---- writing --------------------------------------------------------------------------------- */

static void write_json_text(FILE *stream, const char *text)
{
    fputc('"', stream);
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        if (*c == '"' || *c == '\\')
            fprintf(stream, "\\%c", *c);
        else if (*c < 0x20)
            fprintf(stream, "\\u%04x", *c);
        else
            fputc(*c, stream);
    }
    fputc('"', stream);
}

static void write_json_number(FILE *stream, const char *key, double value)
{
    fprintf(stream, ",\"%s\":", key);
    if (isfinite(value))
        fprintf(stream, "%.17g", value);
    else
        fputs("null", stream);
}

static void write_json_result(const output *o, const mcvd_compare_result *r)
{
    fputs("{\"name\":", o->stream);
    write_json_text(o->stream, r->name);
    fputs(",\"reference\":", o->stream);
    write_json_text(o->stream, r->reference);
    fputs(",\"test\":", o->stream);
    write_json_text(o->stream, r->test);
    fprintf(o->stream, ",\"frames\":%zu,\"identical_frames\":%zu", r->frames, r->identical_frames);
    fprintf(o->stream, ",\"width\":%d,\"height\":%d,\"channels\":%d", r->width, r->height,
            r->channels);
    for (int i = 0; i < MCVD_NUM_METRICS; i++)
        if (has(o, columns[i]))
            write_json_number(o->stream, mcvd_metric_name(columns[i]), r->scores.value[columns[i]]);
    fputs("}\n", o->stream);
}

static void write_number(FILE *stream, int width, int digits, double value)
{
    if (isinf(value))
        fprintf(stream, "  %*s", width, "inf");
    else
        fprintf(stream, "  %*.*f", width, digits, value);
}

static void write_header(const output *o)
{
    fprintf(o->stream, "%-24s  %7s", "video", "frames");
    for (int i = 0; i < MCVD_NUM_METRICS; i++)
        if (has(o, columns[i]))
            fprintf(o->stream, "  %15s", mcvd_metric_name(columns[i]));
    fputc('\n', o->stream);
}

static void write_row(const output *o, const mcvd_compare_result *r)
{
    if (o->videos == 0)
        write_header(o);
    fprintf(o->stream, "%-24s  %7zu", r->name, r->frames);
    for (int i = 0; i < MCVD_NUM_METRICS; i++)
        if (has(o, columns[i]))
            write_number(o->stream, 15, mcvd_metric_digits(columns[i]),
                         r->scores.value[columns[i]]);
    fputc('\n', o->stream);
}

/* ---- the summary of several videos ----------------------------------------------------------- */

static mcvd_status summarize(const output *o, mcvd_metric metric, mcvd_summary *summary)
{
    double *column = malloc(o->videos * sizeof *column);

    if (!column)
        return mcvdi_cli_fail(MCVD_E_NOMEM, "metrics: out of memory");
    for (size_t i = 0; i < o->videos; i++)
        column[i] = o->values[i * MCVD_NUM_METRICS + (size_t)metric];
    *summary = mcvd_summarize(column, o->videos);
    free(column);
    return MCVD_OK;
}

static void write_json_summary(const output *o, const char *name, const mcvd_summary *s)
{
    fprintf(o->stream, ",\"%s\":{\"count\":%zu,\"infinite\":%zu", name, s->count, s->infinite);
    write_json_number(o->stream, "mean", s->mean);
    write_json_number(o->stream, "std", s->std);
    write_json_number(o->stream, "conf95", s->conf95);
    fputc('}', o->stream);
}

static void write_half_width(const output *o, mcvd_metric metric, const mcvd_summary *s)
{
    char text[64] = "-";

    if (isfinite(s->conf95))
        snprintf(text, sizeof text, "+-%.*f", mcvd_metric_digits(metric), s->conf95);
    fprintf(o->stream, "  %15s", text);
}

static void write_json_sets(const output *o)
{
    for (int m = 0; m < MCVD_NUM_SET_METRICS; m++)
        if (o->networks.sets & MCVD_METRIC_BIT(m))
            write_json_number(o->stream, mcvd_set_metric_name((mcvd_set_metric)m), o->sets[m]);
    mcvdi_metrics_networks_json(&o->networks, &o->counts, o->stream);
}

static void write_json_lines(const output *o, const mcvd_summary *s)
{
    fprintf(o->stream, "{\"summary\":true,\"videos\":%zu", o->videos);
    for (int i = 0; i < MCVD_NUM_METRICS; i++)
        if (has(o, columns[i]))
            write_json_summary(o, mcvd_metric_name(columns[i]), &s[columns[i]]);
    write_json_sets(o);
    fputs("}\n", o->stream);
}

static void write_sets(const output *o)
{
    for (int m = 0; m < MCVD_NUM_SET_METRICS; m++)
        if (o->networks.sets & MCVD_METRIC_BIT(m)) {
            fprintf(o->stream, "%-24s  %7zu", mcvd_set_metric_name((mcvd_set_metric)m), o->videos);
            write_number(o->stream, 15, mcvd_set_metric_digits((mcvd_set_metric)m), o->sets[m]);
            fputc('\n', o->stream);
        }
}

/* The mean line, the half-width line, the distances between the sets. */
static void write_lines(const output *o, const mcvd_summary *s)
{
    fprintf(o->stream, "%-24s  %7zu", "mean of videos", o->videos);
    for (int i = 0; i < MCVD_NUM_METRICS; i++)
        if (has(o, columns[i]))
            write_number(o->stream, 15, mcvd_metric_digits(columns[i]), s[columns[i]].mean);
    fprintf(o->stream, "\n%-24s  %7s", "95 % half-width", "");
    for (int i = 0; i < MCVD_NUM_METRICS; i++)
        if (has(o, columns[i]))
            write_half_width(o, columns[i], &s[columns[i]]);
    fputc('\n', o->stream);
    if (s[MCVD_METRIC_PSNR].infinite > 0)
        fprintf(o->stream, "identical videos, left out of the mean psnr: %zu\n",
                s[MCVD_METRIC_PSNR].infinite);
    write_sets(o);
    mcvdi_metrics_networks_text(&o->networks, &o->counts, o->stream);
}

/* Of several videos, and in JSON wherever a network needs its card. */
static mcvd_status write_summary(output *o)
{
    mcvd_summary s[MCVD_NUM_METRICS];

    if (o->videos < 2 && o->networks.sets == 0 && !(o->json && o->networks.lpips))
        return MCVD_OK;
    for (int m = 0; m < MCVD_NUM_METRICS; m++) {
        const mcvd_status st = summarize(o, (mcvd_metric)m, &s[m]);
        if (st < 0)
            return st;
    }
    const mcvd_status st = mcvdi_metrics_networks_scores(&o->networks, o->collector, o->sets);
    if (st < 0)
        return st;
    if (o->json)
        write_json_lines(o, s);
    else
        write_lines(o, s);
    mcvdi_metrics_networks_warn(&o->networks, &o->counts);
    return MCVD_OK;
}

/* ---- running --------------------------------------------------------------------------------- */

static void count_frames(metrics_counts *c, size_t frames)
{
    c->least_frames = c->videos == 0 || frames < c->least_frames ? frames : c->least_frames;
    c->most_frames = frames > c->most_frames ? frames : c->most_frames;
    c->frames += frames;
    c->videos++;
}

static mcvd_status take_result(void *user, const mcvd_compare_result *result)
{
    output *o = user;

    if (*mcvdi_signals_flag())
        return mcvdi_cli_fail(MCVD_E_INTERRUPTED, "metrics: stopped after %zu videos", o->videos);
    if (o->videos == o->capacity) {
        const size_t capacity = o->capacity ? 2 * o->capacity : 16;
        double *values = realloc(o->values, capacity * MCVD_NUM_METRICS * sizeof *values);
        if (!values)
            return mcvdi_cli_fail(MCVD_E_NOMEM, "metrics: out of memory");
        o->values = values;
        o->capacity = capacity;
    }
    memcpy(o->values + o->videos * MCVD_NUM_METRICS, result->scores.value,
           sizeof result->scores.value);
    if (o->json)
        write_json_result(o, result);
    else
        write_row(o, result);
    o->videos++;
    count_frames(&o->counts, result->frames);
    return mcvd_set_collector_add(o->collector, result);
}

static mcvd_status read_size(const char *text, int *size)
{
    char *end = NULL;

    *size = 0;
    if (strcmp(text, "native") == 0)
        return MCVD_OK;
    const long value = strtol(text, &end, 10);
    if (end == text || *end || value < 1 || value > 16384)
        return mcvdi_cli_fail(MCVD_E_USAGE,
                              "metrics: --size: expected native or an integer in 1..16384, "
                              "found '%s'",
                              text);
    *size = (int)value;
    return MCVD_OK;
}

static mcvd_status read_config(const metrics_args *a, mcvd_compare_config *config)
{
    *config = mcvd_compare_config_default();
    config->frames = (size_t)a->frames;
    config->gray = a->gray;
    config->binarise = a->binarise;
    return read_size(a->size, &config->size);
}

static mcvd_status open_networks(const metrics_args *a, mcvd_compare_config *config, output *o)
{
    size_t pairs = 0;
    mcvd_status st = mcvd_compare_count(&pairs, a->reference, a->test);

    if (st >= 0)
        st = mcvdi_metrics_networks_open(&o->networks, config, a->metrics, a->features, pairs);
    if (st >= 0)
        st = mcvd_set_collector_create(&o->collector, o->networks.features);
    o->metrics = config->metrics;
    return st;
}

static mcvd_status compare(const metrics_args *a, const mcvd_compare_config *plain, FILE *stream)
{
    output o = { .stream = stream, .json = a->json };
    mcvd_compare_config config = *plain;

    mcvd_status st = open_networks(a, &config, &o);
    if (st >= 0)
        st = mcvd_compare(a->reference, a->test, &config, take_result, &o);
    if (st >= 0)
        st = write_summary(&o);
    mcvd_set_collector_free(&o.collector);
    mcvdi_metrics_networks_free(&o.networks);
    free(o.values);
    return st;
}

/* The whole text first, so that FILE is complete or absent. */
static mcvd_status compare_into_file(const metrics_args *a, const mcvd_compare_config *config)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *stream = open_memstream(&text, &bytes);

    if (!stream)
        return mcvdi_cli_fail(MCVD_E_NOMEM, "metrics: %s", strerror(errno));
    mcvd_status st = compare(a, config, stream);
    if (fclose(stream) != 0 && st >= 0)
        st = mcvdi_cli_fail(MCVD_E_NOMEM, "metrics: %s", strerror(errno));
    if (st >= 0)
        st = mcvd_text_save(a->out, text, a->force);
    free(text);
    return st;
}

mcvd_status mcvdi_cmd_metrics(int argc, char **argv)
{
    metrics_args a = { 0 };
    mcvd_compare_config config;
    mcvd_status st = mcvdi_args_parse(&table, argc, argv, &a);

    if (st != MCVD_OK)
        return st;
    st = read_config(&a, &config);
    if (st < 0)
        return st;
    return a.out ? compare_into_file(&a, &config) : compare(&a, &config, stdout);
}
